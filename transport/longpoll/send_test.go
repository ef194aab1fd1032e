package longpoll_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bondy/transport/longpoll"
)

// counting counts how often a connection waits.
type counting struct{ waits *int }

func (c counting) Flush() { *c.waits++ }

func (counting) Serve() {}

// TestSendWaits answers a send when its messages were handled.
func TestSendWaits(t *testing.T) {
	r := serve(t, longpoll.Config{})
	c, path := r.connect(t, "wamp.2.json.batched")
	waits := 0
	c.ServedBy(counting{&waits})
	answered := make(chan int, 1)
	go func() {
		answered <- r.try(t.Context(), path+"/send", []byte("[1]\x1e[2]\x1e"))
	}()
	for _, want := range []string{"[1]", "[2]"} {
		if got, err := c.ReadMessage(); err != nil || string(got) != want {
			t.Fatalf("ReadMessage = %q, %v", got, err)
		}
		select {
		case status := <-answered:
			t.Errorf("HTTP %d before the messages were handled", status)
		default:
		}
	}
	if waits != 1 {
		t.Errorf("it waited %d times within a batch", waits)
	}
	if err := c.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.ReadMessage(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("ReadMessage = %v, want the deadline", err)
	}
	if status := <-answered; status != http.StatusAccepted {
		t.Errorf("HTTP %d", status)
	}
}

// TestSendsInTurn sends by many connections at a time; sends above the bound are
// refused.
func TestSendsInTurn(t *testing.T) {
	r := serve(t, longpoll.Config{})
	c, path := r.connect(t, "wamp.2.json")
	const sends = 100
	statuses := make(chan int, sends)
	var wg sync.WaitGroup
	for range sends {
		wg.Go(func() {
			statuses <- r.try(t.Context(), path+"/send", []byte("[1]"))
		})
	}
	taken, refused := 0, 0
	for range sends - 16 { // nobody handles anything yet
		if status := <-statuses; status != http.StatusTooManyRequests {
			t.Errorf("HTTP %d, want 429", status)
		}
		refused++
	}
	for refused+taken < sends {
		if _, err := c.ReadMessage(); err != nil {
			t.Fatal(err)
		}
		taken++
	}
	c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	c.ReadMessage()
	wg.Wait()
	close(statuses)
	for status := range statuses {
		if status != http.StatusAccepted {
			t.Errorf("HTTP %d, want 202", status)
		}
	}
}

// TestBrokenSend cuts a send in its body: nothing of it is handled, and the next
// one is.
func TestBrokenSend(t *testing.T) {
	r := serve(t, longpoll.Config{})
	c, path := r.connect(t, "wamp.2.json")
	conn, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(conn, "POST "+path+"/send HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n[1,")
	conn.Close()
	go r.try(t.Context(), path+"/send", []byte("[2]"))
	if got, err := c.ReadMessage(); err != nil || string(got) != "[2]" {
		t.Errorf("ReadMessage = %q, %v", got, err)
	}
	c.SetReadDeadline(time.Now())
	c.ReadMessage()
}

func TestRefusedRequests(t *testing.T) {
	var refused []error
	r := serve(t, longpoll.Config{Refused: func(err error) { refused = append(refused, err) }})
	_, path := r.connect(t, "wamp.2.json")
	for _, x := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", "/open", "", 400},
		{"POST", "/open", "nonsense", 400},
		{"POST", "/open", "[]", 400},
		{"POST", "/open", "{}", 400},
		{"POST", "/open", `{"protocols":[]}`, 400},
		{"POST", "/open", `{"protocols":[1]}`, 400},
		{"POST", "/open", `{"protocols":"wamp.2.json"}`, 400},
		{"POST", "/open", `{"protocols":["wamp.9.xml"]}`, 400},
		{"POST", "/open", `{"protocols":["wamp.2.json"],"x":"` + strings.Repeat("x", 5000) + `"}`, 400},
		{"GET", "/open", "", 405},
		{"HEAD", "/open", "", 405},
		{"PUT", "/open", "{}", 405},
		{"GET", path + "/receive", "", 405},
		{"HEAD", path + "/receive", "", 405},
		{"GET", path + "/send", "", 405},
		{"POST", path, "", 404},
		{"POST", path + "/other", "", 404},
		{"POST", "/", "", 404},
		{"POST", "/nosuchtransport/send", "[1]", 404},
		{"POST", "/nosuchtransport/receive", "", 404},
		{"POST", "/nosuchtransport/close", "", 404},
		{"POST", "/%00/receive", "", 404},
	} {
		resp, err := r.do(t.Context(), x.method, x.path, nil, []byte(x.body))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != x.status {
			t.Errorf("%s %s %.40s: HTTP %d, want %d", x.method, x.path, x.body, resp.StatusCode, x.status)
		}
		if x.status == 405 && !strings.Contains(resp.Header.Get("Allow"), "POST") {
			t.Errorf("%s %s: Allow %q", x.method, x.path, resp.Header.Get("Allow"))
		}
	}
	if len(refused) != 9 || !errors.Is(refused[0], longpoll.ErrOpen) {
		t.Errorf("refused %v", refused)
	}
}

