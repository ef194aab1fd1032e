package config

import (
	"net"
	"strconv"

	"bondy/core/wamp"
)

// UplinkListener is where edges arrive at a core.
type UplinkListener struct {
	// Listen is host:port, UDP.
	Listen string `toml:"listen"`
	// TLS are the files of this node.
	TLS LinkTLS `toml:"tls"`
}

// LinkTLS names the PEM files of a node on links between nodes.
type LinkTLS struct {
	// Cert is the node's certificate.
	Cert string `toml:"cert"`
	// Key is its private key.
	Key string `toml:"key"`
	// CA holds the authorities that both sides trust; revoked.crl beside it
	// is their revocation list.
	CA string `toml:"ca"`
}

// Uplink is a core to which an edge bridges realms.
type Uplink struct {
	// Name is what logs, metrics and commands call it.
	Name string `toml:"name"`
	// Endpoints are the addresses of the core, tried in turn.
	Endpoints []string `toml:"endpoints"`
	// TLS are the files of this edge.
	TLS LinkTLS `toml:"tls"`
	// Realms are what is bridged.
	Realms []UplinkRealm `toml:"realm"`
}

// UplinkRealm is a bridged realm.
type UplinkRealm struct {
	// URI is the realm, the same on both sides.
	URI string `toml:"uri"`
	// AuthID is whom the uplink logs in as at the core.
	AuthID string `toml:"authid"`
	// KeyFile holds the hex Ed25519 seed of that user; empty logs in
	// anonymously.
	KeyFile string `toml:"key_file"`
	// Topics and Procedures are what crosses.
	Topics     []UplinkRule `toml:"topic"`
	Procedures []UplinkRule `toml:"procedure"`
}

// UplinkRule lets a topic or procedure cross.
type UplinkRule struct {
	// URI is a URI or pattern.
	URI string `toml:"uri"`
	// Match is how it is compared.
	Match Match `toml:"match"`
	// Direction is which way messages cross.
	Direction Direction `toml:"direction"`
	// Delivery is how events are carried.
	Delivery Delivery `toml:"delivery"`
}

// setDefaults prepares a rule for decoding.
func (r *UplinkRule) setDefaults() {
	r.Match, r.Direction, r.Delivery = MatchExact, DirectionOut, DeliveryLive
}

// Direction is which way messages cross an uplink.
type Direction string

// The directions, as the edge sees them. For procedures, out lets the core
// call what is registered at the edge.
const (
	DirectionOut  Direction = "out"
	DirectionIn   Direction = "in"
	DirectionBoth Direction = "both"
)

// Delivery is how events are carried over an uplink.
type Delivery string

// DeliveryLive carries events while the link is up.
const DeliveryLive Delivery = "live"

func laterDeliveries() []string { return []string{"stored"} }

// resolve makes the paths relative to dir.
func (t *LinkTLS) resolve(dir string) {
	for _, path := range []*string{&t.Cert, &t.Key, &t.CA} {
		*path = resolve(dir, *path)
	}
}

func (t *LinkTLS) check(p *problems, key string) {
	for name, path := range map[string]string{"cert": t.Cert, "key": t.Key, "ca": t.CA} {
		if path == "" {
			p.addf(join(key, name), "must not be empty: make the files with bondy pki")
		}
	}
}

func (c *Config) checkUplinks(p *problems) {
	if l := c.UplinkListener; l != nil {
		if c.Mode != ModeCore {
			p.addf("uplink_listener", `edges arrive at a core: needs mode = "core"`)
		}
		checkAddress(p, "uplink_listener.listen", l.Listen)
		l.TLS.check(p, "uplink_listener.tls")
	}
	if len(c.Uplinks) > 0 && c.Mode != ModeEdge {
		p.addf("uplink", `an uplink leads from an edge to a core: needs mode = "edge"`)
	}
	realms := map[string]bool{}
	for _, r := range c.Realms {
		realms[r.URI] = true
	}
	names := map[string]int{}
	for i := range c.Uplinks {
		key, u := element("uplink", i), &c.Uplinks[i]
		if c.RealmsDir != "" {
			realms = nil // others are there
		}
		u.check(p, key, realms)
		if first, taken := names[u.Name]; taken {
			p.addf(join(key, "name"), "%s is already the name of %s", u.Name, element("uplink", first))
		} else {
			names[u.Name] = i
		}
	}
}

func (u *Uplink) check(p *problems, key string, realms map[string]bool) {
	checkName(p, join(key, "name"), u.Name)
	u.TLS.check(p, join(key, "tls"))
	if len(u.Endpoints) == 0 {
		p.addf(join(key, "endpoints"), "want at least one host:port")
	}
	for i, e := range u.Endpoints {
		host, port, err := net.SplitHostPort(e)
		if n, perr := strconv.ParseUint(port, 10, 16); err != nil || perr != nil || host == "" || n == 0 {
			p.addf(element(join(key, "endpoints"), i), `%q is no endpoint: want "host:port"`, e)
		}
	}
	if len(u.Realms) == 0 {
		p.addf(join(key, "realm"), "want at least one realm to bridge")
	}
	taken := map[string]bool{}
	for i := range u.Realms {
		at, r := element(join(key, "realm"), i), &u.Realms[i]
		switch {
		case realms != nil && !realms[r.URI]:
			p.addf(join(at, "uri"), "no [[realm]] of this node has the uri %q", r.URI)
		case taken[r.URI]:
			p.addf(join(at, "uri"), "%s is bridged already by this uplink", r.URI)
		}
		taken[r.URI] = true
		r.check(p, at)
	}
}

func (r *UplinkRealm) check(p *problems, key string) {
	if (r.AuthID == "") != (r.KeyFile == "") {
		p.addf(join(key, "authid"), "authid and key_file belong together")
	}
	if len(r.Topics)+len(r.Procedures) == 0 {
		p.addf(join(key, "topic"), "want at least one topic or procedure, or nothing crosses")
	}
	for i, rule := range r.Topics {
		at := element(join(key, "topic"), i)
		rule.check(p, at)
		oneOf(p, join(at, "delivery"), rule.Delivery, laterDeliveries(), DeliveryLive)
	}
	for i, rule := range r.Procedures {
		at := element(join(key, "procedure"), i)
		rule.check(p, at)
		if rule.Delivery != DeliveryLive {
			p.addf(join(at, "delivery"), "calls are always live")
		}
	}
}

func (r UplinkRule) check(p *problems, key string) {
	match, ok := wamp.ParseMatch(string(r.Match))
	if !ok {
		oneOf(p, join(key, "match"), r.Match, nil, MatchExact, MatchPrefix, MatchWildcard)
	} else if !wamp.URI(r.URI).Valid(match, false) {
		p.addf(join(key, "uri"), "%q is no URI for match %s", r.URI, match)
	}
	oneOf(p, join(key, "direction"), r.Direction, nil, DirectionOut, DirectionIn, DirectionBoth)
}
