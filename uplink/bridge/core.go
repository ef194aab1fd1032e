package bridge

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"sync"

	"bondy/core/audit"
	"bondy/core/auth"
	"bondy/core/meta"
	"bondy/core/peer"
	"bondy/core/realm"
	"bondy/core/wamp"
)

// Core is the core's end of all uplinks: it answers the sessions that edges
// open on their links. Safe for concurrent use.
type Core struct {
	shared *Shared
	log    *slog.Logger

	mu    sync.Mutex
	links map[Link]*coreLink
}

// coreLink is the link of one edge with the realms that it bridges.
type coreLink struct {
	core *Core
	link Link
	name string
	via  *peer.Bridge
	// remote is where the edge is.
	remote netip.AddrPort

	mu       sync.Mutex
	sessions map[uint64]*coreSession
	down     bool
}

// coreSession is one realm of an edge. turn orders the frames of its lane and
// the end of the link.
type coreSession struct {
	*session
	uri   wamp.URI
	home  *realm.Realm // of that URI at HELLO, which was
	since *realm.Mark  // then
	claim string       // who the edge says it is
	// unsecured says that the realm had no security at HELLO.
	unsecured bool
	who       *auth.Identity // who it is, while opened
	turn      sync.Mutex
	exchange  *auth.Exchange // while AUTHENTICATE is awaited
	opened    bool
	ended     bool
}

// maxRealms bounds the realms that one edge bridges.
const maxRealms = 256

// NewCore makes the core's end of uplinks.
func NewCore(shared *Shared) *Core {
	return &Core{
		shared: shared, links: make(map[Link]*coreLink),
		log: shared.Log.With(slog.String("part", "bridge")),
	}
}

// Up begins to serve the link of the edge of that name, which is at remote.
func (c *Core) Up(l Link, edge string, remote netip.AddrPort) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.links[l] = &coreLink{
		core: c, link: l, name: edge, remote: remote, via: &peer.Bridge{Name: edge}, sessions: make(map[uint64]*coreSession),
	}
}

// Frame handles a frame of a link; an error means that the peer broke the
// protocol.
func (c *Core) Frame(l Link, body []byte) error {
	c.mu.Lock()
	cl := c.links[l]
	c.mu.Unlock()
	if cl == nil {
		return nil // going down
	}
	number, n := binary.Uvarint(body)
	if n <= 0 || number >= maxRealms {
		return wamp.Violationf("no session %d", number)
	}
	if s := cl.session(number); s != nil {
		return s.frame(cl, body[n:])
	}
	return nil
}

func (cl *coreLink) session(number uint64) *coreSession {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	if cl.down {
		return nil
	}
	s := cl.sessions[number]
	if s == nil {
		s = &coreSession{session: cl.fresh(number)}
		cl.sessions[number] = s
	}
	return s
}

func (cl *coreLink) fresh(number uint64) *session {
	return newSession(cl.core.shared, cl.link, number, &Counts{}, cl.core.log.With(slog.String("edge", cl.name)))
}

// Down ends everything that the link carried.
func (c *Core) Down(l Link) {
	c.mu.Lock()
	cl := c.links[l]
	delete(c.links, l)
	c.mu.Unlock()
	if cl == nil {
		return
	}
	for _, s := range cl.shut() {
		s.end(cl)
	}
}

func (cl *coreLink) shut() []*coreSession {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	cl.down = true
	all := make([]*coreSession, 0, len(cl.sessions))
	for _, s := range cl.sessions {
		all = append(all, s)
	}
	return all
}

func (s *coreSession) end(cl *coreLink) {
	s.turn.Lock()
	defer s.turn.Unlock()
	s.ended = true
	s.closed(cl, "the link is down")
	s.leave()
	s.batch.Flush()
}

func (s *coreSession) frame(cl *coreLink, body []byte) error {
	s.turn.Lock()
	defer s.turn.Unlock()
	if s.ended {
		return nil
	}
	defer func() { s.batch.Flush() }()
	m, err := s.decoder.Decode(body)
	if err != nil {
		return err
	}
	switch m := m.(type) {
	case *wamp.Hello:
		return s.hello(cl, m)
	case *wamp.Authenticate:
		return s.authenticate(cl, m)
	case *wamp.Goodbye:
		var reason string
		if why := s.parting.Load(); why != nil {
			reason = *why
		}
		s.renew(cl, reason)
		return nil
	}
	if !s.opened {
		return nil // of a session that was left or refused
	}
	return s.handle(m)
}

// renew leaves the realm and begins anew on the same number.
func (s *coreSession) renew(cl *coreLink, reason string) {
	s.closed(cl, reason)
	s.leave()
	s.batch.Flush()
	s.session, s.opened, s.exchange, s.who = cl.fresh(s.sink.number), false, nil, nil
}

