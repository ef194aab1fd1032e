package core_test

import (
	"crypto/ed25519"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"bondy/core"
	"bondy/core/auth"
	"bondy/core/directory"
	"bondy/core/directory/directorytest"
	"bondy/core/meta"
	"bondy/core/peer"
	"bondy/core/realm"
	"bondy/core/unit"
	"bondy/core/wamp"
)

// farewell is the connection of a session, which keeps why that was ended.
type farewell struct {
	away

	reasons []wamp.URI
	message string
}

func (f *farewell) Kill(reason wamp.URI, message string) bool {
	f.reasons, f.message = append(f.reasons, reason), message
	return true
}

// One commit that says different things about many users ends the sessions of each
// for its own reason, also in the realms that have their credentials there; and
// whoever made it keeps the session, unless its user is gone.
func TestCommitEndsSessionsForTheirReasons(t *testing.T) {
	d := directorytest.Open(t, new(directorytest.Log))
	r, err := core.New(core.Config{Directory: d, Log: slog.New(slog.DiscardHandler)})
	must(t, err)
	users := []string{"deleted", "disabled", "keyless", "actor", "leaver", "untouched"}
	directorytest.Do(t, d, func(tx *directory.Tx) error {
		must(t, tx.CreateRealm("sso", directory.Properties{IsSSORealm: true}))
		must(t, tx.CreateRealm("shop", directory.Properties{SSORealmURI: "sso"}))
		for _, name := range users {
			must(t, tx.AddUser("shop", directory.UserSpec{Name: name, SSO: "sso", Keys: keys(1)}))
		}
		return nil
	})
	m, err := r.Realm("shop")
	must(t, err)
	k := newBench()
	ends := make(map[string]*farewell)
	ids := make(map[string]wamp.ID)
	for _, name := range append(users, "accompanied") {
		who := &auth.Identity{Principal: &auth.Principal{AuthRealm: "sso", Name: name}}
		if name == "accompanied" {
			who.Principal = &auth.Principal{AuthRealm: "sso", Name: "untouched", Ticket: "t1", Client: auth.Client{AuthRealm: "sso", Name: "disabled", Ticket: "t2"}}
		}
		ends[name] = new(farewell)
		s := &meta.Session{Peer: k.peer(), Conn: ends[name], Principal: who.Principal, Rights: m.Rights(who)}
		ids[name] = s.ID()
		_, err := m.Join(s, m.Mark())
		must(t, err)
	}
	change := func(tx *directory.Tx) error {
		yes, other := true, keys(2)
		for _, name := range []string{"keyless", "actor", "leaver"} {
			must(t, tx.UpdateUser("sso", name, directory.UserPatch{Keys: &other}))
		}
		must(t, tx.UpdateUser("sso", "disabled", directory.UserPatch{Disabled: &yes}))
		for _, name := range []string{"deleted", "leaver"} {
			must(t, tx.DeleteUser("shop", name, true))
		}
		return nil
	}
	must(t, d.Update(directory.Actor{Realm: "shop", Session: ids["actor"]}, change))
	for name, want := range map[string]wamp.URI{
		"deleted": "bondy.user.deleted", "disabled": "bondy.user.disabled", "keyless": "bondy.user.credentials_changed",
		"accompanied": "bondy.user.disabled", "actor": "", "leaver": "bondy.user.deleted", "untouched": "",
	} {
		var got wamp.URI
		if len(ends[name].reasons) > 0 {
			got = ends[name].reasons[0]
		}
		if got != want {
			t.Errorf("%s: ended for %q, want %q", name, ends[name].reasons, want)
		}
	}
	if got := ends["accompanied"].message; got != "of the client disabled: the user was disabled" {
		t.Errorf("who came with a client is told %q", got)
	}
	late := &meta.Session{Peer: &peer.Peer{Session: 1000}, Conn: away{}, Rights: m.Rights(&auth.Identity{Principal: &auth.Principal{Name: "deleted"}})}
	if _, err := m.Join(late, m.Mark()); err == nil {
		t.Error("who is gone may join")
	}
}

