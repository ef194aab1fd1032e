package auth_test

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"bondy/core/auth"
	"bondy/core/wamp"
)

// live is a Directory that changes.
type live struct {
	mu      sync.Mutex
	users   map[string]auth.User
	aliases map[string]string
	asked   int
}

func newLive(users ...auth.User) *live {
	d := &live{users: make(map[string]auth.User), aliases: make(map[string]string)}
	d.set(users...)
	return d
}

func (d *live) set(users ...auth.User) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, u := range users {
		d.users[u.Name] = u
	}
}

func (d *live) remove(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.users, name)
}

func (d *live) User(name string) (auth.User, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked++
	if canonical, ok := d.aliases[name]; ok {
		name = canonical
	}
	u, ok := d.users[name]
	return u, ok
}

func (d *live) Account(name string, place uint64) (wamp.URI, string) {
	if u, ok := d.User(name); ok {
		return u.AuthRealm, u.Name
	}
	twin, _ := d.Twin(place)
	return twin.AuthRealm, name
}

func (d *live) Key(wamp.URI) []byte { return nil }

func (d *live) Owners(key ed25519.PublicKey) (out []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked++
	for _, u := range d.users {
		if !u.Disabled && slices.ContainsFunc(u.Keys, func(k ed25519.PublicKey) bool { return k.Equal(key) }) {
			out = append(out, u.Name)
		}
	}
	return out
}

func (d *live) Twin(uint64) (auth.User, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked++
	for _, name := range slices.Sorted(maps.Keys(d.users)) {
		return d.users[name], true
	}
	return auth.User{}, false
}

func liveAuth(t testing.TB, d *live) *auth.Authenticator {
	t.Helper()
	return newAuth(t, auth.Config{Methods: []string{"ticket", "password", "wampcra", "wamp-scram", "cryptosign"}, Directory: d, Iterations: 1000})
}

// liveLogin is a login from the first to the last word; between is done before the
// client answers.
func liveLogin(ctx context.Context, t testing.TB, a *auth.Authenticator, method, name, secret string, between func()) (*auth.Identity, error) {
	t.Helper()
	req := keyRequest(name, seeded(1))
	req.Realm, req.Methods = "realm1", []string{method}
	req.Extra["nonce"] = clientNonce
	x := begin(t, a, req) //nolint:contextcheck // challenges need none
	between()
	signature, extra := secret, wamp.Dict(nil)
	switch method {
	case "wampcra":
		signature = answer(t, secret, x)
	case "wamp-scram":
		signature, extra, _ = scramAnswer(t, name, secret, x.Challenge, "", nil)
	case "cryptosign":
		signature = signChallenge(t, seeded(1), x)
	}
	return x.Finish(ctx, signature, extra)
}

// What changes in the directory acts on the next login, without another
// Authenticator, which reads nothing when it is made.
func TestDirectoryIsReadLive(t *testing.T) {
	d := newLive()
	a := liveAuth(t, d)
	if d.asked != 0 {
		t.Errorf("New asked %d times", d.asked)
	}
	check := func(what, secret, want string) {
		t.Helper()
		for _, method := range []string{"ticket", "password", "wampcra", "wamp-scram", "cryptosign"} {
			id, err := liveLogin(t.Context(), t, a, method, "joe", secret, func() {})
			got := ""
			if id != nil {
				got = strings.Join(id.Roles, " ")
			}
			if got != want && (method != "cryptosign" || secret == "s3cret") || id == nil && uri(err) != wamp.ErrAuthenticationDenied {
				t.Errorf("%s, by %s: %q, %v, want %q", what, method, got, err, want)
			}
		}
	}
	joe := auth.User{Name: "joe", Password: "s3cret", Groups: []string{"user"}, Keys: []ed25519.PublicKey{public(seeded(1))}}
	check("before there is one", "s3cret", "")
	d.set(joe)
	check("added", "s3cret", "joe user")
	joe.Groups = []string{"staff", "user"}
	d.set(joe)
	check("in another group", "s3cret", "joe staff user")
	joe.Disabled = true
	d.set(joe)
	check("disabled", "s3cret", "")
	joe.Disabled, joe.Keys = false, nil
	joe.Password = "another"
	d.set(joe)
	check("with another password", "another", "joe staff user")
	for _, method := range []string{"ticket", "password", "wampcra", "wamp-scram", "cryptosign"} {
		if id, _ := liveLogin(t.Context(), t, a, method, "joe", "s3cret", func() {}); id != nil {
			t.Errorf("by %s with the password, or key, of before: %+v", method, id)
		}
	}
	d.remove("joe")
	check("removed", "another", "")
}

