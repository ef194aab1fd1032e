//go:build e2e && linux

package systest_test

import (
	"context"
	"testing"

	"golang.org/x/sync/errgroup"

	"bondy/cmd/internal/systest/ledger"
	"bondy/core/wamp"
	"bondy/transport/client"
)

// fleet is a core with many edges and a client at each.
type fleet struct {
	t       *testing.T
	core    *station
	atCore  *client.Session
	edges   map[string]*station
	clients map[string]*client.Session
	events  *ledger.Ledger
}

func newFleet(t *testing.T, core *station) *fleet {
	t.Helper()
	f := &fleet{t, core, core.join(), map[string]*station{}, map[string]*client.Session{}, ledger.New(16)}
	register(t, f.atCore, "com.example.cloud.echo", echo)
	subscribe(t, f.atCore, "com.example.up.", wamp.MatchPrefix, func(ev *client.Event) { f.events.Seen("core", ev.Args) })
	return f
}

// add has a client at the edge offer a procedure and see the core's events; it
// publishes events that the core alone is to see.
func (f *fleet) add(name string, edge *station) {
	f.t.Helper()
	c := edge.join()
	register(f.t, c, wamp.URI("com.example.edge."+name), echo)
	subscribe(f.t, c, "com.example.down.", wamp.MatchPrefix, func(ev *client.Event) { f.events.Seen(name, ev.Args) })
	subscribe(f.t, c, "com.example.up.", wamp.MatchPrefix, func(ev *client.Event) { f.events.Seen(name, ev.Args) })
	f.edges[name], f.clients[name] = edge, c
}

// settled waits until each side knows the other's interest.
func (f *fleet) settled() {
	f.t.Helper()
	for name, edge := range f.edges {
		edge.bridged("cloud")
		eventually(f.t, "interest of "+name, func() bool {
			e, c := edge.realm("cloud"), f.core.realm(name)
			return e.Told == 2 && e.Wanted == 2 && c.Told == 2 && c.Wanted == 2
		})
		f.events.Expect("core", name)
		f.events.Expect(name, "core")
	}
}

// run publishes so many events at each node, calls as often each way, and
// waits until all have arrived.
func (f *fleet) run(n int) {
	f.t.Helper()
	g, ctx := errgroup.WithContext(f.t.Context())
	repeat := func(c *client.Session, procedure wamp.URI) {
		g.Go(func() error {
			for range n {
				if _, err := c.Call(ctx, procedure, []any{"payload"}, nil, client.CallOptions{}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	spread := func(c *client.Session, topic wamp.URI, publisher string) {
		g.Go(func() error {
			for range n {
				if _, err := c.Publish(ctx, topic, f.events.Next(publisher), nil, client.PublishOptions{Acknowledge: true}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	spread(f.atCore, "com.example.down.all", "core")
	for name, c := range f.clients {
		repeat(c, "com.example.cloud.echo")
		repeat(f.atCore, wamp.URI("com.example.edge."+name))
		spread(c, wamp.URI("com.example.up."+name), name)
	}
	if err := g.Wait(); err != nil {
		f.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(f.t.Context(), patience)
	defer cancel()
	if err := f.events.Wait(ctx); err != nil {
		f.t.Fatal(err)
	}
}