// Who was let in by a token or a certificate leaves when the realm does not accept
// those any more, or on other terms.
func TestWithdrawnIssuersEndSessions(t *testing.T) {
	d := directorytest.Open(t, new(directorytest.Log))
	r, err := core.New(core.Config{Directory: d, Log: slog.New(slog.DiscardHandler)})
	must(t, err)
	issuer := func(name, group string) directory.Issuer {
		return directory.Issuer{Issuer: name, Audience: "bondy", JWKSFile: "keys.json", Groups: []string{group}}
	}
	slower := issuer("slower", "staff")
	slower.Refresh = unit.Duration(time.Hour)
	zero := "0x" + strings.Repeat("0", 40)
	root := auth.Trustroot{Address: zero, Contract: zero, Realm: zero, Groups: []string{"staff"}}
	set := func(issuers []directory.Issuer, roots ...auth.Trustroot) {
		directorytest.Do(t, d, func(tx *directory.Tx) error {
			return tx.UpdateRealm("shop", func(p *directory.Properties) error {
				p.Login.Issuers, p.Login.Trustroots = issuers, roots
				return nil
			})
		})
	}
	directorytest.Do(t, d, func(tx *directory.Tx) error {
		must(t, tx.CreateRealm("wiki", directory.Properties{}))
		return tx.CreateRealm("shop", directory.Properties{})
	})
	set([]directory.Issuer{issuer("gone", "staff"), issuer("changed", "staff"), issuer("stays", "staff"), issuer("slower", "staff")}, root)
	k := newBench()
	join := func(uri wamp.URI, method, provider string) *farewell {
		m, err := r.Realm(uri)
		must(t, err)
		end := new(farewell)
		s := &meta.Session{
			Peer: k.peer(), Conn: end, AuthMethod: method, AuthProvider: provider,
			Rights: m.Rights(&auth.Identity{Groups: []string{"staff"}}),
		}
		_, err = m.Join(s, m.Mark())
		must(t, err)
		return end
	}
	ends := map[string]*farewell{
		"elsewhere": join("wiki", auth.MethodJWT, "gone"), "same name": join("shop", auth.MethodWAMPCRA, "gone"),
		"by root": join("shop", auth.MethodCryptosign, auth.ProviderTrustroot),
	}
	for _, name := range []string{"gone", "changed", "stays", "slower"} {
		ends[name] = join("shop", auth.MethodJWT, name)
	}
	expect := func(ended ...string) {
		t.Helper()
		for name, end := range ends {
			if got := len(end.reasons) > 0; got != slices.Contains(ended, name) || got && end.reasons[0] != "bondy.realm.updated" {
				t.Errorf("%s: ended for %q", name, end.reasons)
			}
		}
	}
	set([]directory.Issuer{issuer("changed", "managers"), slower, issuer("new", "staff"), issuer("stays", "staff")}, root)
	expect("gone", "changed")
	set([]directory.Issuer{issuer("changed", "managers"), slower, issuer("stays", "staff")})
	expect("gone", "changed", "by root")
}

// A login under way that was begun with the issuers of before is refused, even when
// it began after the sessions of the withdrawn one were ended.
func TestWithdrawnIssuersRefuseLoginsUnderWay(t *testing.T) {
	d := directorytest.Open(t, new(directorytest.Log))
	meanwhile := func() {}
	r, err := core.New(core.Config{
		Directory: d, Log: slog.New(slog.DiscardHandler),
		Configure: func(*realm.Config, *directory.Properties) { meanwhile() }, // before the new issuers are in effect
	})
	must(t, err)
	set := func(issuers ...directory.Issuer) {
		directorytest.Do(t, d, func(tx *directory.Tx) error {
			return tx.UpdateRealm("shop", func(p *directory.Properties) error { p.Login.Issuers = issuers; return nil })
		})
	}
	directorytest.Do(t, d, func(tx *directory.Tx) error { return tx.CreateRealm("shop", directory.Properties{}) })
	set(directory.Issuer{Issuer: "gone", Audience: "bondy", JWKSFile: "keys.json", Groups: []string{"staff"}})
	m, err := r.Realm("shop")
	must(t, err)
	old := m.Policy()
	var since *realm.Mark
	meanwhile = func() {
		if since = m.Mark(); m.Policy() != old {
			t.Error("the new policy is in effect already")
		}
	}
	set()
	s := &meta.Session{
		Peer: newBench().peer(), Conn: new(farewell), AuthMethod: auth.MethodJWT, AuthProvider: "gone",
		Rights: m.Rights(&auth.Identity{Groups: []string{"staff"}}),
	}
	if _, err := m.Join(s, since); err == nil || wamp.AsError(err).URI != "bondy.realm.updated" {
		t.Errorf("a login by the issuer that is gone: %v", err)
	}
}

// keys are one key, which differs by n.
func keys(n byte) []ed25519.PublicKey {
	k := make(ed25519.PublicKey, ed25519.PublicKeySize)
	k[0] = n
	return []ed25519.PublicKey{k}
}
