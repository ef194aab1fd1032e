//go:build e2e && linux

package systest_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	netrig "bondy/cmd/internal/systest/rig"
	"bondy/core/wamp"
	"bondy/transport/client"
)

// TestResultsBeyondTheQueue asks over a slow link for more than may wait to be
// sent: the link stays, and each call has its result or is refused.
func TestResultsBeyondTheQueue(t *testing.T) {
	const calls = 20 // of 1 MiB each, at 4 MiB a second
	s := newSpan(t, netrig.Params{Delay: wayTime, RateBytesPerSec: 4 << 20}, everything)
	tr := newTraffic(t, s)
	large := strings.Repeat("x", 1<<20)
	register(t, s.core.join(), "com.example.large", func(context.Context, *client.Invocation) (*client.Result, error) {
		return &client.Result{Args: []any{large}}, nil
	})
	callable(t, tr.sides[0].away, "com.example.large")
	answers := make(chan wamp.URI, calls)
	var calling sync.WaitGroup
	for range calls {
		calling.Go(func() { answers <- uri(call(t.Context(), tr.sides[0].away, "com.example.large", patience)) })
	}
	calling.Wait()
	close(answers)
	count := map[wamp.URI]int{}
	for a := range answers {
		count[a]++
	}
	t.Logf("answers: %v", count)
	if count[""]+count[wamp.ErrUnavailable] != calls || count[""] == 0 {
		t.Errorf("answers were %v, want results, and %s for what had no room", count, wamp.ErrUnavailable)
	}
	if u := s.edge.uplinks()["cloud"]; u.State != "up" || u.Dials != 1 {
		t.Errorf("the link is %s after %d dials", u.State, u.Dials)
	}
}

// TestEventsBeyondTheQueue publishes over a slow link more than may wait to be
// sent: some are dropped, those that arrive are in order, and the link stays.
func TestEventsBeyondTheQueue(t *testing.T) {
	const events = 100_000
	s := newSpan(t, netrig.Params{Delay: wayTime, RateBytesPerSec: 1 << 20}, everything)
	tr := newTraffic(t, s)
	c := s.edge.join()
	for range events {
		if _, err := c.Publish(t.Context(), "com.example.events.edge", tr.events.Next("edge"), nil, client.PublishOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	if err := call(t.Context(), c, "com.example.echo.core", patience); err != nil {
		t.Errorf("call beside the events: %v", err)
	}
	t.Logf("a call beside the events took %v", time.Since(began).Round(time.Millisecond))
	eventually(t, "empty queue", func() bool { return s.edge.uplinks()["cloud"].Queued == 0 })
	callable(t, c, "com.example.echo.core") // comes after the last event
	r := tr.events.Report()
	if r.Doubled()+r.Reordered()+r.Foreign.Count > 0 {
		t.Errorf("events were doubled or out of order:\n%s", r)
	}
	t.Logf("%d of %d events were dropped", r.Lost(), events)
	if u := s.edge.uplinks()["cloud"]; u.State != "up" || u.Dials != 1 {
		t.Errorf("the link is %s after %d dials", u.State, u.Dials)
	}
}
