package dealer_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"bondy/core/codec"
	"bondy/core/dealer"
	"bondy/core/wamp"
)

// The procedures of the model, each with one policy.
var procedures = map[wamp.URI]wamp.Dict{
	"a.single": nil,
	"a.shared": {"invoke": "roundrobin"},
	"a.queued": {"invoke": "first", "concurrency": int64(1), "_max_waiting": int64(2)},
}

// modelCall is a call that is under way.
type modelCall struct {
	caller    *modelSession
	request   wamp.ID
	number    int64
	procedure wamp.URI
	more      bool
	callee    *modelSession // nil while it waits
	inv       wamp.ID
	hold      int // of the callee
	killed    bool
	tried     map[*modelSession]bool
	ends      wamp.URI // the answer that must come next: "result", or an error
	moves     bool     // an INVOCATION elsewhere must come next
}

type modelSession struct {
	*client
	held    map[wamp.URI]int // by what number; 0 means not at all
	lastInv wamp.ID
	invs    map[wamp.ID]int64  // not answered by this session: the call's number
	stops   map[wamp.ID]string // the mode of each INTERRUPT that must come next
}

// model is what the dealer should do, slowly.
type model struct {
	t        *rapid.T
	r        *rig
	sessions []*modelSession
	calls    map[int64]*modelCall
	numbers  int64
	holds    int
}

func (m *model) join() {
	m.sessions = append(m.sessions, &modelSession{
		client: m.r.join(all), held: make(map[wamp.URI]int), invs: make(map[wamp.ID]int64), stops: make(map[wamp.ID]string),
	})
}

func (m *model) draw() *modelSession { return rapid.SampledFrom(m.sessions).Draw(m.t, "session") }

func (m *model) procedure() wamp.URI {
	return rapid.SampledFrom([]wamp.URI{"a.single", "a.shared", "a.queued"}).Draw(m.t, "procedure")
}

func (m *model) callees(p wamp.URI) (list []*modelSession) {
	for _, s := range m.sessions {
		if s.held[p] > 0 {
			list = append(list, s)
		}
	}
	return list
}

// busy is how many calls of a.queued s works on.
func (m *model) busy(s *modelSession) (n int) {
	for _, c := range m.calls {
		if c.procedure == "a.queued" && c.callee == s && c.hold == s.held[c.procedure] && c.ends == "" && !c.moves {
			n++
		}
	}
	return n
}

func (m *model) waits() (n int) {
	for _, c := range m.calls {
		if c.callee == nil && c.ends == "" {
			n++
		}
	}
	return n
}

func (m *model) register(*rapid.T) {
	s, p := m.draw(), m.procedure()
	err := s.tryRegister(p, procedures[p])
	if s.held[p] > 0 || p == "a.single" && len(m.callees(p)) > 0 {
		m.r.refused(err, wamp.ErrProcedureExists)
		return
	}
	if err != nil {
		m.t.Fatal(err)
	}
	m.holds++
	s.held[p] = m.holds
	if got, ok := s.next().(*wamp.Registered); !ok || got.Request != s.request {
		m.t.Fatalf("%+v instead of REGISTERED", got)
	}
}

func (m *model) unregister(*rapid.T) {
	s, p := m.draw(), m.procedure()
	err := s.Unregister(s.batch, &wamp.Unregister{Request: 1, Registration: id(wamp.MatchExact, p)})
	if s.held[p] == 0 {
		m.r.refused(err, wamp.ErrNoSuchRegistration)
		return
	}
	delete(s.held, p)
	m.orphan(p)
	for {
		got := s.next()
		if _, ok := got.(*wamp.Unregistered); ok {
			return
		}
		m.t.Fatalf("%+v instead of UNREGISTERED", got)
	}
}

// orphan ends the calls that wait when the last callee is gone.
func (m *model) orphan(p wamp.URI) {
	if len(m.callees(p)) > 0 {
		return
	}
	for _, c := range m.calls {
		if c.procedure == p && c.callee == nil {
			c.ends = wamp.ErrNoAvailableCallee
		}
	}
}

