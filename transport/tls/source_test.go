package tlsconf_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	tlsconf "bondy/transport/tls"
)

// write makes a pair for name in the files of cfg.
func write(t *testing.T, cfg tlsconf.Config, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	put(t, cfg.Cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	put(t, cfg.Key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
}

func put(t *testing.T, file string, b []byte) {
	t.Helper()
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// served is the name on the certificate that a client gets.
func served(t *testing.T, s *tlsconf.Source, version uint16) string {
	t.Helper()
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	go tls.Server(far, s.Server()).Handshake()
	c := tls.Client(near, &tls.Config{InsecureSkipVerify: true, MaxVersion: version})
	if err := c.Handshake(); err != nil {
		return err.Error()
	}
	return c.ConnectionState().PeerCertificates[0].Subject.CommonName
}

func files(t *testing.T) tlsconf.Config {
	t.Helper()
	dir := t.TempDir()
	return tlsconf.Config{Cert: filepath.Join(dir, "a.crt"), Key: filepath.Join(dir, "a.key")}
}

func TestFollowsTheFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := files(t)
		write(t, cfg, "first")
		s, err := tlsconf.New(cfg, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if got := served(t, s, 0); got != "first" {
			t.Fatalf("served %q", got)
		}
		write(t, cfg, "second, and longer")
		if got := served(t, s, 0); got != "first" {
			t.Errorf("served %q although the files were looked at just now", got)
		}
		time.Sleep(2 * time.Second) // virtual
		if got := served(t, s, 0); got != "second, and longer" {
			t.Errorf("served %q, want the new certificate", got)
		}
		put(t, cfg.Cert, []byte("half a fi"))
		time.Sleep(2 * time.Second)
		if got := served(t, s, 0); got != "second, and longer" {
			t.Errorf("served %q, want the one before the broken file", got)
		}
		if err := s.Reload(); err == nil || !strings.Contains(err.Error(), cfg.Cert) {
			t.Errorf("Reload = %v, want an error that names the file", err)
		}
		write(t, cfg, "third")
		if err := s.Reload(); err != nil {
			t.Fatal(err)
		}
		if got := served(t, s, 0); got != "third" {
			t.Errorf("served %q after Reload", got)
		}
	})
}

func TestOldVersionsAreRefused(t *testing.T) {
	cfg := files(t)
	write(t, cfg, "x")
	s, err := tlsconf.New(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if got := served(t, s, tls.VersionTLS12); got != "x" {
		t.Errorf("TLS 1.2: %s", got)
	}
	if got := served(t, s, tls.VersionTLS11); got == "x" {
		t.Error("TLS 1.1 was accepted")
	}
}

func TestBadConfigs(t *testing.T) {
	good := files(t)
	write(t, good, "x")
	noKey, noCA, emptyCA := good, good, good
	noKey.Key = filepath.Join(t.TempDir(), "missing.key")
	noCA.ClientCA = filepath.Join(t.TempDir(), "missing.crt")
	emptyCA.ClientCA = good.Key
	for want, cfg := range map[string]tlsconf.Config{
		"cert is missing":      {Key: good.Key},
		"key is missing":       {Cert: good.Cert},
		"client_ca is missing": {Cert: good.Cert, Key: good.Key, RequireClientCert: true},
		"missing.key":          noKey,
		"missing.crt":          noCA,
		"no certificate":       emptyCA,
	} {
		if _, err := tlsconf.New(cfg, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New(%+v) = %v, want an error with %q", cfg, err, want)
		}
	}
}