// hello opens the realm for the edge, which proves its identity there as any
// client does: the certificate of the link says only which device it is.
func (s *coreSession) hello(cl *coreLink, m *wamp.Hello) error {
	if s.opened || s.exchange != nil {
		s.renew(cl, "")
	}
	s.uri, s.claim = m.Realm, ""
	rules, err := m.Details.Dict("_bridge")
	if err != nil {
		return err
	}
	parsed, err := parseRules(rules)
	if err != nil {
		return err
	}
	s.rules = parsed.core()
	if s.claim, err = m.Details.String("authid"); err != nil {
		return err
	}
	r, err := s.shared.Realm(m.Realm)
	if err != nil {
		return s.abort(cl, err)
	}
	s.home, s.since = r, r.Mark() // before anything that the login depends on
	policy := r.Policy()
	if policy.RefuseConnections {
		return s.abort(cl, wamp.Errorf(wamp.ErrNoSuchRealm, "the realm %q takes no connections at present", m.Realm))
	}
	s.id, s.unsecured = wamp.RandomID(), policy.SecurityDisabled
	req := auth.Request{Session: s.id, Realm: m.Realm, AuthID: s.claim}
	if req.Methods, err = m.Details.Strings("authmethods"); err != nil {
		return err
	}
	if slices.ContainsFunc(req.Methods, func(method string) bool { return method != auth.MethodCryptosign }) {
		return s.abort(cl, wamp.Errorf(wamp.ErrNoMatchingAuthMethod, "an uplink logs in with cryptosign"))
	}
	if req.Extra, err = m.Details.Dict("authextra"); err != nil {
		return err
	}
	if s.unsecured {
		req.Methods = nil // where there is no login, one that could log in does as well
	}
	who, exchange, err := policy.Auth.Begin(context.Background(), req) // cryptosign and anonymous wait for nothing
	switch {
	case err != nil && len(req.Methods) == 0:
		return s.abort(cl, wamp.Errorf(wamp.ErrNoMatchingAuthMethod,
			"the realm lets nobody in without a login: give the realm of this uplink an authid and a key_file"))
	case err != nil:
		return s.abort(cl, err)
	case who != nil:
		return s.welcome(cl, who)
	}
	s.exchange = exchange
	s.send(s.batch, &wamp.Challenge{AuthMethod: exchange.Method, Extra: exchange.Challenge})
	return nil
}

func (s *coreSession) authenticate(cl *coreLink, m *wamp.Authenticate) error {
	if s.exchange == nil {
		return wamp.Violationf("AUTHENTICATE without a CHALLENGE")
	}
	who, err := s.exchange.Finish(context.Background(), m.Signature, m.Extra) // cryptosign waits for nothing
	s.exchange = nil
	if err != nil {
		return s.abort(cl, err)
	}
	return s.welcome(cl, who)
}

func (s *coreSession) welcome(cl *coreLink, who *auth.Identity) error {
	s.rights = s.home.Rights(who)
	s.watch(cl)
	s.deny(cl)
	s.send(s.batch, &wamp.Welcome{Session: s.id, Details: wamp.Dict{
		"authid": who.AuthID, "authrole": who.AuthRole, "authmethod": who.AuthMethod,
	}})
	me := &peer.Peer{Session: s.id, AuthID: who.AuthID, AuthRole: who.AuthRole}
	as := &meta.Session{
		Peer: me, AuthMethod: who.AuthMethod, AuthProvider: who.AuthProvider, Principal: who.Principal, Unsecured: s.unsecured,
	}
	if err := s.join(s.home, cl.via, as, s.since); err != nil {
		e, ok := errors.AsType[*wamp.Error](err)
		if !ok {
			e = wamp.Errorf(wamp.ErrUnavailable, "%v", err)
		}
		return s.turnAway(cl, e, &wamp.Goodbye{Reason: e.URI, Details: wamp.Dict{"message": e.Message}}) // for WELCOME is said
	}
	s.opened, s.who = true, who
	s.report(cl, audit.Event{Kind: audit.Login, Outcome: audit.OK})
	s.log.Info("realm bridged", slog.String("realm", string(s.uri)), slog.String("authid", who.AuthID))
	return nil
}

// abort refuses the realm; the link and its other realms go on.
func (s *coreSession) abort(cl *coreLink, err error) error {
	return s.turnAway(cl, err, wamp.AsError(err).Abort())
}

// turnAway is abort in other words.
func (s *coreSession) turnAway(cl *coreLink, err error, m wamp.Message) error {
	s.log.Warn("realm not bridged", slog.String("realm", string(s.uri)), slog.Any("err", err))
	if e, ok := audit.Refuse(err); ok {
		s.report(cl, e)
	}
	s.send(s.batch, m)
	s.renew(cl, "")
	return nil
}

// EdgeStatus is what an operator sees of an edge's link at the core.
type EdgeStatus struct {
	Edge   string        `json:"edge"`
	Realms []RealmStatus `json:"realms"`
}

// Status is a moment of all edges.
func (c *Core) Status(context.Context) map[Link]EdgeStatus {
	c.mu.Lock()
	links := make([]*coreLink, 0, len(c.links))
	for _, cl := range c.links {
		links = append(links, cl)
	}
	c.mu.Unlock()
	out := make(map[Link]EdgeStatus, len(links))
	for _, cl := range links {
		out[cl.link] = cl.status()
	}
	return out
}

func (cl *coreLink) status() EdgeStatus {
	cl.mu.Lock()
	sessions := make([]*coreSession, 0, len(cl.sessions))
	for _, s := range cl.sessions {
		sessions = append(sessions, s)
	}
	cl.mu.Unlock()
	st := EdgeStatus{Edge: cl.name}
	for _, s := range sessions {
		s.turn.Lock()
		rs := RealmStatus{Realm: s.uri, State: "down"}
		rs.count(s.counts)
		if s.opened {
			rs.State = "bridged"
			s.fill(&rs)
		}
		s.turn.Unlock()
		st.Realms = append(st.Realms, rs)
	}
	slices.SortFunc(st.Realms, func(a, b RealmStatus) int { return cmp.Compare(a.Realm, b.Realm) })
	return st
}
