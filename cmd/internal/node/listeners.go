package node

import (
	"cmp"
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"bondy/cmd/internal/config"
	"bondy/cmd/internal/pki"
	"bondy/core/audit"
	"bondy/core/auth"
	"bondy/gateway/admin"
	"bondy/gateway/welcome"
	"bondy/transport"
	tlsconf "bondy/transport/tls"
)

// SocketName is the admin socket's name in the data directory.
const SocketName = "admin.sock"

// listen binds every listener of the configuration and the admin socket.
func (n *Node) listen(ctx context.Context) {
	api := admin.Config{
		Ready: n.ready, Metrics: n.metrics, Reload: n.Reload, Call: n.call,
		Uplinks: func(ctx context.Context) any { return n.Uplinks(ctx) },
	}
	for i := range n.cfg.Listeners {
		l := &n.cfg.Listeners[i]
		n.try(func() error { return n.bind(ctx, l, api) })
	}
	n.try(func() error {
		l, err := transport.New(ctx, transport.Config{
			Address: "unix:" + filepath.Join(n.cfg.DataDir, SocketName), Services: []string{"admin"},
			HTTP: admin.SocketHandler(api), SocketMode: 0o600, Grace: time.Second,
		}, n.router.Serve, n.log)
		if err == nil {
			n.admins = append(n.admins, l)
		}
		return err
	})
}

func (n *Node) bind(ctx context.Context, l *config.Listener, api admin.Config) error {
	cfg := transport.Config{
		Address: l.Address, ProxyProtocol: l.ProxyProtocol, TrustedProxies: l.TrustedProxies,
		MaxConnections: l.MaxConnections, MaxConnectionsPerAddress: l.MaxConnectionsPerAddress,
		MaxConnectionRate: l.MaxConnectionsPerSecond, MaxConnectionRatePerAddress: l.MaxConnectionsPerSecondPerAddress,
		HandshakeTimeout: l.HandshakeTimeout, MaxMessageSize: int(l.MaxMessageSize),
		PingInterval: cmp.Or(l.PingInterval, -1), Origins: l.Origins, HTTP: n.http(l, api), Grace: time.Second,
		HibernateAfter: n.cfg.Limits.HibernateAfter, Settled: n.reclaim.note,
	}
	for _, s := range l.Services {
		cfg.Services = append(cfg.Services, string(s))
	}
	if l.TLS != nil {
		var err error
		if cfg.TLS, err = tlsFiles(l.TLS, n.log); err != nil {
			return fmt.Errorf("listener %s: %w", l.Address, err)
		}
		cfg.TLS.Revoked = n.watched(cfg.TLS.Revoked, l.Address)
	}
	t, err := transport.New(ctx, cfg, n.router.Serve, n.log)
	if err != nil {
		return err
	}
	n.log.Info("listening", slog.String("address", address(t.ListenAddr())), slog.String("services", strings.Join(cfg.Services, ",")))
	if l.Offers(config.ServiceWebSocket) || l.Offers(config.ServiceLongPoll) || l.Offers(config.ServiceRawSocket) {
		n.clients = append(n.clients, t)
	} else {
		n.admins = append(n.admins, t)
	}
	return nil
}

// tlsFiles is the TLS of a listener, which takes no client certificate that is
// revoked beside its authority.
func tlsFiles(files *config.TLS, log *slog.Logger) (*tlsconf.Config, error) {
	cfg := &tlsconf.Config{Cert: files.Cert, Key: files.Key, ClientCA: files.ClientCA}
	if files.ClientCA == "" {
		return cfg, nil
	}
	revoked, err := pki.LoadRevocations(files.ClientCA, log)
	if err != nil {
		return nil, fmt.Errorf("tls.client_ca: %w", err)
	}
	cfg.Revoked = revoked.Check
	return cfg, nil
}

// watched records in the audit log which client certificates are refused, or cut off,
// because they are revoked.
func (n *Node) watched(revoked func([]*x509.Certificate) error, listener string) func([]*x509.Certificate) error {
	if revoked == nil {
		return nil
	}
	return func(chain []*x509.Certificate) error {
		err := revoked(chain)
		if err != nil {
			audit.Emit(n.audit, audit.Event{
				Kind: audit.Refusal, Outcome: audit.Refused, AuthID: chain[0].Subject.CommonName, AuthMethod: auth.MethodTLS,
				Object: "listener " + listener, Reason: err.Error(),
			})
		}
		return err
	}
}

// address is a bound address in the form that the configuration uses.
func address(a net.Addr) string {
	if a.Network() == "unix" {
		return "unix:" + a.String()
	}
	return a.String()
}

// http is what a listener serves beside WebSocket.
func (n *Node) http(l *config.Listener, api admin.Config) http.Handler {
	if l.Offers(config.ServiceRawSocket) {
		return nil
	}
	mux := http.NewServeMux()
	if l.Offers(config.ServiceAdmin) {
		mux.Handle("/", admin.Handler(api))
	}
	if l.Offers(config.ServiceWebSocket) && n.opts.Reload == nil {
		mux.Handle("GET /{$}", welcome.Handler(n.opts.Version, n.cfg.Realms[0].URI))
	}
	return mux
}

// Socket is the path of the admin socket of a node with that data directory.
func Socket(dataDir string) string { return filepath.Join(dataDir, SocketName) }

// DialSocket makes an HTTP client that talks to the admin socket.
func DialSocket(path string) *http.Client {
	var d net.Dialer
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			c, err := d.DialContext(ctx, "unix", path)
			if err != nil {
				return nil, fmt.Errorf("no node answers at %s: %w", path, err)
			}
			return c, nil
		},
	}}
}
