package session

import (
	"log/slog"

	"bondy/core/codec"
	"bondy/core/meta"
	"bondy/core/mgmt"
	"bondy/core/peer"
	"bondy/core/rbac"
	"bondy/core/wamp"
)

// ask has the router itself answer a call, of a procedure with a reserved URI.
func (s *Session) ask(m *wamp.Call) error {
	if m.Options["ppt_scheme"] != nil {
		return wamp.Errorf(wamp.ErrFeatureNotSupported, "%s does not take a payload in passthru mode: send the arguments as they are", m.Procedure)
	}
	req := &mgmt.Request{
		Procedure: m.Procedure, Realm: s.realm.URI, Caller: &s.peer, Rights: s.member.Rights,
		StrictURIs: s.policy.StrictURIs, Batch: s.batch, Payload: m.Payload, Guard: s.route,
	}
	res, err := s.realm.Procedures.Call(req)
	s.administered(req, err)
	if err != nil {
		return err
	}
	payload, err := codec.NewPayload(s.peer.Serializer(), res.Args, res.Kwargs)
	if err != nil {
		return err
	}
	f := peer.NewFrame(&wamp.Result{Request: m.Request, Payload: payload})
	defer f.Free()
	switch s.peer.Send(s.batch, f, peer.Reply, nil) {
	case peer.TooLong:
		return wamp.Errorf(wamp.ErrPayloadSizeExceeded,
			"the answer has %d bytes, more than this client accepts: ask for less, lists take the keyword argument limit", payload.Len())
	case peer.Full:
		s.peer.Doom(s.batch)
	case peer.Sent, peer.Closed, peer.Shut, peer.Dropped, peer.Untranslatable:
	}
	return nil
}

// Transport implements meta.Conn.
func (s *Session) Transport() meta.Transport {
	s.mu.Lock()
	defer s.mu.Unlock()
	info := s.conn.Info()
	return meta.Transport{
		Type: info.Transport, Secure: info.TLS != nil, Remote: info.Remote,
		Detached: s.after != nil && s.after.timer != nil,
	}
}

// bequeath publishes the session's testaments of one scope. What it may no
// longer publish is dropped.
func (s *Session) bequeath(scope meta.Scope) {
	for m, err := range s.member.TakeTestaments(scope) {
		if err == nil && !s.member.Rights.Decide(rbac.Publish, m.Topic, wamp.MatchExact) {
			err = wamp.Errorf(wamp.ErrNotAuthorized, "%s has no grant of %s any more", s.peer.AuthID, rbac.Publish)
		}
		if err == nil {
			err = s.route(func() error { return s.pubsub().Publish(s.batch, m) })
		}
		if err != nil {
			s.cfg.Log.Warn("testament not published", slog.Any("", s), slog.String("topic", string(m.Topic)), slog.Any("err", err))
		}
	}
}
