//go:build e2e && linux

package systest_test

import (
	"bufio"
	"bytes"
	"fmt"
	"net/netip"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	netrig "bondy/cmd/internal/systest/rig"
	"bondy/core/wamp"
	"bondy/transport/client"
)

func in(h *netrig.Host) place { return place{h.Command, h.DialContext} }

// uplinkPort is where edges arrive at a core that has its host for itself.
const uplinkPort = 18092

func arriveAt(core *netrig.Host) string {
	return netip.AddrPortFrom(core.Addr(), uplinkPort).String()
}

// span is a core and an edge in hosts of their own.
type span struct {
	core, edge         *station
	coreHost, edgeHost *netrig.Host
	link               *netrig.Link
}

// newSpan joins an edge to a core by a link, and realm1 of both by the rules.
func newSpan(t *testing.T, p netrig.Params, rules string) *span {
	t.Helper()
	n := netrig.New(t)
	coreHost, spokes := n.Star(1, p)
	a := newAuthority(t)
	a.pki("issue", "core", "--address", coreHost.Addr().String())
	a.pki("issue", "edge1", "--role", "edge")
	s := &span{
		core: newStation(t, in(coreHost), coreConfig(a, arriveAt(coreHost), "com.", "edge1")),
		edge: newEdge(t, a, in(spokes[0].Host), "edge1", arriveAt(coreHost), rules), link: spokes[0].Link,
		coreHost: coreHost, edgeHost: spokes[0].Host,
	}
	s.core.start()
	s.edge.start()
	s.edge.bridged("cloud")
	s.core.bridged("edge1")
	return s
}

// settled waits until the interest of each side is what the other says it told.
func (s *span) settled(t *testing.T) {
	t.Helper()
	eventually(t, "interest", func() bool {
		e, c := s.edge.realm("cloud"), s.core.realm("edge1")
		return e.State == "bridged" && c.State == "bridged" && e.Told == c.Wanted && c.Told == e.Wanted
	})
}

// TestBridgedClients has autobahn-js at the edge call Wampy.js at the core, and
// each library in the other places.
func TestBridgedClients(t *testing.T) {
	s := newSpan(t, netrig.Params{}, everything)
	for _, c := range []struct {
		name           string
		caller, callee *station
		libraries      [2]string
	}{
		{"edge to core", s.edge, s.core, [2]string{"autobahn", "wampy"}},
		{"core to edge", s.core, s.edge, [2]string{"autobahn", "wampy"}},
		{"edge to core, exchanged", s.edge, s.core, [2]string{"wampy", "autobahn"}},
		{"core to edge, exchanged", s.core, s.edge, [2]string{"wampy", "autobahn"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			callee, err := start(c.callee.script(t, "--role", "callee", "--library", c.libraries[1]))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(callee.kill)
			if err := callee.await(regexp.MustCompile("ready\n")); err != nil {
				t.Fatal(err)
			}
			var stderr bytes.Buffer
			caller := c.caller.script(t, "--role", "caller", "--library", c.libraries[0])
			caller.Stderr = &stderr
			out, err := caller.Output()
			checks := 0
			for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); checks++ {
				parse(t, lines.Bytes()).report(t)
			}
			if err != nil || checks == 0 {
				t.Errorf("%d checks were made, then the caller ended with %v:\n%s\nthe callee wrote:\n%s", checks, err, &stderr, &callee.stderr)
			}
		})
	}
}

// script prepares a run of uplink.mjs where the node runs, with its URL.
func (s *station) script(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	outside := npmScript(t, "uplink.mjs", append(args, "--url", s.urls["websocket"])...)
	cmd := s.command(t.Context(), outside.Path, outside.Args[1:]...)
	cmd.Dir = outside.Dir
	return cmd
}

