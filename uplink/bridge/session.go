package bridge

import (
	"errors"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"

	"bondy/core/audit"
	"bondy/core/broker"
	"bondy/core/codec"
	"bondy/core/dealer"
	"bondy/core/meta"
	"bondy/core/pattern"
	"bondy/core/peer"
	"bondy/core/rbac"
	"bondy/core/realm"
	"bondy/core/wamp"
)

// Counts are what crossed a bridged realm, and what did not. Safe for concurrent use.
type Counts struct {
	EventsIn, CallsIn atomic.Uint64
	// Denied counts messages that the rules or the permissions of this side,
	// Refused interest that those of the other, did not let cross.
	Denied, Refused atomic.Uint64
}

// session is one realm bridged over one link, at either end. Its methods
// belong to the goroutine of its lane, but tell, which others call through
// broker and dealer.
type session struct {
	shared *Shared
	link   Link
	sink   *sink
	queue  *peer.Queue
	batch  *peer.Batch
	log    *slog.Logger
	counts *Counts

	decoder *codec.Decoder
	rules   view
	rights  *rbac.Rights // of the uplink, at the core; nil at the edge, which trusts its core
	realm   *realm.Realm
	id      wamp.ID
	peer    *peer.Peer
	broker  *broker.Session // nil until joined
	dealer  *dealer.Session
	stop    []func()
	topics  map[wamp.ID]wamp.ID         // subscriptions for the other side, by its request
	offers  map[wamp.ID]wamp.ID         // registrations likewise
	held    map[wamp.ID]pattern.Pattern // both, by their ids

	recheck func() // sees to what is held when permissions change; nil at the edge
	// dismissed leaves the realm, because of that.
	dismissed func(message string)
	parting   atomic.Pointer[string]                      // that, which the answer to GOODBYE may overtake
	denied    func(rbac.Permission, wamp.URI, wamp.Match) // tells what there is no grant for, where there are rights

	mu         sync.Mutex
	subscribed *interest
	registered *interest
}

// Shared is what all bridges of a node have in common.
type Shared struct {
	// Realm finds a realm of this node.
	Realm    func(wamp.URI) (*realm.Realm, error)
	Counters *peer.Counters
	Budget   *peer.Budget
	Queue    peer.Limits
	// Audit is told of logins of edges, refusals and denials; nil tells nobody.
	Audit audit.Recorder
	Log   *slog.Logger
}

func newSession(shared *Shared, link Link, number uint64, counts *Counts, log *slog.Logger) *session {
	s := &session{
		shared: shared, link: link, sink: &sink{link: link, number: number},
		batch: peer.NewBatch(shared.Counters), decoder: codec.NewDecoder(serializer, codec.Limits{}),
		log: log, counts: counts,
	}
	s.queue = peer.NewQueue(s.sink, &shared.Queue, shared.Budget, shared.Counters, func() {
		link.Close("the queue of a bridged realm is full")
	})
	return s
}

// join makes the session a peer of the realm, through which the other side's
// interest, events and calls come, and tells the other side of ours. as is who it is,
// with the Peer's id and names; since is when it began to be let in.
func (s *session) join(r *realm.Realm, via *peer.Bridge, as *meta.Session, since *realm.Mark) error {
	as.Rights = s.rights
	if err := r.JoinBridge(as, s, since); err != nil {
		return err
	}
	s.realm, s.id = r, as.ID()
	s.topics, s.offers, s.held = make(map[wamp.ID]wamp.ID), make(map[wamp.ID]wamp.ID), make(map[wamp.ID]pattern.Pattern)
	s.peer = &peer.Peer{
		Session: s.id, AuthID: as.Peer.AuthID, AuthRole: as.Peer.AuthRole, Via: via, Queue: s.queue,
		Topics: s.rules.sendTopics.match, Procedures: s.rules.sendProcedures.match,
		Features: peer.Publisher | peer.Subscriber | peer.Caller | peer.Callee |
			peer.CalleeProgressiveResults | peer.CalleeProgressiveInvocations | peer.CalleeCanceling |
			peer.CallerPassthru | peer.CalleePassthru, // the other side knows its clients
	}
	s.broker, s.dealer = r.Broker.Join(s.peer), r.Dealer.Join(s.peer)
	s.sink.watch(s.dealer.Awaited)
	s.subscribed, s.registered = newInterest(s.rules.receiveTopics), newInterest(s.rules.receiveProcedures)
	s.stop = []func(){
		r.Broker.Observe(s.batch, via, s.tellTopic),
		r.Dealer.Observe(s.batch, via, s.tellProcedure),
	}
	return nil
}

// leave gives back everything that the session holds; calls that wait for the
// other side are answered at once.
func (s *session) leave() {
	s.queue.Close()
	if s.broker == nil {
		return
	}
	for _, stop := range s.stop {
		stop()
	}
	s.realm.Leave(s.id)
	s.broker.Leave(s.batch)
	s.dealer.Leave(s.batch)
	s.batch.Flush()
	s.sink.Flush() // nothing is owed any more
	s.broker = nil
}

