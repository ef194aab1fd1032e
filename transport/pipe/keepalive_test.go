package pipe_test

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"bondy/core/peer"
	"bondy/transport/pipe"
)

// bubble returns a stream and the other end of it, without sockets.
func bubble(t *testing.T) (*pipe.Stream, net.Conn) {
	t.Helper()
	server, client := net.Pipe()
	s := new(pipe.Stream)
	if err := s.Open(pipe.New(server, pipe.NewShared(), nil)); err != nil {
		t.Fatal(err)
	}
	return s, client
}

func TestKeepaliveEndsASilentConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, client := bubble(t)
		pings := make(chan int, 1)
		go func() {
			b, _ := io.ReadAll(client)
			pings <- len(b)
		}()
		start := time.Now()
		if err := s.Keepalive(30*time.Second, "\x09"); err != nil {
			t.Fatal(err)
		}
		_, err := s.Peek(1)
		if !errors.Is(err, pipe.ErrSilent) || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Peek = %v, want ErrSilent", err)
		}
		if d := time.Since(start); d != time.Minute {
			t.Errorf("ended after %v, want two intervals", d)
		}
		s.Wait()
		if n := <-pings; n != 1 {
			t.Errorf("%d pings, want 1", n)
		}
	})
}

func TestKeepaliveKeepsAnAnsweringConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, client := bubble(t)
		go func() {
			b := make([]byte, 1)
			for {
				if _, err := client.Read(b); err != nil {
					return
				}
				client.Write([]byte{10})
			}
		}()
		s.Keepalive(30*time.Second, "\x09")
		const deadline = 10*time.Minute + time.Second
		s.SetReadDeadline(time.Now().Add(deadline))
		start, n := time.Now(), 0
		var err error
		for ; err == nil; n++ {
			if _, err = s.Peek(1); err == nil {
				s.Discard(1)
			}
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != deadline {
			t.Errorf("Peek = %v after %v, want the session's own deadline", err, time.Since(start))
		}
		if n-1 != 20 {
			t.Errorf("%d answers, want one each interval", n-1)
		}
		client.Close()
		s.Wait()
	})
}

func TestCloseIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, client := bubble(t)
		defer client.Close()
		s.Append(nil, []byte("nobody reads this"), nil)
		start := time.Now()
		s.Close(nil)
		if d := time.Since(start); d != 0 {
			t.Errorf("Close took %v", d)
		}
		s.Wait()
		if d := time.Since(start); d > 10*time.Second {
			t.Errorf("Wait took %v", d)
		}
		if _, err := s.Peek(1); !errors.Is(err, peer.ErrClosed) && !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("Peek = %v", err)
		}
	})
}
