package auth_test

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"bondy/core/auth"
	"bondy/core/wamp"
)

func guarded(t *testing.T) (*auth.Authenticator, *auth.Guard) {
	t.Helper()
	cfg := config()
	cfg.Guard = auth.NewGuard()
	cfg.Methods = append(cfg.Methods, auth.MethodTrust)
	cfg.Sources = []auth.Source{
		{Subjects: []string{"all"}},
		{Subjects: []string{"all"}, Methods: []string{"trust"}, Prefixes: prefixes("0.0.0.0/0")},
	}
	return newAuth(t, cfg), cfg.Guard
}

// try makes one attempt by ticket.
func try(ctx context.Context, a *auth.Authenticator, name, addr, secret string) error {
	_, x, err := a.Begin(ctx, auth.Request{Realm: "realm1", AuthID: name, Methods: []string{"ticket"}, Remote: from(addr)})
	if err != nil {
		return err
	}
	_, err = x.Finish(ctx, secret, nil)
	return err
}

func TestBackOff(t *testing.T) {
	for _, name := range []string{"joe", "nobody", "gone"} { // alike, whether or not there is such a user
		synctest.Test(t, func(t *testing.T) {
			a, guard := guarded(t)
			for range 10 {
				if err := try(t.Context(), a, name, "192.0.2.1", "wrong"); uri(err) != wamp.ErrAuthenticationDenied {
					t.Fatal(err)
				}
			}
			wait := time.Second
			for range 12 {
				if err := try(t.Context(), a, name, "192.0.2.1", "s3cret-ticket"); uri(err) != auth.ErrTooManyRequests {
					t.Fatalf("%s before %s have passed: %v", name, wait, err)
				}
				time.Sleep(wait - time.Millisecond)
				if err := try(t.Context(), a, name, "192.0.2.1", "wrong"); uri(err) != auth.ErrTooManyRequests {
					t.Fatalf("%s a millisecond before %s have passed: %v", name, wait, err)
				}
				time.Sleep(time.Millisecond)
				if err := try(t.Context(), a, name, "192.0.2.1", "wrong"); uri(err) != wamp.ErrAuthenticationDenied {
					t.Fatalf("%s after %s: %v", name, wait, err)
				}
				wait = min(2*wait, 15*time.Minute)
			}
			if err := try(t.Context(), a, name, "192.0.2.2", "wrong"); uri(err) != wamp.ErrAuthenticationDenied {
				t.Errorf("%s from another address: %v", name, err)
			}
			if refused, _ := guard.Stats(); refused != 24 {
				t.Errorf("%d counted as refused, want 24", refused)
			}
			time.Sleep(time.Hour)
			if err := try(t.Context(), a, "joe", "192.0.2.1", "s3cret-ticket"); err != nil {
				t.Errorf("after an hour: %v", err)
			}
		})
	}
}

func TestSuccessForgives(t *testing.T) {
	a, _ := guarded(t)
	for range 5 {
		for range 9 {
			if err := try(t.Context(), a, "joe", "192.0.2.1", "wrong"); uri(err) != wamp.ErrAuthenticationDenied {
				t.Fatal(err)
			}
		}
		if err := try(t.Context(), a, "joe", "192.0.2.1", "s3cret-ticket"); err != nil {
			t.Fatal(err)
		}
	}
}

// Parallel guesses gain nothing: each counts before it is judged.
func TestParallelGuesses(t *testing.T) {
	a, _ := guarded(t)
	var exchanges []*auth.Exchange
	for range 50 {
		_, x, err := a.Begin(t.Context(), auth.Request{AuthID: "joe", Methods: []string{"ticket"}, Remote: from("192.0.2.1")})
		if err != nil {
			t.Fatal(err)
		}
		exchanges = append(exchanges, x)
	}
	judged := 0
	for _, x := range exchanges {
		if _, err := x.Finish(t.Context(), "wrong", nil); uri(err) == wamp.ErrAuthenticationDenied {
			judged++
		}
	}
	if judged != 10 {
		t.Errorf("%d guesses were judged, want 10", judged)
	}
}