// TestBridgedRules publishes and calls on both sides, and compares what
// crosses with what the rules say.
func TestBridgedRules(t *testing.T) {
	const rules = `
topic com.example.exact exact out
topic com.example.telemetry. prefix out
topic com.example..alarm wildcard out
topic com.example.command exact in
topic com.example.config. prefix in
topic com.example..notice wildcard in
topic com.example.both. prefix both
procedure com.example.exact exact in
procedure com.example.cloud. prefix in
procedure com.example..get wildcard in
procedure com.example.device exact out
procedure com.example.gateway. prefix out
procedure com.example..set wildcard out
procedure com.example.both. prefix both
`
	s := newSpan(t, netrig.Params{}, ruleTables(rules))
	atEdge, atCore := s.edge.join(), s.core.join()
	const last = "com.example.both.last" // crosses after all others

	// The URIs, and whether topics cross from the edge up, from the core down;
	// whether the edge can call the core, the core the edge.
	topics := map[wamp.URI][2]bool{
		"com.example.exact":            {true, false},
		"com.example.exact.more":       {},
		"com.example.telemetry":        {},
		"com.example.telemetry.a":      {true, false},
		"com.example.telemetry.a.b":    {true, false},
		"com.example.telemetryx.a":     {},
		"com.example.pump.alarm":       {true, false},
		"com.example.pump.alarm.more":  {},
		"com.example.pump.one.alarm":   {},
		"com.example.command":          {false, true},
		"com.example.config.a":         {false, true},
		"com.example.pump.notice":      {false, true},
		"com.example.both.a":           {true, true},
		"com.example.telemetry.notice": {true, true},
		"com.example.config.alarm":     {true, true},
		"com.example.other":            {},
		"org.example.exact":            {},
		last:                           {true, true},
	}
	t.Run("topics", func(t *testing.T) {
		for way, from := range []*client.Session{atEdge, atCore} {
			to := []*client.Session{s.core.join(), s.edge.join()}[way]
			got, done := map[wamp.URI]bool{}, make(chan struct{})
			for topic := range topics {
				subscribe(t, to, topic, wamp.MatchExact, func(ev *client.Event) {
					if got[ev.Topic] = true; ev.Topic == last {
						close(done)
					}
				})
			}
			s.settled(t)
			for topic := range topics {
				if topic != last {
					publish(t, from, topic)
				}
			}
			publish(t, from, last)
			<-done
			for topic, want := range topics {
				if got[topic] != want[way] {
					t.Errorf("%s from %s crossed: %t", topic, []string{"edge", "core"}[way], got[topic])
				}
			}
			if err := to.Close(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})

	procedures := map[wamp.URI][2]bool{
		"com.example.exact":     {true, false},
		"com.example.exact.a":   {},
		"com.example.cloud.a":   {true, false},
		"com.example.cloud.a.b": {true, false},
		"com.example.pump.get":  {true, false},
		"com.example.a.b.get":   {},
		"com.example.device":    {false, true},
		"com.example.gateway.a": {false, true},
		"com.example.pump.set":  {false, true},
		"com.example.both.a":    {true, true},
		"com.example.cloud.set": {true, true},
		"com.example.other":     {},
		"org.example.exact":     {},
		last:                    {true, true},
	}
	check := func(t *testing.T, way int, from *client.Session) {
		t.Helper()
		callable(t, from, last)
		for procedure, want := range procedures {
			got := uri(call(t.Context(), from, procedure, patience))
			if crossed := got == ""; crossed != want[way] || got != "" && got != wamp.ErrNoSuchProcedure {
				t.Errorf("call of %s from %s = %q, want it to cross: %t", procedure, []string{"edge", "core"}[way], got, want[way])
			}
		}
	}
	t.Run("procedures", func(t *testing.T) {
		for way, from := range []*client.Session{atEdge, atCore} {
			to := []*client.Session{s.core.join(), s.edge.join()}[way]
			for procedure := range procedures {
				if procedure != last {
					register(t, to, procedure, echo)
				}
			}
			register(t, to, last, echo)
			check(t, way, from)
			if err := to.Close(t.Context()); err != nil {
				t.Error(err)
			}
			s.settled(t)
		}
	})
	t.Run("pattern registrations", func(t *testing.T) {
		for way, from := range []*client.Session{atEdge, atCore} {
			to := []*client.Session{s.core.join(), s.edge.join()}[way]
			for _, p := range []struct {
				uri   wamp.URI
				match wamp.Match
			}{{"com.", wamp.MatchPrefix}, {"org..exact", wamp.MatchWildcard}, {last, wamp.MatchExact}} {
				if _, err := to.Register(t.Context(), p.uri, echo, client.RegisterOptions{Match: p.match}); err != nil {
					t.Fatal(err)
				}
			}
			check(t, way, from)
			if err := to.Close(t.Context()); err != nil {
				t.Error(err)
			}
			s.settled(t)
		}
	})
}

// ruleTables writes lines of kind, URI, match and direction as TOML.
func ruleTables(lines string) string {
	var b strings.Builder
	for line := range strings.Lines(lines) {
		if f := strings.Fields(line); len(f) == 4 {
			fmt.Fprintf(&b, "[[uplink.realm.%s]]\nuri = %q\nmatch = %q\ndirection = %q\n", f[0], f[1], f[2], f[3])
		}
	}
	return b.String()
}

// TestTwentyEdges has twenty edges at one core, with events up and down and
// calls both ways at once.
func TestTwentyEdges(t *testing.T) {
	const edges, events = 20, 50
	n := netrig.New(t)
	coreHost, spokes := n.Star(edges, netrig.Params{})
	a := newAuthority(t)
	a.pki("issue", "core", "--address", coreHost.Addr().String())
	var names []string
	for _, spoke := range spokes {
		names = append(names, spoke.Name())
		a.pki("issue", spoke.Name(), "--role", "edge")
	}
	core := newStation(t, in(coreHost), coreConfig(a, arriveAt(coreHost), "com.", names...))
	core.start()
	rules := ruleTables(`
topic com.example.up. prefix out
topic com.example.down. prefix in
procedure com.example.cloud. prefix in
procedure com.example.edge. prefix out
`)
	f := newFleet(t, core)
	for _, spoke := range spokes {
		edge := newEdge(t, a, in(spoke.Host), spoke.Name(), arriveAt(coreHost), rules)
		edge.start()
		f.add(spoke.Name(), edge)
	}
	f.settled()
	f.run(events)
	// Nothing of an edge came to another one, and nothing came twice.
	if r := f.events.Report(); !r.Clean() {
		t.Errorf("events were lost, doubled or reordered:\n%s", r)
	}
	if got := core.uplinks(); len(got) != edges {
		t.Errorf("the core has %d uplinks, want %d", len(got), edges)
	}
	for name, edge := range f.edges {
		if got := edge.realm("cloud"); got.CallsIn != events || got.EventsIn != events || got.Denied+got.Refused > 0 {
			t.Errorf("%s shows %+v, want %d events and calls", name, got, events)
		}
	}
}