// tellTopic implements broker.Interest.
func (s *session) tellTopic(b *peer.Batch, match wamp.Match, topic wamp.URI, wanted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sayTopics(b, s.subscribed.step(pattern.Pattern{Match: match, URI: topic}, "", wanted))
}

func (s *session) sayTopics(b *peer.Batch, news []announcement) {
	for _, a := range news {
		if a.on {
			s.send(b, &wamp.Subscribe{Request: a.request, Topic: a.pattern.URI, Options: matching(a.pattern.Match)})
		} else {
			s.send(b, &wamp.Unsubscribe{Request: a.request, Subscription: a.request})
		}
	}
}

// tellProcedure implements dealer.Offer.
func (s *session) tellProcedure(b *peer.Batch, match wamp.Match, procedure wamp.URI, invoke string, offered bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sayProcedures(b, s.registered.step(pattern.Pattern{Match: match, URI: procedure}, invoke, offered))
}

// answered takes what the other side says of a topic or procedure that it was
// told of, and tells it more.
func (s *session) answered(t wamp.MessageType) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch t {
	case wamp.TypeSubscribe:
		s.sayTopics(s.batch, s.subscribed.answered())
	case wamp.TypeRegister:
		s.sayProcedures(s.batch, s.registered.answered())
	default:
	}
}

func (s *session) sayProcedures(b *peer.Batch, news []announcement) {
	for _, a := range news {
		if a.on {
			options := matching(a.pattern.Match)
			options["invoke"] = a.invoke
			s.send(b, &wamp.Register{Request: a.request, Procedure: a.pattern.URI, Options: options})
		} else {
			s.send(b, &wamp.Unregister{Request: a.request, Registration: a.request})
		}
	}
}

func matching(m wamp.Match) wamp.Dict { return wamp.Dict{"match": m.String()} }

// send queues a message that may not be lost.
func (s *session) send(b *peer.Batch, m wamp.Message) {
	f := peer.NewFrame(m)
	defer f.Free()
	s.queue.Reply(b, f)
}

// Goodbye implements realm.Member: it tells the other side, and leaves the realm
// without waiting for an answer.
func (s *session) Goodbye(reason wamp.URI, message string) {
	s.parting.Store(&message)
	b := peer.NewBatch(s.shared.Counters)
	s.send(b, &wamp.Goodbye{Reason: reason, Details: wamp.Dict{"message": message}})
	b.Flush()
	s.dismissed(message)
}

// handle takes a message of an open session; an error means that the peer
// broke the protocol.
func (s *session) handle(m wamp.Message) error {
	switch m := m.(type) {
	case *wamp.Event:
		s.counts.EventsIn.Add(1)
		return s.verdict(s.broker.Forward(s.batch, m, s.mayPublish))
	case *wamp.Invocation:
		s.counts.CallsIn.Add(1)
		return s.answer(m.Request, s.dealer.Forward(s.batch, m, s.mayCall))
	case *wamp.Result:
		return s.dealer.Yield(s.batch, &wamp.Yield{Request: m.Request, Options: m.Details, Payload: m.Payload})
	case *wamp.ErrorMessage:
		return s.failed(m)
	case *wamp.Interrupt:
		return s.dealer.Cancel(s.batch, &wamp.Cancel{Request: m.Request, Options: m.Options})
	case *wamp.Subscribe, *wamp.Unsubscribe, *wamp.Register, *wamp.Unregister:
		return s.interest(m)
	case *wamp.Subscribed:
		s.answered(wamp.TypeSubscribe)
		return nil
	case *wamp.Registered:
		s.answered(wamp.TypeRegister)
		return nil
	case *wamp.Unsubscribed, *wamp.Unregistered:
		return nil
	default:
		return wamp.Violationf("%s does not cross a bridge", m.Type())
	}
}

// verdict keeps what ends the link apart from what was refused.
func (s *session) verdict(err error) error {
	we, ok := errors.AsType[*wamp.Error](err)
	if ok && we.URI != wamp.ErrProtocolViolation {
		s.counts.Denied.Add(1)
		return nil
	}
	return err
}

// answer sends the caller on the other side the error of its call.
func (s *session) answer(request wamp.ID, err error) error {
	we, ok := errors.AsType[*wamp.Error](err)
	if !ok || we.URI == wamp.ErrProtocolViolation {
		return err
	}
	if we.URI == wamp.ErrNotAuthorized {
		s.counts.Denied.Add(1)
	}
	s.send(s.batch, we.Reply(wamp.TypeCall, request))
	return nil
}

// failed takes an ERROR: of a call that the other side was to answer, or of
// interest that it does not take.
func (s *session) failed(m *wamp.ErrorMessage) error {
	if m.RequestType == wamp.TypeCall {
		return s.dealer.Error(s.batch, &wamp.ErrorMessage{
			RequestType: wamp.TypeInvocation, Request: m.Request, Details: m.Details, Error: m.Error, Payload: m.Payload,
		})
	}
	s.counts.Refused.Add(1)
	s.answered(m.RequestType)
	args, err := codec.DecodeArgs(m.Payload)
	if err != nil {
		return err
	}
	s.log.Warn("the other side refused interest", slog.String("message", m.RequestType.String()),
		slog.String("reason", string(m.Error)), slog.Any("args", args))
	return nil
}

