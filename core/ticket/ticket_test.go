package ticket_test

import (
	"cmp"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bondy/core/auth"
	"bondy/core/id"
	"bondy/core/ticket"
	"bondy/core/ticket/tickettest"
	"bondy/core/wamp"
)

// clear is a Sealer that hides nothing.
type clear struct{}

func (clear) Seal(plain []byte, about string) []byte { return append([]byte(about+"\x00"), plain...) }

func (clear) Open(sealed []byte, about string) ([]byte, error) {
	plain, ok := strings.CutPrefix(string(sealed), about+"\x00")
	if !ok {
		return nil, errors.New("it belongs elsewhere")
	}
	return []byte(plain), nil
}

// world is some realms with users: ann and joe in each, of which those of one and
// two are users of the SSO realm, but for joe in two.
type world struct {
	*ticket.Authority
	memory *tickettest.Memory
	users  map[wamp.URI]auth.Directory
}

const (
	one   wamp.URI = "com.example.one"
	two   wamp.URI = "com.example.two"
	three wamp.URI = "com.example.three"
	sso   wamp.URI = "com.example.sso"
)

func user(realm wamp.URI, name string, incarnation id.Incarnation) auth.User {
	return auth.User{Name: name, AuthRealm: realm, Incarnation: incarnation, Groups: []string{"user"}}
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{memory: tickettest.NewMemory(), users: make(map[wamp.URI]auth.Directory)}
	w.Authority = ticket.New(w.memory, clear{}, w.memory)
	for realm, users := range map[wamp.URI][]auth.User{
		one:   {user(sso, "ann", 1), user(sso, "joe", 1), user(one, "app", 1)},
		two:   {user(sso, "ann", 1), user(two, "joe", 1)},
		three: {user(three, "ann", 1), user(three, "joe", 1)},
		sso:   {user(sso, "ann", 1), user(sso, "joe", 1)},
	} {
		w.set(t, realm, users...)
		w.rotate(t, realm)
	}
	return w
}

func (w *world) set(t testing.TB, realm wamp.URI, users ...auth.User) {
	t.Helper()
	dir, err := auth.Static(nil, users)
	if err != nil {
		t.Fatal(err)
	}
	w.users[realm] = dir
}

func (w *world) rotate(t testing.TB, realm wamp.URI) {
	t.Helper()
	changed, err := ticket.Rotate(clear{}, realm, w.memory.Ring(realm))
	if err != nil {
		t.Fatal(err)
	}
	w.memory.SetRing(realm, changed)
}

// request is that of a user's session that may have every ticket.
func (w *world) request(realm wamp.URI, name string) *ticket.Request {
	u, _ := w.users[realm].User(name)
	return &ticket.Request{
		Realm: realm, Users: w.users[realm], AuthMethod: auth.MethodWAMPCRA, Allowed: func(wamp.URI) bool { return true },
		Holder: &auth.Principal{AuthRealm: cmp.Or(u.AuthRealm, realm), Name: name, Incarnation: u.Incarnation},
	}
}

