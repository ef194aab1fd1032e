//go:build e2e && linux

package systest_test

import (
	"context"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"bondy/cmd/internal/systest/ledger"
	netrig "bondy/cmd/internal/systest/rig"
	"bondy/core/wamp"
	"bondy/transport/client"
)

const (
	wayTime   = 50 * time.Millisecond // from one host to the other
	outageEnd = 2 * time.Second       // when all works again after the link is back
	// deadAfter is when a link is down at the latest that went silent with a
	// call in flight: a ping, and the time its pong may take, and some more
	// for a busy machine.
	deadAfter = 2500 * time.Millisecond
	// callsInFlight are made at each side.
	callsInFlight = 10
)

// side is one end of a span, with a client that offers and sees what the
// other side uses.
type side struct {
	name, other string
	session     *client.Session
	away        *client.Session // calls and publishes
	seen        chan struct{}   // gets a token for an event, if there is room
	begun       chan struct{}   // gets a token for each call that is never answered
}

// traffic keeps both sides of a span busy.
type traffic struct {
	*span
	sides  [2]*side
	events *ledger.Ledger
}

func newTraffic(t *testing.T, s *span) *traffic {
	t.Helper()
	tr := &traffic{span: s, events: ledger.New(16)}
	for i, st := range []*station{s.edge, s.core} {
		names := [2]string{"edge", "core"}
		sd := &side{
			name: names[i], other: names[1-i], session: st.join(), away: st.join(),
			seen: make(chan struct{}, 1), begun: make(chan struct{}, callsInFlight),
		}
		tr.sides[i] = sd
		register(t, sd.session, wamp.URI("com.example.never."+sd.name), func(ctx context.Context, _ *client.Invocation) (*client.Result, error) {
			sd.begun <- struct{}{}
			<-ctx.Done()
			return nil, ctx.Err()
		})
		register(t, sd.session, wamp.URI("com.example.echo."+sd.name), echo)
		subscribe(t, sd.session, wamp.URI("com.example.events."+sd.other), wamp.MatchExact, func(ev *client.Event) {
			tr.events.Seen(sd.name, ev.Args)
			select {
			case sd.seen <- struct{}{}:
			default:
			}
		})
		tr.events.Expect(sd.name, sd.other)
	}
	for _, sd := range tr.sides {
		callable(t, sd.away, wamp.URI("com.example.echo."+sd.other))
	}
	s.settled(t)
	return tr
}

// flowing measures from since until calls and events cross both ways.
func (tr *traffic) flowing(t *testing.T, since time.Time) map[string]time.Duration {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	after := map[string]time.Duration{}
	var mu sync.Mutex
	var work sync.WaitGroup
	measure := func(what string, try func() bool) {
		work.Go(func() {
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			for ctx.Err() == nil && !try() {
				<-tick.C
			}
			mu.Lock()
			defer mu.Unlock()
			after[what] = time.Since(since).Round(time.Millisecond)
		})
	}
	for i, sd := range tr.sides {
		measure("call from "+sd.name, func() bool {
			return call(ctx, sd.away, wamp.URI("com.example.echo."+sd.other), patience) == nil
		})
		to := tr.sides[1-i]
		select {
		case <-to.seen: // from before
		default:
		}
		measure("event from "+sd.name, func() bool {
			publish(t, sd.away, wamp.URI("com.example.events."+sd.name), tr.events.Next(sd.name)...)
			select {
			case <-to.seen:
				return true
			default:
				return false
			}
		})
	}
	work.Wait()
	return after
}

// inFlight calls what is never answered, from both sides; what it returns waits
// for the errors, and measures since when they came.
func (tr *traffic) inFlight(t *testing.T) func(since time.Time) map[string]time.Duration {
	t.Helper()
	type answer struct {
		from string
		uri  wamp.URI
		at   time.Time
	}
	answers := make(chan answer, 2*callsInFlight)
	for _, sd := range tr.sides {
		for range callsInFlight {
			go func() {
				got := uri(call(t.Context(), sd.away, wamp.URI("com.example.never."+sd.other), 2*patience))
				answers <- answer{sd.name, got, time.Now()}
			}()
		}
	}
	for _, sd := range tr.sides {
		for range callsInFlight {
			<-sd.begun
		}
	}
	return func(since time.Time) map[string]time.Duration {
		t.Helper()
		after := map[string]time.Duration{}
		for range 2 * callsInFlight {
			a := <-answers
			if a.uri != wamp.ErrNetworkFailure {
				t.Errorf("call from the %s in flight ended with %q", a.from, a.uri)
			}
			after["call from "+a.from] = max(after["call from "+a.from], a.at.Sub(since).Round(time.Millisecond))
		}
		return after
	}
}

func within(t *testing.T, what string, after map[string]time.Duration, limit time.Duration) {
	t.Helper()
	t.Logf("%s: %v", what, after)
	for name, d := range after {
		if d > limit {
			t.Errorf("%s: %s after %v, want %v at most", what, name, d, limit)
		}
	}
}