// All names by which the same credentials can be guessed count as one: those of a
// user, and those under realms that have it from an SSO realm.
func TestGuessesByOtherNames(t *testing.T) {
	guard := auth.NewGuard()
	join := func(realm wamp.URI) *auth.Authenticator {
		d := newLive(auth.User{Name: "joe", Password: "s3cret-ticket", AuthRealm: "com.sso"})
		d.aliases["joseph"], d.aliases["+49301234"] = "joe", "joe"
		return newAuth(t, auth.Config{Realm: realm, Methods: []string{"ticket"}, Directory: d, Guard: guard})
	}
	shop, wiki := join("com.shop"), join("com.wiki")
	guess := func(a *auth.Authenticator, realm wamp.URI, name string) wamp.URI {
		_, x, err := a.Begin(t.Context(), auth.Request{Realm: realm, AuthID: name, Methods: []string{"ticket"}, Remote: from("192.0.2.1")})
		if err == nil {
			_, err = x.Finish(t.Context(), "wrong", nil)
		}
		return uri(err)
	}
	for range 2 {
		for _, name := range []string{"joe", "joseph", "+49301234"} {
			if got := guess(shop, "com.shop", name); got != wamp.ErrAuthenticationDenied {
				t.Fatalf("%s: %s", name, got)
			}
		}
	}
	for range 4 {
		if got := guess(wiki, "com.wiki", "joe"); got != wamp.ErrAuthenticationDenied {
			t.Fatal(got)
		}
	}
	for _, name := range []string{"joe", "joseph", "+49301234"} {
		if got := guess(shop, "com.shop", name); got != auth.ErrTooManyRequests {
			t.Errorf("%s after ten guesses by all names: %s", name, got)
		}
	}
	if got := guess(wiki, "com.wiki", "nobody"); got != wamp.ErrAuthenticationDenied {
		t.Errorf("another name: %s", got)
	}
}

// Guesses at a name that is nobody's count together where those at users do: where a
// lock reaches does not tell who is there.
func TestLocksDoNotTellWhoIsThere(t *testing.T) {
	for what, name := range map[string]string{"a user": "joe", "nobody": "nobody"} {
		for keeper, want := range map[wamp.URI]wamp.URI{"com.sso": auth.ErrTooManyRequests, "": wamp.ErrAuthenticationDenied} {
			guard := auth.NewGuard()
			guess := func(realm wamp.URI) wamp.URI {
				a := newAuth(t, auth.Config{
					Realm: realm, Methods: []string{"ticket"}, Guard: guard,
					Directory: newLive(auth.User{Name: "joe", Password: "s3cret-ticket", AuthRealm: keeper}),
				})
				_, x, err := a.Begin(t.Context(), auth.Request{Realm: realm, AuthID: name, Methods: []string{"ticket"}, Remote: from("192.0.2.1")})
				if err == nil {
					_, err = x.Finish(t.Context(), "wrong", nil)
				}
				return uri(err)
			}
			for range 10 {
				if got := guess("com.shop"); got != wamp.ErrAuthenticationDenied {
					t.Fatal(got)
				}
			}
			if got := guess("com.wiki"); got != want {
				t.Errorf("%s, with credentials in %q: %s in another realm, want %s", what, keeper, got, want)
			}
		}
	}
}

