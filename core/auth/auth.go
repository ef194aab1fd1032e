// Package auth finds out who a client is. An Authenticator serves one realm:
// it takes what HELLO says, picks a method that both sides accept, challenges
// the client where the method needs it, and returns the Identity that the
// session then has. What an identity may do is package rbac's business.
//
// Each method (section "Authentication Methods") is one file with one type
// that implements the interface method. A method never tells whether a user
// exists: an unknown, disabled or password-less user is challenged like any
// other, costs the same work and gets the same refusal as a wrong secret. To
// that end a name without user takes after a user that its hash picks.
//
// Sources say who may use which method from where, a Guard slows down who
// guesses, and a Gate bounds what all logins of a node cost at once.
package auth

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"bondy/core/wamp"
)

// The authentication methods, as HELLO.Details.authmethods names them.
const (
	MethodAnonymous  = "anonymous"
	MethodTrust      = "trust"
	MethodPassword   = "password"
	MethodTicket     = "ticket"
	MethodWAMPCRA    = "wampcra"
	MethodSCRAM      = "wamp-scram"
	MethodCryptosign = "cryptosign"
	MethodTLS        = "tls"
	MethodJWT        = "jwt"
)

// provider is WELCOME.Details.authprovider of identities that come from the
// realm's own configuration.
const provider = "static"

// Request is what HELLO says and what the connection shows.
type Request struct {
	// Session is the id that the session will have.
	Session wamp.ID
	Realm   wamp.URI
	// AuthID is who the client says it is, by name or alias; may be empty.
	AuthID string
	// Roles are those that it wants to have alone of all that it holds: a user its
	// name and its groups, others the groups that came with their credential. None,
	// "all", "default" or an empty name in it means everything.
	Roles []string
	// Methods is HELLO.Details.authmethods in the client's order; empty means
	// anonymous.
	Methods []string
	// Extra is HELLO.Details.authextra.
	Extra wamp.Dict
	// Remote is the client's address, invalid on unix sockets.
	Remote netip.AddrPort
	// Proxied says that a proxy reported Remote: nobody is trusted for it.
	Proxied bool
	// TLS is nil on plain connections.
	TLS *tls.ConnectionState
}

// Identity is who a session is. It never changes once it was returned and may
// be shared.
type Identity struct {
	AuthID, AuthRole, AuthMethod, AuthProvider string
	// Alias is what the client calls AuthMethod, where that is another name.
	Alias string
	// Principal is the user; nil for anonymous clients and for others who have no
	// user here.
	Principal *Principal
	// Groups are roles that came with the credential, of who has no Principal.
	Groups []string
	// Narrow are the roles that the client wants to have alone; nil for all.
	Narrow []string
	// Roles are what WELCOME shows: Narrow, or the user and its groups as they
	// were at login, or Groups.
	Roles []string
	// Extra is WELCOME.Details.authextra; may be nil.
	Extra wamp.Dict
	// Expires is when the identity ends, with the token that gave it; the zero
	// time is never.
	Expires time.Time
}

// Authenticator logs the clients of one realm in. It is immutable and safe for
// concurrent use; another configuration is another Authenticator.
type Authenticator struct {
	methods map[string]method
	offered []string
	dynamic map[string]wamp.URI
	people  *people
	tickets Tickets // nil if signed ones are not accepted
	guard   *Guard
}

// New makes the Authenticator of one realm. It derives no keys, and with a
// Directory its cost does not depend on the number of users. The error is that
// of Config.Validate.
func New(cfg Config) (*Authenticator, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.SecurityDisabled {
		cfg.Users, cfg.Sources, cfg.Directory = nil, nil, nil
	}
	key := slices.Clone(cfg.Key)
	if len(key) == 0 {
		key = make([]byte, KeySize)
		_, _ = rand.Read(key) // never fails: crypto/rand ends the process instead
	}
	dir := cfg.Directory
	if dir == nil {
		dir = newStatic(key, cfg.Users)
	}
	p := &people{
		realm: realm{uri: cfg.Realm, key: key, iterations: cmp.Or(cfg.Iterations, DefaultIterations)}, dir: dir, policy: newPolicy(&cfg),
	}
	gate := cfg.Gate
	if gate == nil {
		gate = NewGate(0)
	}
	a := &Authenticator{
		methods: make(map[string]method), offered: cfg.methods(), dynamic: maps.Clone(cfg.Dynamic),
		people: p, tickets: cfg.Tickets, guard: cfg.Guard,
	}
	v := newVault(gate)
	for _, name := range a.offered {
		a.methods[name] = newMethod(name, &cfg, p, v)
	}
	if m, ok := a.methods[MethodSCRAM].(*scram); ok {
		a.methods[methodDraftSCRAM] = &scram{dir: m.dir, vault: v, draft: true}
	}
	return a, nil
}

// newMethod makes a method by its name.
func newMethod(name string, cfg *Config, p *people, v *vault) method {
	var users finder = p
	procedure, asks := cfg.Dynamic[name]
	ask := newDynamic(p, cfg.Caller, procedure)
	if asks {
		users = ask
	}
	switch name {
	case MethodTrust:
		return trust{dir: p}
	case MethodPassword, MethodTicket:
		if asks {
			return dynamicTicket{name: name, dir: ask}
		}
		m := password{name: name, dir: users, vault: v}
		if name == MethodPassword {
			m.upgrade, m.renewed = cfg.Upgrade, new(sync.Map)
		} else {
			m.tickets = cfg.Tickets
		}
		return m
	case MethodWAMPCRA:
		return &wampcra{dir: users, vault: v}
	case MethodSCRAM:
		return &scram{dir: users, vault: v}
	case MethodCryptosign:
		if asks {
			return &cryptosign{dir: ask, router: cfg.RouterKey}
		}
		if len(cfg.Trustroots) > 0 {
			users = &chained{people: p, roots: slices.Clone(cfg.Trustroots), gate: v.gate}
		}
		return &cryptosign{dir: users, owner: p.owner, router: cfg.RouterKey}
	case MethodTLS:
		return certificate{name: cfg.CertName, dir: p}
	case MethodJWT:
		return &token{dir: p, issuers: slices.Clone(cfg.Issuers)}
	default:
		return anonymous{policy: p.policy, roles: []string{MethodAnonymous}}
	}
}