func TestOrigins(t *testing.T) {
	r := serve(t, longpoll.Config{Origins: []string{"https://app.example.com"}})
	for origin, ok := range map[string]bool{
		"https://app.example.com": true, "http://localhost:3000": true,
		"https://evil.example": false, "null": false,
	} {
		t.Run(origin, func(t *testing.T) {
			header := http.Header{"Origin": {origin}, "Content-Type": {"application/json; charset=utf-8"}}
			for _, method := range []string{http.MethodOptions, http.MethodPost} {
				resp, err := r.do(t.Context(), method, "/open", header, []byte(`{"protocols":["wamp.2.json"]}`))
				if err != nil {
					t.Fatal(err)
				}
				body, _ := io.ReadAll(resp.Body)
				resp.Body.Close()
				h := resp.Header
				switch {
				case !ok:
					if resp.StatusCode != http.StatusForbidden || h.Get("Access-Control-Allow-Origin") != "" {
						t.Errorf("%s: HTTP %d %v", method, resp.StatusCode, h)
					}
					continue
				case h.Get("Access-Control-Allow-Origin") != origin || h.Get("Access-Control-Allow-Credentials") != "true" || h.Get("Vary") != "Origin":
					t.Errorf("%s: %v", method, h)
				case method == http.MethodOptions:
					if resp.StatusCode != http.StatusNoContent || h.Get("Access-Control-Allow-Methods") != "POST" || h.Get("Access-Control-Allow-Headers") != "Content-Type" {
						t.Errorf("%s: HTTP %d %v", method, resp.StatusCode, h)
					}
					continue
				}
				path := opened(t, "wamp.2.json", body)
				c := <-r.conns
				go func() {
					defer c.Wait()
					c.ReadMessage()
				}()
				resp, err = r.do(t.Context(), http.MethodPost, path+"/close", header, nil)
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
				if resp.StatusCode != http.StatusNoContent { // all that autobahn-js understands
					t.Errorf("close: HTTP %d", resp.StatusCode)
				}
			}
		})
	}
	if _, err := longpoll.New(longpoll.Config{Origins: []string{"nonsense"}}); err == nil {
		t.Error("a wrong origin was accepted")
	}
}

// bubble makes a transport without a network, for the time of a bubble.
func bubble(t *testing.T) (l *local, c *longpoll.Conn, path string) {
	t.Helper()
	var conns []*longpoll.Conn
	h, err := longpoll.New(longpoll.Config{Accept: func(c *longpoll.Conn) error { conns = append(conns, c); return nil }})
	if err != nil {
		t.Fatal(err)
	}
	l = &local{handler: h}
	w := l.post(t.Context(), "/open", []byte(`{"protocols":["wamp.2.json"]}`))
	if w.Code != http.StatusOK {
		t.Fatalf("open: HTTP %d %s", w.Code, w.Body)
	}
	return l, conns[0], opened(t, "wamp.2.json", w.Body.Bytes())
}

func TestEmptyReceive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, c, path := bubble(t)
		start := time.Now()
		w := l.post(t.Context(), path+"/receive", nil)
		if took := time.Since(start); w.Code != http.StatusOK || w.Body.Len() != 0 || took != longpoll.DefaultPoll {
			t.Errorf("HTTP %d %q after %v, want nothing after %v", w.Code, w.Body, took, longpoll.DefaultPoll)
		}
		go func() {
			<-time.After(3 * time.Second)
			if c.Append([]byte("[1]"), nil) == nil {
				c.Flush()
			}
		}()
		start = time.Now()
		w = l.post(t.Context(), path+"/receive", nil)
		if took := time.Since(start); w.Body.String() != "[1]" || took != 3*time.Second {
			t.Errorf("received %q after %v", w.Body, took)
		}
		l.handler.Close()
		c.Wait()
	})
}

