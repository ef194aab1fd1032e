package meta_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"bondy/core/coretest"
	"bondy/core/wamp"
)

// TestModel lets sessions come, hold things, let go of them and leave at
// random, and compares what the Meta API says with a plain model.
func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := router(t)
		w := coretest.Join(t, r)
		defer w.Drop()
		clients := make(map[wamp.ID]*coretest.Client)
		held := make(map[string]map[wamp.ID]map[wamp.ID]bool) // kind, id, session
		for _, a := range apis() {
			held[a.kind] = make(map[wamp.ID]map[wamp.ID]bool)
		}
		leave := func(session wamp.ID) {
			for _, of := range held {
				for id, members := range of {
					if delete(members, session); len(members) == 0 {
						delete(of, id)
					}
				}
			}
			delete(clients, session)
		}
		pick := func() *coretest.Client {
			if len(clients) == 0 {
				rt.Skip("nobody there")
			}
			return clients[rapid.SampledFrom(slices.Sorted(maps.Keys(clients))).Draw(rt, "session")]
		}
		defer func() {
			for _, c := range clients {
				c.Drop()
			}
		}()
		actions := map[string]func(*rapid.T){
			"join": func(*rapid.T) {
				c := coretest.Join(t, r)
				clients[c.ID] = c
			},
			"drop": func(*rapid.T) {
				c := pick()
				c.Drop()
				leave(c.ID)
			},
			"kill": func(*rapid.T) {
				c := pick()
				done(t, w, "wamp.session.kill", nil, c.ID)
				c.Drop()
				leave(c.ID)
			},
			"": func(rt *rapid.T) {
				if n := value(t, w, "wamp.session.count"); n != int64(len(clients)+1) {
					rt.Fatalf("%v sessions, want %d", n, len(clients)+1)
				}
				for _, a := range apis() {
					all, _ := value(t, w, a.uri("list")).(map[string]any)
					var got []wamp.ID
					for _, l := range all {
						got = append(got, ids(t, l)...)
					}
					slices.Sort(got)
					if want := slices.Sorted(maps.Keys(held[a.kind])); !slices.Equal(got, want) {
						rt.Fatalf("%s: %v, want %v", a.kind, got, want)
					}
					for id, members := range held[a.kind] {
						got := ids(t, value(t, w, a.uri("list_"+a.members), id))
						if want := slices.Sorted(maps.Keys(members)); !slices.Equal(got, want) {
							rt.Fatalf("%s %d: %v, want %v", a.kind, id, got, want)
						}
						if n := value(t, w, a.uri("count_"+a.members), id); n != int64(len(members)) {
							rt.Fatalf("%s %d: %v members, want %d", a.kind, id, n, len(members))
						}
					}
				}
			},
		}
		for _, a := range apis() {
			actions["hold "+a.kind] = func(rt *rapid.T) {
				c, n := pick(), rapid.IntRange(0, 5).Draw(rt, "uri")
				match := wamp.Match(n % 3)
				uri := wamp.URI(fmt.Sprintf("a%d.b", n))
				for _, members := range held[a.kind] {
					if a.kind == "registration" && members[c.ID] {
						return // it would be refused
					}
				}
				id := a.hold(c, uri, wamp.Dict{"match": match.String()})
				if held[a.kind][id] == nil {
					held[a.kind][id] = make(map[wamp.ID]bool)
				}
				held[a.kind][id][c.ID] = true
			}
			actions["drop "+a.kind] = func(rt *rapid.T) {
				c := pick()
				for id, members := range held[a.kind] {
					if members[c.ID] {
						a.drop(c, id)
						if delete(members, c.ID); len(members) == 0 {
							delete(held[a.kind], id)
						}
						return
					}
				}
			}
		}
		rt.Repeat(actions)
	})
}
