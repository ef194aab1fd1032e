package bridge

import (
	"context"
	"crypto/ed25519"
	"encoding/binary"
	"encoding/hex"
	"log/slog"
	"slices"
	"sync"
	"time"

	"bondy/core/meta"
	"bondy/core/peer"
	"bondy/core/wamp"
)

// Realm is a realm that an uplink bridges.
type Realm struct {
	URI wamp.URI
	// AuthID and Key log the uplink in at the core with cryptosign; without a
	// key it is anonymous.
	AuthID string
	Key    ed25519.PrivateKey
	Rules  Rules
}

// Edge is the edge's end of an uplink: it opens a session for each of its
// realms whenever a link is up. Safe for concurrent use.
type Edge struct {
	shared *Shared
	name   string
	via    *peer.Bridge
	realms []Realm
	counts []*Counts // by realm, over all links
	log    *slog.Logger

	mu       sync.Mutex
	link     Link // nil while there is none
	sessions []*edgeSession
	refused  []string // why the core refused a realm, by its index
}

// edgeSession is one realm over one link. turn orders the frames of its lane
// and the timer of a new attempt.
type edgeSession struct {
	*session
	edge   *Edge
	index  int
	turn   sync.Mutex
	opened bool
	down   bool
	retry  *time.Timer
	pause  time.Duration
}

// Pauses before a realm that was refused is tried again.
const (
	minPause = time.Second
	maxPause = time.Minute
)

// NewEdge makes the edge's end of the uplink of that name.
func NewEdge(name string, realms []Realm, shared *Shared) (*Edge, error) {
	for _, r := range realms {
		if err := r.Rules.Validate(); err != nil {
			return nil, err
		}
	}
	counts := make([]*Counts, len(realms))
	for i := range counts {
		counts[i] = &Counts{}
	}
	return &Edge{
		shared: shared, name: name, via: &peer.Bridge{Name: name}, realms: slices.Clone(realms), counts: counts,
		refused: make([]string, len(realms)),
		log:     shared.Log.With(slog.String("part", "bridge"), slog.String("uplink", name)),
	}, nil
}

// Up begins to use a link.
func (e *Edge) Up(l Link) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.link = l
	e.sessions = make([]*edgeSession, len(e.realms))
	for i, r := range e.realms {
		log := e.log.With(slog.String("realm", string(r.URI)))
		s := &edgeSession{edge: e, index: i, pause: minPause}
		e.sessions[i] = s
		s.begin(newSession(e.shared, l, uint64(i), e.counts[i], log))
	}
}

// Frame handles a frame of that link; an error means that the peer broke the
// protocol.
func (e *Edge) Frame(l Link, body []byte) error {
	number, n := binary.Uvarint(body)
	s := e.session(l, number)
	if n <= 0 || s == nil {
		return wamp.Violationf("no session %d", number)
	}
	return s.frame(body[n:])
}

func (e *Edge) session(l Link, number uint64) *edgeSession {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.link != l || number >= uint64(len(e.sessions)) {
		return nil
	}
	return e.sessions[number]
}

// Down ends everything that the link carried.
func (e *Edge) Down(l Link) {
	for _, s := range e.forget(l) {
		s.end()
	}
}

func (e *Edge) forget(l Link) []*edgeSession {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.link != l {
		return nil
	}
	sessions := e.sessions
	e.link, e.sessions = nil, nil
	return sessions
}

// begin asks the core for the realm, for a session that was not used yet.
func (s *edgeSession) begin(fresh *session) {
	fresh.rules = s.edge.realms[s.index].Rules.edge()
	fresh.dismissed = func(message string) { go s.dismiss(fresh, message) }
	s.session = fresh
	s.hello()
}

// dismiss leaves the local realm, which has told the core already.
func (s *edgeSession) dismiss(open *session, message string) {
	s.turn.Lock()
	defer s.turn.Unlock()
	if !s.down && s.session == open && s.opened {
		s.left(wamp.CloseRealm, wamp.Dict{"message": message})
		s.batch.Flush()
	}
}

// left ends a session, open or not, and tries the realm again.
func (s *edgeSession) left(reason wamp.URI, details wamp.Dict) {
	s.leave()
	s.opened = false
	s.again(string(reason), details)
}

func (s *edgeSession) hello() {
	r := &s.edge.realms[s.index]
	d := wamp.Dict{
		"roles": map[string]any{
			"publisher": map[string]any{}, "subscriber": map[string]any{}, "caller": map[string]any{}, "callee": map[string]any{},
		},
		"_bridge": r.Rules.dict(),
	}
	if r.Key != nil {
		public := r.Key.Public().(ed25519.PublicKey) // by definition of the type
		d["authid"], d["authmethods"] = r.AuthID, []any{"cryptosign"}
		d["authextra"] = map[string]any{"pubkey": hex.EncodeToString(public)}
	}
	s.send(s.batch, &wamp.Hello{Realm: r.URI, Details: d})
	s.batch.Flush()
}

