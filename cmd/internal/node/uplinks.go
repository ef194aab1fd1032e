package node

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"bondy/cmd/internal/config"
	"bondy/cmd/internal/pki"
	"bondy/core/pattern"
	"bondy/core/wamp"
	"bondy/uplink"
	"bondy/uplink/bridge"
)

// recheckInterval is how often open links, and connections of clients with
// certificates, are held against the revocation list
// and the clock.
const recheckInterval = 5 * time.Second

// uplinkEnd is one end of links that the node serves: an edge's uplink, or the
// place where edges arrive at a core.
type uplinkEnd interface {
	Run(ctx context.Context) error
	Recheck()
}

// uplinks makes the edge's ends of its uplinks.
func (n *Node) uplinks() {
	for i := range n.cfg.Uplinks {
		u := &n.cfg.Uplinks[i]
		n.try(func() error { return n.uplink(u) })
	}
}

func (n *Node) uplink(u *config.Uplink) error {
	wrap := func(err error) error { return fmt.Errorf("uplink %s: %w", u.Name, err) }
	realms := make([]bridge.Realm, len(u.Realms))
	for i := range u.Realms {
		r, err := bridgedRealm(&u.Realms[i])
		if err != nil {
			return wrap(err)
		}
		realms[i] = r
	}
	edge, err := bridge.NewEdge(u.Name, realms, n.shared())
	if err != nil {
		return wrap(err)
	}
	link, err := n.linkConfig(&u.TLS, pki.RoleEdge, pki.RoleNode)
	if err != nil {
		return wrap(err)
	}
	link.Handler = edgeHandler{edge}
	dialer, err := uplink.NewDialer(uplink.DialerConfig{Config: link, Endpoints: u.Endpoints})
	if err != nil {
		return wrap(err)
	}
	n.links = append(n.links, dialer)
	n.edges = append(n.edges, edgeUplink{u.Name, dialer, edge})
	return nil
}

// uplinkListener makes the place where edges arrive at a core.
func (n *Node) uplinkListener(ctx context.Context) {
	if n.cfg.UplinkListener == nil {
		return
	}
	n.try(func() error {
		link, err := n.linkConfig(&n.cfg.UplinkListener.TLS, pki.RoleNode, pki.RoleEdge)
		if err != nil {
			return fmt.Errorf("uplink_listener: %w", err)
		}
		core := bridge.NewCore(n.shared())
		link.Handler = coreHandler{core}
		l, err := uplink.Listen(ctx, uplink.ListenerConfig{Config: link, Address: n.cfg.UplinkListener.Listen, Audit: n.audit})
		if err != nil {
			return err
		}
		n.log.Info("listening", slog.String("address", l.Addr().String()), slog.String("services", "uplink"))
		n.links, n.arrivals, n.core = append(n.links, l), l, core
		return nil
	})
}

// linkConfig is what both ends of links need: the node's own certificate in its
// role, and the role that the peer must have.
func (n *Node) linkConfig(files *config.LinkTLS, own, peerRole pki.Role) (uplink.Config, error) {
	trust, pair, err := identity(files, own, n.log)
	if err != nil {
		return uplink.Config{}, err
	}
	conf := trust.ServerConfig(pair, peerRole)
	if own == pki.RoleEdge {
		conf = trust.ClientConfig(pair, peerRole)
	}
	l := &n.cfg.Limits
	return uplink.Config{
		TLS: conf, Node: n.cfg.Node, Incarnation: uint64(time.Now().UnixNano()), Log: n.log, // after 1970
		LaneQueue: int(l.QueueHard + 3*l.QueueReserve),
		Identify: func(state tls.ConnectionState) (uplink.Identity, error) {
			id, err := trust.Verify(state.PeerCertificates, peerRole, time.Now())
			return uplink.Identity{Name: id.Name, Role: string(id.Role)}, err
		},
	}, nil
}

// identity loads whom a node trusts and its own certificate.
func identity(files *config.LinkTLS, own pki.Role, log *slog.Logger) (*pki.Trust, *pki.Pair, error) {
	trust, err := pki.LoadTrust(pki.TrustConfig{CA: files.CA, Log: log})
	if err != nil {
		return nil, nil, err
	}
	pair, err := trust.LoadPair(files.Cert, files.Key, own)
	return trust, pair, err
}

