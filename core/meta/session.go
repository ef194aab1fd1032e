package meta

import (
	"maps"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"

	"bondy/core/auth"
	"bondy/core/broker"
	"bondy/core/codec"
	"bondy/core/dealer"
	"bondy/core/peer"
	"bondy/core/rbac"
	"bondy/core/wamp"
)

// Session is a session as the Meta API knows it. The exported fields but Broker,
// Dealer and Place never change once others know of it. Safe for concurrent use.
type Session struct {
	Peer *peer.Peer
	// AuthMethod and AuthProvider say how the client was logged in, Roles as what.
	AuthMethod, AuthProvider string
	Roles                    []string
	Rights                   *rbac.Rights
	// Principal is the user that the session is; nil for anonymous clients and
	// for those that have no user here.
	Principal *auth.Principal
	// Conn is the connection that carries the session.
	Conn Conn
	// Broker and Dealer are its sides of these, nil until it needs them.
	Broker atomic.Pointer[broker.Session]
	Dealer atomic.Pointer[dealer.Session]
	// Place is where it stands in the table of who keeps that, and guards it.
	Place int
	// Unsecured says that the realm had no security when the client joined.
	Unsecured bool

	mu         sync.Mutex
	silenced   atomic.Bool
	intestate  atomic.Bool
	extra      wamp.Payload // by wamp.session.modify_details, as keyword arguments
	testaments *testaments
}

// Conn is how a session is seen and ended from outside. Safe for concurrent
// use; its methods do not block.
type Conn interface {
	// Transport tells by which connection the client comes, or came last.
	Transport() Transport
	// Goodbye asks the client to leave.
	Goodbye(reason wamp.URI, message string)
	// Kill says GOODBYE, with message in its details unless that is empty,
	// and ends the session whatever the client answers. It reports whether
	// the session was not ending already.
	Kill(reason wamp.URI, message string) bool
	// End ends the session without a word.
	End()
}

// Transport describes the connection of a session.
type Transport struct {
	// Type is websocket, rawsocket or another transport's name.
	Type string
	// Secure says that the connection has TLS.
	Secure bool
	// Remote is the client's address, invalid for unix sockets.
	Remote netip.AddrPort
	// Detached says that it broke, and that the session waits for another.
	Detached bool
}

// ID is the session's id.
func (s *Session) ID() wamp.ID { return s.Peer.Session }

// Login implements what peer.Peer.About asks for.
func (s *Session) Login() (method, provider string, roles []string) {
	return s.AuthMethod, s.AuthProvider, s.Roles
}

// Silenced reports whether the session is to leave without testaments and meta
// events of its own.
func (s *Session) Silenced() bool { return s.silenced.Load() }

// details is what anybody who asks may know of the session; with address, for
// those who manage sessions, also where the client is.
func (s *Session) details(address bool) map[string]any {
	t := s.Conn.Transport()
	transport := map[string]any{
		"type": t.Type, "secure": t.Secure, "serializer": s.Peer.Serializer().String(),
	}
	if address && t.Remote.IsValid() {
		transport["peername"] = t.Remote.String()
	}
	d := map[string]any{
		"session": s.ID(), "authid": s.Peer.AuthID, "authrole": s.Peer.AuthRole,
		"authmethod": s.AuthMethod, "authprovider": s.AuthProvider, "transport": transport,
	}
	if t.Detached {
		d["detached"] = true
	}
	return d
}

// further are the details that modify set.
func (s *Session) further() (wamp.Dict, error) {
	s.mu.Lock()
	extra := s.extra
	s.mu.Unlock()
	return codec.DecodeKwargs(extra)
}

// maxExtra bounds what modify_details may add to a session, in bytes. They are
// kept encoded, so that they take what they count.
const maxExtra = 16 << 10

// modify sets further details of the session, and removes those that are null.
// What the router itself says of a session stays as it is.
func (s *Session) modify(delta wamp.Dict) error {
	for k := range delta {
		if k == "session" || k == "transport" || k == "detached" || k == "realm" || strings.HasPrefix(strings.TrimPrefix(k, "x_"), "auth") {
			return wamp.Errorf(wamp.ErrInvalidArgument, "%q cannot be modified: name a detail of your own", k)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	merged, err := codec.DecodeKwargs(s.extra)
	if err != nil {
		return err
	}
	if merged == nil {
		merged = make(wamp.Dict, len(delta))
	}
	maps.Copy(merged, delta)
	maps.DeleteFunc(merged, func(_ string, v any) bool { return v == nil })
	extra, err := codec.NewPayload(wamp.MessagePack, nil, merged)
	if err != nil {
		return err
	}
	if extra.Len() > maxExtra {
		return wamp.Errorf(wamp.ErrInvalidArgument, "the details would have %d bytes of %d: remove some with null", extra.Len(), maxExtra)
	}
	s.extra = extra
	return nil
}
