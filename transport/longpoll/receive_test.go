package longpoll_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"bondy/core/peer"
	"bondy/transport/longpoll"
)

func TestReceive(t *testing.T) {
	r := serve(t, longpoll.Config{})
	for _, x := range []struct {
		protocol, kind string
		want           []string
	}{
		{"wamp.2.json", "application/json; charset=utf-8", []string{"[1]", "[22]", "[333]"}},
		{"wamp.2.cbor", "application/octet-stream", []string{"[1]", "[22]", "[333]"}},
		{"wamp.2.msgpack", "application/octet-stream", []string{"[1]", "[22]", "[333]"}},
		{"wamp.2.json.batched", "application/octet-stream", []string{"[1]\x1e[22]\x1e[333]\x1e"}},
		{"wamp.2.cbor.batched", "application/octet-stream", []string{"\x00\x00\x00\x03[1]\x00\x00\x00\x04[22]\x00\x00\x00\x05[333]"}},
		{"wamp.2.msgpack.batched", "application/octet-stream", []string{"\x00\x00\x00\x03[1]\x00\x00\x00\x04[22]\x00\x00\x00\x05[333]"}},
	} {
		t.Run(x.protocol, func(t *testing.T) {
			c, path := r.connect(t, x.protocol)
			moved := 0
			c.OnProgress(func() { moved++ })
			say(t, c, "[1]", "[22]", "[333]")
			for _, want := range x.want {
				resp, err := r.do(t.Context(), http.MethodPost, path+"/receive", nil, nil)
				if err != nil {
					t.Fatal(err)
				}
				got, _ := io.ReadAll(resp.Body)
				resp.Body.Close()
				h := resp.Header
				if string(got) != want || h.Get("Content-Type") != x.kind || h.Get("Cache-Control") != "no-store" {
					t.Errorf("received %q, %v; want %q as %s", got, h, want, x.kind)
				}
			}
			if n := c.Buffered(); n == 0 {
				t.Error("the last answer was forgotten before another receive")
			}
			say(t, c, "[4]")
			if got := r.receive(t, path); !strings.Contains(got, "[4]") || strings.Contains(got, "[333]") {
				t.Errorf("received %q, want the next message alone", got)
			}
			if moved != len(x.want) {
				t.Errorf("progress was told %d times, want %d", moved, len(x.want))
			}
		})
	}
}

// TestReceiveBounds lets more wait than a batch may hold.
func TestReceiveBounds(t *testing.T) {
	r := serve(t, longpoll.Config{})
	c, path := r.connect(t, "wamp.2.cbor.batched")
	sizes := []int{400 << 10, 400 << 10, 400 << 10, 3 << 20, 10}
	for _, n := range sizes {
		if err := c.Append(make([]byte, n), nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []int{2*(400<<10) + 8, 400<<10 + 4, 3<<20 + 4, 14} {
		if got := len(r.receive(t, path)); got != want {
			t.Errorf("a batch of %d bytes, want %d", got, want)
		}
	}
}

// TestSecondReceive polls while another poll waits.
func TestSecondReceive(t *testing.T) {
	r := serve(t, longpoll.Config{})
	c, path := r.connect(t, "wamp.2.json")
	first := r.raw(t, path, "")
	// The first is there once the second makes it end.
	answers, ended := make(chan string, 1), status(first)
	for begun := false; !begun; {
		go func() {
			w, err := r.do(t.Context(), http.MethodPost, path+"/receive", nil, nil)
			if err != nil {
				answers <- err.Error()
				return
			}
			defer w.Body.Close()
			b, _ := io.ReadAll(w.Body)
			answers <- string(b)
		}()
		select {
		case <-answers: // it was the first to come
		case status := <-ended:
			if status != "HTTP/1.1 200 OK" {
				t.Errorf("the first was answered %q", status)
			}
			begun = true
		}
	}
	say(t, c, "[1]")
	if got := <-answers; got != "[1]" {
		t.Errorf("the second received %q", got)
	}
}

func status(c net.Conn) <-chan string {
	ch := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(c).ReadString('\n')
		ch <- strings.TrimSpace(line)
	}()
	return ch
}

// answer reads an answer to its end.
func answer(t *testing.T, in *bufio.Reader) string {
	t.Helper()
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("HTTP %d, %v", resp.StatusCode, err)
	}
	return string(b)
}

// TestCut breaks the connections of receives in every way; TestCutTLS does the
// same with TLS.
func TestCut(t *testing.T) { testCut(t) }

func TestCutTLS(t *testing.T) { testCut(t) }