// W5: a user who is disabled, wherever that was done, is refused by every method;
// so is one who is disabled, or becomes another, while the login is under way.
func TestDisabledUserIsRefused(t *testing.T) {
	joe := auth.User{Name: "joe", Password: "s3cret", AuthRealm: "sso", Incarnation: 1, Keys: []ed25519.PublicKey{public(seeded(1))}}
	change := func(f func(*auth.User)) auth.User {
		u := joe
		f(&u)
		return u
	}
	for what, now := range map[string]auth.User{
		"disabled":         change(func(u *auth.User) { u.Disabled = true }),
		"created again":    change(func(u *auth.User) { u.Incarnation = 2 }),
		"of another realm": change(func(u *auth.User) { u.AuthRealm = "" }),
		"another password": change(func(u *auth.User) { u.Password = "new" }),
		"another verifier": change(func(u *auth.User) { u.Credential = cheap(t, "x", auth.KDFPBKDF2) }),
		"another key":      change(func(u *auth.User) { u.Keys = []ed25519.PublicKey{public(seeded(2))} }),
		"other groups":     change(func(u *auth.User) { u.Groups = []string{"user"} }),
	} {
		for _, method := range []string{"ticket", "password", "wampcra", "wamp-scram", "cryptosign"} {
			d := newLive(joe)
			a := liveAuth(t, d)
			if _, err := liveLogin(t.Context(), t, a, method, "joe", "s3cret", func() {}); err != nil {
				t.Errorf("by %s: %v", method, err)
			}
			id, err := liveLogin(t.Context(), t, a, method, "joe", "s3cret", func() { d.set(now) })
			if same := what == "other groups"; (err == nil) != same || !same && uri(err) != wamp.ErrAuthenticationDenied {
				t.Errorf("%s meanwhile, by %s: %+v, %v", what, method, id, err)
			}
			if what == "disabled" {
				if id, err := liveLogin(t.Context(), t, a, method, "joe", "s3cret", func() {}); uri(err) != wamp.ErrAuthenticationDenied {
					t.Errorf("disabled, by %s: %+v, %v", method, id, err)
				}
			}
		}
	}
	gone := change(func(u *auth.User) { u.Disabled = true })
	for _, e := range liveAuth(t, newLive(gone)).Explain("joe", from("192.0.2.1").Addr(), false) {
		if e.Allowed || !strings.Contains(e.Reason, "disabled, here or in the realm sso") {
			t.Errorf("explained as %+v", e)
		}
	}
}

// W14: a session is the user of the realm that keeps its credentials, by its own
// name; who has no user here is none.
func TestPrincipal(t *testing.T) {
	d := newLive(
		auth.User{Name: "joe", Password: "s3cret", Incarnation: 1},
		auth.User{Name: "ann", Password: "s3cret", Incarnation: 2, AuthRealm: "sso"},
	)
	d.aliases["joseph"] = "joe"
	a := liveAuth(t, d)
	for name, want := range map[string]auth.Principal{
		"joe":    {AuthRealm: "realm1", Name: "joe", Incarnation: 1},
		"joseph": {AuthRealm: "realm1", Name: "joe", Incarnation: 1},
		"ann":    {AuthRealm: "sso", Name: "ann", Incarnation: 2},
	} {
		for _, method := range []string{"ticket", "password", "wampcra", "wamp-scram"} {
			id, err := liveLogin(t.Context(), t, a, method, name, "s3cret", func() {})
			if err != nil || *id.Principal != want || id.AuthID != want.Name || id.Roles[0] != want.Name || id.Groups != nil {
				t.Errorf("%s by %s: %+v, %v", name, method, id, err)
			}
		}
	}
	x := begin(t, a, auth.Request{AuthID: "joseph", Methods: []string{"wampcra"}})
	var shown struct{ AuthID string }
	if text, _ := x.Challenge["challenge"].(string); json.Unmarshal([]byte(text), &shown) != nil || shown.AuthID != "joseph" {
		t.Errorf("the challenge of an alias tells %q", shown.AuthID)
	}
	anonymous, _, err := newAuth(t, config()).Begin(t.Context(), auth.Request{})
	if err != nil || anonymous.Principal != nil || !slices.Equal(anonymous.Groups, []string{"anonymous"}) || anonymous.Narrow != nil {
		t.Errorf("anonymous: %+v, %v", anonymous, err)
	}
	i := newIssuer(t)
	id, err := present(t.Context(), t, newAuth(t, jwtConfig(t, i)), "", i.token(t, "ES256", nil, claims()))
	if err != nil || id.Principal != nil || !slices.Equal(id.Groups, []string{"user", "operator"}) {
		t.Errorf("by token: %+v, %v", id, err)
	}
}

