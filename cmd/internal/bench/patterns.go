package bench

import (
	"cmp"
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"bondy/core/wamp"
	"bondy/transport/client"
)

// Patterns measures what a publication, or a call, costs while there are many
// pattern-based subscriptions, or registrations, of which it matches one. It
// measures without them first.
type Patterns struct {
	// Patterns is how many.
	Patterns int `json:"patterns"`
	// Match is prefix, wildcard or mixed: half of each.
	Match string `json:"match"`
	// Kind is subscribe or register.
	Kind string `json:"kind"`
	// Window is how many publications or calls may be under way, Size that of
	// each payload in bytes.
	Window int `json:"window"`
	Size   int `json:"size"`
	// URI begins the topics or procedures.
	URI wamp.URI `json:"uri"`
}

// share is how many patterns one session holds.
const share = 50_000

// Name implements Scenario.
func (Patterns) Name() string { return "pattern" }

// Validate implements Scenario.
func (s Patterns) Validate() error {
	return cmp.Or(
		within("patterns", s.Patterns, 1, maxPatterns), oneOf("match", s.Match, "prefix", "wildcard", "mixed"),
		oneOf("kind", s.Kind, "subscribe", "register"), within("window", s.Window, 1, maxWindow),
		within("size", s.Size, 0, maxSize), underWay(s.Window, s.Size), prefix("uri", s.URI),
	)
}

// String implements Scenario.
func (s Patterns) String() string {
	return fmt.Sprintf("%s (%s, %s), %s under way, %s",
		many(s.Patterns, "pattern"), s.Match, s.Kind, many(s.Window, "message"), describeSize(s.Size, false))
}

func (s Patterns) run(ctx context.Context, r *runner) (*sample, error) {
	base := fresh(s.URI)
	hit := s.Patterns / 2 &^ 1
	uri := wamp.URI(fmt.Sprintf("%s.site%d.dev%07d.temp", base, hit%100, hit))
	without, _, err := s.once(ctx, r, 1, uri, func(ctx context.Context, _ int, c *client.Session) error {
		return s.hold(ctx, c, uri, wamp.MatchExact)
	})
	if err != nil || without.done == 0 {
		return &sample{}, err
	}
	began := time.Now()
	var took atomic.Int64
	holders := (s.Patterns + share - 1) / share
	with, latencies, err := s.once(ctx, r, holders, uri, func(ctx context.Context, i int, c *client.Session) error {
		g, holding := errgroup.WithContext(ctx)
		g.SetLimit(4 * atOnce)
		for j := i * share; j < min((i+1)*share, s.Patterns) && holding.Err() == nil; j++ {
			g.Go(func() error {
				pattern, match := s.pattern(base, j)
				return s.hold(holding, c, pattern, match)
			})
		}
		err := g.Wait()
		took.Store(max(took.Load(), int64(time.Since(began)))) // the last one stays, or one as good
		return err
	})
	if err != nil {
		return nil, err
	}
	values := []value{
		{"messages without patterns", "1/s", without.perSecond()},
		{"messages with patterns", "1/s", with.perSecond()},
	}
	if r.process > 0 {
		before, after := ratio(without.router, without.done)*1e6, ratio(with.router, with.done)*1e6
		values = append(values,
			value{"router CPU without patterns", "s/M messages", before},
			value{"router CPU with patterns", "s/M messages", after},
			value{"CPU with / without", "", ratio(after, before)},
		)
	} else {
		values = append(values, value{"time with / without", "", ratio(without.perSecond(), with.perSecond())})
	}
	values = append(values, value{"patterns made", "1/s", ratio(float64(s.Patterns), time.Duration(took.Load()).Seconds())})
	return &sample{values: append(values, latency(latencies)...), latency: latencies, done: with.done}, nil
}

// once measures messages to uri while holders hold what setup has them hold.
func (s Patterns) once(
	ctx context.Context, r *runner, holders int, uri wamp.URI, setup func(context.Context, int, *client.Session) error,
) (spent, *Histogram, error) {
	t := newTraffic()
	defer r.leave(ctx, t)
	var err error
	if s.Kind == "register" {
		calls := RPC{Callers: 1, Depth: s.Window, Callees: holders, Size: s.Size}
		err = r.calls(ctx, t, calls, func(int) wamp.URI { return uri }, setup)
	} else {
		events := PubSub{Publishers: 1, Subscribers: holders, Window: s.Window, Size: s.Size}
		err = r.events(ctx, t, events, uri, 1, setup)
	}
	if err != nil {
		return spent{}, nil, err
	}
	return r.measure(ctx, t), &t.latency, nil
}

// hold subscribes to, or registers, a pattern.
func (s Patterns) hold(ctx context.Context, c *client.Session, pattern wamp.URI, match wamp.Match) error {
	var err error
	if s.Kind == "register" {
		_, err = c.Register(ctx, pattern, nil, client.RegisterOptions{Match: match})
	} else {
		_, err = c.Subscribe(ctx, pattern, nil, client.SubscribeOptions{Match: match})
	}
	return err
}

// pattern is the i-th pattern. None of them matches what another one is for.
func (s Patterns) pattern(base wamp.URI, i int) (wamp.URI, wamp.Match) {
	if s.Match == "wildcard" || s.Match == "mixed" && i%2 == 1 {
		return wamp.URI(fmt.Sprintf("%s..dev%07d.temp", base, i)), wamp.MatchWildcard
	}
	return wamp.URI(fmt.Sprintf("%s.site%d.dev%07d", base, i%100, i)), wamp.MatchPrefix
}
