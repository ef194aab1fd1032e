package auth_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"math/big"
	"net"
	"net/url"
	"testing"
	"time"

	"bondy/core/auth"
	"bondy/core/wamp"
)

// issue makes a certificate, signed by itself without a parent.
func issue(t testing.TB, c *x509.Certificate, parent *tls.Certificate) tls.Certificate {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c.SerialNumber, c.NotAfter = big.NewInt(1), time.Now().Add(time.Hour)
	signer, key := c, any(private)
	if parent != nil {
		signer, key = parent.Leaf, parent.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, c, signer, public, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private, Leaf: leaf}
}

// handshake returns what client and server see of a TLS connection.
func handshake(t testing.TB, version uint16, server, client *tls.Certificate, authorities *x509.CertPool) (srv, cli *tls.ConnectionState) {
	t.Helper()
	a, b := net.Pipe()
	sc := tls.Server(a, &tls.Config{
		Certificates: []tls.Certificate{*server}, MaxVersion: version,
		ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: authorities,
	})
	cfg := &tls.Config{InsecureSkipVerify: true, MaxVersion: version}
	if client != nil {
		cfg.Certificates = []tls.Certificate{*client}
	}
	cc := tls.Client(b, cfg)
	done := make(chan error, 1)
	go func() { done <- cc.HandshakeContext(t.Context()) }()
	if err := sc.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	s, c := sc.ConnectionState(), cc.ConnectionState()
	go func() { // drain what closing says
		buf := make([]byte, 1024)
		for {
			if _, err := b.Read(buf); err != nil {
				return
			}
		}
	}()
	a.Close()
	return &s, &c
}

func authority(t testing.TB) (*tls.Certificate, *x509.CertPool) {
	t.Helper()
	ca := issue(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "devices"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, nil)
	pool := x509.NewCertPool()
	pool.AddCert(ca.Leaf)
	return &ca, pool
}

func TestClientCertificate(t *testing.T) {
	ca, pool := authority(t)
	server := issue(t, &x509.Certificate{}, nil)
	client := func(names x509.Certificate) *tls.Certificate {
		names.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		c := issue(t, &names, ca)
		return &c
	}
	id, err := url.Parse("spiffe://example.com/joe")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		what   string
		name   auth.CertName
		cert   *tls.Certificate
		authid string
		want   string
		err    wamp.URI
	}{
		{"common name", auth.CertCommonName, client(x509.Certificate{Subject: pkix.Name{CommonName: "joe"}}), "", "joe", ""},
		{"common name and authid", auth.CertCommonName, client(x509.Certificate{Subject: pkix.Name{CommonName: "joe"}}), "joe", "joe", ""},
		{"somebody else", auth.CertCommonName, client(x509.Certificate{Subject: pkix.Name{CommonName: "joe"}}), "peter", "", wamp.ErrAuthenticationDenied},
		{"unknown", auth.CertCommonName, client(x509.Certificate{Subject: pkix.Name{CommonName: "nobody"}}), "", "", wamp.ErrAuthenticationDenied},
		{"disabled", auth.CertCommonName, client(x509.Certificate{Subject: pkix.Name{CommonName: "gone"}}), "", "", wamp.ErrAuthenticationDenied},
		{"no name", auth.CertCommonName, client(x509.Certificate{}), "", "", wamp.ErrAuthenticationDenied},
		{"dns", auth.CertDNS, client(x509.Certificate{DNSNames: []string{"joe"}}), "", "joe", ""},
		{"two names", auth.CertDNS, client(x509.Certificate{DNSNames: []string{"joe", "peter"}}), "", "", wamp.ErrAuthenticationDenied},
		{"one of two names", auth.CertDNS, client(x509.Certificate{DNSNames: []string{"joe", "peter"}}), "peter", "peter", ""},
		{"email", auth.CertEmail, client(x509.Certificate{EmailAddresses: []string{"joe"}}), "", "joe", ""},
		{"uri", auth.CertURI, client(x509.Certificate{URIs: []*url.URL{id}}), "", id.String(), ""},
		{"another kind of name", auth.CertDNS, client(x509.Certificate{Subject: pkix.Name{CommonName: "joe"}}), "", "", wamp.ErrAuthenticationDenied},
		{"no certificate", auth.CertDNS, nil, "joe", "", wamp.ErrAuthenticationDenied},
	} {
		cfg := config()
		cfg.Methods, cfg.CertName = []string{"tls"}, tc.name
		cfg.Users = append(cfg.Users, auth.User{Name: id.String()})
		state, _ := handshake(t, tls.VersionTLS13, &server, tc.cert, pool)
		got, x, err := newAuth(t, cfg).Begin(t.Context(), auth.Request{AuthID: tc.authid, Methods: []string{"tls"}, TLS: state})
		if x != nil || uri(err) != tc.err || (got != nil) != (tc.want != "") {
			t.Errorf("%s: %v, %v, %v", tc.what, got, x, err)
			continue
		}
		if got != nil && (got.AuthID != tc.want || got.AuthMethod != "tls") {
			t.Errorf("%s: %+v", tc.what, got)
		}
	}
	// seen, but verified by nobody
	cfg := config()
	cfg.Methods, cfg.CertName = []string{"tls"}, auth.CertCommonName
	state, _ := handshake(t, tls.VersionTLS13, &server, client(x509.Certificate{Subject: pkix.Name{CommonName: "joe"}}), pool)
	state.VerifiedChains = nil
	for _, s := range []*tls.ConnectionState{nil, state} {
		if got, _, err := newAuth(t, cfg).Begin(t.Context(), auth.Request{Methods: []string{"tls"}, TLS: s}); got != nil || uri(err) != wamp.ErrAuthenticationDenied {
			t.Errorf("without a verified chain: %v, %v", got, err)
		}
	}
	cfg.CertName = ""
	if _, err := auth.New(cfg); err == nil {
		t.Error("tls without a rule for names")
	}
}