// W4, W55: a client gets those of its roles that it asks for, and learns that it
// has not one of them once it has proved who it is.
func TestAskedRoles(t *testing.T) {
	d := newLive(auth.User{Name: "joe", Password: "s3cret", Groups: []string{"user", "staff", "all-staff"}})
	a := liveAuth(t, d)
	everything := []string{"joe", "user", "staff", "all-staff"}
	for _, tc := range []struct {
		asked, roles, narrow []string
		role                 string
	}{
		{nil, everything, nil, "user"},
		{[]string{}, everything, nil, "user"},
		{[]string{""}, everything, nil, "user"},
		{[]string{"all"}, everything, nil, "user"},
		{[]string{"default"}, everything, nil, "user"},
		{[]string{"staff", "all"}, everything, nil, "user"},
		{[]string{"staff"}, []string{"staff"}, []string{"staff"}, "staff"},
		{[]string{"all-staff", "user", "user"}, []string{"all-staff", "user"}, []string{"all-staff", "user"}, "all-staff"},
		{[]string{"joe"}, []string{"joe"}, []string{"joe"}, "joe"},
		{[]string{"root"}, nil, nil, ""},
		{[]string{"staff", "root"}, nil, nil, ""},
		{[]string{"anonymous"}, nil, nil, ""},
		{[]string{"ann"}, nil, nil, ""},
	} {
		for _, secret := range []string{"s3cret", "wrong"} {
			x := begin(t, a, auth.Request{AuthID: "joe", Roles: tc.asked, Methods: []string{"ticket"}})
			id, err := x.Finish(t.Context(), secret, nil)
			switch {
			case secret == "wrong":
				if uri(err) != wamp.ErrAuthenticationDenied {
					t.Errorf("%q without proof: %v", tc.asked, err)
				}
			case tc.roles == nil:
				if uri(err) != wamp.ErrNoSuchRole {
					t.Errorf("%q: %+v, %v", tc.asked, id, err)
				}
			case err != nil || id.AuthRole != tc.role || !slices.Equal(id.Roles, tc.roles) || !slices.Equal(id.Narrow, tc.narrow):
				t.Errorf("%q: %+v, %v", tc.asked, id, err)
			}
		}
	}
	many := make([]string, 101)
	for n := range many {
		many[n] = "user"
	}
	if _, x, err := a.Begin(t.Context(), auth.Request{AuthID: "joe", Roles: many, Methods: []string{"ticket"}}); x != nil || uri(err) != wamp.ErrNoSuchRole {
		t.Errorf("too many roles: %v", err)
	}
}

func TestStatic(t *testing.T) {
	key := make([]byte, auth.KeySize)
	d, err := auth.Static(key, users())
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	for _, u := range users() {
		if got, ok := d.User(u.Name); !ok || got.Name != u.Name {
			t.Errorf("%s: %+v", u.Name, got)
		}
		twin, ok := d.Twin(auth.Place(key, u.Name))
		if !ok || u.Password != "" && twin.Name != u.Name || twin.Password == "" {
			t.Errorf("the twin of %s is %+v", u.Name, twin)
		}
		seen[twin.Name] = true
	}
	if _, ok := d.User("nobody"); ok || len(seen) != 4 {
		t.Errorf("twins are %v", seen)
	}
	if _, err := auth.Static(nil, []auth.User{{}}); err == nil {
		t.Error("a user without a name")
	}
	cfg := auth.Config{Users: users(), Directory: d}
	if err := cfg.Validate(); err == nil {
		t.Error("users in two places")
	}
}
