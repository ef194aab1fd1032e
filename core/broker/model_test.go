package broker_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"bondy/core/broker"
	"bondy/core/pattern"
	"bondy/core/wamp"
)

// model is what a broker is meant to do, in the simplest terms.
type model struct {
	held     map[*client]map[pattern.Pattern]bool
	retained map[wamp.URI]string
	order    []wamp.URI // of retaining
	history  []string
	n        int
}

func (m *model) subscriptions() map[pattern.Pattern]int {
	all := map[pattern.Pattern]int{}
	for _, held := range m.held {
		for p := range held {
			all[p]++
		}
	}
	return all
}

func (m *model) retain(u wamp.URI, text string) {
	m.order = slices.DeleteFunc(m.order, func(o wamp.URI) bool { return o == u })
	delete(m.retained, u)
	if text != "" {
		m.retained[u] = text
		m.order = append(m.order, u)
	}
}

// TestModel drives broker and model alike.
func TestModel(t *testing.T) {
	topics := []wamp.URI{"a", "a.b", "a.b.c", "a.c.c", "b.b", "b.b.c"}
	patterns := []pattern.Pattern{
		{URI: "a.b"},
		{URI: "a.b.c"},
		{URI: "b.b"},
		{Match: wamp.MatchPrefix},
		{Match: wamp.MatchPrefix, URI: "a"},
		{Match: wamp.MatchPrefix, URI: "a.b"},
		{Match: wamp.MatchWildcard, URI: "a..c"},
		{Match: wamp.MatchWildcard, URI: ".b"},
	}
	kept := pattern.Pattern{Match: wamp.MatchPrefix, URI: "a.b"}
	rapid.Check(t, func(rt *rapid.T) {
		r := newRig(rt, historyOf(broker.HistoryRule{Match: kept.Match, URI: kept.URI, MaxEvents: 5}))
		m := &model{held: map[*client]map[pattern.Pattern]bool{}, retained: map[wamp.URI]string{}}
		for range 3 {
			m.held[r.join("x")] = map[pattern.Pattern]bool{}
		}
		clients := func() []*client {
			return slices.SortedFunc(maps.Keys(m.held), func(a, b *client) int { return int(a.peer.Session) - int(b.peer.Session) })
		}
		draw := func(rt *rapid.T) *client { return rapid.SampledFrom(clients()).Draw(rt, "client") }
		rt.Repeat(map[string]func(*rapid.T){
			"subscribe": func(rt *rapid.T) {
				c, p := draw(rt), rapid.SampledFrom(patterns).Draw(rt, "pattern")
				options := wamp.Dict{"match": p.Match.String()}
				var want []string
				if rapid.Bool().Draw(rt, "get_retained") {
					options["get_retained"] = true
					for _, u := range m.order {
						if p.Matches(u) {
							want = append(want, m.retained[u])
						}
					}
				}
				if got := c.subscribe(p.URI, options); got != id(p.Match, p.URI) {
					rt.Errorf("id %d", got)
				}
				equal(rt, "retained", c.texts(), want)
				m.held[c][p] = true
			},
			"unsubscribe": func(rt *rapid.T) {
				c, p := draw(rt), rapid.SampledFrom(patterns).Draw(rt, "pattern")
				err := c.Unsubscribe(c.batch, &wamp.Unsubscribe{Request: 1, Subscription: id(p.Match, p.URI)})
				if held := m.held[c][p]; held != (err == nil) || held != (len(c.got()) == 1) {
					rt.Errorf("unsubscribe %v, held %v: %v", p, held, err)
				}
				delete(m.held[c], p)
			},
			"revoke": func(rt *rapid.T) {
				c, p := draw(rt), rapid.SampledFrom(patterns).Draw(rt, "pattern")
				err := r.RemoveSubscriber(c.batch, id(p.Match, p.URI), c.peer.Session, "")
				if held := m.held[c][p]; held != (err == nil) {
					rt.Errorf("revoke %v, held %v: %v", p, held, err)
				}
				delete(m.held[c], p)
			},
			"publish": func(rt *rapid.T) {
				from, u := draw(rt), rapid.SampledFrom(topics).Draw(rt, "topic")
				text := ""
				if rapid.IntRange(0, 4).Draw(rt, "blank") > 0 {
					m.n++
					text = fmt.Sprint(m.n)
				}
				// Of everybody, so that the model needs no publishers.
				options := wamp.Dict{"exclude_me": false}
				if rapid.Bool().Draw(rt, "retain") {
					options["retain"] = true
					m.retain(u, text)
				}
				from.publish(u, options, text)
				if kept.Matches(u) {
					m.history = append(m.history, text)
					m.history = m.history[max(0, len(m.history)-5):]
				}
				for c, held := range m.held {
					got := map[wamp.ID]bool{}
					for _, e := range c.events() {
						if got[e.Subscription] || r.text(e) != text {
							rt.Errorf("event %+v, want one with %q", e, text)
						}
						got[e.Subscription] = true
					}
					for p := range held {
						if got[id(p.Match, p.URI)] != p.Matches(u) {
							rt.Errorf("%v got %s: %v", p, u, got)
						}
						delete(got, id(p.Match, p.URI))
					}
					if len(got) != 0 {
						rt.Errorf("events of subscriptions that are not held: %v", got)
					}
				}
			},
			"leave": func(rt *rapid.T) {
				c := draw(rt)
				c.leave()
				delete(m.held, c)
				m.held[r.join("x")] = map[pattern.Pattern]bool{}
			},
			"": func(rt *rapid.T) {
				all := m.subscriptions()
				for p, n := range all {
					if got, ok := r.Count(id(p.Match, p.URI)); !ok || got != n {
						rt.Errorf("Count of %v: %d, want %d", p, got, n)
					}
				}
				all[kept]++
				if s := r.Stats(); s.Subscriptions != len(all) || s.Retained != len(m.retained) {
					rt.Errorf("stats %+v, want %d and %d", s, len(all), len(m.retained))
				}
				equal(rt, "history", r.past(id(kept.Match, kept.URI), broker.HistoryQuery{}, nil), m.history)
			},
		})
	})
}