func (m *model) call(*rapid.T) {
	s, p := m.draw(), m.procedure()
	options := wamp.Dict{}
	inPieces := rapid.Bool().Draw(m.t, "pieces")
	if inPieces {
		options["progress"] = true
	}
	if rapid.Bool().Draw(m.t, "progress") {
		options["receive_progress"] = true
	}
	m.numbers++
	free, callees := 0, m.callees(p)
	for _, k := range callees {
		if p != "a.queued" || m.busy(k) == 0 {
			free++
		}
	}
	waits := m.waits()
	c := &modelCall{
		caller: s, request: s.request + 1, number: m.numbers, procedure: p, more: inPieces,
		tried: make(map[*modelSession]bool), moves: free > 0,
	}
	m.calls[c.number] = c
	_, err := s.try(p, options, c.number)
	switch {
	case len(callees) == 0:
		m.r.refused(err, wamp.ErrNoSuchProcedure)
	case free == 0 && (inPieces || waits >= 2):
		m.r.refused(err, wamp.ErrMaxConcurrency)
	case err != nil:
		m.t.Fatal(err)
	default:
		return
	}
	delete(m.calls, c.number)
}

func (m *model) pick(name string, ok func(*modelCall) bool) *modelCall {
	for n := range m.numbers { // in an order that repeats
		if c := m.calls[m.numbers-n]; c != nil && ok(c) && rapid.Bool().Draw(m.t, name) {
			return c
		}
	}
	return nil
}

func (m *model) piece(*rapid.T) {
	c := m.pick("continue", func(c *modelCall) bool { return c.more })
	if c == nil {
		return
	}
	options := wamp.Dict{}
	if c.more = rapid.Bool().Draw(m.t, "more"); c.more {
		options["progress"] = true
	}
	if err := c.caller.piece(c.request, c.procedure, options, c.number); err != nil {
		m.t.Fatal(err)
	}
	if got, ok := c.callee.next().(*wamp.Invocation); !ok || got.Request != c.inv || (got.Details["progress"] == true) != c.more {
		m.t.Fatalf("%+v instead of a further INVOCATION %d", got, c.inv)
	}
}

func (m *model) cancel(*rapid.T) {
	mode := rapid.SampledFrom([]string{"skip", "kill", "killnowait"}).Draw(m.t, "mode")
	c := m.pick("cancel", func(*modelCall) bool { return true })
	if c == nil {
		return
	}
	c.caller.cancel(c.request, mode)
	if mode != "kill" || c.callee == nil {
		c.ends = wamp.ErrCanceled
	}
	if c.callee != nil && mode != "skip" && (mode != "kill" || !c.killed) {
		c.callee.stops[c.inv] = mode
	}
	c.killed = c.killed || mode == "kill"
}

// answer has some session answer some invocation, also of a call that is over.
func (m *model) answer(*rapid.T) {
	s := m.draw()
	if s.lastInv == 0 {
		return
	}
	inv := rapid.Custom(func(t *rapid.T) wamp.ID {
		return wamp.ID(rapid.Uint64Range(uint64(max(1, s.lastInv-min(s.lastInv-1, 5))), uint64(s.lastInv)).Draw(t, "inv"))
	}).Draw(m.t, "invocation")
	c := m.calls[s.invs[inv]]
	if c != nil && (c.callee != s || c.inv != inv) {
		c = nil
	}
	number := s.invs[inv]
	delete(s.invs, inv)
	switch rapid.SampledFrom([]string{"result", "error", "unavailable"}).Draw(m.t, "answer") {
	case "result":
		if c != nil {
			c.ends = "result"
		}
		s.yield(inv, nil, number)
	case "error":
		if c != nil {
			c.ends = "my.error"
		}
		s.refuse(inv, "my.error", number)
	case "unavailable":
		m.unavailable(c, s)
		s.refuse(inv, wamp.ErrUnavailable, number)
	}
}

func (m *model) unavailable(c *modelCall, s *modelSession) {
	if c == nil {
		return
	}
	c.ends = wamp.ErrNoAvailableCallee
	if c.killed {
		c.ends = wamp.ErrUnavailable
	}
	if c.killed || c.procedure == "a.single" || len(c.tried) == 0 {
		return
	}
	for _, k := range m.callees(c.procedure) {
		if !c.tried[k] && k != s {
			c.moves = true // perhaps: kept for that, not full, not in pieces
		}
	}
}

func (m *model) leave(*rapid.T) {
	s := m.draw()
	held := s.held
	s.held = make(map[wamp.URI]int)
	for n, c := range m.calls {
		switch {
		case c.caller == s:
			delete(m.calls, n)
			if k := c.callee; k != nil && k != s {
				k.stops[c.inv] = "killnowait"
			}
		case c.callee == s:
			c.ends = wamp.ErrCanceled
		}
	}
	for p := range held {
		m.orphan(p)
	}
	s.leave()
	for i, o := range m.sessions {
		if o == s {
			m.sessions = append(m.sessions[:i], m.sessions[i+1:]...)
			break
		}
	}
	m.join()
}

