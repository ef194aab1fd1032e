package pipe_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"testing"
	"time"

	"bondy/core/peer"
	"bondy/transport/pipe"
)

func selfSigned(tb testing.TB) tls.Certificate {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		tb.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// secure returns a stream over TLS and its client.
func secure(tb testing.TB, version uint16) (*pipe.Stream, *tls.Conn) {
	tb.Helper()
	p, raw := loopback(tb)
	server := tls.Server(p, &tls.Config{Certificates: []tls.Certificate{selfSigned(tb)}, MaxVersion: version})
	client := tls.Client(raw, &tls.Config{InsecureSkipVerify: true})
	shaken := make(chan error, 1)
	go func() { shaken <- client.Handshake() }()
	if err := errors.Join(server.Handshake(), <-shaken); err != nil {
		tb.Fatal(err)
	}
	s := new(pipe.Stream)
	if err := s.Open(server); err != nil {
		tb.Fatal(err)
	}
	return s, client
}

func TestTLS(t *testing.T) {
	for name, version := range map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) {
			s, client := secure(t, version)
			if st := s.TLS(); st == nil || st.Version != version {
				t.Fatalf("TLS = %+v", st)
			}
			data := make([]byte, 3<<20)
			rand.Read(data)
			sizes := []int{1, 2, 100, 5000, 16384, 100000}
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				for rest, i := data, 0; len(rest) > 0; i++ {
					n := min(sizes[i%len(sizes)], len(rest))
					client.Write(rest[:n])
					rest = rest[n:]
				}
			}()
			echoed := make(chan []byte, 1)
			go func() {
				b := make([]byte, len(data))
				io.ReadFull(client, b)
				echoed <- b
			}()
			for rest, i := data, 0; len(rest) > 0; i++ {
				n := min(sizes[(i+2)%len(sizes)], len(rest))
				b, err := s.Peek(n)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(b[:n], rest[:n]) {
					t.Fatal("bytes differ on the way in")
				}
				if err := s.Append(nil, bytes.Clone(b[:n]), nil); err != nil {
					t.Fatal(err)
				}
				s.Discard(n)
				rest = rest[n:]
			}
			<-sent
			s.Flush()
			if got := <-echoed; !bytes.Equal(got, data) {
				t.Fatal("bytes differ on the way out")
			}
			s.Close([]byte("bye"))
			waited := make(chan struct{})
			go func() { defer close(waited); s.Wait() }()
			if got, err := io.ReadAll(client); err != nil || string(got) != "bye" {
				t.Errorf("client read %q, %v; want the farewell and an orderly end", got, err)
			}
			client.Close()
			<-waited
		})
	}
}

func TestTLSEndsInOrder(t *testing.T) {
	s, client := secure(t, tls.VersionTLS13)
	client.CloseWrite()
	if _, err := s.Peek(1); !errors.Is(err, io.EOF) {
		t.Errorf("Peek = %v, want EOF", err)
	}
	s.Wait()
}

func TestTLSHungReaderBlocksNobody(t *testing.T) {
	s, client := secure(t, tls.VersionTLS13)
	block := make([]byte, 32<<10)
	within(t, 20*time.Second, "writing to a hung reader", func() {
		for range 512 {
			if err := s.Append(nil, block, nil); err != nil {
				t.Errorf("Append: %v", err)
			}
			s.Flush()
		}
	})
	if s.Buffered() == 0 {
		t.Error("nothing waits for a reader that does not read")
	}
	readErr := make(chan error, 1)
	go func() {
		_, err := s.Peek(1)
		readErr <- err
	}()
	s.Close(nil)
	if err := <-readErr; !errors.Is(err, peer.ErrClosed) {
		t.Errorf("Peek = %v, want ErrClosed", err)
	}
	waited := make(chan struct{})
	go func() { defer close(waited); s.Wait() }()
	n, err := io.Copy(io.Discard, client)
	if n != 16<<20 || err != nil {
		t.Errorf("client read %d bytes, %v", n, err)
	}
	client.Close()
	<-waited
}

func TestTLSControlRepliesAreBounded(t *testing.T) {
	s, _ := secure(t, tls.VersionTLS13)
	var err error
	n := 0
	for ; err == nil && n < 64<<20; n += 100 { // flushed each time, as between two reads
		err = s.Reply(make([]byte, 2), make([]byte, 98))
		s.Flush()
	}
	if !errors.Is(err, pipe.ErrControlFlood) {
		t.Errorf("after %d bytes of replies: %v, want ErrControlFlood", n, err)
	}
	s.Kill()
	s.Wait()
}

func TestTLSControlRepliesThatAreRead(t *testing.T) {
	s, client := secure(t, tls.VersionTLS13)
	reply := make([]byte, 100<<10)
	for range 10 {
		if err := s.Reply(nil, reply); err != nil {
			t.Fatal(err)
		}
		s.Flush()
		if _, err := io.ReadFull(client, reply); err != nil {
			t.Fatal(err)
		}
	}
	client.Close()
	s.Wait()
}
