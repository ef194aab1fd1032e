package dealer_test

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"bondy/core/dealer"
	"bondy/core/peer"
	"bondy/core/wamp"
)

// journal is Events that write down what they are told.
type journal struct {
	lines   []string
	drained int
}

func (j *journal) add(format string, args ...any) {
	j.lines = append(j.lines, fmt.Sprintf(format, args...))
}

func (j *journal) Created(session wamp.ID, r dealer.Registration) {
	j.add("create %d %s %s %s", session, r.Match, r.URI, r.Invoke)
}
func (j *journal) Registered(session, _ wamp.ID)   { j.add("register %d", session) }
func (j *journal) Unregistered(session, _ wamp.ID) { j.add("unregister %d", session) }
func (j *journal) Deleted(session, _ wamp.ID)      { j.add("delete %d", session) }
func (j *journal) Drain(*peer.Batch)               { j.drained = len(j.lines) }

func (j *journal) expect(t *testing.T, lines ...string) {
	t.Helper()
	if !slices.Equal(j.lines, lines) {
		t.Errorf("told %q, want %q", j.lines, lines)
	}
	if j.drained != len(j.lines) {
		t.Errorf("%d of %d events drained", j.drained, len(j.lines))
	}
	j.lines, j.drained = nil, 0
}

func TestEventsComeInOrder(t *testing.T) {
	j := &journal{}
	r := newRig(t, dealer.Config{Events: j})
	a := r.callee("a.b", dict{"invoke": "roundrobin"})
	b := r.callee("a.b", dict{"invoke": "roundrobin"})
	j.expect(t, "create 1 exact a.b roundrobin", "register 1", "register 2")
	r.refused(b.tryRegister("a.b", nil), wamp.ErrProcedureExists)
	r.refused(r.join(all).tryRegister("a.b", nil), wamp.ErrProcedureExists)
	j.expect(t)
	unregister(r, a)
	j.expect(t, "unregister 1")
	b.register("c", dict{"match": "prefix"})
	b.register("b", dict{"match": "wildcard"})
	j.expect(t, "create 2 prefix c single", "register 2", "create 2 wildcard b single", "register 2")
	b.leave()
	j.expect(t, "unregister 2", "delete 2", "unregister 2", "delete 2", "unregister 2", "delete 2")
}

func TestCalleesBehindBridgesAreNotSpokenOf(t *testing.T) {
	j := &journal{}
	r := newRig(t, dealer.Config{Events: j})
	far := r.joinAs(&peer.Peer{
		Features: all, Via: &peer.Bridge{Name: "cloud"}, Procedures: func(wamp.URI) bool { return true },
	})
	reg := far.register("a.b", nil)
	j.expect(t)
	if _, ok := r.Get(reg); ok || len(r.List()) != 0 || r.Registrations() != 1 {
		t.Errorf("%v", r.List())
	}
	if _, ok := r.Lookup(wamp.MatchExact, "a.b"); ok {
		t.Error("looked up")
	}
	if _, ok := r.Matching("a.b"); ok {
		t.Error("matches")
	}
	r.refused(r.RemoveCallee(far.batch, reg, far.peer.Session, ""), wamp.ErrNoSuchRegistration)
	near := r.callee("a.b", nil)
	j.expect(t, "create 2 exact a.b single", "register 2")
	if m, ok := r.Members(reg); !ok || !slices.Equal(m, []wamp.ID{2}) {
		t.Errorf("members %v", m)
	}
	r.refused(r.RemoveCallee(far.batch, reg, far.peer.Session, ""), wamp.ErrNoSuchSession)
	near.leave()
	j.expect(t, "unregister 2", "delete 2")
	caller := r.join(all)
	caller.call("a.b", nil)
	if d := far.invoked().Details; d["procedure"] != "a.b" {
		t.Errorf("details %v", d)
	}
}