func testCut(t *testing.T) {
	t.Helper()
	r := serve(t, longpoll.Config{})
	small, large := strings.Repeat("s", 100<<10), strings.Repeat("l", 16<<20) // more than the kernel takes
	for _, x := range []struct {
		name  string
		msg   string
		read  int // bytes of the answer before the cut, -1 for all
		again bool
	}{
		{"nothing read", small, 0, true},
		{"first bytes read", small, 10, true},
		{"most of it read", small, 50 << 10, true},
		{"in the middle of a long one", large, 1 << 20, true},
		{"all read", small, -1, false},
		{"all of a long one read", large, -1, false},
	} {
		for _, headers := range []string{"", "Connection: close\r\n"} {
			t.Run(x.name+" "+strings.TrimSpace(headers), func(t *testing.T) {
				c, path := r.connect(t, "wamp.2.cbor")
				say(t, c, x.msg, "next")
				cut := r.raw(t, path, headers)
				in := bufio.NewReader(cut)
				if x.read < 0 {
					if got := answer(t, in); got != x.msg {
						t.Fatalf("received %d bytes", len(got))
					}
				} else if _, err := io.CopyN(io.Discard, cut, int64(max(1, x.read))); err != nil {
					t.Fatal(err)
				}
				if inner, ok := cut.(*tls.Conn); ok && x.again {
					cut = inner.NetConn() // without a goodbye
				}
				cut.Close()
				if x.again {
					if got := r.receive(t, path); got != x.msg {
						t.Fatalf("after the cut %d bytes were received, want all of the answer again", len(got))
					}
				}
				if got := r.receive(t, path); got != "next" {
					t.Errorf("then %d bytes were received, want the next message", len(got))
				}
			})
		}
	}
	t.Run("while it waits", func(t *testing.T) {
		c, path := r.connect(t, "wamp.2.cbor")
		r.raw(t, path, "").Close()
		say(t, c, "[1]")
		if got := r.receive(t, path); got != "[1]" {
			t.Errorf("received %q", got)
		}
	})
	t.Run("not at all, but another connection asks", func(t *testing.T) {
		c, path := r.connect(t, "wamp.2.cbor")
		say(t, c, "[1]", "[2]")
		first := r.raw(t, path, "")
		if got := answer(t, bufio.NewReader(first)); got != "[1]" {
			t.Fatalf("received %q", got)
		}
		if got := r.receive(t, path); got != "[2]" {
			t.Errorf("received %q, want the second", got)
		}
	})
	t.Run("a client that does not read", func(t *testing.T) {
		c, path := r.connect(t, "wamp.2.cbor")
		say(t, c, large)
		stuck := r.raw(t, path, "")
		if _, err := stuck.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if got := r.receive(t, path); got != large {
			t.Errorf("received %d bytes", len(got))
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("it took %v to give up on the first", took)
		}
		if n, err := io.Copy(io.Discard, stuck); err == nil && n >= int64(len(large)) {
			t.Error("the first got it as well")
		}
	})
}

// TestCutOften cuts at every place of a run of answers: each message arrives
// exactly once in the answers that were read to the end.
func TestCutOften(t *testing.T) {
	r := serve(t, longpoll.Config{})
	c, path := r.connect(t, "wamp.2.json.batched")
	var want, got bytes.Buffer
	for i := range 300 {
		msg := strings.Repeat(string(rune('a'+i%26)), 1+i*37%2000)
		want.WriteString(msg + "\x1e")
		say(t, c, msg)
		conn := r.raw(t, path, "")
		if i%3 > 0 {
			io.CopyN(io.Discard, conn, int64(1+i*53%200))
			conn.Close()
			continue
		}
		got.WriteString(answer(t, bufio.NewReader(conn)))
		conn.Close()
	}
	say(t, c, "end")
	want.WriteString("end\x1e")
	for !bytes.HasSuffix(got.Bytes(), []byte("end\x1e")) {
		got.WriteString(r.receive(t, path))
	}
	if !bytes.Equal(got.Bytes(), want.Bytes()) {
		t.Errorf("%d bytes arrived, want %d", got.Len(), want.Len())
	}
}

func TestClosedByRouter(t *testing.T) {
	r := serve(t, longpoll.Config{})
	c, path := r.connect(t, "wamp.2.json")
	say(t, c, "[3]")
	c.Close()
	c.Close()
	if err := c.Append([]byte("[1]"), nil); !errors.Is(err, peer.ErrClosed) {
		t.Errorf("Append after Close = %v", err)
	}
	if _, err := c.ReadMessage(); !errors.Is(err, peer.ErrClosed) {
		t.Errorf("ReadMessage after Close = %v", err)
	}
	if got := r.receive(t, path); got != "[3]" {
		t.Errorf("received %q, want what was left", got)
	}
	if got := r.receive(t, path); got != "" {
		t.Errorf("received %q, want nothing", got)
	}
	if status, _ := r.post(t, path+"/send", []byte("[1]")); status != http.StatusNotFound {
		t.Errorf("send: HTTP %d", status)
	}
}
