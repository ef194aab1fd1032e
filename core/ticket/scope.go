package ticket

import (
	"encoding/json"
	"errors"
	"fmt"

	"bondy/core/wamp"
)

// Scope is where and for whom a ticket is good.
type Scope struct {
	// Realm is the one realm that it is good for; empty means every realm that
	// uses the issuer as its SSO realm, and the issuer itself.
	Realm wamp.URI
	// ClientID is the client, a user of the realm, that acts for the ticket's user;
	// empty for none. If it showed a ticket of its own when this one was issued, it
	// shows one at each login.
	ClientID string
	// DeviceID is the device that it is for; empty for all. Nothing proves it, or a
	// client that was only named: that tells tickets apart, and keeps away who says
	// to be another one.
	DeviceID string
}

// Kind says which permission a scope needs.
type Kind string

// The kinds.
const (
	Local       Kind = "local"
	SSO         Kind = "sso"
	ClientLocal Kind = "client_local"
	ClientSSO   Kind = "client_sso"
)

// Resource is what bondy.issue must be granted on.
func (k Kind) Resource() wamp.URI { return "bondy.ticket.scope." + wamp.URI(k) }

// Kind is that of the scope.
func (s Scope) Kind() Kind {
	switch {
	case s.ClientID != "" && s.Realm == "":
		return ClientSSO
	case s.ClientID != "":
		return ClientLocal
	case s.Realm == "":
		return SSO
	default:
		return Local
	}
}

// scopeText is a Scope as tickets and records have it: null is what is empty
// here, and nothing else.
type scopeText struct {
	Realm    *wamp.URI `json:"realm"`
	ClientID *string   `json:"client_id"`
	DeviceID *string   `json:"device_id"`
}

// MarshalJSON writes an object with all three keys.
func (s Scope) MarshalJSON() ([]byte, error) {
	var t scopeText
	if s.Realm != "" {
		t.Realm = &s.Realm
	}
	if s.ClientID != "" {
		t.ClientID = &s.ClientID
	}
	if s.DeviceID != "" {
		t.DeviceID = &s.DeviceID
	}
	return json.Marshal(t)
}

// UnmarshalJSON reads what MarshalJSON writes. A key that is not there is an
// error: it would widen the scope.
func (s *Scope) UnmarshalJSON(text []byte) error {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(text, &raw); err != nil {
		return fmt.Errorf("scope: %w", err)
	}
	if len(raw) != 3 {
		return errors.New("scope: want realm, client_id and device_id")
	}
	var out Scope
	for key, to := range map[string]*string{"realm": (*string)(&out.Realm), "client_id": &out.ClientID, "device_id": &out.DeviceID} {
		var v *string
		value, ok := raw[key]
		if err := json.Unmarshal(value, &v); !ok || err != nil || v != nil && *v == "" {
			return fmt.Errorf("scope: %s must be a text that is not empty, or null", key)
		}
		if v != nil {
			*to = *v
		}
	}
	*s = out
	return nil
}

// Dict is the scope as a result of a call.
func (s Scope) Dict() wamp.Dict {
	d := wamp.Dict{"realm": nil, "client_id": nil, "device_id": nil}
	for key, v := range map[string]string{"realm": string(s.Realm), "client_id": s.ClientID, "device_id": s.DeviceID} {
		if v != "" {
			d[key] = v
		}
	}
	return d
}
