package broker_test

import (
	"fmt"
	"testing"

	"bondy/core/broker"
	"bondy/core/wamp"
)

func TestResourceKeyPicksOneNodeKey(t *testing.T) {
	r := newRig(t, broker.Config{})
	p, all := r.join("publisher"), r.join("subscriber")
	all.subscribe("com", wamp.Dict{"match": "prefix"})
	nodes := make([]*client, 4)
	join := func(i int) {
		nodes[i] = r.join("node")
		nodes[i].subscribe("com", wamp.Dict{"match": "prefix", "nkey": fmt.Sprintf("node%d", i)})
	}
	for i := range nodes {
		join(i)
	}
	// owners publishes under each of 400 keys and says which node got which.
	owners := func(name string) []int {
		t.Helper()
		of := make([]int, 400)
		for k := range of {
			p.publish("com.topic", wamp.Dict{name: fmt.Sprintf("sn%d", k)}, "x")
			of[k] = -1
			for i, c := range nodes {
				if c != nil && len(c.events()) == 1 {
					if of[k] >= 0 {
						t.Fatalf("key %d went to nodes %d and %d", k, of[k], i)
					}
					of[k] = i
				}
			}
			if of[k] < 0 {
				t.Fatalf("key %d went to no node", k)
			}
		}
		if n := len(all.events()); n != len(of) {
			t.Errorf("a subscriber without a node key got %d of %d", n, len(of))
		}
		return of
	}
	first := owners("rkey")
	equal(t, "the same again, by another spelling", owners("_routing_key"), first)
	share := make([]int, len(nodes))
	for _, i := range first {
		share[i]++
	}
	for i, n := range share {
		if n < 60 || n > 140 {
			t.Errorf("node %d got %d of 400 keys, want about 100", i, n)
		}
	}
	gone := nodes[2]
	gone.leave()
	nodes[2] = nil
	for k, i := range owners("x_routing_key") {
		if first[k] != 2 && i != first[k] {
			t.Errorf("key %d moved from node %d to %d", k, first[k], i)
		}
	}
	join(2)
	equal(t, "back again", owners("rkey"), first)

	p.publish("com.topic", nil, "to all")
	for i, c := range nodes {
		equal(t, fmt.Sprint("without a key, node ", i), c.texts(), []string{"to all"})
	}
	twin := r.join("node")
	twin.subscribe("com", wamp.Dict{"match": "prefix", "nkey": "node0"})
	for k, i := range first {
		p.publish("com.topic", wamp.Dict{"rkey": fmt.Sprintf("sn%d", k)}, "x")
		if n := len(twin.events()); n != len(nodes[0].events()) || (n == 1) != (i == 0) {
			t.Fatalf("key %d of node %d: the other session of node 0 got %d", k, i, n)
		}
	}
}

func TestNodeKeyStays(t *testing.T) {
	r := newRig(t, broker.Config{})
	s := r.join("node")
	sub := s.subscribe("com.topic", wamp.Dict{"nkey": "one"})
	if again := s.subscribe("com.topic", wamp.Dict{"nkey": "one"}); again != sub {
		t.Errorf("another id %d", again)
	}
	wantError(t, "another key", s.trySubscribe("com.topic", wamp.Dict{"nkey": "two"}), wamp.ErrInvalidArgument)
	wantError(t, "no key", s.trySubscribe("com.topic", nil), wamp.ErrInvalidArgument)
	s.leave()
	p := r.join("publisher")
	p.publish("com.topic", wamp.Dict{"rkey": "x"}, "x")
	if n := r.Subscriptions(); n != 0 {
		t.Errorf("%d subscriptions are left", n)
	}
}