// interest takes what the other side wants or offers, or no longer does.
func (s *session) interest(m wamp.Message) error {
	switch m := m.(type) {
	case *wamp.Subscribe:
		match, err := s.may(rbac.Subscribe, s.rules.sendTopics, m.Topic, m.Options)
		if err == nil {
			err = s.broker.Subscribe(s.batch, m, match)
		}
		if err != nil {
			return s.refuse(m.Type(), m.Request, err)
		}
		return s.hold(s.topics, m.Request, s.broker.SubscriptionID(match, m.Topic), pattern.Pattern{Match: match, URI: m.Topic})
	case *wamp.Register:
		match, err := s.may(rbac.Register, s.rules.sendProcedures, m.Procedure, m.Options)
		maps.DeleteFunc(m.Options, func(option string, _ any) bool { return option != "invoke" }) // nothing else crosses
		if err == nil {
			err = s.dealer.Register(s.batch, m, match)
		}
		if err != nil {
			return s.refuse(m.Type(), m.Request, err)
		}
		return s.hold(s.offers, m.Request, s.dealer.RegistrationID(match, m.Procedure), pattern.Pattern{Match: match, URI: m.Procedure})
	case *wamp.Unsubscribe:
		if id, ok := s.topics[m.Subscription]; ok {
			delete(s.topics, m.Subscription)
			delete(s.held, id)
			return s.broker.Unsubscribe(s.batch, &wamp.Unsubscribe{Request: m.Request, Subscription: id})
		}
	case *wamp.Unregister:
		if id, ok := s.offers[m.Registration]; ok {
			delete(s.offers, m.Registration)
			delete(s.held, id)
			return s.dealer.Unregister(s.batch, &wamp.Unregister{Request: m.Request, Registration: id})
		}
	}
	return nil
}

// hold notes what the other side holds here by which request. It tells of
// nothing twice.
func (s *session) hold(what map[wamp.ID]wamp.ID, request, id wamp.ID, p pattern.Pattern) error {
	_, used := what[request]
	if _, held := s.held[id]; used || held {
		return wamp.Violationf("interest told twice, in request %d", request)
	}
	what[request], s.held[id] = id, p
	return nil
}

// may checks interest in a pattern against rules and permissions.
func (s *session) may(p rbac.Permission, rules patterns, uri wamp.URI, options wamp.Dict) (wamp.Match, error) {
	match, err := options.Match()
	switch {
	case err != nil:
		return match, err
	case !uri.Valid(match, false):
		return match, wamp.Errorf(wamp.ErrInvalidURI, "%q is not a valid URI", uri)
	case p == rbac.Register && uri.Reserved():
		return match, wamp.Errorf(wamp.ErrNotAuthorized, "%q is reserved", uri)
	case !rules.overlap(pattern.Pattern{Match: match, URI: uri}):
		return match, wamp.Errorf(wamp.ErrNotAuthorized, "no rule lets %q cross", uri)
	case s.rights != nil && !s.rights.Decide(p, uri, match):
		s.denied(p, uri, match)
		return match, wamp.Errorf(wamp.ErrNotAuthorized, "the uplink has no grant of %s on %q", p, uri)
	}
	return match, nil
}

func (s *session) refuse(t wamp.MessageType, request wamp.ID, err error) error {
	we, ok := errors.AsType[*wamp.Error](err)
	if !ok || we.URI == wamp.ErrProtocolViolation {
		return err
	}
	s.counts.Denied.Add(1)
	s.send(s.batch, we.Reply(t, request))
	return nil
}

func (s *session) mayPublish(topic wamp.URI) error {
	return s.mayPass(rbac.Publish, s.rules.receiveTopics, topic)
}

func (s *session) mayCall(procedure wamp.URI) error {
	return s.mayPass(rbac.Call, s.rules.receiveProcedures, procedure)
}

// mayPass checks each message that came over the link by its own URI.
func (s *session) mayPass(p rbac.Permission, rules patterns, uri wamp.URI) error {
	switch {
	case !uri.Valid(wamp.MatchExact, false):
		return wamp.Errorf(wamp.ErrInvalidURI, "%q is not a valid URI", uri)
	case uri.Reserved():
		return wamp.Errorf(wamp.ErrNotAuthorized, "%q does not cross a bridge", uri)
	case !rules.match(uri):
		return wamp.Errorf(wamp.ErrNotAuthorized, "no rule lets %q cross", uri)
	case s.rights != nil && !s.rights.Decide(p, uri, wamp.MatchExact):
		s.denied(p, uri, wamp.MatchExact)
		return wamp.Errorf(wamp.ErrNotAuthorized, "the uplink has no grant of %s on %q", p, uri)
	}
	return nil
}
