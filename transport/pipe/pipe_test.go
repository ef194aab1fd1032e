package pipe_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"bondy/core/peer"
	"bondy/transport/pipe"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// loopback returns the two ends of a TCP connection, the first as a Pipe.
func loopback(tb testing.TB) (*pipe.Pipe, *net.TCPConn) {
	tb.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer ln.Close()
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { client.Close() })
	server, err := ln.Accept()
	if err != nil {
		tb.Fatal(err)
	}
	p := pipe.New(server, pipe.NewShared(), nil)
	tb.Cleanup(func() { p.Close() })
	return p, client.(*net.TCPConn)
}

func stream(tb testing.TB) (*pipe.Stream, *net.TCPConn) {
	tb.Helper()
	p, client := loopback(tb)
	s := new(pipe.Stream)
	if err := s.Open(p); err != nil {
		tb.Fatal(err)
	}
	return s, client
}

// within fails the test when f takes longer than d.
func within(t *testing.T, d time.Duration, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(d):
		t.Fatalf("%s took longer than %v", what, d)
	}
}

func TestPassesThroughThenQueues(t *testing.T) {
	p, client := loopback(t)
	client.Write([]byte("hello"))
	b := make([]byte, 5)
	if _, err := io.ReadFull(p, b); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Write([]byte("at once")); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 7)
	if _, err := io.ReadFull(client, got); err != nil || string(got) != "at once" {
		t.Fatalf("client read %q, %v", got, err)
	}
	p.Unread([]byte("lo"))
	s := new(pipe.Stream)
	if err := s.Open(p); err != nil {
		t.Fatal(err)
	}
	client.Write([]byte(" there"))
	back, err := s.Peek(8)
	if err != nil || string(back) != "lo there" {
		t.Fatalf("Peek = %q, %v; want what was put back first", back, err)
	}
	s.Discard(8)
	if err := s.Append([]byte("que"), []byte("ued"), nil); err != nil {
		t.Fatal(err)
	}
	if n := s.Buffered(); n != 6 {
		t.Errorf("Buffered = %d before Flush, want 6", n)
	}
	s.Flush()
	if n := s.Buffered(); n != 0 {
		t.Errorf("Buffered = %d after Flush, want 0", n)
	}
	if _, err := io.ReadFull(client, got[:6]); err != nil || string(got[:6]) != "queued" {
		t.Fatalf("client read %q, %v", got[:6], err)
	}
}

// Many goroutines append and flush; records arrive whole and in each one's order.
func TestOrderOfConcurrentWriters(t *testing.T) {
	s, client := stream(t)
	const writers, records = 8, 400
	sizes := []int{3, 100, 5000, peer.ShareSize + 7, 70000}
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range records {
				n := sizes[i%len(sizes)]
				head := binary.BigEndian.AppendUint32(nil, uint32(n))
				body := bytes.Repeat([]byte{byte(w)}, n)
				binary.BigEndian.PutUint16(body[1:], uint16(i))
				if err := s.Append(head, body, nil); err != nil {
					t.Errorf("Append: %v", err)
				}
				if i%3 == 0 {
					s.Flush()
				}
			}
			s.Flush()
		})
	}
	var next [writers]int
	var head [4]byte
	for range writers * records {
		if _, err := io.ReadFull(client, head[:]); err != nil {
			t.Fatal(err)
		}
		body := make([]byte, binary.BigEndian.Uint32(head[:]))
		if _, err := io.ReadFull(client, body); err != nil {
			t.Fatal(err)
		}
		w, i := body[0], int(binary.BigEndian.Uint16(body[1:]))
		if i != next[w] {
			t.Fatalf("writer %d: record %d came, want %d", w, i, next[w])
		}
		next[w]++
		if bytes.Count(body[3:], body[:1]) != len(body)-3 {
			t.Fatal("records interleave")
		}
	}
	wg.Wait()
}

func TestHungReaderBlocksNobody(t *testing.T) {
	s, client := stream(t)
	progress := make(chan struct{}, 1)
	s.OnProgress(func() {
		select {
		case progress <- struct{}{}:
		default:
		}
	})
	block := bytes.Repeat([]byte("0123456789abcdef"), 64)
	const blocks = 32 << 10 // 32 MiB
	within(t, 20*time.Second, "writing to a hung reader", func() {
		for range blocks {
			if err := s.Append(nil, block, nil); err != nil {
				t.Errorf("Append: %v", err)
			}
			s.Flush()
		}
	})
	if s.Buffered() == 0 {
		t.Fatal("nothing waits for a reader that does not read")
	}
	for range blocks {
		got := make([]byte, len(block))
		if _, err := io.ReadFull(client, got); err != nil || !bytes.Equal(got, block) {
			t.Fatalf("block differs, err %v", err)
		}
	}
	within(t, 5*time.Second, "progress", func() { <-progress })
	s.Close(nil)
	client.Close()
	s.Wait()
	if n := s.Buffered(); n != 0 {
		t.Errorf("Buffered = %d, want 0", n)
	}
}