// An attempt that proves nothing, or is right, takes back what it counted, and not
// the wait that others brought about meanwhile: whoever has one account does not
// guess at others for it.
func TestAttemptsDoNotUnlockOthers(t *testing.T) {
	for what, end := range map[string]error{"right": nil, "late": context.DeadlineExceeded} {
		g := auth.NewGuard()
		guess := func(name string, attempt func() (bool, error)) error {
			_, err := g.Try(from("192.0.2.1").Addr(), "realm1", name, attempt)
			return err
		}
		judged := 0
		victims := func() {
			for i := range 100 {
				_ = guess(fmt.Sprint("victim", i), func() (bool, error) { judged++; return false, nil })
			}
		}
		var within func(depth int)
		within = func(depth int) {
			if depth > 0 {
				_ = guess(fmt.Sprint("own", depth), func() (bool, error) { within(depth - 1); return end == nil, end })
			}
			victims()
		}
		within(50)
		if judged != 50 { // with the 50 attempts that were under way
			t.Errorf("%s: %d guesses were judged, want 50", what, judged)
		}
	}
}

// Guesses from many addresses slow the user down, but not where it is known;
// guesses at many users slow the address down, but not loopback.
func TestDistributedGuesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := guarded(t)
		if err := try(t.Context(), a, "joe", "203.0.113.1", "s3cret-ticket"); err != nil {
			t.Fatal(err)
		}
		for i := range 100 {
			if err := try(t.Context(), a, "joe", fmt.Sprintf("2001:db8:%x::1", i), "wrong"); uri(err) != wamp.ErrAuthenticationDenied {
				t.Fatal(err)
			}
		}
		if err := try(t.Context(), a, "joe", "192.0.2.1", "s3cret-ticket"); uri(err) != auth.ErrTooManyRequests {
			t.Errorf("from a new address: %v", err)
		}
		if err := try(t.Context(), a, "joe", "203.0.113.1", "s3cret-ticket"); err != nil {
			t.Errorf("from a known address: %v", err)
		}
		time.Sleep(time.Minute)
		if err := try(t.Context(), a, "joe", "192.0.2.1", "s3cret-ticket"); err != nil {
			t.Errorf("a minute later: %v", err)
		}
		for _, addr := range []string{"192.0.2.9", "127.0.0.1", ""} {
			for i := range 100 {
				if err := try(t.Context(), a, fmt.Sprint("nobody", i), addr, "wrong"); uri(err) != wamp.ErrAuthenticationDenied {
					t.Fatal(err)
				}
			}
			err := try(t.Context(), a, "joe", addr, "s3cret-ticket")
			if want := addr == "192.0.2.9"; (uri(err) == auth.ErrTooManyRequests) != want || !want && err != nil {
				t.Errorf("after a hundred names from %q: %v", addr, err)
			}
		}
		for i := range 100 {
			_ = try(t.Context(), a, fmt.Sprint("somebody", i), fmt.Sprintf("2001:db8::%x", i+1), "wrong")
		}
		if err := try(t.Context(), a, "joe", "2001:db8::ffff", "s3cret-ticket"); uri(err) != auth.ErrTooManyRequests {
			t.Errorf("from a neighbor address: %v", err)
		}
	})
}

