package ticket

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"bondy/core/auth"
	"bondy/core/wamp"
)

// Bounds of tickets.
const (
	// MaxLifetime is how long a ticket can be good at most.
	MaxLifetime = 30 * 24 * time.Hour
	// DefaultPerUser is how many live tickets a user has at most.
	DefaultPerUser = 100
	// maxPerUser bounds what a Policy may say of that.
	maxPerUser = 10_000
	// maxOption bounds the names in Options in bytes.
	maxOption = 254
)

// Policy is what a realm allows. The zero value is the default.
type Policy struct {
	// MaxLifetime bounds what clients ask for, and is what those get who do not;
	// 0 means the bound of the same name.
	MaxLifetime time.Duration `json:"max_lifetime,omitempty"`
	// Methods are those by which a session must have logged in to get a ticket;
	// nil means all that prove who a user is, an empty list none. A password sent by the method ticket
	// counts as password.
	Methods []string `json:"methods,omitzero"`
	// MaxPerUser is how many live tickets a user may have, 0 means 100. One more
	// takes the place of that which expires first.
	MaxPerUser int `json:"max_per_user,omitempty"`
}

// methods are those that prove who a user is. Others never lead to a ticket: nobody
// is behind anonymous, no user behind jwt, and tickets must not live on by making
// others.
func methods() []string {
	return []string{auth.MethodPassword, auth.MethodWAMPCRA, auth.MethodSCRAM, auth.MethodCryptosign, auth.MethodTLS, auth.MethodTrust}
}

// Validate checks the policy; the error names the key.
func (p *Policy) Validate() error {
	if p.MaxLifetime != 0 && (p.MaxLifetime < time.Second || p.MaxLifetime > MaxLifetime) {
		return fmt.Errorf("max_lifetime: %s is not in 1s..%s", p.MaxLifetime, MaxLifetime)
	}
	for i, m := range p.Methods {
		if !slices.Contains(methods(), m) {
			return fmt.Errorf("methods[%d]: no tickets can be had by way of %q", i, m)
		}
	}
	if p.MaxPerUser < 0 || p.MaxPerUser > maxPerUser {
		return fmt.Errorf("max_per_user: %d is not in 1..%d", p.MaxPerUser, maxPerUser)
	}
	return nil
}

func (p *Policy) takes(method string) bool {
	return slices.Contains(methods(), method) && (p.Methods == nil || slices.Contains(p.Methods, method))
}

// lifetime is what who asks for that much gets; 0 asks for nothing.
func (p *Policy) lifetime(asked time.Duration) time.Duration {
	most := cmp.Or(p.MaxLifetime, MaxLifetime)
	return min(cmp.Or(asked, most), most)
}

func (p *Policy) most() int { return cmp.Or(p.MaxPerUser, DefaultPerUser) }

// Options are what a client asks for. The zero value asks for the widest scope
// and the longest life.
type Options struct {
	// Lifetime is cut to what the Policy allows; 0 is all of that.
	Lifetime time.Duration
	// Local asks for a ticket that is good in this realm alone, also for a user
	// whose credentials are in an SSO realm. Who was trusted gets no other: the SSO
	// realm has seen no credential.
	// SSO asks for one that is good in all realms of the SSO realm, and for nothing
	// if there can be none; without it there is a local one then.
	Local, SSO bool
	// ClientTicket is the ticket of a client on whose behalf the session asks,
	// ClientID its name, which is enough.
	ClientTicket, ClientID string
	DeviceID               string
}

// ParseOptions reads the keyword arguments of bondy.ticket.issue: expiry_time_secs,
// allow_sso, client_ticket, client_id, device_id. An unknown one is refused: it
// might be meant to narrow the ticket.
func ParseOptions(kwargs wamp.Dict) (Options, error) {
	var o Options
	texts := map[string]*string{"client_ticket": &o.ClientTicket, "client_id": &o.ClientID, "device_id": &o.DeviceID}
	for key, v := range kwargs {
		var ok bool
		want := ""
		switch to := texts[key]; {
		case v == nil: // not given
			ok = true
		case to != nil:
			want = "text that is not empty"
			if key != "client_ticket" {
				want = fmt.Sprintf("text of 1 to %d bytes", maxOption)
			}
			*to, ok = v.(string)
			ok = ok && *to != "" && (key == "client_ticket" || len(*to) <= maxOption)
		case key == "allow_sso":
			want = "true or false"
			var sso bool
			sso, ok = v.(bool)
			o.Local, o.SSO = !sso, sso
		case key == "expiry_time_secs":
			want = "a whole number of seconds above 0"
			var n int64
			n, ok = v.(int64)
			ok = ok && n > 0
			o.Lifetime = time.Duration(min(n, int64(MaxLifetime/time.Second))) * time.Second
		default:
			return o, wamp.Errorf(wamp.ErrInvalidArgument, "unknown option %q: use expiry_time_secs, allow_sso, client_ticket, client_id or device_id", key)
		}
		if !ok {
			return o, wamp.Errorf(ErrInvalidValue, "%s: want %s", key, want)
		}
	}
	return o, nil
}
