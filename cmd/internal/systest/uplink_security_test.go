package systest_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bondy/core/wamp"
	"bondy/transport/client"
	"bondy/uplink"
)

// guarded is a core on loopback with its authority and the edge "good". The
// realm knows the edges "good" and "thief", which may do what is below
// com.example.allowed; realm2 knows none.
func guarded(t *testing.T) (a *authority, core, good *station) {
	t.Helper()
	a = newAuthority(t)
	a.pki("issue", "core", "--address", "127.0.0.1")
	a.pki("issue", "good", "--role", "edge")
	core = newStation(t, here(), coreConfig(a, "127.0.0.1:0", "com.example.allowed.", "good", "thief")+guardedConfig)
	core.start()
	good = newEdge(t, a, here(), "good", core.arrivals(), everything)
	good.start()
	good.bridged("cloud")
	for name, s := range map[string]*station{"good": core, "cloud": good} {
		if out := bondyOutput(t, "uplink", "list", "--data", s.data()); !strings.Contains(string(out), name) {
			t.Errorf("bondy uplink list does not show %s:\n%s", name, out)
		}
	}
	return a, core, good
}

const (
	mostHeld      = 1000 // topics, and procedures, of a session of guarded's core
	guardedConfig = `
[[realm]]
uri = "realm2"
[limits]
max_subscriptions_per_session = 1000
max_registrations_per_session = 1000
max_pending_calls_per_session = 500
`
)

// arrivals is where edges reach the core.
func (s *station) arrivals() string { return strings.TrimPrefix(s.urls["uplink"], "http://") }

// problem waits until the edge says why it has no link.
func (s *station) problem(want string) {
	s.t.Helper()
	eventually(s.t, "no link: "+want, func() bool { return strings.Contains(s.uplinks()["cloud"].Problem, want) })
}

// refused waits until the core has refused realm1, and returns what it said.
func (s *station) refused() string {
	s.t.Helper()
	eventually(s.t, "realm1 refused", func() bool { return s.realm("cloud").State == "refused" })
	return s.realm("cloud").Refusal
}

// alive checks that calls cross from that edge to the core.
func alive(t *testing.T, core, edge *station) {
	t.Helper()
	edge.bridged("cloud")
	callee, caller := core.join(), edge.join()
	register(t, callee, "com.example.allowed.alive", echo)
	callable(t, caller, "com.example.allowed.alive")
	if err := callee.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestEdgeCertificateIsNoNodes has a core that holds the certificate of an
// edge.
func TestEdgeCertificateIsNoNodes(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	a.pki("issue", "core", "--role", "edge", "--address", "127.0.0.1")
	a.pki("issue", "good", "--role", "edge")

	t.Run("core", func(t *testing.T) {
		core := newStation(t, here(), coreConfig(a, "127.0.0.1:0", "com.", "good"))
		p, err := start(core.command(t.Context(), bondy(), "serve", "--config", filepath.Join(core.folder, "bondy.toml")))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.kill)
		select {
		case <-p.ended:
		case <-time.After(patience):
			t.Fatal("the core runs")
		}
		if said := p.stderr.String(); p.err == nil || !strings.Contains(said, "another role") || !strings.Contains(said, "core.crt") {
			t.Errorf("serve ended with %v and wrote %q", p.err, said)
		}
	})

	t.Run("edge", func(t *testing.T) {
		edge := newEdge(t, a, here(), "good", impostor(t, a), everything)
		edge.start()
		edge.problem("certificate of the peer refused")
	})
}

// impostor is a listener for links with the certificate of an edge; it returns
// its address.
func impostor(t *testing.T, a *authority) string {
	t.Helper()
	l, err := uplink.Listen(t.Context(), uplink.ListenerConfig{
		Address: "127.0.0.1:0", Config: linkConfig(a.config("core"), mute{}),
	})
	if err != nil {
		t.Fatal(err)
	}
	serveUntilEnd(t, l.Run)
	return l.Addr().String()
}