func TestLookingAtRegistrations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, dealer.Config{})
		c := r.join(all)
		exact := c.register("a.b", dict{"invoke": "last"})
		created := time.Now()
		time.Sleep(time.Second)
		prefix, wildcard := c.register("a", dict{"match": "prefix"}), c.register("..c", dict{"match": "wildcard"})
		r.callee("a.b", dict{"invoke": "last"})
		list := r.List()
		if len(list) != 3 || !slices.IsSortedFunc(list, func(a, b dealer.Registration) int { return int(a.ID) - int(b.ID) }) {
			t.Errorf("list %v", list)
		}
		want := dealer.Registration{ID: exact, Created: created, Match: wamp.MatchExact, URI: "a.b", Invoke: "last"}
		if got, ok := r.Get(exact); !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v", got)
		}
		for uri, want := range map[wamp.URI]wamp.ID{"a.b": exact, "a.x": prefix, "x.b.c": wildcard, "x": 0} {
			if got, ok := r.Matching(uri); got != want || ok != (want != 0) {
				t.Errorf("%s matches %d, want %d", uri, got, want)
			}
		}
		if got, ok := r.Lookup(wamp.MatchPrefix, "a"); !ok || got != prefix {
			t.Errorf("looked up %d", got)
		}
		if n, ok := r.Count(exact); !ok || n != 2 {
			t.Errorf("%d callees", n)
		}
		if m, ok := r.Members(exact); !ok || !slices.Equal(m, []wamp.ID{1, 2}) {
			t.Errorf("members %v", m)
		}
		for _, ok := range []func() bool{
			func() bool { _, ok := r.Get(1); return ok }, func() bool { _, ok := r.Count(1); return ok },
			func() bool { _, ok := r.Members(1); return ok }, func() bool { _, ok := r.Lookup(wamp.MatchPrefix, "a.b"); return ok },
		} {
			if ok() {
				t.Error("something is there that is not")
			}
		}
	})
}

func TestRevocation(t *testing.T) {
	j := &journal{}
	r := newRig(t, dealer.Config{Events: j})
	told, untold := r.callee("a.b", dict{"invoke": "first"}), r.join(all&^peer.CalleeRevocation)
	reg := untold.register("a.b", dict{"invoke": "first"})
	admin := r.join(all)
	request := admin.call("a.b", nil)
	inv := told.invoked()
	j.lines = nil
	for _, c := range []*client{told, untold} {
		if err := r.RemoveCallee(admin.batch, reg, c.peer.Session, "com.example.moved"); err != nil {
			t.Fatal(err)
		}
	}
	m := want[*wamp.Unregistered](told)
	if m.Request != 0 || m.Details["registration"] != int64(reg) || m.Details["reason"] != "com.example.moved" {
		t.Errorf("%+v", m)
	}
	untold.nothing()
	j.expect(t, "unregister 1", "unregister 2", "delete 2")
	_, err := admin.try("a.b", nil)
	r.refused(err, wamp.ErrNoSuchProcedure)
	told.yield(inv.Request, nil, "still")
	admin.result(request, "still")
	r.refused(told.Unregister(told.batch, &wamp.Unregister{Request: 9, Registration: reg}), wamp.ErrNoSuchRegistration)
	r.refused(r.RemoveCallee(admin.batch, reg, 1, ""), wamp.ErrNoSuchRegistration)
	told.register("a.b", nil)
	r.refused(r.RemoveCallee(admin.batch, reg, 99, ""), wamp.ErrNoSuchSession)
	told.leave()
	j.lines, j.drained = nil, 0
	untold.leave()
	j.expect(t)
}

func TestForceReregister(t *testing.T) {
	j := &journal{}
	r := newRig(t, dealer.Config{Events: j})
	old, caller := r.callee("a.b", nil), r.join(all)
	request := caller.call("a.b", nil)
	inv := old.invoked()
	newer := r.join(all)
	r.refused(newer.tryRegister("a.b", dict{"force_reregister": false}), wamp.ErrProcedureExists)
	reg := newer.register("a.b", dict{"force_reregister": true, "invoke": "roundrobin"})
	if m := want[*wamp.Unregistered](old); m.Request != 0 || m.Details["registration"] != int64(reg) || m.Details["reason"] == nil {
		t.Errorf("%+v", m)
	}
	j.expect(t, "create 1 exact a.b single", "register 1", "register 3", "unregister 1")
	caller.call("a.b", nil)
	newer.invoked()
	old.yield(inv.Request, nil)
	caller.result(request)
	old.nothing()
	r.callee("a.b", dict{"invoke": "roundrobin"}) // the new terms count
	if m, _ := r.Members(reg); !slices.Equal(m, []wamp.ID{3, 4}) {
		t.Errorf("members %v", m)
	}
	r.callee("a.new", dict{"force_reregister": true})
}

func TestForcedRegistrationTakesTheCallsThatWait(t *testing.T) {
	r, caller, callee := waiting(t, dealer.Config{}, 5)
	for i := range int64(3) {
		caller.call("a.b", nil, i)
	}
	newer := r.callee("a.b", dict{"force_reregister": true})
	callee.invoked(int64(0))
	want[*wamp.Unregistered](callee)
	newer.invoked(int64(1))
	newer.invoked(int64(2))
	caller.call("a.b", nil, "direct")
	newer.invoked("direct")
}
