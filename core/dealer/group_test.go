package dealer_test

import (
	"fmt"
	"maps"
	"testing"

	"bondy/core/dealer"
	"bondy/core/wamp"
)

// shared is a registration with n callees.
func shared(t *testing.T, n int, policy string, options wamp.Dict) (r *rig, caller *client, callees []*client) {
	t.Helper()
	r = newRig(t, dealer.Config{})
	o := dict{"invoke": policy}
	maps.Copy(o, options)
	for range n {
		callees = append(callees, r.callee("a.b", o))
	}
	return r, r.join(all), callees
}

// goes calls and reports which callee got the call, which it leaves open.
func goes(t *testing.T, caller *client, callees []*client, options wamp.Dict) (at int, inv wamp.ID) {
	t.Helper()
	caller.call("a.b", options)
	for i, c := range callees {
		if m := c.next(); m != nil {
			return i, m.(*wamp.Invocation).Request
		}
	}
	t.Fatal("no callee was invoked")
	return 0, 0
}

// answered is goes, and has the callee answer.
func answered(t *testing.T, caller *client, callees []*client, options wamp.Dict) int {
	t.Helper()
	at, inv := goes(t, caller, callees, options)
	callees[at].yield(inv, nil)
	want[*wamp.Result](caller)
	return at
}

func key(i int) wamp.Dict { return dict{"_routing_key": fmt.Sprintf("customer %d", i)} }

func TestFirstAndLast(t *testing.T) {
	for policy, want := range map[string][2]int{"first": {0, 1}, "last": {3, 2}} {
		_, caller, callees := shared(t, 4, policy, nil)
		for range 5 {
			if at := answered(t, caller, callees, nil); at != want[0] {
				t.Errorf("%s: callee %d", policy, at)
			}
		}
		callees[want[0]].leave()
		if at := answered(t, caller, callees, nil); at != want[1] {
			t.Errorf("%s: callee %d after the other left", policy, at)
		}
	}
}

func TestRoundRobinIsEvenWhileCalleesComeAndGo(t *testing.T) {
	r, caller, callees := shared(t, 4, "roundrobin", nil)
	turn := func(n int) map[int]int {
		count := make(map[int]int)
		for range n {
			count[answered(t, caller, callees, nil)]++
		}
		return count
	}
	for at, n := range turn(400) {
		if n != 100 {
			t.Errorf("callee %d got %d of 400 calls", at, n)
		}
	}
	callees[1].leave()
	callees[2].leave()
	if c := turn(100); c[0] != 50 || c[3] != 50 {
		t.Errorf("distribution %v", c)
	}
	callees = append(callees, r.callee("a.b", dict{"invoke": "roundrobin"}))
	if c := turn(99); c[0] != 33 || c[3] != 33 || c[4] != 33 {
		t.Errorf("distribution %v", c)
	}
}

func TestRandomIsUniform(t *testing.T) {
	const n, calls = 5, 10_000
	_, caller, callees := shared(t, n, "random", nil)
	callees[2].leave()
	count := make([]int, n)
	for range calls {
		count[answered(t, caller, callees, nil)]++
	}
	for at, got := range count { // six standard deviations
		if want := calls / (n - 1); at != 2 && (got < want-260 || got > want+260) || at == 2 && got != 0 {
			t.Errorf("callee %d got %d of %d calls", at, got, calls)
		}
	}
}

func TestJumpHashKeepsKeysTogether(t *testing.T) {
	const keys = 2000
	for _, policy := range []string{"jump_consistent_hash", "jch"} {
		r, caller, callees := shared(t, 7, policy, nil)
		where := make([]int, keys)
		count := make([]int, 8)
		for i := range keys {
			where[i] = answered(t, caller, callees, key(i))
			count[where[i]]++
			if again := answered(t, caller, callees, key(i)); again != where[i] {
				t.Fatalf("key %d went to callee %d and %d", i, where[i], again)
			}
		}
		for at, n := range count[:7] {
			if n < keys/7-110 || n > keys/7+110 {
				t.Errorf("callee %d got %d of %d keys", at, n, keys)
			}
		}
		callees = append(callees, r.callee("a.b", dict{"invoke": "jch"}))
		moved := 0
		for i := range keys {
			if at := answered(t, caller, callees, key(i)); at != where[i] {
				moved++
				if at != 7 {
					t.Fatalf("key %d moved from callee %d to %d when 7 came", i, where[i], at)
				}
			}
		}
		if moved < keys/8-100 || moved > keys/8+100 {
			t.Errorf("%d of %d keys moved to one callee more", moved, keys)
		}
		_, err := caller.try("a.b", nil)
		r.refused(err, wamp.ErrInvalidArgument)
		if reg, _ := r.Get(id(wamp.MatchExact, "a.b")); reg.Invoke != "jump_consistent_hash" {
			t.Errorf("policy %q", reg.Invoke)
		}
	}
}

func TestPartitionedCallsGoByKeyWhateverThePolicy(t *testing.T) {
	_, caller, callees := shared(t, 5, "roundrobin", nil)
	seen := make(map[int]bool)
	for i := range 50 {
		at := -1
		key := fmt.Sprint(i)
		for _, options := range []dict{
			{"rkey": int64(i)},
			{"rkey": key},
			{"_routing_key": key},
			{"x_routing_key": key},
		} {
			options["runmode"] = "partition"
			got := answered(t, caller, callees, options)
			if at >= 0 && got != at {
				t.Fatalf("key %d went to callee %d and %d", i, at, got)
			}
			at = got
		}
		seen[at] = true
	}
	if len(seen) != 5 {
		t.Errorf("the keys went to %d of 5 callees", len(seen))
	}
}

func TestLeastLoaded(t *testing.T) {
	for _, policy := range []string{"queue_least_loaded", "qll"} {
		_, caller, callees := shared(t, 4, policy, nil)
		load := make([]int, 4)
		var open [][2]wamp.ID
		for range 40 { // nobody answers: even
			at, inv := goes(t, caller, callees, nil)
			load[at]++
			open = append(open, [2]wamp.ID{wamp.ID(at), inv})
		}
		for at, n := range load {
			if n != 10 {
				t.Errorf("%s: callee %d has %d of 40 calls", policy, at, n)
			}
		}
		for _, o := range open {
			if o[0] == 2 {
				callees[2].yield(o[1], nil)
			}
		}
		for range 10 {
			if at, _ := goes(t, caller, callees, nil); at != 2 {
				t.Errorf("%s: callee %d got a call while 2 has fewer", policy, at)
			}
		}
	}
}

func TestLeastLoadedOfASampleIsNearlyEven(t *testing.T) {
	for _, policy := range []string{"queue_least_loaded_sample", "qlls"} {
		_, caller, callees := shared(t, 10, policy, nil)
		callees[4].leave()
		load := make([]int, 10)
		for range 1800 {
			at, _ := goes(t, caller, callees, nil)
			load[at]++
		}
		for at, n := range load { // random alone would be off by some 40
			if at == 4 && n != 0 || at != 4 && (n < 190 || n > 210) {
				t.Errorf("%s: callee %d has %d of 1800 calls", policy, at, n)
			}
		}
	}
	_, caller, callees := shared(t, 1, "qlls", nil)
	answered(t, caller, callees, nil)
}
