package meta

import (
	"iter"

	"bondy/core/broker"
	"bondy/core/codec"
	"bondy/core/mgmt"
	"bondy/core/rbac"
	"bondy/core/wamp"
)

// Scope says when a testament is published (section "Session Testament").
type Scope uint8

// The scopes.
const (
	// Detached is when the session lost its client.
	Detached Scope = iota
	// Destroyed is when the session ends for good.
	Destroyed
)

// Bounds of the testaments of one session, both scopes together. What would
// exceed them is refused.
const (
	maxTestaments     = 100
	maxTestamentBytes = 64 << 10
)

// testaments are the last will of a session, in order.
type testaments struct {
	scopes [2][]testament
	n      int
	bytes  int
}

// testament is one publication, encoded, so that it takes the bytes that count.
type testament struct {
	topic   wamp.URI
	options wamp.Payload // as keyword arguments
	payload wamp.Payload
}

func (t *testament) size() int { return len(t.topic) + t.options.Len() + t.payload.Len() }

// publish is the testament decoded; it has a topic even with an error.
func (t *testament) publish() (*wamp.Publish, error) {
	options, err := codec.DecodeKwargs(t.options)
	return &wamp.Publish{Options: options, Topic: t.topic, Payload: t.payload}, err
}

// TakeTestaments removes what is to be published and returns it in order, each
// with the error, if any, that keeps it from being published; nothing when the
// session is silenced, or after VoidTestaments.
func (s *Session) TakeTestaments(scope Scope) iter.Seq2[*wamp.Publish, error] {
	taken := s.flush(scope)
	if s.Silenced() || s.intestate.Load() {
		taken = nil
	}
	return func(yield func(*wamp.Publish, error) bool) {
		for _, t := range taken {
			if !yield(t.publish()) {
				return
			}
		}
	}
}

// VoidTestaments keeps all that the session bequeaths from being published: it is
// about to end because it may not be there any more.
func (s *Session) VoidTestaments() { s.intestate.Store(true) }

// Dismissed reports whether VoidTestaments was called: what the session still asks
// for must leave nothing behind.
func (s *Session) Dismissed() bool { return s.intestate.Load() }

func (s *Session) flush(scope Scope) []testament {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.testaments
	if w == nil {
		return nil
	}
	taken := w.scopes[scope]
	w.scopes[scope] = nil
	w.n -= len(taken)
	for _, t := range taken {
		w.bytes -= t.size()
	}
	return taken
}

func (s *Session) bequeath(scope Scope, t testament) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.testaments == nil {
		s.testaments = &testaments{}
	}
	w := s.testaments
	if w.n >= maxTestaments || w.bytes+t.size() > maxTestamentBytes {
		return wamp.Errorf(wamp.ErrUnavailable,
			"this session has %d testaments of %d bytes, and may have %d of %d together: flush some", w.n, w.bytes, maxTestaments, maxTestamentBytes)
	}
	w.scopes[scope] = append(w.scopes[scope], t)
	w.n++
	w.bytes += t.size()
	return nil
}

func addTestaments(t *mgmt.Table, sessions Sessions, br *broker.Broker) {
	t.Add("wamp.session.add_testament", func(r *mgmt.Request) (mgmt.Result, error) {
		s, err := own(sessions, r)
		if err != nil {
			return mgmt.Result{}, err
		}
		scope, will, err := readTestament(r, br)
		if err != nil {
			return mgmt.Result{}, err
		}
		return mgmt.Result{}, s.bequeath(scope, will)
	})
	t.Add("wamp.session.flush_testaments", func(r *mgmt.Request) (mgmt.Result, error) {
		s, err := own(sessions, r)
		if err != nil {
			return mgmt.Result{}, err
		}
		a := r.Args()
		scope := readScope(a)
		if a.Err() == nil {
			s.flush(scope)
		}
		return mgmt.Result{}, a.Err()
	})
}

// own is the session of the caller.
func own(sessions Sessions, r *mgmt.Request) (*Session, error) {
	if s := sessions.Session(r.Session()); s != nil {
		return s, nil
	}
	return nil, wamp.Errorf(wamp.ErrNoSuchSession, "%s is for callers that have a session", r.Procedure)
}

func readScope(a *mgmt.Args) Scope {
	arg := a.Key("scope")
	switch name := arg.String(); {
	case !arg.Set(), name == "destroyed":
		return Destroyed
	case name != "detached":
		arg.Check(wamp.Errorf(wamp.ErrInvalidArgument, "unknown scope %q: use detached or destroyed", name))
	}
	return Detached
}

// readTestament checks a testament as the publication that it will be.
func readTestament(r *mgmt.Request, br *broker.Broker) (Scope, testament, error) {
	a := r.Args()
	topic, args, kwargs := a.At(0, "topic").URI(wamp.MatchExact), a.Optional(1, "args").List(), a.Optional(2, "kwargs").Dict()
	scope, given := readScope(a), a.Key("publish_options")
	options := given.Dict()
	given.Check(br.CheckOptions(options))
	if err := a.Err(); err != nil {
		return 0, testament{}, err
	}
	if topic.Reserved() || !r.Rights.Decide(rbac.Publish, topic, wamp.MatchExact) {
		return 0, testament{}, wamp.Errorf(wamp.ErrNotAuthorized, "this session may not publish on %q", topic)
	}
	delete(options, "acknowledge") // there will be nobody to tell
	payload, err := codec.NewPayload(r.Payload.Serializer, args, kwargs)
	if err != nil {
		return 0, testament{}, err
	}
	rest, err := codec.NewPayload(r.Payload.Serializer, nil, options)
	return scope, testament{topic: topic, options: rest, payload: payload}, err
}