func TestCloseSendsWhatWaitsAndEndsTheReader(t *testing.T) {
	s, client := stream(t)
	readErr := make(chan error, 1)
	go func() {
		_, err := s.Peek(1)
		readErr <- err
	}()
	big := make([]byte, 4<<20)
	if err := s.Append(nil, big, nil); err != nil {
		t.Fatal(err)
	}
	within(t, time.Second, "Close", func() {
		if !s.Close([]byte("bye")) || s.Close([]byte("again")) {
			t.Error("Close did not say which was the first")
		}
	})
	if err := <-readErr; !errors.Is(err, peer.ErrClosed) {
		t.Errorf("Peek after Close = %v, want ErrClosed", err)
	}
	if err := s.Append(nil, []byte("x"), nil); !errors.Is(err, peer.ErrClosed) {
		t.Errorf("Append after Close = %v, want ErrClosed", err)
	}
	waited := make(chan struct{})
	go func() { defer close(waited); s.Wait() }()
	// Bytes that nobody reads any more must not cost the client the farewell.
	client.Write([]byte("too late"))
	got, err := io.ReadAll(client)
	if err != nil || len(got) != len(big)+3 || string(got[len(big):]) != "bye" {
		t.Fatalf("client read %d bytes, %v; want %d and the farewell", len(got), err, len(big))
	}
	client.Close()
	within(t, 5*time.Second, "Wait", func() { <-waited })
}

func TestWriteErrorEndsTheReader(t *testing.T) {
	s, client := stream(t)
	readErr := make(chan error, 1)
	go func() {
		_, err := s.Peek(1)
		readErr <- err
	}()
	client.SetLinger(0)
	client.Close() // with a reset
	within(t, 5*time.Second, "noticing a reset", func() {
		for s.Append(nil, make([]byte, 1000), nil) == nil {
			s.Flush()
		}
	})
	select {
	case err := <-readErr:
		if err == nil {
			t.Error("Peek returned nothing and no error")
		}
	case <-time.After(5 * time.Second):
		t.Fatal("Peek goes on after the reset")
	}
	s.Wait()
}

func TestDeadlineEndsATrickle(t *testing.T) {
	s, client := stream(t)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(stop)
	wg.Go(func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				client.Write([]byte("x"))
			case <-stop:
				return
			}
		}
	})
	s.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	within(t, 5*time.Second, "a trickled frame", func() {
		if _, err := s.Peek(1 << 20); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Peek = %v, want ErrDeadlineExceeded", err)
		}
	})
	s.SetReadDeadline(time.Time{})
	if _, err := s.Peek(1); err != nil {
		t.Errorf("Peek after lifting the deadline = %v", err)
	}
}

// counting counts how often a stream waits.
type counting struct{ waits *int }

func (c counting) Flush() { *c.waits++ }

func (counting) Serve() {}

func TestEndOfInput(t *testing.T) {
	s, client := stream(t)
	waits := 0
	s.ServedBy(counting{&waits})
	client.Write([]byte("abc"))
	client.CloseWrite()
	if _, err := s.Peek(3); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Peek(4); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("Peek = %v, want ErrUnexpectedEOF", err)
	}
	s.Discard(3)
	if _, err := s.Peek(1); !errors.Is(err, io.EOF) {
		t.Errorf("Peek = %v, want EOF", err)
	}
	if waits == 0 {
		t.Error("Flush was not called")
	}
}

func TestControlRepliesAreBounded(t *testing.T) {
	s, _ := stream(t)
	if err := s.Append(nil, make([]byte, 32<<20), nil); err != nil { // more than the kernel takes
		t.Fatal(err)
	}
	s.Flush()
	err := s.Reply(nil, make([]byte, 1<<20))
	if !errors.Is(err, pipe.ErrControlFlood) {
		t.Errorf("a reply of 1 MiB: %v, want ErrControlFlood", err)
	}
	n := 0
	for err = nil; err == nil && n < 10<<20; n += 100 {
		err = s.Reply(make([]byte, 2), make([]byte, 98))
	}
	if !errors.Is(err, pipe.ErrControlFlood) {
		t.Errorf("after %d bytes of replies: %v, want ErrControlFlood", n, err)
	}
	s.Kill()
	s.Wait()
}

func TestSharedBytesAreCounted(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	shared, closed := pipe.NewShared(), 0
	s := new(pipe.Stream)
	if err := s.Open(pipe.New(server, shared, func(*pipe.Pipe) { closed++ })); err != nil {
		t.Fatal(err)
	}
	client.Write(make([]byte, 10))
	if _, err := s.Peek(10); err != nil {
		t.Fatal(err)
	}
	s.Append(make([]byte, 3), make([]byte, 20), nil)
	s.Flush()
	client.Close()
	s.Wait()
	s.Kill()
	if in, out := shared.BytesIn.Load(), shared.BytesOut.Load(); in != 10 || out != 23 || closed != 1 {
		t.Errorf("in %d, out %d, closed %d times; want 10, 23, 1", in, out, closed)
	}
}
