package auth

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/semaphore"

	"bondy/core/wamp"
)

// Caller calls a procedure of the realm; args and result are as in wamp.Dict.
// The call ends with ctx. Implementations are safe for concurrent use.
type Caller interface {
	Call(ctx context.Context, procedure wamp.URI, args []any) (result any, err error)
}

// dynamicTimeout bounds a call of an authenticator.
const dynamicTimeout = 5 * time.Second

// dynamicProvider is WELCOME.Details.authprovider where a procedure decided.
const dynamicProvider = "dynamic"

// dynamic asks a procedure who a client is (section "Dynamic Authentication
// API", which the specification leaves open). It is called as
//
//	procedure(realm, authid, details)
//
// where details has authmethod, authrole (several with commas), authextra, session, remote, and for
// ticket and password what the client sent as ticket. An error refuses the
// client. The result is the role, which is enough for ticket and password, or
// a dict with
//
//	role          the authrole
//	extra         a dict for WELCOME.Details.authextra
//	pubkey        for cryptosign: a key of the user's, in hex, or a list of them
//	secret        for wampcra and wamp-scram: the password; or, with salt and
//	              iterations, what PBKDF2 derives of it, in base64
//	credential    for wamp-scram: the text of a Credential
//
// To the client all failures are alike. What the procedure does for unknown
// names, and how long it takes, is its own affair; to hide which exist it
// gives all users the same parameters.
type dynamic struct {
	realm
	policy    *policy
	caller    Caller
	procedure wamp.URI
	calls     *semaphore.Weighted
}

// dynamicCalls bounds the calls of one authenticator at once; who comes on top
// is turned away with wamp.ErrUnavailable.
const dynamicCalls = 128

func newDynamic(dir *people, caller Caller, procedure wamp.URI) *dynamic {
	return &dynamic{
		realm: dir.realm, policy: dir.policy, caller: caller, procedure: procedure,
		calls: semaphore.NewWeighted(dynamicCalls),
	}
}

// answer is what a procedure said.
type answer struct {
	User
	role  string
	extra wamp.Dict
}

func (d *dynamic) find(ctx context.Context, req *Request, authid, method string, lacks func(*User) string) (*candidate, error) {
	if !d.policy.possible(method, req.from()) {
		return nil, barred("no source allows " + method + " from this address")
	}
	a, err := d.ask(ctx, req, authid, method, nil)
	if errors.Is(err, errBusy) {
		return nil, err
	}
	if err != nil {
		a = &answer{}
	}
	c := d.answered(req, authid, method, a)
	c.fresh = true
	if parsed := c.take(&a.User, err == nil); err == nil {
		err = parsed
	}
	if err != nil {
		c.flaw = err.Error()
	} else {
		c.flaw = d.flaw(req, authid, method, a, lacks)
	}
	return c, nil
}

// answered is the candidate of an answer.
func (d *dynamic) answered(req *Request, authid, method string, a *answer) *candidate {
	roles := []string{a.role}
	return d.candidate(req, Identity{
		AuthID: authid, AuthMethod: method, AuthProvider: dynamicProvider, Extra: a.extra, Groups: roles,
	}, roles)
}

// flaw is why an answer does not let the client in.
func (d *dynamic) flaw(req *Request, authid, method string, a *answer, lacks func(*User) string) string {
	if decision := d.policy.decide(authid, []string{a.role}, method, req.from()); !decision.Allowed {
		return decision.Reason
	}
	return lacks(&a.User)
}

// ask calls the procedure.
func (d *dynamic) ask(ctx context.Context, req *Request, authid, method string, ticket any) (*answer, error) {
	if !d.calls.TryAcquire(1) {
		return nil, errBusy
	}
	defer d.calls.Release(1)
	ctx, cancel := context.WithTimeout(ctx, dynamicTimeout)
	defer cancel()
	details := map[string]any{
		"authmethod": method, "session": int64(req.Session), //nolint:gosec // ids have 53 bits
		"authextra": map[string]any(req.Extra),
	}
	if asked := req.asked(); len(asked) > 0 {
		details["authrole"] = strings.Join(asked, ",")
	}
	if req.Remote.IsValid() {
		details["remote"] = req.Remote.String()
	}
	if ticket != nil {
		details["ticket"] = ticket
	}
	result, err := d.caller.Call(ctx, d.procedure, []any{string(req.Realm), authid, details})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.procedure, err)
	}
	a, err := parseAnswer(result)
	if err != nil {
		return nil, fmt.Errorf("the result of %s: %w", d.procedure, err)
	}
	return a, nil
}

