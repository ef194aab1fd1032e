package pki_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bondy/cmd/internal/pki"
)

// end is what one node has: its trust and its pair.
type end struct {
	*pki.Trust

	pair *pki.Pair
}

func newEnd(t *testing.T, dir, name string, role pki.Role) end {
	t.Helper()
	tr := trust(t, dir)
	pair, err := tr.LoadPair(filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key"), role)
	if err != nil {
		t.Fatal(err)
	}
	return end{tr, pair}
}

// listen and dial are the configurations of both ends of an uplink.
func (e end) listen() *tls.Config { return e.ServerConfig(e.pair, pki.RoleEdge, "test/1") }

func (e end) dial(server string) *tls.Config {
	c := e.ClientConfig(e.pair, pki.RoleNode, "test/1")
	c.ServerName = server
	return c
}

// buffered is a pipe whose writer does not wait for the reader, as TLS expects
// of a connection.
type buffered struct {
	net.Conn

	out chan []byte
}

func newBuffered(c net.Conn) *buffered {
	b := &buffered{c, make(chan []byte, 100)}
	go func() {
		defer c.Close()
		for data := range b.out {
			c.Write(data)
		}
	}()
	return b
}

func (b *buffered) Write(data []byte) (int, error) {
	b.out <- bytes.Clone(data)
	return len(data), nil
}

func (b *buffered) Close() error {
	close(b.out)
	return nil
}

// connect makes one connection and carries a byte over it. It returns what
// the client saw, and why either side refused.
func connect(near, far net.Conn, client, server *tls.Config) (state tls.ConnectionState, clientErr, serverErr error) {
	deadline := time.Now().Add(5 * time.Second)
	near.SetDeadline(deadline)
	far.SetDeadline(deadline)
	done := make(chan error, 1)
	go func() {
		defer far.Close()
		s := tls.Server(far, server)
		err := s.Handshake()
		if err == nil {
			_, err = s.Write([]byte{1})
		}
		done <- err
	}()
	c := tls.Client(near, client)
	// A client is done before the server has seen its certificate.
	_, clientErr = io.ReadFull(c, make([]byte, 1))
	near.Close()
	return c.ConnectionState(), clientErr, <-done
}

func connectPipe(client, server *tls.Config) (tls.ConnectionState, error, error) {
	near, far := net.Pipe()
	return connect(newBuffered(near), newBuffered(far), client, server)
}

func TestMutualTLS(t *testing.T) {
	a, dir := authority(t)
	for _, alg := range []pki.Algorithm{pki.Ed25519, pki.P256} {
		t.Run(string(alg), func(t *testing.T) {
			core, edge := "core-"+string(alg), "edge-"+string(alg)
			issue(t, a, pki.Request{Name: core, Algorithm: alg, Addresses: []string{"127.0.0.1", "core.example.com"}})
			issue(t, a, pki.Request{Name: edge, Algorithm: alg, Role: pki.RoleEdge})
			server, client := newEnd(t, dir, core, pki.RoleNode), newEnd(t, dir, edge, pki.RoleEdge)

			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			for _, name := range []string{"127.0.0.1", "core.example.com", core} {
				near, err := net.Dial("tcp", l.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				far, err := l.Accept()
				if err != nil {
					t.Fatal(err)
				}
				state, err1, err2 := connect(near, far, client.dial(name), server.listen())
				if err1 != nil || err2 != nil {
					t.Fatalf("as %s: %v, %v", name, err1, err2)
				}
				if state.Version != tls.VersionTLS13 || state.NegotiatedProtocol != "test/1" {
					t.Errorf("as %s: version %x, protocol %q", name, state.Version, state.NegotiatedProtocol)
				}
				id, err := client.Verify(state.PeerCertificates, pki.RoleNode, time.Now())
				if err != nil || id != server.pair.Identity() {
					t.Errorf("the server is %+v, %v, want %+v", id, err, server.pair.Identity())
				}
			}
			_, err1, _ := connectPipe(client.dial("127.0.0.2"), server.listen())
			if _, ok := errors.AsType[x509.HostnameError](err1); !ok {
				t.Errorf("at another address: %v", err1)
			}
			if _, err1, err2 := connectPipe(client.dial(""), server.listen()); err1 == nil || err2 == nil {
				t.Error("a client that expects no name connected")
			}
		})
	}
}

func TestRefusedHandshakes(t *testing.T) {
	a, dir := authority(t)
	other, otherDir := authority(t)
	for _, x := range []*pki.Authority{a, other} {
		issue(t, x, pki.Request{Name: "core"})
		issue(t, x, pki.Request{Name: "edge", Role: pki.RoleEdge})
	}
	core, edge := newEnd(t, dir, "core", pki.RoleNode), newEnd(t, dir, "edge", pki.RoleEdge)
	otherCore, otherEdge := newEnd(t, otherDir, "core", pki.RoleNode), newEnd(t, otherDir, "edge", pki.RoleEdge)
	mesh := core.ServerConfig(core.pair, pki.RoleNode, "test/1")
	if _, err1, err2 := connectPipe(core.dial("core"), mesh); err1 != nil || err2 != nil {
		t.Errorf("a node in the mesh: %v, %v", err1, err2)
	}

	// What the server refuses.
	bare := edge.dial("core")
	bare.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &tls.Certificate{}, nil }
	noALPN := edge.dial("core")
	noALPN.NextProtos, noALPN.VerifyConnection = nil, nil
	old := edge.dial("core")
	old.MinVersion, old.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	// A client that does not check the server itself.
	stranger := otherEdge.dial("core")
	stranger.RootCAs, stranger.VerifyConnection = edge.dial("").RootCAs, nil
	stranger.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		return otherEdge.listen().GetCertificate(nil)
	}
	for what, c := range map[string]struct {
		client, server *tls.Config
		want           string
	}{
		"edge in the mesh":        {edge.dial("core"), mesh, "edge is of role edge, want node"},
		"node among the edges":    {core.dial("core"), core.listen(), "core is of role node, want edge"},
		"no certificate":          {bare, core.listen(), "didn't provide a certificate"},
		"no protocol":             {noALPN, core.listen(), "none of the protocols"},
		"TLS 1.2":                 {old, core.listen(), "unsupported versions"},
		"edge of another cluster": {stranger, core.listen(), "unknown authority"},
	} {
		if _, err1, err2 := connectPipe(c.client, c.server); err1 == nil || err2 == nil || !strings.Contains(err2.Error(), c.want) {
			t.Errorf("%s: client %v, server %v; want the server to say %q", what, err1, err2, c.want)
		}
	}

	// What the client refuses.
	edgeListens := edge.listen()
	for what, c := range map[string]struct {
		server *tls.Config
		name   string
		want   string
	}{
		"edge as a server":        {edgeListens, "edge", "incompatible key usage"},
		"node of another cluster": {otherCore.listen(), "core", "unknown authority"},
		"another node":            {core.listen(), "core-2", "not core-2"},
	} {
		if _, err1, err2 := connectPipe(edge.dial(c.name), c.server); err1 == nil || err2 == nil || !strings.Contains(err1.Error(), c.want) {
			t.Errorf("%s: client %v, server %v; want the client to say %q", what, err1, err2, c.want)
		}
	}
}

func TestRevocationAndExpiryWhileRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, dir := authority(t)
		issue(t, a, pki.Request{Name: "core"})
		issue(t, a, pki.Request{Name: "edge", Role: pki.RoleEdge})
		issue(t, a, pki.Request{Name: "stolen", Role: pki.RoleEdge})
		core := newEnd(t, dir, "core", pki.RoleNode)
		edge, stolen := newEnd(t, dir, "edge", pki.RoleEdge), newEnd(t, dir, "stolen", pki.RoleEdge)
		server, good, bad := core.listen(), edge.dial("core"), stolen.dial("core")
		bad.ClientSessionCache = tls.NewLRUClientSessionCache(1)

		for i, resumed := range []bool{false, true} {
			state, err1, err2 := connectPipe(bad, server)
			if err1 != nil || err2 != nil || state.DidResume != resumed {
				t.Fatalf("connection %d: resumed %t, %v, %v", i, state.DidResume, err1, err2)
			}
		}
		if _, err := a.Revoke("stolen", ""); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second) // virtual
		for range 2 {
			if _, err1, err2 := connectPipe(bad, server); err1 == nil || !errors.Is(err2, pki.ErrRevoked) {
				t.Errorf("revoked, and resuming: %v, %v", err1, err2)
			}
			bad.ClientSessionCache = nil
		}
		if _, err1, err2 := connectPipe(good, server); err1 != nil || err2 != nil {
			t.Errorf("not revoked: %v, %v", err1, err2)
		}

		time.Sleep(31 * 24 * time.Hour)
		_, err1, err2 := connectPipe(good, server)
		if e, ok := errors.AsType[x509.CertificateInvalidError](err2); err1 == nil || !ok || e.Reason != x509.Expired {
			t.Errorf("expired: %v, %v", err1, err2)
		}
		// A renewed certificate is taken up without a restart.
		issue(t, a, pki.Request{Name: "edge", Role: pki.RoleEdge, Replace: true})
		time.Sleep(2 * time.Second)
		if _, err1, err2 := connectPipe(good, server); err1 != nil || err2 != nil {
			t.Errorf("renewed: %v, %v", err1, err2)
		}
		if _, err := a.Revoke("core", ""); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		if _, err1, err2 := connectPipe(good, server); err2 == nil || !errors.Is(err1, pki.ErrRevoked) {
			t.Errorf("the server revoked: %v, %v", err1, err2)
		}
	})
}

func TestUnsetClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(100 * 24 * time.Hour) // the bubble's epoch is an unset clock
		a, dir := authority(t)
		issue(t, a, pki.Request{Name: "core"})
		issue(t, a, pki.Request{Name: "edge", Role: pki.RoleEdge})
		now := time.Now()
		core := newEnd(t, dir, "core", pki.RoleNode)
		synctest.Wait()
		for floor, works := range map[time.Time]bool{now: true, now.AddDate(0, 0, 31): false} {
			tr, err := pki.LoadTrust(pki.TrustConfig{CA: filepath.Join(dir, "ca.crt"), Floor: floor})
			if err != nil {
				t.Fatal(err)
			}
			server := tr.ServerConfig(core.pair, pki.RoleEdge, "test/1")
			edge := newEnd(t, dir, "edge", pki.RoleEdge)
			if _, _, err := connectPipe(edge.dial("core"), server); (err == nil) != works {
				t.Errorf("with the floor %s: %v", floor, err)
			}
		}
	})
}

func TestLoadPair(t *testing.T) {
	a, dir := authority(t)
	_, otherDir := authority(t)
	issue(t, a, pki.Request{Name: "core"})
	issue(t, a, pki.Request{Name: "core-2"})
	issue(t, a, pki.Request{Name: "edge", Role: pki.RoleEdge})
	for _, c := range []struct {
		dir, cert, key string
		role           pki.Role
		want           string
	}{
		{dir, "edge", "edge", pki.RoleNode, "edge.crt: " + pki.ErrRole.Error()},
		{dir, "core", "core-2", pki.RoleNode, "core-2.key"},
		{dir, "core", "missing", pki.RoleNode, "missing.key"},
		{otherDir, "core", "core", pki.RoleNode, pki.ErrUnknownCA.Error()},
	} {
		_, err := trust(t, c.dir).LoadPair(filepath.Join(dir, c.cert+".crt"), filepath.Join(dir, c.key+".key"), c.role)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("LoadPair(%s, %s) = %v, want an error with %q", c.cert, c.key, err, c.want)
		}
	}
	// A node with a revoked certificate starts: it may get another.
	if _, err := a.Revoke("core", ""); err != nil {
		t.Fatal(err)
	}
	if id := newEnd(t, dir, "core", pki.RoleNode).pair.Identity(); id.Name != "core" {
		t.Errorf("Identity = %+v", id)
	}
}
