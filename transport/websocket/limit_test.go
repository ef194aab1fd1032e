package websocket_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	gorilla "github.com/gorilla/websocket"

	"bondy/transport/websocket"
)

func TestSetReadLimit(t *testing.T) {
	s := serve(t, websocket.Config{MaxMessageSize: 1000})
	for _, x := range []struct {
		name  string
		limit int
		in    []byte
	}{
		{"message", 100, clientFrame(0x82, make([]byte, 101))},
		{"announced", 100, clientFrame(0x82, make([]byte, 500))[:8]},
		{"fragments", 100, append(clientFrame(0x02, make([]byte, 60)), clientFrame(0x80, make([]byte, 60))...)},
		{"lifted", 0, clientFrame(0x82, make([]byte, 1001))},
		{"above the transport's own", 2000, clientFrame(0x82, make([]byte, 1001))},
	} {
		t.Run(x.name, func(t *testing.T) {
			c, client := s.dial(t, "wamp.2.cbor")
			c.SetReadLimit(100)
			client.NetConn().Write(slices.Concat(clientFrame(0x82, make([]byte, 100)), clientFrame(0x02, make([]byte, 50)), clientFrame(0x80, make([]byte, 50))))
			for range 2 {
				if b, err := c.ReadMessage(); err != nil || len(b) != 100 {
					t.Fatalf("ReadMessage = %d bytes, %v; want 100", len(b), err)
				}
			}
			c.SetReadLimit(x.limit)
			client.NetConn().Write(x.in)
			if _, err := c.ReadMessage(); !violation(err) {
				t.Errorf("ReadMessage = %v, want a violation", err)
			}
			client.SetReadDeadline(time.Now().Add(5 * time.Second))
			if _, _, err := client.ReadMessage(); !gorilla.IsCloseError(err, 1009) {
				t.Errorf("client read %v, want CLOSE 1009", err)
			}
		})
	}
}

// TestSetReadLimitWithinBatch lowers the limit when part of a batch was read.
func TestSetReadLimitWithinBatch(t *testing.T) {
	s := serve(t, websocket.Config{})
	c, client := s.dial(t, "wamp.2.json.batched")
	c.SetReadLimit(1000)
	long := strings.Repeat("x", 101)
	client.WriteMessage(gorilla.TextMessage, []byte(long+"\x1e[2]\x1e"+long+"\x1e"))
	if b, err := c.ReadMessage(); err != nil || string(b) != long {
		t.Fatalf("ReadMessage = %q, %v", b, err)
	}
	c.SetReadLimit(100)
	if b, err := c.ReadMessage(); err != nil || string(b) != "[2]" {
		t.Fatalf("ReadMessage = %q, %v", b, err)
	}
	if _, err := c.ReadMessage(); !violation(err) {
		t.Errorf("ReadMessage = %v, want a violation", err)
	}
	c, client = s.dial(t, "wamp.2.json.batched")
	c.SetReadLimit(100)
	client.WriteMessage(gorilla.TextMessage, []byte(strings.Repeat("[1]\x1e", 26)))
	if _, err := c.ReadMessage(); !violation(err) {
		t.Errorf("a batch of 104 bytes: %v, want a violation", err)
	}
}