// TestLinkOutage takes the link away for a while, with calls in flight, and
// changes interest meanwhile.
func TestLinkOutage(t *testing.T) {
	s := newSpan(t, netrig.Params{Delay: wayTime}, everything)
	tr := newTraffic(t, s)
	for _, outage := range []time.Duration{2 * time.Second, 10 * time.Second, time.Minute} {
		t.Run(outage.String(), func(t *testing.T) {
			within(t, "before", tr.flowing(t, time.Now()), time.Second)
			turned := tr.turnover(t)
			failed := tr.inFlight(t)
			s.link.Down(true)
			down := time.Now()
			// Back in time, whatever the calls in flight take.
			back := time.AfterFunc(outage, func() { s.link.Down(false) })
			defer back.Stop()
			turned.during()
			within(t, "calls in flight failed after the cut", failed(down), deadAfter)
			<-time.After(time.Until(down.Add(outage)))
			within(t, "worked after the return", tr.flowing(t, down.Add(outage)), outageEnd)
			turned.after()
		})
	}
	r := tr.events.Report()
	if r.Doubled()+r.Reordered()+r.Foreign.Count > 0 {
		t.Errorf("events were doubled or out of order:\n%s", r)
	}
	t.Logf("of events that were published while the link was down, as many were lost:\n%s", r)
}

// turnover is interest that changes during an outage: each side subscribes to
// topics and gives others up.
type turnover struct {
	during, after func()
}

func (tr *traffic) turnover(t *testing.T) turnover {
	t.Helper()
	const topics = 20
	var (
		mu   sync.Mutex
		got  = map[string]int{}
		old  [2][]*client.Subscription
		name = func(sd *side, age string, i int) wamp.URI {
			return wamp.URI(fmt.Sprintf("com.example.turnover.%s.%s.%d", sd.name, age, i))
		}
	)
	open := func(i int, age string) (all []*client.Subscription) {
		sd := tr.sides[i]
		for n := range topics {
			all = append(all, subscribe(t, sd.session, name(sd, age, n), wamp.MatchExact, func(*client.Event) {
				mu.Lock()
				defer mu.Unlock()
				got[sd.name+" "+age]++
			}))
		}
		return all
	}
	for i := range tr.sides {
		old[i] = open(i, "old")
	}
	tr.settled(t)
	before := tr.edge.realm("cloud")
	var fresh [2][]*client.Subscription
	drop := func(all []*client.Subscription) {
		for _, sub := range all {
			if err := sub.Unsubscribe(t.Context()); err != nil {
				t.Error(err)
			}
		}
	}
	return turnover{
		during: func() {
			for i := range tr.sides {
				drop(old[i])
				fresh[i] = open(i, "new")
			}
		},
		after: func() {
			tr.settled(t)
			if now := tr.edge.realm("cloud"); now.Told != before.Told || now.Wanted != before.Wanted {
				t.Errorf("interest was %d told, %d wanted; now it is %d, %d", before.Told, before.Wanted, now.Told, now.Wanted)
			}
			arrived := func(n int) {
				t.Helper()
				eventually(t, "events on new topics", func() bool {
					mu.Lock()
					defer mu.Unlock()
					return got["edge new"] == n && got["core new"] == n
				})
			}
			// Behind this one nothing of flowing is under way.
			for i, sd := range tr.sides {
				publish(t, sd.away, name(tr.sides[1-i], "new", 0))
			}
			arrived(1)
			events := [2]uint64{tr.edge.realm("cloud").EventsIn, tr.core.realm("edge1").EventsIn}
			for i, sd := range tr.sides {
				for n := range topics {
					publish(t, sd.away, name(tr.sides[1-i], "old", n))
					publish(t, sd.away, name(tr.sides[1-i], "new", n))
				}
			}
			arrived(topics + 1)
			// What nobody wants any more did not even cross.
			now := [2]uint64{tr.edge.realm("cloud").EventsIn, tr.core.realm("edge1").EventsIn}
			for i, sd := range tr.sides {
				if n := now[i] - events[i]; n != topics {
					t.Errorf("%d events came to the %s, want %d", n, sd.name, topics)
				}
				drop(fresh[i])
			}
		},
	}
}

// TestProcessDies ends the process at the other end, and starts it again.
func TestProcessDies(t *testing.T) {
	for _, c := range []struct {
		name   string
		signal syscall.Signal
		// limit is until calls in flight fail.
		limit time.Duration
	}{
		{"stopped", syscall.SIGTERM, time.Second},
		{"killed", syscall.SIGKILL, deadAfter}, // which is silence like any other
	} {
		for i, at := range []string{"edge", "core"} {
			t.Run(at+" "+c.name, func(t *testing.T) {
				s := newSpan(t, netrig.Params{Delay: wayTime}, everything)
				tr := newTraffic(t, s)
				survivor := tr.sides[1-i]
				ended := make(chan wamp.URI, 1)
				go func() {
					ended <- uri(call(t.Context(), survivor.away, wamp.URI("com.example.never."+survivor.other), 2*patience))
				}()
				dying := []*station{s.edge, s.core}[i]
				<-tr.sides[i].begun
				if err := dying.cmd.Process.Signal(c.signal); err != nil {
					t.Fatal(err)
				}
				since := time.Now()
				if got := <-ended; got != wamp.ErrNetworkFailure {
					t.Errorf("the call in flight ended with %q", got)
				}
				within(t, "call in flight failed", map[string]time.Duration{"from the survivor": time.Since(since)}, c.limit)
				<-dying.ended
				began := time.Now()
				dying.start()
				s.edge.bridged("cloud")
				t.Logf("bridged %v after the process was started again", time.Since(began).Round(10*time.Millisecond))
				register(t, dying.join(), wamp.URI("com.example.echo."+survivor.other), echo)
				callable(t, survivor.away, wamp.URI("com.example.echo."+survivor.other))
			})
		}
	}
}
