package systest_test

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"

	"bondy/core/wamp"
	"bondy/transport/client"
)

// effectLimit is how soon a change must act on sessions that are open.
func effectLimit() time.Duration {
	if raceDetector {
		return 5 * time.Second
	}
	return time.Second
}

// domain is a node in this process whose administrator is logged in.
type domain struct {
	*rig

	t      *testing.T
	dir    string
	secret string
	admin  *client.Session
}

// domainConfig is a node with these realms.
func domainConfig(realms string) string {
	return listener("rawsocket") + listener("admin") + "[limits]\nshutdown_grace = \"1s\"\n" + realms
}

// newDomain runs a node with these realms beside the master realm.
func newDomain(t *testing.T, realms string) *domain {
	t.Helper()
	d := &domain{t: t, dir: t.TempDir()}
	d.start(realms)
	return d
}

// start runs the node, perhaps once more.
func (d *domain) start(realms string) {
	d.t.Helper()
	d.rig = startIn(d.t, d.dir, domainConfig(realms), func(_, secret string) error {
		d.secret = secret
		return nil
	})
	d.admin = d.join("bondy", client.CRA("admin", d.secret))
}

// enter logs in.
func (d *domain) enter(realm wamp.URI, as client.Authenticator) (*client.Session, error) {
	cfg := client.Config{Realm: realm, Serializer: wamp.JSON}
	if as != nil {
		cfg.Auth = []client.Authenticator{as}
	}
	c, err := client.Dial(d.t.Context(), "tcp://"+d.raw, cfg)
	if err == nil {
		d.t.Cleanup(func() { _ = c.Close(context.WithoutCancel(d.t.Context())) })
	}
	return c, err
}

// join is enter that must succeed.
func (d *domain) join(realm wamp.URI, as client.Authenticator) *client.Session {
	d.t.Helper()
	c, err := d.enter(realm, as)
	if err != nil {
		d.t.Fatalf("join %s: %v", realm, err)
	}
	return c
}

// denied demands that a login fails for that reason.
func (d *domain) denied(want, realm wamp.URI, as client.Authenticator) {
	d.t.Helper()
	c, err := d.enter(realm, as)
	if got := uri(err); got != want {
		d.t.Errorf("login to %s: %v, want %s", realm, err, want)
	}
	if err == nil {
		_ = c.Close(d.t.Context())
	}
}

// do has the administrator call a procedure, and returns its first result.
func (d *domain) do(procedure wamp.URI, args ...any) any {
	d.t.Helper()
	return d.doWith(procedure, nil, args...)
}

// doWith is do with keyword arguments.
func (d *domain) doWith(procedure wamp.URI, kwargs map[string]any, args ...any) any {
	d.t.Helper()
	v, err := ask(d.t.Context(), d.admin, procedure, kwargs, args...)
	if err != nil {
		d.t.Fatalf("%s%v: %v", procedure, args, err)
	}
	return v
}

// ask calls a procedure and returns its first result, nil if it has none.
func ask(ctx context.Context, c *client.Session, procedure wamp.URI, kwargs map[string]any, args ...any) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	r, err := c.Call(ctx, procedure, args, kwargs, client.CallOptions{})
	if err != nil || len(r.Args) == 0 {
		return nil, err
	}
	return r.Args[0], nil
}

// soon demands that something is closed before effectLimit after a moment.
func (d *domain) soon(what string, since time.Time, done <-chan struct{}) {
	d.t.Helper()
	late := time.NewTimer(time.Until(since.Add(patience)))
	defer late.Stop()
	select {
	case <-done:
		if took := time.Since(since); took > effectLimit() {
			d.t.Errorf("%s took %v", what, took)
		}
	case <-late.C:
		d.t.Errorf("%s: not within %v", what, patience)
	}
}

// ends demands that a change ends sessions, soon and with that reason.
func (d *domain) ends(what string, reason wamp.URI, change func(), sessions ...*client.Session) {
	d.t.Helper()
	began := time.Now()
	change()
	for _, c := range sessions {
		d.soon(what, began, c.Done())
		if got := uri(c.Err()); c.Err() != nil && got != reason {
			d.t.Errorf("%s: the session ended with %v, want %s", what, c.Err(), reason)
		}
	}
}