func (s *edgeSession) frame(body []byte) error {
	s.turn.Lock()
	defer s.turn.Unlock()
	if s.down {
		return nil
	}
	defer s.batch.Flush()
	m, err := s.decoder.Decode(body)
	if err != nil {
		return err
	}
	switch m := m.(type) {
	case *wamp.Challenge:
		return s.authenticate(m)
	case *wamp.Welcome:
		return s.welcome(m)
	case *wamp.Abort:
		s.left(m.Reason, m.Details)
		return nil
	case *wamp.Goodbye:
		if s.opened { // else both ended it at once
			s.send(s.batch, &wamp.Goodbye{Reason: wamp.CloseGoodbyeAndOut})
			s.left(m.Reason, m.Details)
		}
		return nil
	}
	if !s.opened {
		return nil // of a session that was left
	}
	return s.handle(m)
}

func (s *edgeSession) authenticate(m *wamp.Challenge) error {
	key := s.edge.realms[s.index].Key
	text, err := m.Extra.String("challenge")
	if err != nil {
		return err
	}
	challenge, err := hex.DecodeString(text)
	if err != nil || key == nil || m.AuthMethod != "cryptosign" {
		return wamp.Violationf("CHALLENGE %s is not one that was asked for", m.AuthMethod)
	}
	signature := append(ed25519.Sign(key, challenge), challenge...)
	s.send(s.batch, &wamp.Authenticate{Signature: hex.EncodeToString(signature)})
	return nil
}

func (s *edgeSession) welcome(m *wamp.Welcome) error {
	if s.opened {
		return wamp.Violationf("WELCOME in an open session")
	}
	r := &s.edge.realms[s.index]
	local, err := s.shared.Realm(r.URI)
	if err == nil {
		me := &peer.Peer{Session: wamp.RandomID(), AuthID: "uplink:" + s.edge.name, AuthRole: "uplink"}
		err = s.join(local, s.edge.via, &meta.Session{Peer: me}, nil)
	}
	if err != nil {
		s.send(s.batch, &wamp.Goodbye{Reason: wamp.CloseRealm})
		s.again(err.Error(), nil)
		return nil // the realm is tried again
	}
	s.opened, s.pause = true, minPause
	s.edge.refuse(s.index, "")
	authid, _ := m.Details["authid"].(string)
	s.log.Info("realm bridged", slog.String("authid", authid))
	return nil
}

// again tries a realm once more after a pause that doubles. Who is about to do so
// does not do it twice.
func (s *edgeSession) again(reason string, details wamp.Dict) {
	message, _ := details["message"].(string)
	s.edge.refuse(s.index, reason+" "+message)
	s.log.Warn("realm not bridged", slog.String("reason", reason), slog.String("message", message), slog.Duration("retry_in", s.pause))
	if s.retry != nil {
		s.retry.Stop()
	}
	over := s.session
	s.retry = time.AfterFunc(s.pause, func() {
		s.turn.Lock()
		defer s.turn.Unlock()
		if !s.down && s.session == over {
			s.leave()
			s.opened = false
			s.begin(newSession(s.shared, s.link, s.sink.number, s.counts, s.log))
		}
	})
	s.pause = min(2*s.pause, maxPause)
}

func (s *edgeSession) end() {
	s.turn.Lock()
	defer s.turn.Unlock()
	s.down = true
	if s.retry != nil {
		s.retry.Stop()
	}
	s.leave()
	s.batch.Flush()
}

func (e *Edge) refuse(i int, why string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.refused[i] = why
}

// RealmStatus is what an operator sees of a bridged realm.
type RealmStatus struct {
	Realm   wamp.URI `json:"realm"`
	State   string   `json:"state"` // bridged, refused or down
	Refusal string   `json:"refusal,omitempty"`
	// Wanted is the interest that the other side told us of, Told ours.
	Wanted   int    `json:"wanted"`
	Told     int    `json:"told"`
	EventsIn uint64 `json:"events_in"`
	CallsIn  uint64 `json:"calls_in"`
	Denied   uint64 `json:"denied"`
	Refused  uint64 `json:"refused"`
}

// Status is a moment of the uplink's realms.
func (e *Edge) Status(context.Context) []RealmStatus {
	e.mu.Lock()
	sessions, refused := slices.Clone(e.sessions), slices.Clone(e.refused)
	e.mu.Unlock()
	out := make([]RealmStatus, len(e.realms))
	for i, r := range e.realms {
		out[i] = RealmStatus{Realm: r.URI, State: "down", Refusal: refused[i]}
		out[i].count(e.counts[i])
		if refused[i] != "" {
			out[i].State = "refused"
		}
		if i < len(sessions) {
			sessions[i].turn.Lock()
			if sessions[i].opened {
				out[i].State = "bridged"
				sessions[i].fill(&out[i])
			}
			sessions[i].turn.Unlock()
		}
	}
	return out
}

// fill needs the lock that orders the session's frames.
func (s *session) fill(to *RealmStatus) {
	to.Wanted = len(s.topics) + len(s.offers)
	s.mu.Lock()
	to.Told = len(s.subscribed.told) + len(s.registered.told)
	s.mu.Unlock()
}

func (r *RealmStatus) count(c *Counts) {
	r.EventsIn, r.CallsIn, r.Denied, r.Refused = c.EventsIn.Load(), c.CallsIn.Load(), c.Denied.Load(), c.Refused.Load()
}
