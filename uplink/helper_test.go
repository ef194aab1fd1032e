package uplink_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"bondy/uplink"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen.
const patience = 10 * time.Second

// authority issues the certificates of a test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(tb testing.TB) *authority {
	tb.Helper()
	a := &authority{key: newKey(tb), pool: x509.NewCertPool()}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Now().AddDate(100, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.cert = sign(tb, template, template, &a.key.PublicKey, a.key)
	a.pool.AddCert(a.cert)
	return a
}

// config is a TLS configuration for either end.
func (a *authority) config(tb testing.TB, name string) *tls.Config {
	tb.Helper()
	key := newKey(tb)
	cert := sign(tb, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name, OrganizationalUnit: []string{"edge"}},
		NotBefore: time.Unix(0, 0), NotAfter: time.Now().AddDate(100, 0, 0),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv4(10, 0, 0, 1)},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}, a.cert, &key.PublicKey, a.key)
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}},
		RootCAs:      a.pool, ClientCAs: a.pool, ClientAuth: tls.RequireAndVerifyClientCert,
	}
}

func newKey(tb testing.TB) *ecdsa.PrivateKey {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

func sign(tb testing.TB, template, parent *x509.Certificate, pub *ecdsa.PublicKey, key *ecdsa.PrivateKey) *x509.Certificate {
	tb.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, pub, key)
	if err != nil {
		tb.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatal(err)
	}
	return cert
}

func identify(state tls.ConnectionState) (uplink.Identity, error) {
	if len(state.PeerCertificates) == 0 {
		return uplink.Identity{}, errors.New("no certificate")
	}
	subject := state.PeerCertificates[0].Subject
	if subject.CommonName == "revoked" {
		return uplink.Identity{}, errors.New("certificate is revoked")
	}
	return uplink.Identity{Name: subject.CommonName, Role: subject.OrganizationalUnit[0]}, nil
}

// recorder is a Handler that tells a test what happens.
type recorder struct {
	ups   chan *uplink.Link
	downs chan error
	frame func(l *uplink.Link, lane int, kind uint8, body []byte)

	mu   sync.Mutex
	live map[*uplink.Link]bool
	bad  []string
}

func newRecorder() *recorder {
	return &recorder{
		ups: make(chan *uplink.Link, 1000), downs: make(chan error, 1000), live: make(map[*uplink.Link]bool),
		frame: func(*uplink.Link, int, uint8, []byte) {},
	}
}

func (r *recorder) Up(l *uplink.Link) {
	r.mu.Lock()
	r.live[l] = true
	r.mu.Unlock()
	r.ups <- l
}

func (r *recorder) Frame(l *uplink.Link, lane int, kind uint8, body []byte) {
	r.mu.Lock()
	if !r.live[l] {
		r.bad = append(r.bad, "frame on a link that is not up")
	}
	r.mu.Unlock()
	r.frame(l, lane, kind, body)
}

func (r *recorder) Down(l *uplink.Link, err error) {
	r.mu.Lock()
	if !r.live[l] {
		r.bad = append(r.bad, "down of a link that is not up")
	}
	delete(r.live, l)
	r.mu.Unlock()
	r.downs <- err
}

func (r *recorder) up(tb testing.TB) *uplink.Link {
	tb.Helper()
	return receive(tb, r.ups, "link up")
}

func (r *recorder) down(tb testing.TB) error {
	tb.Helper()
	return receive(tb, r.downs, "link down")
}

func (r *recorder) check(tb testing.TB) {
	tb.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, what := range r.bad {
		tb.Error(what)
	}
	if len(r.live) > 0 {
		tb.Errorf("%d links without Down", len(r.live))
	}
}

func receive[T any](tb testing.TB, from <-chan T, what string) T {
	tb.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		tb.Fatalf("no %s after %v", what, patience)
		panic("unreachable")
	}
}

// run runs something until the test ends, and waits for it.
func run(tb testing.TB, f func(context.Context) error) (stop func()) {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := f(ctx); err != nil {
			tb.Errorf("Run: %v", err)
		}
	}()
	stop = func() { cancel(); <-done }
	tb.Cleanup(stop)
	return stop
}

func config(tls *tls.Config, h uplink.Handler) uplink.Config {
	return uplink.Config{TLS: tls, Identify: identify, Handler: h, Log: slog.New(slog.DiscardHandler)}
}

// pair is a listener with one dialer, over loopback.
type pair struct {
	ca                       *authority
	listener                 *uplink.Listener
	dialer                   *uplink.Dialer
	core, edge               *recorder // the handlers
	atCore, atEdge           *uplink.Link
	stopListener, stopDialer func()
}

// tune changes what a pair is made of.
type tune func(core, edge *uplink.Config)

func newPair(tb testing.TB, core, edge *recorder, tunes ...tune) *pair {
	tb.Helper()
	p := &pair{ca: newAuthority(tb), core: core, edge: edge}
	cc, ec := config(p.ca.config(tb, "core"), core), config(p.ca.config(tb, "edge"), edge)
	for _, f := range tunes {
		f(&cc, &ec)
	}
	tb.Cleanup(func() { core.check(tb); edge.check(tb) })
	p.listener, p.stopListener = listen(tb, uplink.ListenerConfig{Config: cc})
	p.dialer, p.stopDialer = dial(tb, uplink.DialerConfig{Config: ec}, p.listener)
	p.atEdge, p.atCore = edge.up(tb), core.up(tb)
	return p
}

func listen(tb testing.TB, cfg uplink.ListenerConfig) (*uplink.Listener, func()) {
	tb.Helper()
	if cfg.Address == "" {
		cfg.Address = "127.0.0.1:0"
	}
	l, err := uplink.Listen(context.Background(), cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return l, run(tb, l.Run)
}

func dial(tb testing.TB, cfg uplink.DialerConfig, to *uplink.Listener) (*uplink.Dialer, func()) {
	tb.Helper()
	cfg.Endpoints = []string{to.Addr().String()}
	d, err := uplink.NewDialer(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return d, run(tb, d.Run)
}