// stays demands that a session goes on: it was asked after the change answered.
func (d *domain) stays(what string, c *client.Session) {
	d.t.Helper()
	if _, err := ask(d.t.Context(), c, "bondy.ping", nil); uri(err) != "" && uri(err) != wamp.ErrNotAuthorized {
		d.t.Errorf("%s: the session ended: %v", what, err)
	}
}

// dict is a JSON object, as procedures take them.
type dict = map[string]any

// grant is what bondy.grant.create takes.
func grant(role, uri string, permissions ...string) dict {
	return dict{"roles": []any{role}, "permissions": texts(permissions), "uri": uri, "match": "prefix"}
}

func texts(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}

// everyMessage are the permissions of an ordinary client.
var everyMessage = []string{
	"wamp.call", "wamp.cancel", "wamp.register", "wamp.unregister", "wamp.subscribe", "wamp.unsubscribe", "wamp.publish",
}

const scramNonce = "egVDf3DMJh0egVDf3DMJ"

// scram logs in by wamp-scram on a wire and checks the router's own signature.
func (w *wire) scram(realm wamp.URI, user, password string) (*wamp.Welcome, error) {
	h := hello()
	h.Realm = realm
	h.Details["authid"], h.Details["authmethods"] = user, []any{"wamp-scram"}
	h.Details["authextra"] = map[string]any{"nonce": scramNonce, "channel_binding": nil}
	if err := w.send(h); err != nil {
		return nil, err
	}
	ch, err := expectOrAbort[*wamp.Challenge](w)
	if err != nil {
		return nil, err
	}
	root, err := scramRoot(password, ch.Extra)
	if err != nil {
		return nil, err
	}
	return w.prove(user, root, ch)
}

// prove answers the challenge of wamp-scram with what derives from the password.
func (w *wire) prove(user string, root []byte, ch *wamp.Challenge) (*wamp.Welcome, error) {
	signature, verifier := scramProof(user, root, ch.Extra)
	err := w.send(&wamp.Authenticate{
		Signature: signature, Extra: wamp.Dict{"nonce": ch.Extra["nonce"], "channel_binding": nil, "cbind_data": nil},
	})
	if err != nil {
		return nil, err
	}
	welcome, err := expectOrAbort[*wamp.Welcome](w)
	if err != nil {
		return nil, err
	}
	if extra, _ := welcome.Details["authextra"].(map[string]any); extra["verifier"] != verifier {
		return nil, fmt.Errorf("the router's signature is %v, want %s", extra["verifier"], verifier)
	}
	return welcome, nil
}

// expectOrAbort is expect that turns an ABORT into its error.
func expectOrAbort[M wamp.Message](w *wire) (got M, err error) {
	m, err := w.receive()
	if err != nil {
		return got, err
	}
	if a, ok := m.(*wamp.Abort); ok {
		return got, &client.Error{URI: a.Reason, Details: a.Details}
	}
	got, ok := m.(M)
	if !ok {
		err = fmt.Errorf("got %s %+v, want %T", m.Type(), m, got)
	}
	return got, err
}

func hmacOf(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// scramRoot derives from a password what the proofs are made of.
func scramRoot(password string, ch wamp.Dict) ([]byte, error) {
	text, _ := ch["salt"].(string)
	salt, err := base64.StdEncoding.DecodeString(text)
	iterations, ok := ch["iterations"].(int64)
	if err != nil || !ok {
		return nil, fmt.Errorf("a challenge that is none of wamp-scram: %v", ch)
	}
	if ch["kdf"] == "argon2id13" {
		memory, _ := ch["memory"].(int64)
		return argon2.IDKey([]byte(password), salt, uint32(iterations), uint32(memory), 1, 32), nil
	}
	return pbkdf2.Key(sha256.New, password, salt, int(iterations), 32)
}

// scramProof answers a challenge, by the letter of the specification.
func scramProof(user string, root []byte, ch wamp.Dict) (signature, verifier string) {
	message := fmt.Sprintf("n=%s,r=%s,r=%s,s=%s,i=%d,c=%s,r=%s", user, scramNonce, ch["nonce"], ch["salt"], ch["iterations"],
		base64.StdEncoding.EncodeToString([]byte("n,,")), ch["nonce"])
	proof := hmacOf(root, "Client Key")
	stored := sha256.Sum256(proof)
	for i, b := range hmacOf(stored[:], message) {
		proof[i] ^= b
	}
	return base64.StdEncoding.EncodeToString(proof), base64.StdEncoding.EncodeToString(hmacOf(hmacOf(root, "Server Key"), message))
}