// check reads what everybody got and compares.
func (m *model) check(*rapid.T) {
	for _, s := range m.sessions {
		for got := s.next(); got != nil; got = s.next() {
			switch got := got.(type) {
			case *wamp.Invocation:
				m.invoked(s, got)
			case *wamp.Result:
				m.answered(s, got.Request, "result", got.Payload)
			case *wamp.ErrorMessage:
				m.answered(s, got.Request, got.Error, got.Payload)
			case *wamp.Interrupt:
				if mode := s.stops[got.Request]; mode == "" || mode != got.Options["mode"] {
					m.t.Fatalf("INTERRUPT %+v, want mode %q", got, mode)
				}
				delete(s.stops, got.Request)
			default:
				m.t.Fatalf("%s %+v", got.Type(), got)
			}
		}
	}
	awaited := make(map[*modelSession]int)
	for _, c := range m.calls {
		if c.ends != "" || c.moves {
			m.t.Fatalf("call %d of %s was not answered (%s) or moved", c.number, c.procedure, c.ends)
		}
		if c.callee != nil {
			awaited[c.callee]++
		} else if free := m.callees(c.procedure); len(free) > 0 && m.busy(free[0]) == 0 {
			m.t.Fatalf("call %d waits while a callee is free", c.number)
		}
	}
	for _, s := range m.sessions {
		if len(s.stops) > 0 {
			m.t.Fatalf("no INTERRUPT of %v", s.stops)
		}
		if n := s.Awaited(); n != awaited[s] {
			m.t.Fatalf("session %d owes %d answers, want %d", s.peer.Session, n, awaited[s])
		}
	}
}

func (m *model) number(p wamp.Payload) int64 {
	args, err := codec.DecodeArgs(p)
	if err != nil {
		m.t.Fatal(err)
	}
	if len(args) != 1 {
		return 0
	}
	n, _ := args[0].(int64)
	return n
}

func (m *model) invoked(s *modelSession, got *wamp.Invocation) {
	s.lastInv++
	n := m.number(got.Payload)
	c := m.calls[n]
	switch {
	case got.Request != s.lastInv:
		m.t.Fatalf("INVOCATION %d, want %d", got.Request, s.lastInv)
	case c == nil:
		m.t.Fatalf("INVOCATION of call %d, which is not under way", n)
	case s.held[c.procedure] == 0 || c.tried[s]:
		m.t.Fatalf("INVOCATION of %s at session %d, which is no callee or was tried", c.procedure, s.peer.Session)
	case c.callee != nil && !c.moves:
		m.t.Fatalf("INVOCATION of call %d at another callee", n)
	case c.procedure == "a.queued" && m.busy(s) > 0:
		m.t.Fatalf("session %d has a call of %s already", s.peer.Session, c.procedure)
	}
	c.callee, c.inv, c.hold, c.moves, c.ends, c.tried[s] = s, got.Request, s.held[c.procedure], false, "", true
	s.invs[got.Request] = n
}

func (m *model) answered(s *modelSession, request wamp.ID, what wamp.URI, p wamp.Payload) {
	for n, c := range m.calls {
		if c.caller != s || c.request != request {
			continue
		}
		if c.ends != what {
			m.t.Fatalf("call %d ended with %s, want %q", n, what, c.ends)
		}
		if got := m.number(p); (what == "result" || what == "my.error") && got != n {
			m.t.Fatalf("call %d got the answer of %d", n, got)
		}
		delete(m.calls, n)
		return
	}
	m.t.Fatalf("session %d got %s of call %d, which is not under way", s.peer.Session, what, request)
}

func TestAgainstTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{t: t, calls: make(map[int64]*modelCall)}
		m.r = newRig(t, dealer.Config{})
		for range 4 {
			m.join()
		}
		t.Repeat(map[string]func(*rapid.T){
			"": m.check, "register": m.register, "unregister": m.unregister, "call": m.call, "call again": m.call,
			"piece": m.piece, "cancel": m.cancel, "answer": m.answer, "answer again": m.answer, "leave": m.leave,
		})
		for len(m.sessions) > 0 { // everything goes when everybody does
			m.sessions[0].leave()
			m.sessions = m.sessions[1:]
		}
		if n := m.r.Registrations(); n != 0 || len(m.r.List()) != 0 {
			t.Fatal(fmt.Sprint(n, " registrations are left"))
		}
	})
}
