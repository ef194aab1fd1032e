package meta

import (
	"maps"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"

	"bondy/core/codec"
	"bondy/core/peer"
	"bondy/core/rbac"
	"bondy/core/wamp"
)

// Session is a session as the Meta API knows it. The exported fields never
// change once others know of it. Safe for concurrent use.
type Session struct {
	Peer *peer.Peer
	// AuthMethod and AuthProvider say how the client was logged in, Roles as what.
	AuthMethod, AuthProvider string
	Roles                    []string
	Rights                   *rbac.Rights
	// Conn is the connection that carries the session.
	Conn Conn

	mu         sync.Mutex
	silenced   atomic.Bool
	extra      wamp.Dict // by wamp.session.modify_details
	testaments *testaments
}

// Conn is how a session is seen and ended from outside. Safe for concurrent
// use; its methods do not block.
type Conn interface {
	// Transport tells by which connection the client comes.
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
	s.mu.Lock()
	defer s.mu.Unlock()
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
	maps.Copy(d, s.extra)
	return d
}

// maxExtra bounds what modify_details may add to a session, in bytes.
const maxExtra = 16 << 10

// modify sets further details of the session, and removes those that are null.
// What the router itself says of a session stays as it is.
func (s *Session) modify(delta wamp.Dict) error {
	for k := range delta {
		if k == "session" || k == "transport" || strings.HasPrefix(k, "auth") {
			return wamp.Errorf(wamp.ErrInvalidArgument, "%q cannot be modified: name a detail of your own", k)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	extra := make(wamp.Dict, len(s.extra)+len(delta))
	for _, from := range [...]wamp.Dict{s.extra, delta} {
		for k, v := range from {
			if v == nil {
				delete(extra, k)
			} else {
				extra[k] = v
			}
		}
	}
	encoded, err := codec.AppendValue(nil, wamp.MessagePack, extra)
	if err != nil {
		return err
	}
	if len(encoded) > maxExtra {
		return wamp.Errorf(wamp.ErrInvalidArgument, "the details would have %d bytes of %d: remove some with null", len(encoded), maxExtra)
	}
	s.extra = extra
	return nil
}