func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, c, path := bubble(t)
		go func() {
			for range 4 {
				<-time.After(longpoll.DefaultSilence - time.Second)
				l.post(t.Context(), path+"/receive", nil)
			}
		}()
		start := time.Now()
		_, err := c.ReadMessage()
		want := 5*longpoll.DefaultSilence - 4*time.Second + 4*longpoll.DefaultPoll
		if took := time.Since(start); !errors.Is(err, longpoll.ErrSilent) || took != want {
			t.Errorf("ReadMessage = %v after %v, want %v after %v", err, took, longpoll.ErrSilent, want)
		}
		c.Wait()
		if w := l.post(t.Context(), path+"/receive", nil); w.Code != http.StatusNotFound {
			t.Errorf("HTTP %d for a client that comes back too late", w.Code)
		}
	})
}

// TestLinger fetches what a session left, or does not.
func TestLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for fetched, want := range map[bool]time.Duration{true: 2 * time.Second, false: 5 * time.Second} {
			l, c, path := bubble(t)
			say(t, c, "[3]")
			start := time.Now()
			if fetched {
				go func() {
					<-time.After(2 * time.Second)
					for range 2 {
						l.post(t.Context(), path+"/receive", nil)
					}
				}()
			}
			c.Wait()
			if took := time.Since(start); took != want {
				t.Errorf("fetched %v: Wait took %v, want %v", fetched, took, want)
			}
			synctest.Wait()
			if w := l.post(t.Context(), path+"/receive", nil); w.Code != http.StatusNotFound {
				t.Errorf("HTTP %d afterwards", w.Code)
			}
		}
	})
}

func TestFullAndClosed(t *testing.T) {
	r := serve(t, longpoll.Config{Accept: func(*longpoll.Conn) error { return errors.New("too many of them") }})
	open := []byte(`{"protocols":["wamp.2.json"]}`)
	for _, want := range []string{"too many of them", "shutting down"} {
		if status, body := r.post(t, "/open", open); status != http.StatusServiceUnavailable || !strings.Contains(string(body), want) {
			t.Errorf("HTTP %d %q, want 503 and %q", status, body, want)
		}
		r.handler.Close()
	}
}

// FuzzRequests sends anything to anywhere.
func FuzzRequests(f *testing.F) {
	f.Add(uint8(0), []byte(`{"protocols":["wamp.2.json"]}`))
	f.Add(uint8(0), []byte(`{"protocols":[1,{}]}`))
	f.Add(uint8(1), []byte("[1,\"a\",{}]"))
	f.Add(uint8(2), []byte("[1]\x1e[2]\x1e"))
	f.Add(uint8(3), []byte("\x00\x00\x00\x01a\x00\x00\x00\x02bc"))
	protocols := []string{"wamp.2.json", "wamp.2.json.batched", "wamp.2.cbor.batched"}
	f.Fuzz(func(t *testing.T, kind uint8, body []byte) {
		var served sync.WaitGroup
		h, err := longpoll.New(longpoll.Config{MaxMessageSize: 4096, Accept: func(c *longpoll.Conn) error {
			served.Go(func() {
				defer c.Wait()
				for {
					if msg, err := c.ReadMessage(); err != nil || len(msg) > 4096 {
						return
					}
				}
			})
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		l := &local{handler: h}
		if kind%4 == 0 {
			if w := l.post(t.Context(), "/open", body); w.Code != http.StatusBadRequest && w.Code != http.StatusOK {
				t.Errorf("HTTP %d", w.Code)
			} else if w.Code == http.StatusBadRequest {
				return
			} else {
				l.post(t.Context(), opened(t, protocolOf(t, w.Body.Bytes()), w.Body.Bytes())+"/close", nil)
			}
		} else {
			protocol := protocols[kind%4-1]
			w := l.post(t.Context(), "/open", fmt.Appendf(nil, `{"protocols":[%q]}`, protocol))
			path := opened(t, protocol, w.Body.Bytes())
			switch w = l.post(t.Context(), path+"/send", body); w.Code {
			case http.StatusAccepted, http.StatusBadRequest, http.StatusRequestEntityTooLarge:
			default:
				t.Errorf("HTTP %d", w.Code)
			}
			l.post(t.Context(), path+"/close", nil)
		}
		served.Wait()
	})
}
