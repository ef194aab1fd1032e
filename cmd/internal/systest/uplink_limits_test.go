package systest_test

import (
	"fmt"
	"strings"
	"testing"

	"bondy/core/wamp"
	"bondy/transport/client"
)

// TestMostRules bridges a realm by as many rules as it may have.
func TestMostRules(t *testing.T) {
	t.Parallel()
	const most = 1000 // of each kind
	a, core, _ := guarded(t)
	a.pki("issue", "thief", "--role", "edge")
	var rules strings.Builder
	for i := range most {
		for _, kind := range []string{"topic", "procedure"} {
			fmt.Fprintf(&rules, "[[uplink.realm.%s]]\nuri = \"com.example.allowed.%d.\"\nmatch = \"prefix\"\ndirection = \"both\"\n", kind, i)
		}
	}
	edge := newEdge(t, a, here(), "thief", core.arrivals(), rules.String())
	edge.start()
	edge.bridged("cloud")
	register(t, core.join(), "com.example.allowed.999.last", echo)
	callable(t, edge.join(), "com.example.allowed.999.last")
}

// TestMuchInterest joins an edge to a core that has more to say of its
// interest than may wait to be sent at once.
func TestMuchInterest(t *testing.T) {
	t.Parallel()
	const topics = 5000 // of 200 bytes
	a := newAuthority(t)
	a.pki("issue", "core", "--address", "127.0.0.1")
	a.pki("issue", "good", "--role", "edge")
	core := newStation(t, here(), coreConfig(a, "127.0.0.1:0", "com.example.", "good")+`
[limits]
queue_soft = "64KiB"
queue_hard = "256KiB"
queue_reserve = "256KiB"
`)
	core.start()
	c := core.join()
	for i := range topics {
		topic := wamp.URI(fmt.Sprintf("com.example.%s.%d", strings.Repeat("x", 180), i))
		subscribe(t, c, topic, wamp.MatchExact, func(*client.Event) {})
	}
	edge := newEdge(t, a, here(), "good", core.arrivals(), everything)
	edge.start()
	eventually(t, "the core's interest at the edge", func() bool { return edge.realm("cloud").Wanted == topics })
	if u := edge.uplinks()["cloud"]; u.Dials != 1 {
		t.Errorf("it took %d dials", u.Dials)
	}
}
