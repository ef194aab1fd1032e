// Package auth finds out who a client is. An Authenticator serves one realm:
// it takes what HELLO says, picks a method that both sides accept, challenges
// the client where the method needs it, and returns the Identity that the
// session then has. What an identity may do is package rbac's business.
//
// Each method (section "Authentication Methods") is one file with one type
// that implements the interface method. A method never tells whether a user
// exists: an unknown, disabled or password-less user is challenged like any
// other, costs the same work and gets the same refusal as a wrong secret.
package auth

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"bondy/core/wamp"
)

// The authentication methods, as HELLO.Details.authmethods names them.
const (
	MethodAnonymous  = "anonymous"
	MethodTicket     = "ticket"
	MethodWAMPCRA    = "wampcra"
	MethodCryptosign = "cryptosign"
)

// provider is WELCOME.Details.authprovider of identities that come from the
// realm's own configuration.
const provider = "static"

// Request is what HELLO says and what the connection shows.
type Request struct {
	// Session is the id that the session will have.
	Session wamp.ID
	Realm   wamp.URI
	// AuthID and AuthRole are the client's wishes; empty when it has none.
	AuthID, AuthRole string
	// Methods is HELLO.Details.authmethods in the client's order; empty means
	// anonymous.
	Methods []string
	// Extra is HELLO.Details.authextra.
	Extra wamp.Dict
	// Remote is the client's address, invalid on unix sockets.
	Remote netip.AddrPort
	// TLS is nil on plain connections.
	TLS *tls.ConnectionState
}

// Identity is who a session is. It never changes once it was returned and may
// be shared.
type Identity struct {
	AuthID, AuthRole, AuthMethod, AuthProvider string
	// Roles are the names whose grants the session has, for rbac: the user
	// and its groups, or the one role that the client asked for.
	Roles []string
	// Extra is WELCOME.Details.authextra; may be nil.
	Extra wamp.Dict
}

// Authenticator logs the clients of one realm in. It is immutable and safe for
// concurrent use; another configuration is another Authenticator.
type Authenticator struct {
	methods map[string]method
	offer   string
}

// New makes the Authenticator of one realm. It derives no keys, so that a
// realm of many users starts as fast as an empty one. The error is that of
// Config.Validate.
func New(cfg Config) (*Authenticator, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	key := slices.Clone(cfg.Key)
	if len(key) == 0 {
		key = make([]byte, KeySize)
		_, _ = rand.Read(key) // never fails: crypto/rand ends the process instead
	}
	dir := newDirectory(cfg.Users, key)
	gate := cfg.Gate
	if gate == nil {
		gate = NewGate(0)
	}
	keys, iterations := newKeyCache(gate), cmp.Or(cfg.Iterations, DefaultIterations)
	offered := cfg.methods()
	a := &Authenticator{methods: make(map[string]method), offer: strings.Join(offered, ", ")}
	for _, name := range offered {
		switch name {
		case MethodAnonymous:
			a.methods[name] = anonymous{}
		case MethodTicket:
			a.methods[name] = ticket{dir: dir, iterations: iterations, keys: keys}
		case MethodWAMPCRA:
			a.methods[name] = &wampcra{dir: dir, iterations: iterations, keys: keys}
		case MethodCryptosign:
			a.methods[name] = cryptosign{dir: dir}
		}
	}
	return a, nil
}

// Begin answers HELLO. It takes the first method of the client's list that the
// realm offers and that can work with what HELLO brings, and returns either
// the identity at once or the exchange that leads to it.
//
// errors.AsType finds the *wamp.Error for the peer in any error returned:
// ErrNoMatchingAuthMethod when the lists have nothing in common,
// ErrAuthenticationDenied when HELLO lacks what the methods need. Text around
// it is for the log alone.
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
			return m.begin(ctx, &req)
		}
		refusal = cmp.Or(refusal, err)
	}
	if refusal != nil {
		return nil, nil, refusal
	}
	return nil, nil, wamp.Errorf(wamp.ErrNoMatchingAuthMethod, "this realm offers the authentication methods: %s", a.offer)
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

// denied is the one refusal of whoever could not prove an identity. The cause
// stays outside the *wamp.Error, for the log.
func denied(cause string) error {
	return fmt.Errorf("%s: %w", cause, wamp.Errorf(wamp.ErrAuthenticationDenied, "the credentials are not accepted"))
}