// config is TLS with the certificate of that name, for either end of a link.
func (a *authority) config(name string) *tls.Config {
	a.t.Helper()
	pair, err := tls.LoadX509KeyPair(filepath.Join(a.dir, name+".crt"), filepath.Join(a.dir, name+".key"))
	if err != nil {
		a.t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(a.dir, "ca.crt"))
	pool := x509.NewCertPool()
	if err != nil || !pool.AppendCertsFromPEM(text) {
		a.t.Fatalf("ca.crt: %v", err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: pool, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}
}

// linkConfig is an end of a link that takes whoever TLS lets in.
func linkConfig(conf *tls.Config, h uplink.Handler) uplink.Config {
	return uplink.Config{
		TLS: conf, Handler: h, Log: slog.New(slog.DiscardHandler),
		Identify: func(tls.ConnectionState) (uplink.Identity, error) { return uplink.Identity{Name: "peer"}, nil },
	}
}

// serveUntilEnd runs something until the test ends, and waits for it.
func serveUntilEnd(t *testing.T, run func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// mute is an uplink.Handler that ignores everything.
type mute struct{}

func (mute) Up(*uplink.Link)                        {}
func (mute) Frame(*uplink.Link, int, uint8, []byte) {}
func (mute) Down(*uplink.Link, error)               {}

// TestStolenCertificate has an edge with a valid certificate that wants to be
// more than its keys and grants say.
func TestStolenCertificate(t *testing.T) {
	t.Parallel()
	a, core, good := guarded(t)
	a.pki("issue", "thief", "--role", "edge")
	config := edgeConfig(a, "thief", core.arrivals(), everything)

	for name, authid := range map[string]string{"own name, wrong key": "thief", "name of another": "good", "unknown name": "nobody"} {
		t.Run(name, func(t *testing.T) {
			thief := newEdge(t, a, here(), "thief", core.arrivals(), everything)
			thief.write("bondy.toml", strings.Replace(config, `authid = "thief"`, `authid = "`+authid+`"`, 1))
			thief.write("uplink.key", seedOf("guess").private())
			thief.start()
			if said := thief.refused(); !strings.Contains(said, "wamp.error.") {
				t.Errorf("refused with %q", said)
			}
			if u := thief.uplinks()["cloud"]; u.State != "up" {
				t.Errorf("the link is %s: %s", u.State, u.Problem)
			}
			unserved(t, core, thief)
		})
	}

	t.Run("realm without a key", func(t *testing.T) {
		thief := newEdge(t, a, here(), "thief", core.arrivals(), everything)
		thief.write("bondy.toml", config+`
[[uplink.realm]]
uri = "realm2"
authid = "thief"
key_file = "uplink.key"
`+everything+"[[realm]]\nuri = \"realm2\"\n")
		thief.start()
		thief.bridged("cloud")
		eventually(t, "realm2 refused", func() bool {
			for _, r := range thief.uplinks()["cloud"].Realms {
				if r.Realm == "realm2" {
					return r.State == "refused"
				}
			}
			return false
		})
		alive(t, core, thief)
	})

	t.Run("beyond the grants", func(t *testing.T) {
		thief := newEdge(t, a, here(), "thief", core.arrivals(), everything)
		thief.start()
		thief.bridged("cloud")
		beyondGrants(t, core, thief)
	})
	alive(t, core, good)
}

// unserved checks that nothing crosses from that edge to the core.
func unserved(t *testing.T, core, edge *station) {
	t.Helper()
	inside, outside := core.join(), edge.join()
	events := make(chan *client.Event, 10)
	register(t, inside, "com.example.allowed.secret", echo)
	subscribe(t, inside, "com.example.allowed.topic", wamp.MatchExact, func(ev *client.Event) { events <- ev })
	if got := uri(call(t.Context(), outside, "com.example.allowed.secret", patience)); got != wamp.ErrNoSuchProcedure {
		t.Errorf("call = %s", got)
	}
	publish(t, outside, "com.example.allowed.topic")
	select {
	case <-events:
		t.Error("an event crossed")
	case <-time.After(200 * time.Millisecond):
	}
	if err := inside.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// beyondGrants has an edge call, register, publish and subscribe what its rules
// allow and the grants of its uplink do not.
func beyondGrants(t *testing.T, core, edge *station) {
	t.Helper()
	inside, outside := core.join(), edge.join()
	events := make(chan wamp.URI, 10)
	note := func(ev *client.Event) { events <- ev.Topic }
	register(t, inside, "com.example.forbidden.core", echo)
	subscribe(t, inside, "com.example.forbidden.up", wamp.MatchExact, note)
	subscribe(t, inside, "com.example.allowed.up", wamp.MatchExact, note)
	register(t, inside, "com.example.allowed.last", echo)
	callable(t, outside, "com.example.allowed.last")
	denied := func() uint64 { return core.realm("thief").Denied }

	register(t, outside, "com.example.forbidden.edge", echo)
	subscribe(t, outside, "com.example.forbidden.down", wamp.MatchExact, note)
	subscribe(t, outside, "com.example.", wamp.MatchPrefix, func(*client.Event) {})
	eventually(t, "interest denied", func() bool { return denied() == 3 })

	if got := uri(call(t.Context(), outside, "com.example.forbidden.core", patience)); got != wamp.ErrNotAuthorized {
		t.Errorf("forbidden call to the core = %s", got)
	}
	if got := uri(call(t.Context(), inside, "com.example.forbidden.edge", patience)); got != wamp.ErrNoSuchProcedure {
		t.Errorf("forbidden call to the edge = %s", got)
	}
	publish(t, inside, "com.example.forbidden.down")
	publish(t, outside, "com.example.forbidden.up")
	publish(t, outside, "com.example.allowed.up")
	if got := <-events; got != "com.example.allowed.up" {
		t.Errorf("%s crossed", got)
	}
	if got := denied(); got != 5 {
		t.Errorf("denied = %d, want 5: two patterns and a procedure, a call and an event", got)
	}
	if r := edge.realm("cloud"); r.Refused != 3 {
		t.Errorf("refused at the edge = %d, want 3", r.Refused)
	}
}

// revocationLimit is how soon a certificate that is good no more must end what it
// opened: on an idle machine it is 6 s.
const revocationLimit = 12 * time.Second

// TestCertificatesEnd revokes a certificate and has another expire, both of
// edges that are connected.
func TestCertificatesEnd(t *testing.T) {
	if testing.Short() {
		t.Skip("open links are checked every few seconds")
	}
	t.Parallel()
	a, core, good := guarded(t)
	a.pki("issue", "thief", "--role", "edge")
	thief := newEdge(t, a, here(), "thief", core.arrivals(), everything)
	thief.start()
	thief.bridged("cloud")

	gone := func(name string, edge *station, why string, since time.Time) {
		t.Helper()
		eventually(t, "end of the link of "+name, func() bool { return edge.uplinks()["cloud"].State != "up" })
		after := time.Since(since).Round(10 * time.Millisecond)
		t.Logf("the link of the edge whose certificate is %s ended after %v", why, after)
		if after > revocationLimit {
			t.Errorf("the link of the edge whose certificate is %s ended after %v", why, after)
		}
		dials := edge.uplinks()["cloud"].Dials
		eventually(t, "another dial", func() bool { return edge.uplinks()["cloud"].Dials > dials+1 })
		if u := edge.uplinks()["cloud"]; u.State == "up" || u.Problem == "" {
			t.Errorf("after %s the link is %s: %q", why, u.State, u.Problem)
		} else {
			t.Logf("%s: the edge says: %s", why, u.Problem)
		}
		if _, there := core.uplinks()[name]; there {
			t.Errorf("the core has a link of %s", name)
		}
	}
	a.pki("revoke", "thief")
	gone("thief", thief, "revoked", time.Now())
	thief.problem("refused the certificate of this node")

	a.pki("issue", "brief", "--role", "edge", "--expires", "2s")
	expired := time.Now().Add(2 * time.Second)
	brief := newEdge(t, a, here(), "brief", core.arrivals(), everything)
	brief.start()
	eventually(t, "link", func() bool { return brief.uplinks()["cloud"].State == "up" })
	gone("brief", brief, "expired", expired)
	alive(t, core, good)
}
