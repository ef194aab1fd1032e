package transport_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bondy/core/session"
	"bondy/transport"
)

// A connection that outlives its certificate is closed, and one of HTTP that is
// open opens nothing.
func TestRecheckOfCertificates(t *testing.T) {
	files := certificate(t, "server")
	files.ClientCA = files.Cert
	var revoked atomic.Bool
	files.Revoked = func(chain []*x509.Certificate) error {
		if revoked.Load() && chain[0].Subject.CommonName == "server" {
			return errors.New("revoked")
		}
		return nil
	}
	own, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	if err != nil {
		t.Fatal(err)
	}
	conf := &tls.Config{Certificates: []tls.Certificate{own}, InsecureSkipVerify: true}
	raws, _ := start(t, transport.Config{TLS: files}, echo)
	c, err := tls.Dial("tcp", raws.ListenAddr().String(), conf)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if reply := shake(c); !bytes.Equal(reply, accepted) {
		t.Fatalf("reply % x", reply)
	}
	ended := make(chan error, 1)
	polls, _ := start(t, transport.Config{Services: []string{"longpoll"}, TLS: files}, func(ctx context.Context, c session.Conn, done func(session.Conn)) {
		_, err := c.ReadMessage()
		ended <- err
		done(c)
	})
	tr := &http.Transport{TLSClientConfig: conf}
	defer tr.CloseIdleConnections()
	post := func(path, body string) {
		t.Helper()
		resp, err := (&http.Client{Transport: tr}).Post("https://"+polls.ListenAddr().String()+transport.LongPollPath+path, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	post("/nobody/close", "") // keeps its connection open

	raws.Recheck()
	exchange(t, c, "still here")
	revoked.Store(true)
	raws.Recheck()
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("the connection stays open")
	}
	post("/open", `{"protocols": ["wamp.2.json"]}`)
	select {
	case err := <-ended:
		if err == nil {
			t.Error("a message from a revoked client")
		}
	case <-time.After(5 * time.Second):
		t.Error("an HTTP connection from before the revocation opened a session")
	}
	if c, err := tls.Dial("tcp", raws.ListenAddr().String(), conf); err == nil {
		defer c.Close()
		if reply := shake(c); bytes.Equal(reply, accepted) {
			t.Error("the revoked certificate connects")
		}
	}
}