func (w *world) issue(t testing.TB, req *ticket.Request) *ticket.Issued {
	t.Helper()
	i, err := w.Issue(req)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// good lists where a ticket is good for a user of a name.
func (w *world) good(text, name string) string {
	var out []string
	for realm, users := range w.users {
		u, _ := users.User(name)
		if _, err := w.Verify(realm, u, text); err == nil {
			out = append(out, string(realm[len("com.example."):]))
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func (w *world) check(t testing.TB, what, text, name, want string) {
	t.Helper()
	if got := w.good(text, name); got != want {
		t.Errorf("%s: good for %s in %q, want %q", what, name, got, want)
	}
}

func uri(err error) wamp.URI {
	if we, ok := errors.AsType[*wamp.Error](err); ok {
		return we.URI
	}
	return ""
}

// W12, W14: a ticket is good in the realms that it is for, for the user whose it
// is, and not for another one of that name.
func TestTicketsStayInTheirRealm(t *testing.T) {
	w := newWorld(t)
	for _, tc := range []struct {
		realm wamp.URI
		name  string
		local bool
		want  string
	}{
		{one, "ann", false, "one sso two"},
		{one, "ann", true, "one"},
		{one, "joe", false, "one sso"}, // joe in two is somebody else
		{two, "joe", false, "two"},     // and his ticket is local, whatever SSO realm there is
		{three, "ann", false, "three"},
		{sso, "ann", false, "sso"},
		{two, "ann", false, "one sso two"},
	} {
		req := w.request(tc.realm, tc.name)
		req.Options.Local = tc.local
		i := w.issue(t, req)
		w.check(t, string(tc.realm), i.Ticket, tc.name, tc.want)
		for _, other := range []string{"ann", "joe", "app", "nobody"} {
			if other != tc.name {
				w.check(t, "somebody else's", i.Ticket, other, "")
			}
		}
	}
}

// A realm that makes its users' tickets look like those of another gains nothing.
func TestIssuerIsTheRealmOfTheKey(t *testing.T) {
	w := newWorld(t)
	i := w.issue(t, w.request(three, "ann"))
	parts := strings.Split(i.Ticket, ".")
	body, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{{string(three), string(sso)}, {`"ann"`, `"joe"`}, {`"aud"`, `"AUD"`}} {
		forged := base64.RawURLEncoding.EncodeToString([]byte(strings.ReplaceAll(string(body), change[0], change[1])))
		for _, name := range []string{"ann", "joe"} {
			w.check(t, "forged", parts[0]+"."+forged+"."+parts[2], name, "")
		}
	}
}

// W18: the leeway of clocks makes a ticket last longer, not shorter.
func TestLeewayAdds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		req := w.request(three, "ann")
		req.Options.Lifetime = 2 * time.Second
		i := w.issue(t, req)
		w.check(t, "at once", i.Ticket, "ann", "three")
		wait(2*time.Second + ticket.Leeway - time.Millisecond)
		w.check(t, "within the leeway", i.Ticket, "ann", "three")
		u, _ := w.users[three].User("ann")
		if got, err := w.Verify(three, u, i.Ticket); err != nil || got.ID != i.ID || !got.Expires.After(time.Now()) {
			t.Errorf("within the leeway: %+v, %v", got, err)
		}
		wait(2 * time.Second)
		w.check(t, "after it", i.Ticket, "ann", "")
	})
}

// wait lets the time of a bubble pass.
func wait(d time.Duration) { <-time.After(d) }

// W13: what is revoked is refused at once, by id, user and realm, and only that.
func TestRevocationActsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // where no time passes between them
		w := newWorld(t)
		a, b, joe := w.issue(t, w.request(one, "ann")), w.issue(t, w.request(two, "ann")), w.issue(t, w.request(one, "joe"))
		other := w.issue(t, w.request(three, "ann"))
		if ok, err := w.Revoke(sso, a.ID); !ok || err != nil {
			t.Errorf("Revoke = %v, %v", ok, err)
		}
		w.check(t, "revoked by id", a.Ticket, "ann", "")
		w.check(t, "another of the user", b.Ticket, "ann", "one sso two")
		if err := w.RevokeAll(sso, "ann"); err != nil {
			t.Fatal(err)
		}
		w.check(t, "revoked by user", b.Ticket, "ann", "")
		w.check(t, "another user's", joe.Ticket, "joe", "one sso")
		fresh := w.issue(t, w.request(one, "ann")) // in the same moment
		w.check(t, "issued after that", fresh.Ticket, "ann", "one sso two")
		if err := w.RevokeAll(sso, ""); err != nil {
			t.Fatal(err)
		}
		w.check(t, "revoked by realm", fresh.Ticket, "ann", "")
		w.check(t, "revoked by realm", joe.Ticket, "joe", "")
		w.check(t, "of another realm", other.Ticket, "ann", "three")
		w.check(t, "issued after that", w.issue(t, w.request(one, "joe")).Ticket, "joe", "one sso")
	})
}

// A signature without a record is worth nothing, nor is a record with other words.
func TestTicketNeedsItsRecord(t *testing.T) {
	w := newWorld(t)
	i := w.issue(t, w.request(three, "ann"))
	elsewhere := ticket.New(w.memory, clear{}, tickettest.NewMemory())
	u, _ := w.users[three].User("ann")
	if _, err := elsewhere.Verify(three, u, i.Ticket); err == nil {
		t.Error("accepted without a record")
	}
	r := i.Record
	r.Scope.DeviceID = "phone"
	if _, err := w.Revoke(three, i.ID); err != nil {
		t.Fatal(err)
	}
	if err := w.memory.Put(r, 9); err != nil {
		t.Fatal(err)
	}
	w.check(t, "with another scope than its record's", i.Ticket, "ann", "")
}

// A user who is created again has none of the tickets of the one before.
func TestIncarnation(t *testing.T) {
	w := newWorld(t)
	i := w.issue(t, w.request(three, "ann"))
	old := w.request(three, "ann")
	w.set(t, three, user(three, "ann", 77))
	w.check(t, "of the user before", i.Ticket, "ann", "")
	if _, err := w.Check(three, w.users[three], i.Ticket); err == nil {
		t.Error("Check accepts it")
	}
	old.Users = w.users[three]
	if _, err := w.Issue(old); uri(err) != wamp.ErrNotAuthorized {
		t.Errorf("a session of the user before: %v", err)
	}
}

// W15, W16: each ticket has a record of its own under an id of its own; a user has
// so many, and the one that expires first makes room; expired ones are purged.
func TestTicketsPerUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		req := w.request(three, "ann")
		req.Policy.MaxPerUser = 3
		var all []*ticket.Issued
		for n := range 4 {
			req.Options.Lifetime = time.Duration(10-n) * time.Minute
			all = append(all, w.issue(t, req))
		}
		for n, want := range []string{"three", "three", "", "three"} { // the third one expired before the others
			w.check(t, "ticket", all[n].Ticket, "ann", want)
		}
		wait(time.Hour)
		for _, want := range []int{3, 0} {
			if n, err := w.Purge(); n != want || err != nil {
				t.Errorf("Purge = %d, %v, want %d", n, err, want)
			}
		}
	})
}

func TestMemory(t *testing.T) {
	tickettest.Records(t, func(*testing.T) ticket.Records { return tickettest.NewMemory() })
}