func TestChannelBinding(t *testing.T) {
	server := issue(t, &x509.Certificate{}, nil)
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	router := ed25519.NewKeyFromSeed([]byte("0123456789abcdef0123456789abcdef"))
	cfg := scramConfig(t)
	cfg.Methods = append(cfg.Methods, auth.MethodCryptosign)
	cfg.RouterKey = router
	cfg.Users = append(cfg.Users, auth.User{Name: "carol", Keys: []ed25519.PublicKey{key.Public().(ed25519.PublicKey)}})
	a := newAuth(t, cfg)
	for _, tc := range []struct {
		binding string
		version uint16
		works   bool
	}{
		{"tls-exporter", tls.VersionTLS13, true},
		{"tls-exporter", tls.VersionTLS12, true},
		{"tls-unique", tls.VersionTLS12, true},
		{"tls-unique", tls.VersionTLS13, false},
		{"tls-server-end-point", tls.VersionTLS13, false},
	} {
		srv, cli := handshake(t, tc.version, &server, nil, nil)
		other, _ := handshake(t, tc.version, &server, nil, nil)
		data := cli.TLSUnique
		if tc.binding == "tls-exporter" {
			var err error
			if data, err = cli.ExportKeyingMaterial("EXPORTER-Channel-Binding", []byte{}, 32); err != nil {
				t.Fatal(err)
			}
		}
		// wamp-scram
		for _, state := range []*tls.ConnectionState{srv, other} {
			req := scramRequest("susan")
			req.Extra["channel_binding"], req.TLS = tc.binding, state
			_, x, err := a.Begin(t.Context(), req)
			if (x != nil) != tc.works {
				t.Fatalf("%s under %x: %v, %v", tc.binding, tc.version, x, err)
			}
			if x == nil {
				continue
			}
			signature, extra, verifier := scramAnswer(t, "susan", "s3cret-argon2", x.Challenge, tc.binding, data)
			id, err := x.Finish(t.Context(), signature, extra)
			if good := state == srv; good && (err != nil || id.Extra["verifier"] != verifier) || !good && err == nil {
				t.Errorf("%s under %x, same connection %v: %+v, %v", tc.binding, tc.version, good, id, err)
			}
		}
		// cryptosign
		channel := data
		if len(channel) != 32 {
			sum := sha256.Sum256(data)
			channel = sum[:]
		}
		asked := make([]byte, 32)
		for _, state := range []*tls.ConnectionState{srv, other} {
			x := begin(t, a, auth.Request{
				Methods: []string{auth.MethodCryptosign}, TLS: state,
				Extra: wamp.Dict{
					"pubkey": hex.EncodeToString(key.Public().(ed25519.PublicKey)), "channel_binding": tc.binding,
					"challenge": hex.EncodeToString(asked),
				},
			})
			if !tc.works {
				if x.Challenge["channel_binding"] != nil {
					t.Errorf("%s under %x is claimed", tc.binding, tc.version)
				}
				continue
			}
			if x.Challenge["channel_binding"] != tc.binding {
				t.Errorf("%s under %x: %v", tc.binding, tc.version, x.Challenge)
			}
			text, _ := x.Challenge["signature"].(string)
			if ok := auth.Signed(router.Public().(ed25519.PublicKey), asked, channel, text); ok != (state == srv) {
				t.Errorf("%s under %x: the router's signature fits the channel: %v", tc.binding, tc.version, ok)
			}
			challenge, _ := hex.DecodeString(x.Challenge["challenge"].(string))
			for i := range challenge {
				challenge[i] ^= channel[i]
			}
			_, err := x.Finish(t.Context(), hex.EncodeToString(append(ed25519.Sign(key, challenge), challenge...)), nil)
			if (err == nil) != (state == srv) {
				t.Errorf("%s under %x, same connection %v: %v", tc.binding, tc.version, state == srv, err)
			}
		}
	}
}

// FuzzClientCertificate reads the names of certificates that a listener let pass.
func FuzzClientCertificate(f *testing.F) {
	id, err := url.Parse("spiffe://example.com/joe")
	if err != nil {
		f.Fatal(err)
	}
	c := issue(f, &x509.Certificate{
		Subject: pkix.Name{CommonName: "joe"}, DNSNames: []string{"joe"}, EmailAddresses: []string{"joe"}, URIs: []*url.URL{id},
	}, nil)
	f.Add(c.Certificate[0])
	var all []*auth.Authenticator
	for _, name := range []auth.CertName{auth.CertCommonName, auth.CertDNS, auth.CertEmail, auth.CertURI} {
		cfg := config()
		cfg.Methods, cfg.CertName = []string{"tls"}, name
		all = append(all, newAuth(f, cfg))
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return
		}
		state := &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{c}}}
		for _, a := range all {
			id, _, err := a.Begin(t.Context(), auth.Request{Methods: []string{"tls"}, TLS: state})
			if (id == nil) == (err == nil) || id != nil && id.Principal.Name != id.AuthID {
				t.Fatalf("%+v, %v", id, err)
			}
		}
	})
}
