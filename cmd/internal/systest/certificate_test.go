package systest_test

import (
	"crypto/tls"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	composition "bondy/cmd/internal/node"
	"bondy/core/audit"
	"bondy/core/wamp"
	"bondy/transport/client"
)

// A client certificate that was revoked opens no session any more, and ends those
// that it opened.
func TestRevokedClientCertificate(t *testing.T) {
	if testing.Short() {
		t.Skip("open connections are checked every few seconds")
	}
	t.Parallel()
	a := newAuthority(t)
	a.pki("issue", "core", "--address", "127.0.0.1")
	a.pki("issue", "lost", "--role", "edge")
	a.pki("issue", "kept", "--role", "edge")
	file := func(name string) string { return filepath.Join(a.dir, name) }
	trust := fmt.Sprintf("tls = { cert = %q, key = %q, client_ca = %q }", file("core.crt"), file("core.key"), file("ca.crt"))
	for _, service := range []string{"rawsocket", "websocket"} {
		dir := t.TempDir()
		n := startIn(t, dir, listener(service, trust)+`
[[realm]]
uri = "realm1"
authmethods = ["tls"]
tls = { authid = "cn" }
[[realm.users]]
username = "lost"
[[realm.users]]
username = "kept"
`, nil)
		url := "tls://" + n.raw
		if service == "websocket" {
			url = "wss://" + n.web + "/ws"
		}
		join := func(name string) (*client.Session, error) {
			pair, err := tls.LoadX509KeyPair(file(name+".crt"), file(name+".key"))
			if err != nil {
				t.Fatal(err)
			}
			conf := a.config(name)
			conf.Certificates, conf.ClientCAs, conf.ClientAuth = []tls.Certificate{pair}, nil, tls.NoClientCert
			c, err := client.Dial(t.Context(), url, client.Config{
				Realm: "realm1", Serializer: wamp.JSON, TLS: conf, Auth: []client.Authenticator{client.Certificate(name)},
			})
			if err == nil {
				t.Cleanup(func() { _ = c.Close(t.Context()) })
			}
			return c, err
		}
		kept, err := join("kept")
		if err != nil {
			t.Fatal(err)
		}
		if service == "rawsocket" { // the other node begins with the list
			lost, err := join("lost")
			if err != nil {
				t.Fatal(err)
			}
			a.pki("revoke", "lost")
			since := time.Now()
			select {
			case <-lost.Done():
				if took := time.Since(since); took > revocationLimit {
					t.Errorf("the session ended after %v", took)
				}
			case <-time.After(patience):
				t.Error("the session of the revoked certificate goes on")
			}
		}
		if _, err := join("lost"); err == nil {
			t.Errorf("%s: the revoked certificate logs in", service)
		} else if text := err.Error(); !strings.Contains(text, "certificate") && !strings.Contains(text, "connection") {
			t.Errorf("%s: %v", service, err)
		}
		if kept.Err() != nil {
			t.Errorf("%s: the other session ended: %v", service, kept.Err())
		}
		n.stop()
		refused := false
		err = composition.AuditLog(filepath.Join(dir, "bondy-data")).Tail(t.Context(), composition.AuditQuery{Kind: audit.Refusal}, func(r *audit.Record, damage error) error {
			refused = refused || r.AuthID == "lost" && r.AuthMethod == "tls" && strings.HasPrefix(r.Object, "listener ") && strings.Contains(r.Reason, "revoked")
			return damage
		})
		if err != nil || !refused {
			t.Errorf("%s: the audit log has no refusal of the revoked certificate, %v", service, err)
		}
	}
}
