package pipe_test

import (
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"bondy/transport/pipe"
)

// TestTaken writes to a client that reads some of it and closes.
func TestTaken(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the system does not tell")
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	for name, x := range map[string]struct {
		read  int64 // of 10,000 bytes
		reset bool
	}{"none": {0, true}, "some": {10, true}, "all": {10_000, false}} {
		for _, closed := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				client, err := net.Dial("tcp", ln.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				defer client.Close()
				server, err := ln.Accept()
				if err != nil {
					t.Fatal(err)
				}
				p := pipe.New(server, pipe.NewShared(), nil)
				defer p.Close()
				before := p.Mark()
				p.Write(make([]byte, 10_000))
				mark := p.Mark()
				if mark-before != 10_000 {
					t.Errorf("marks %d and %d", before, mark)
				}
				if acked, reset := p.Taken(before); !acked || reset {
					t.Errorf("Taken(nothing) = %v, %v", acked, reset)
				}
				io.CopyN(io.Discard, client, x.read)
				client.Close()
				p.SetReadDeadline(time.Now().Add(10 * time.Second))
				p.Read(make([]byte, 1))
				if closed {
					p.Close()
				}
				if acked, reset := p.Taken(mark); !acked || reset != x.reset {
					t.Errorf("Taken = %v, %v; want true, %v", acked, reset, x.reset)
				}
			})
		}
	}
}