// shared is what bridges share with the router.
func (n *Node) shared() *bridge.Shared {
	counters, budget := n.router.Peers()
	return &bridge.Shared{
		Realm: n.router.Realm, Counters: counters, Budget: budget, Log: n.log, Audit: n.audit,
		Queue: queue(&n.cfg.Limits, config.SlowDrop),
	}
}

func bridgedRealm(r *config.UplinkRealm) (bridge.Realm, error) {
	out := bridge.Realm{URI: wamp.URI(r.URI), AuthID: r.AuthID}
	if r.KeyFile != "" {
		key, err := readSeed(r.KeyFile)
		if err != nil {
			return out, err
		}
		out.Key = key
	}
	var err error
	if out.Rules.Topics, err = bridgeRules(r.Topics); err != nil {
		return out, err
	}
	out.Rules.Procedures, err = bridgeRules(r.Procedures)
	return out, err
}

// readSeed reads a key file: a hex Ed25519 seed.
func readSeed(path string) (ed25519.PrivateKey, error) {
	text, err := os.ReadFile(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, fmt.Errorf("key_file: %w", err)
	}
	seed, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("key_file %s: want %d hex digits, an Ed25519 seed", path, 2*ed25519.SeedSize)
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

func bridgeRules(in []config.UplinkRule) ([]bridge.Rule, error) {
	out := make([]bridge.Rule, len(in))
	for i, r := range in {
		match, ok := wamp.ParseMatch(string(r.Match))
		if !ok {
			return nil, fmt.Errorf("unknown matching policy %q", r.Match)
		}
		out[i] = bridge.Rule{
			Pattern:   pattern.Pattern{Match: match, URI: wamp.URI(r.URI)},
			Direction: bridge.Direction(r.Direction),
		}
	}
	return out, nil
}

// edgeHandler joins the links of an uplink to the edge's end of the bridge.
type edgeHandler struct{ edge *bridge.Edge }

// Up implements uplink.Handler.
func (h edgeHandler) Up(l *uplink.Link) { h.edge.Up(l) }

// Frame implements uplink.Handler.
func (h edgeHandler) Frame(l *uplink.Link, _ int, kind uint8, body []byte) {
	deliver(l, kind, body, func(body []byte) error { return h.edge.Frame(l, body) })
}

// Down implements uplink.Handler.
func (h edgeHandler) Down(l *uplink.Link, _ error) { h.edge.Down(l) }

// coreHandler joins the links of edges to the core's end of the bridge.
type coreHandler struct{ core *bridge.Core }

// Up implements uplink.Handler.
func (h coreHandler) Up(l *uplink.Link) { h.core.Up(l, l.Peer().Name, l.AddrPort()) }

// Frame implements uplink.Handler.
func (h coreHandler) Frame(l *uplink.Link, _ int, kind uint8, body []byte) {
	deliver(l, kind, body, func(body []byte) error { return h.core.Frame(l, body) })
}

// Down implements uplink.Handler.
func (h coreHandler) Down(l *uplink.Link, _ error) { h.core.Down(l) }

// deliver hands a frame to the bridge; a peer that breaks its rules is cut off.
// Kinds that this release does not know are ignored.
func deliver(l *uplink.Link, kind uint8, body []byte, to func([]byte) error) {
	if kind != bridge.KindMessage {
		return
	}
	if err := to(body); err != nil {
		l.Abort(wamp.AsError(err).Error())
	}
}

// runLinks serves all ends of links until ctx ends.
func (n *Node) runLinks(ctx context.Context, run func(func() error)) {
	for _, l := range n.links {
		run(func() error { return l.Run(ctx) })
	}
	var checked []interface{ Recheck() }
	for _, l := range n.links {
		checked = append(checked, l)
	}
	for _, l := range n.listeners() {
		checked = append(checked, l)
	}
	run(func() error {
		tick := time.NewTicker(recheckInterval)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
				for _, l := range checked {
					l.Recheck()
				}
			}
		}
	})
}