// What proves nothing is not counted, and what cannot be guessed counts for
// the address alone.
func TestNotCounted(t *testing.T) {
	cfg := config()
	cfg.Guard, cfg.Gate = auth.NewGuard(), auth.NewGate(1)
	a := newAuth(t, cfg)
	if err := cfg.Gate.Enter(t.Context()); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for range 30 {
		if err := try(ended, a, "joe", "192.0.2.1", "s3cret-ticket"); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	cfg.Gate.Leave()
	if err := try(t.Context(), a, "joe", "192.0.2.1", "s3cret-ticket"); err != nil {
		t.Error(err)
	}
	b, _ := guarded(t)
	for range 100 {
		_, _, err := b.Begin(t.Context(), auth.Request{AuthID: "nobody", Methods: []string{"trust"}, Remote: from("192.0.2.5")})
		if uri(err) != wamp.ErrAuthenticationDenied {
			t.Fatal(err)
		}
	}
	_, _, err := b.Begin(t.Context(), auth.Request{AuthID: "nobody", Methods: []string{"trust"}, Remote: from("192.0.2.5")})
	if uri(err) != auth.ErrTooManyRequests {
		t.Errorf("after a hundred names by trust: %v", err)
	}
	if id, _, err := b.Begin(t.Context(), auth.Request{Remote: from("192.0.2.5")}); id == nil {
		t.Errorf("anonymous: %v", err)
	}
}

// Who shares an address with others waits with them when they fail too often, but
// for those who have logged in from there before.
func TestNeighborsFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := guarded(t)
		if err := try(t.Context(), a, "joe", "192.0.2.1", "s3cret-ticket"); err != nil {
			t.Fatal(err)
		}
		fail := func() {
			for i := range 100 {
				_ = try(t.Context(), a, fmt.Sprint("nobody", i), "192.0.2.1", "wrong")
			}
		}
		for range 3 {
			fail()
			if err := try(t.Context(), a, "joe", "192.0.2.1", "s3cret-ticket"); err != nil {
				t.Errorf("who is known there: %v", err)
			}
			if err := try(t.Context(), a, "peter", "192.0.2.1", "s3cret-cra"); uri(err) != auth.ErrTooManyRequests {
				t.Errorf("who is not: %v", err)
			}
			if err := try(t.Context(), a, "peter", "192.0.2.2", "s3cret-cra"); err != nil {
				t.Errorf("elsewhere: %v", err)
			}
			time.Sleep(time.Minute)
		}
		if err := try(t.Context(), a, "peter", "192.0.2.1", "s3cret-cra"); err != nil {
			t.Errorf("a minute later: %v", err)
		}
		for range 10 {
			_ = try(t.Context(), a, "joe", "192.0.2.1", "wrong")
		}
		if err := try(t.Context(), a, "joe", "192.0.2.1", "s3cret-ticket"); uri(err) != auth.ErrTooManyRequests {
			t.Errorf("who is known is guessed at without end: %v", err)
		}
	})
}

// Certificates and keys cannot be guessed; they too are known where they were shown.
func TestNeighborsOfCertificates(t *testing.T) {
	cfg := config()
	cfg.Guard = auth.NewGuard()
	cfg.Methods, cfg.CertName = append(cfg.Methods, auth.MethodTLS), auth.CertCommonName
	a := newAuth(t, cfg)
	show := func(name string) error {
		cert := &x509.Certificate{Subject: pkix.Name{CommonName: name}}
		_, _, err := a.Begin(t.Context(), auth.Request{
			Realm: "realm1", AuthID: name, Methods: []string{auth.MethodTLS}, Remote: from("192.0.2.1"),
			TLS: &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{cert}}},
		})
		return err
	}
	if err := show("joe"); err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		_ = try(t.Context(), a, fmt.Sprint("nobody", i), "192.0.2.1", "wrong")
	}
	if err := show("joe"); err != nil {
		t.Errorf("who is known: %v", err)
	}
	if err := show("peter"); uri(err) != auth.ErrTooManyRequests {
		t.Errorf("who is not: %v", err)
	}
}

