// Package tlsconf makes the TLS configuration of a listener from files and
// follows them when they change. [Source] is its main type.
package tlsconf

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Config names the files of a listener's TLS.
type Config struct {
	// Cert and Key are PEM files: the certificate with its chain, and its
	// private key.
	Cert, Key string
	// ClientCA is a PEM file with the authorities of client certificates;
	// without it clients are not asked for one.
	ClientCA string
	// RequireClientCert refuses clients without a certificate; otherwise one
	// is checked if the client has it.
	RequireClientCert bool
	// Revoked, if not nil, refuses chains of client certificates that ClientCA
	// signed and that are not to be believed any more. Safe for concurrent use.
	Revoked func(chain []*x509.Certificate) error
	// NextProtos are the ALPN protocols offered.
	NextProtos []string
}

// Validate names the key that is missing.
func (c Config) Validate() error {
	switch {
	case c.Cert == "":
		return errors.New("tls: cert is missing")
	case c.Key == "":
		return errors.New("tls: key is missing")
	case c.RequireClientCert && c.ClientCA == "":
		return errors.New("tls: client certificates are required, but client_ca is missing")
	default:
		return nil
	}
}

// Check refuses the client certificate of a connection, if it has one, that is
// revoked by now.
func (c *Config) Check(state *tls.ConnectionState) error {
	if c.Revoked == nil || state == nil || len(state.PeerCertificates) == 0 {
		return nil
	}
	return c.Revoked(state.PeerCertificates)
}

// checkInterval is how often, at most, a handshake looks at the files.
const checkInterval = time.Second

// Source holds the configuration that is in force. It is safe for concurrent
// use.
type Source struct {
	cfg     Config
	log     *slog.Logger
	current atomic.Pointer[tls.Config]

	mu      sync.Mutex
	seen    [3]version
	checked time.Time
}

// version tells one state of a file from the next.
type version struct {
	modified time.Time
	size     int64
}

// New loads the files.
func New(cfg Config, log *slog.Logger) (*Source, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Source{cfg: cfg, log: log}
	if err := s.Reload(); err != nil {
		return nil, err
	}
	return s, nil
}

// Server returns a configuration for tls.Server whose handshakes use what is
// in force at the time.
func (s *Source) Server() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			s.follow()
			return s.current.Load(), nil
		},
	}
}

// Reload loads the files now. On error the configuration stays as it was.
func (s *Source) Reload() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen, s.checked = s.versions(), time.Now()
	return s.loadLocked()
}

// follow loads the files if they have changed; one handshake a second looks.
func (s *Source) follow() {
	if !s.mu.TryLock() {
		return
	}
	defer s.mu.Unlock()
	now := time.Now()
	if now.Sub(s.checked) < checkInterval {
		return
	}
	s.checked = now
	seen := s.versions()
	if seen == s.seen {
		return
	}
	s.seen = seen
	if err := s.loadLocked(); err != nil {
		s.log.Error("changed certificate files are not usable, the old ones stay in force", slog.Any("err", err))
		return
	}
	s.log.Info("certificate files reloaded", slog.String("cert", s.cfg.Cert))
}

// versions looks at the files; one that is missing has the zero version.
func (s *Source) versions() (v [3]version) {
	for i, name := range []string{s.cfg.Cert, s.cfg.Key, s.cfg.ClientCA} {
		if name == "" {
			continue
		}
		if info, err := os.Stat(name); err == nil {
			v[i] = version{modified: info.ModTime(), size: info.Size()}
		}
	}
	return v
}

func (s *Source) loadLocked() error {
	pair, err := tls.LoadX509KeyPair(s.cfg.Cert, s.cfg.Key)
	if err != nil {
		return fmt.Errorf("load certificate %s with key %s: %w", s.cfg.Cert, s.cfg.Key, err)
	}
	c := &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{pair},
		NextProtos:   s.cfg.NextProtos,
	}
	if s.cfg.ClientCA != "" {
		pem, err := os.ReadFile(s.cfg.ClientCA)
		if err != nil {
			return fmt.Errorf("load client_ca: %w", err)
		}
		c.ClientCAs = x509.NewCertPool()
		if !c.ClientCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("load client_ca: no certificate in %s", s.cfg.ClientCA)
		}
		c.ClientAuth = tls.VerifyClientCertIfGiven
		if s.cfg.RequireClientCert {
			c.ClientAuth = tls.RequireAndVerifyClientCert
		}
		c.VerifyConnection = func(state tls.ConnectionState) error { return s.cfg.Check(&state) }
		// A resumed session would skip the check against a changed authority.
		c.SessionTicketsDisabled = true
	}
	s.current.Store(c)
	return nil
}