// elsewhere tells whether others than the realm's users log in by a method.
func (a *Authenticator) elsewhere(method string) bool {
	_, asks := a.dynamic[method]
	return asks || method == MethodJWT
}

// Begin answers HELLO. It takes the first method of the client's list that the
// realm offers, that policy allows to this client and that can work with what
// HELLO brings, and returns either the identity at once or the exchange that
// leads to it.
//
// errors.AsType finds the *wamp.Error for the peer in any error returned:
// ErrNoMatchingAuthMethod when the lists have nothing in common,
// ErrAuthenticationDenied when HELLO lacks what the methods need,
// ErrTooManyRequests after too many failures, and wamp.ErrUnavailable when too
// many others log in. Text around it is for the log alone.
func (a *Authenticator) Begin(ctx context.Context, req Request) (*Identity, *Exchange, error) {
	wanted := req.Methods
	if len(wanted) == 0 {
		wanted = []string{MethodAnonymous}
	}
	var refusal error
	for _, name := range wanted {
		m, ok := a.methods[name]
		if !ok {
			continue
		}
		err := m.usable(&req)
		if err == nil {
			var id *Identity
			var x *Exchange
			if id, x, err = a.begin(ctx, name, m, &req); !errors.Is(err, errBarred) {
				return id, x, err
			}
		}
		refusal = cmp.Or(refusal, err)
	}
	if refusal != nil {
		return nil, nil, refusal
	}
	return nil, nil, wamp.Errorf(wamp.ErrNoMatchingAuthMethod, "this realm offers the authentication methods: %s", strings.Join(a.offered, ", "))
}

// begin is method.begin under the watch of the guard.
func (a *Authenticator) begin(ctx context.Context, name string, m method, req *Request) (*Identity, *Exchange, error) {
	if name == MethodAnonymous || a.guard == nil {
		return m.begin(ctx, req)
	}
	realm, user := a.people.account(req.Realm, req.AuthID, Place(a.people.key, req.AuthID))
	try := newAttempt(req.Remote.Addr(), realm, user, name)
	if err := a.guard.check(try); err != nil {
		return nil, nil, err
	}
	id, x, err := m.begin(ctx, req)
	if refused(err) {
		return nil, nil, cmp.Or(a.guard.start(try), err)
	}
	switch {
	case x != nil:
		x.verify = a.guard.watch(try, x.verify)
	case id != nil && name != MethodTrust: // which proves nothing
		a.guard.succeed(try)
	}
	return id, x, err
}

// Logout revokes the ticket by which a client had logged in, and reports whether
// there was one. It may block for as long as the Tickets do.
func (a *Authenticator) Logout(p *Principal) (bool, error) {
	if p == nil || p.Ticket == "" || a.tickets == nil {
		return false, nil
	}
	return a.tickets.Revoke(p.AuthRealm, p.Ticket)
}

// Exchange is a login that waits for the client's AUTHENTICATE. It belongs to
// one session, is not safe for concurrent use, and sets no deadline of its
// own.
type Exchange struct {
	// Method and Challenge are what CHALLENGE says.
	Method    string
	Challenge wamp.Dict

	verify verifier
}

// Finish judges AUTHENTICATE; ctx bounds the wait for the processor where a
// method has expensive work to do. An exchange can be finished once. Errors
// are as for Begin: ErrAuthenticationDenied whatever did not fit,
// ErrNoSuchRole when the client proved to be a user that has not the role it
// asked for, and without a *wamp.Error when ctx ended.
func (e *Exchange) Finish(ctx context.Context, signature string, extra wamp.Dict) (*Identity, error) {
	verify := e.verify
	if verify == nil {
		return nil, wamp.Violationf("AUTHENTICATE without a pending CHALLENGE")
	}
	e.verify = nil
	if len(signature) > maxSignature {
		return nil, denied("signature too long")
	}
	return verify(ctx, signature, extra)
}

// maxSignature bounds AUTHENTICATE.Signature in bytes.
const maxSignature = 8 << 10

// method is one way to prove an identity.
type method interface {
	// usable returns why the request cannot use this method; it looks at the
	// request alone, never at users.
	usable(req *Request) error
	// begin returns the identity or an exchange.
	begin(ctx context.Context, req *Request) (*Identity, *Exchange, error)
}

// verifier judges the answer to a challenge.
type verifier func(ctx context.Context, signature string, extra wamp.Dict) (*Identity, error)

// refused tells whether an error is that of denied.
func refused(err error) bool {
	e, ok := errors.AsType[*wamp.Error](err)
	return ok && e.URI == wamp.ErrAuthenticationDenied
}

// denied is the one refusal of whoever could not prove an identity. The cause
// stays outside the *wamp.Error, for the log.
func denied(cause string) error {
	return fmt.Errorf("%s: %w", cause, errDenied)
}

// errDenied is all that a client learns.
var errDenied = wamp.Errorf(wamp.ErrAuthenticationDenied, "the credentials are not accepted")