// Strangers who fail as a user, from as many addresses as they like and for as long,
// keep it out of new addresses alone, if it has nothing but a password, and until a
// minute after. Those whom a source keeps away do not even that.
func TestStrangersDoNotLockAUserOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := seeded(3)
		cfg := config()
		cfg.Guard = auth.NewGuard()
		cfg.Methods = append(cfg.Methods, auth.MethodCryptosign)
		cfg.Users[0].Keys = []ed25519.PublicKey{public(key)}
		cfg.Sources = []auth.Source{
			{Subjects: []string{"all"}},
			{Subjects: []string{"peter"}, Prefixes: prefixes("0.0.0.0/0", "::/0"), Deny: true},
			{Subjects: []string{"peter"}, Prefixes: prefixes("192.0.2.0/24")},
		}
		a := newAuth(t, cfg)
		for _, name := range []string{"joe", "loner"} {
			if err := try(t.Context(), a, name, "203.0.113.1", map[string]string{"joe": "s3cret-ticket", "loner": "s3cret-loner"}[name]); err != nil {
				t.Fatal(err)
			}
		}
		site := netip.MustParseAddr("2001:db8::1").As16()
		for i := range auth.GuardEntries { // also more than are remembered
			site[6], site[7] = byte(i>>8), byte(i)
			for _, name := range []string{"joe", "peter", fmt.Sprint("nobody", i)} {
				_, x, err := a.Begin(t.Context(), auth.Request{
					Realm: "realm1", AuthID: name, Methods: []string{"wampcra"}, Remote: netip.AddrPortFrom(netip.AddrFrom16(site), 1),
				})
				if err == nil {
					_, err = x.Finish(t.Context(), "malformed", nil)
				}
				if err == nil {
					t.Fatal("let in")
				}
			}
			if i%100 == 0 {
				time.Sleep(time.Second)
			}
		}
		if err := try(t.Context(), a, "joe", "203.0.113.1", "s3cret-ticket"); err != nil {
			t.Errorf("from a known address: %v", err)
		}
		if err := try(t.Context(), a, "joe", "192.0.2.1", "s3cret-ticket"); uri(err) != auth.ErrTooManyRequests {
			t.Errorf("from a new address: %v", err)
		}
		req := keyRequest("joe", key)
		req.Realm, req.Remote = "realm1", from("192.0.2.1")
		if _, err := begin(t, a, req).Finish(t.Context(), signChallenge(t, key, begin(t, a, req)), nil); err == nil {
			t.Error("a signature of another challenge")
		}
		x := begin(t, a, req)
		if _, err := x.Finish(t.Context(), signChallenge(t, key, x), nil); err != nil {
			t.Errorf("with a key: %v", err)
		}
		if err := try(t.Context(), a, "peter", "192.0.2.1", "s3cret-cra"); err != nil {
			t.Errorf("whom strangers may not even try: %v", err)
		}
		time.Sleep(time.Minute)
		if err := try(t.Context(), a, "joe", "192.0.2.77", "s3cret-ticket"); err != nil {
			t.Errorf("from a new address, a minute later: %v", err)
		}
	})
}

// The table has a bound; who makes room is counted.
func TestGuardIsBounded(t *testing.T) {
	a, guard := guarded(t)
	for range 10 {
		_ = try(t.Context(), a, "joe", "192.0.2.1", "wrong")
	}
	addr := netip.MustParseAddr("2001:db8::1").As16()
	for i := range auth.GuardEntries {
		addr[6], addr[7] = byte(i>>8), byte(i)
		x := begin(t, a, auth.Request{
			AuthID: fmt.Sprint("nobody", i), Methods: []string{"wampcra"},
			Remote: netip.AddrPortFrom(netip.AddrFrom16(addr), 1),
		})
		if _, err := x.Finish(t.Context(), "malformed", nil); uri(err) != wamp.ErrAuthenticationDenied {
			t.Fatal(err)
		}
	}
	// each name makes three entries, and what joe left is three more
	if _, evicted := guard.Stats(); evicted != 2*auth.GuardEntries+3 {
		t.Errorf("%d entries made room, want %d", evicted, 2*auth.GuardEntries+3)
	}
}

func TestGateTurnsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := auth.NewGate(1)
		if err := g.Enter(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, auth.GateWaiting)
		for range auth.GateWaiting {
			go func() { done <- g.Enter(ctx) }()
		}
		synctest.Wait()
		if err := g.Enter(ctx); uri(err) != wamp.ErrUnavailable {
			t.Errorf("one more than may wait: %v", err)
		}
		if n := g.TurnedAway(); n != 1 {
			t.Errorf("%d were turned away, want 1", n)
		}
		cancel()
		for range auth.GateWaiting {
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
		}
		g.Leave()
		if err := g.Enter(t.Context()); err != nil {
			t.Errorf("after all have left: %v", err)
		}
	})
}
