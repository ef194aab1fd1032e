package peer

import (
	"strings"

	"bondy/core/wamp"
)

// Peer is the other end of a session as broker and dealer see it: an immutable
// snapshot of its identity and features, and the queue to it.
type Peer struct {
	// Session is the peer's session id.
	Session wamp.ID
	// AuthID and AuthRole are disclosed where the protocol asks for it.
	AuthID, AuthRole string
	// Features are what the peer announced.
	Features Features
	// Trust is the level that the realm gives to what the peer publishes and
	// calls (sections "Publication Trust Levels" and "Call Trust Levels"), told
	// to receivers; 0 is not told.
	Trust int
	// Via is the bridge that the peer speaks for, nil for a session of this
	// node's own. What came in by a bridge does not go out by it.
	Via *Bridge
	// About knows more of a session of this node; nil behind a bridge.
	About interface {
		// Login is how the client authenticated, and the names of all its roles.
		Login() (method, provider string, roles []string)
	}
	// Topics and Procedures say what may cross to a peer behind a bridge.
	Topics, Procedures func(wamp.URI) bool
	*Queue
}

// Bridge stands for another router that is connected by links. All links to
// one cluster share a Bridge.
type Bridge struct {
	// Name is for logs and errors.
	Name string
}

// Disclosed is what others may learn of p, under keys that begin with as:
// publisher or caller (sections "Publisher Identification" and "Caller
// Identification").
func (p *Peer) Disclosed(as string) wamp.Dict {
	return wamp.Dict{as: p.Session, as + "_authid": p.AuthID, as + "_authrole": p.AuthRole}
}

// The details that tell of the session of a caller or publisher, and the
// options that ask for them, in the two spellings of extension keys.
const (
	SessionInfo         = "_session_info"
	SessionInfoX        = "x_session_info"
	DiscloseSessionInfo = "_disclose_session_info"
	// DiscloseSessionInfoX asks for SessionInfoX.
	DiscloseSessionInfoX = "x_disclose_session_info"
)

// Info is the session as the detail key tells of it.
func (p *Peer) Info(key string) map[string]any {
	d := map[string]any{"session": p.Session, "authid": p.AuthID, "authrole": p.AuthRole}
	if p.About != nil {
		method, provider, roles := p.About.Login()
		list := make([]any, len(roles))
		for i, role := range roles {
			list[i] = role
		}
		d["authmethod"], d["authprovider"] = method, provider
		d[strings.TrimSuffix(key, "session_info")+"authroles"] = list
	}
	return d
}

// Features are the roles and features that a client announced in HELLO
// (section "Feature Announcement"), as far as the router acts on them.
type Features uint32

// The roles and features.
const (
	Publisher Features = 1 << iota
	Subscriber
	Caller
	Callee
	CalleeProgressiveResults
	CalleeCanceling
	CalleeTimeout
	CalleeProgressiveInvocations
	CalleeRevocation
	CalleeRerouting
	CallerProgressiveResults
	CallerProgressiveInvocations
	SubscriptionRevocation
	PublisherPassthru
	CallerPassthru
	CalleePassthru
)

// Has reports whether all of want was announced.
func (f Features) Has(want Features) bool { return f&want == want }

// ParseFeatures reads HELLO.Details.roles. Unknown roles and features are
// ignored; a client without any known role is refused.
func ParseFeatures(details wamp.Dict) (Features, error) {
	roles, err := details.Dict("roles")
	if err != nil {
		return 0, err
	}
	var f Features
	for name, bit := range map[string]Features{
		"publisher": Publisher, "subscriber": Subscriber, "caller": Caller, "callee": Callee,
	} {
		if _, ok := roles[name]; !ok {
			continue
		}
		role, err := roles.Dict(name)
		if err != nil {
			return 0, err
		}
		f |= bit
		features, err := role.Dict("features")
		if err != nil {
			return 0, err
		}
		for feature, bit := range featuresOf(bit) {
			if on, _ := features[feature].(bool); on {
				f |= bit
			}
		}
	}
	if f == 0 {
		return 0, wamp.Violationf("HELLO.Details.roles must announce at least one of publisher, subscriber, caller, callee")
	}
	return f, nil
}

// featuresOf are the features of a role that the router acts on.
func featuresOf(role Features) map[string]Features {
	switch role {
	case Publisher:
		return map[string]Features{"payload_passthru_mode": PublisherPassthru}
	case Subscriber:
		return map[string]Features{"subscription_revocation": SubscriptionRevocation}
	case Callee:
		return map[string]Features{
			"progressive_call_results":     CalleeProgressiveResults,
			"call_canceling":               CalleeCanceling,
			"call_cancelling":              CalleeCanceling, //nolint:misspell // older clients spell it so
			"call_timeout":                 CalleeTimeout,
			"progressive_call_invocations": CalleeProgressiveInvocations,
			"registration_revocation":      CalleeRevocation,
			"call_reroute":                 CalleeRerouting,
			"payload_passthru_mode":        CalleePassthru,
		}
	case Caller:
		return map[string]Features{
			"progressive_call_results":     CallerProgressiveResults,
			"progressive_call_invocations": CallerProgressiveInvocations,
			"payload_passthru_mode":        CallerPassthru,
		}
	default:
		return nil
	}
}