// parseAnswer reads a result.
func parseAnswer(result any) (*answer, error) {
	a := &answer{}
	d, _ := result.(map[string]any)
	if text, ok := result.(string); ok {
		a.role = text
	} else if d == nil {
		return nil, fmt.Errorf("%s, want a role or a dict", wamp.TypeName(result))
	}
	dict := wamp.Dict(d)
	var err error
	if d != nil {
		if a.role, err = dict.String("role"); err != nil {
			return nil, err
		}
	}
	if err := ValidName(a.role); err != nil {
		return nil, fmt.Errorf("role: %w", err)
	}
	if a.extra, err = dict.Dict("extra"); err != nil {
		return nil, err
	}
	if a.Keys, err = publicKeys(dict["pubkey"]); err != nil {
		return nil, err
	}
	return a, a.readSecret(dict)
}

func publicKeys(v any) ([]ed25519.PublicKey, error) {
	list, ok := v.([]any)
	if !ok && v != nil {
		list = []any{v}
	}
	keys := make([]ed25519.PublicKey, len(list))
	for i, e := range list {
		text, _ := e.(string)
		key, err := hex.DecodeString(text)
		if err != nil || len(key) != ed25519.PublicKeySize {
			return nil, errors.New("pubkey: not a hex Ed25519 key")
		}
		keys[i] = key
	}
	return keys, nil
}

func (a *answer) readSecret(d wamp.Dict) error {
	secret, err := d.String("secret")
	if err != nil {
		return err
	}
	text, err := d.String("credential")
	if err != nil {
		return err
	}
	salt, err := d.String("salt")
	if err != nil {
		return err
	}
	iterations, err := d.Int("iterations")
	if err != nil {
		return err
	}
	if text != "" {
		a.Credential = new(Credential)
		if err := a.Credential.UnmarshalText([]byte(text)); err != nil {
			return err
		}
	}
	if secret == "" || salt == "" {
		if len(secret) > MaxPassword {
			return fmt.Errorf("secret: longer than %d bytes", MaxPassword)
		}
		a.Password = Secret(secret)
		return nil
	}
	key, err := unbase64(secret)
	if err != nil {
		return errors.New("secret: with a salt it must be base64")
	}
	a.Verifier, err = ImportVerifier(salt, int(iterations), key)
	return err
}

// dynamicTicket has the procedure judge what the client sent.
type dynamicTicket struct {
	named
	name string
	dir  *dynamic
}

func (m dynamicTicket) begin(_ context.Context, req *Request) (*Identity, *Exchange, error) {
	if !m.dir.policy.possible(m.name, req.from()) {
		return nil, nil, barred("no source allows " + m.name + " from this address")
	}
	return nil, &Exchange{
		Method:    m.name,
		Challenge: wamp.Dict{},
		verify: func(ctx context.Context, signature string, _ wamp.Dict) (*Identity, error) {
			a, err := m.dir.ask(ctx, req, req.AuthID, m.name, signature)
			switch {
			case ctx.Err() != nil:
				return nil, fmt.Errorf("judge a ticket: %w", context.Cause(ctx))
			case errors.Is(err, errBusy):
				return nil, err
			case err != nil:
				return nil, denied(err.Error())
			}
			c := m.dir.answered(req, req.AuthID, m.name, a)
			c.flaw = m.dir.flaw(req, req.AuthID, m.name, a, lacksNothing)
			return c.admit(true)
		},
	}, nil
}

// dynamicMethods are the methods of which a procedure may decide.
func dynamicMethods() []string {
	return []string{MethodTicket, MethodPassword, MethodWAMPCRA, MethodSCRAM, MethodCryptosign}
}
