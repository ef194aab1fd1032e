//go:build e2e && linux

package systest_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"bondy/cmd/internal/systest/ledger"
	netrig "bondy/cmd/internal/systest/rig"
	"bondy/core/wamp"
	"bondy/transport/client"
)

// TestOrderOnALossyLink sends events both ways over a link that loses packets:
// all arrive, once, and for each pair of publisher and subscriber in order.
func TestOrderOnALossyLink(t *testing.T) {
	const (
		events     = 100_000
		publishers = 4 // at each side
		each       = events / 2 / publishers
		ahead      = 4000 // events of one side that may be under way: less than a queue holds
		limit      = 3 * time.Minute
	)
	s := newSpan(t, netrig.Params{Delay: wayTime, Loss: 0.01}, everything)
	l := ledger.New(16)
	rooms := [2]chan struct{}{make(chan struct{}, ahead), make(chan struct{}, ahead)}
	sides, names := [2]*station{s.edge, s.core}, [2]string{"edge", "core"}
	publisher := func(i, n int) string { return fmt.Sprintf("%s.%d", names[i], n) }
	for i, to := range [2]*station{s.core, s.edge} {
		for n := range 2 {
			subscriber := fmt.Sprintf("%s.subscriber%d", names[1-i], n)
			subscribe(t, to.join(), wamp.URI("com.example.order."+names[i]+"."), wamp.MatchPrefix, func(ev *client.Event) {
				if l.Seen(subscriber, ev.Args); n == 0 {
					<-rooms[i]
				}
			})
			for p := range publishers {
				l.Expect(subscriber, publisher(i, p))
			}
		}
	}
	s.settled(t)

	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	began := time.Now()
	g, ctx := errgroup.WithContext(ctx)
	for i, from := range sides {
		for p := range publishers {
			c, name := from.join(), publisher(i, p)
			g.Go(func() error {
				for range each {
					select {
					case rooms[i] <- struct{}{}:
					case <-ctx.Done():
						return context.Cause(ctx)
					}
					if _, err := c.Publish(ctx, wamp.URI("com.example.order."+name), l.Next(name), nil, client.PublishOptions{Acknowledge: true}); err != nil {
						return err
					}
				}
				return nil
			})
		}
	}
	if err := g.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, l.Report())
	}
	late, cancelLate := context.WithTimeout(t.Context(), patience)
	defer cancelLate()
	if err := l.Wait(late); err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	if r := l.Report(); !r.Clean() {
		t.Errorf("events were lost, doubled or reordered:\n%s", r)
	}
	u := s.edge.uplinks()["cloud"]
	if u.Dials != 1 {
		t.Errorf("the link went down: %d dials", u.Dials)
	}
	stats := s.link.Stats()
	t.Logf("%d events in %v, %.0f per second each way; the link dropped %d of %d packets; round trip %.0f ms", events, took.Round(time.Millisecond),
		events/2/took.Seconds(), stats.There.Dropped+stats.Back.Dropped,
		stats.There.Packets+stats.Back.Packets+stats.There.Dropped+stats.Back.Dropped, u.RTT)
}
