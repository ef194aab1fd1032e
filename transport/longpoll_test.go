package transport_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"bondy/core/session"
	"bondy/transport"
)

// lpClient sends long-poll requests to a listener.
type lpClient struct {
	base string
	http *http.Client
}

func longPoll(t *testing.T, l *transport.Listener) *lpClient {
	t.Helper()
	tr := &http.Transport{MaxIdleConnsPerHost: 8}
	t.Cleanup(tr.CloseIdleConnections)
	return &lpClient{"http://" + l.ListenAddr().String() + transport.LongPollPath, &http.Client{Transport: tr, Timeout: 20 * time.Second}}
}

func (c *lpClient) post(path, body string, header http.Header) (int, string) {
	req, err := http.NewRequest(http.MethodPost, c.base+path, strings.NewReader(body))
	if err != nil {
		return 0, err.Error()
	}
	maps.Copy(req.Header, header)
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(b)
}

// open makes a transport, "" if it is refused.
func (c *lpClient) open() (path string, status int) {
	status, body := c.post("/open", `{"protocols":["wamp.2.json"]}`, nil)
	var made struct{ Transport string }
	if status != http.StatusOK || json.Unmarshal([]byte(body), &made) != nil {
		return "", status
	}
	return "/" + made.Transport, status
}

// flusher flushes a connection that nobody else does.
type flusher struct{ session.Conn }

func (flusher) Serve() {}

func TestLongPoll(t *testing.T) {
	infos := make(chan session.ConnInfo, 1)
	cfg := transport.Config{Services: []string{transport.ServiceLongPoll, transport.ServiceWebSocket}, HandshakeTimeout: hasty}
	l, stop := start(t, cfg, func(ctx context.Context, c session.Conn, done func(session.Conn)) {
		defer done(c)
		infos <- c.Info()
		end := context.AfterFunc(ctx, c.Close)
		defer end()
		c.ServedBy(flusher{c})
		for {
			msg, err := c.ReadMessage()
			if err != nil || c.Append(bytes.Clone(msg), nil) != nil {
				return
			}
		}
	})
	c := longPoll(t, l)
	path, status := c.open()
	if status != http.StatusOK {
		t.Fatalf("open: HTTP %d", status)
	}
	if info := <-infos; info.Transport != "longpoll" || !info.Remote.Addr().IsLoopback() || info.TLS != nil {
		t.Errorf("info %+v", info)
	}
	answers := make(chan string, 1)
	go func() {
		_, body := c.post(path+"/receive", "", nil)
		answers <- body
	}()
	<-time.After(5 * hasty) // longer than other requests may take
	if status, body := c.post(path+"/send", "[1]", nil); status != http.StatusAccepted {
		t.Errorf("send: HTTP %d %s", status, body)
	}
	if got := <-answers; got != "[1]" {
		t.Errorf("received %q", got)
	}

	// A body that does not come holds up nobody.
	request(t, l, "POST "+transport.LongPollPath+path+"/send HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n[")
	if status, body := c.post(path+"/send", "[2]", nil); status != http.StatusAccepted {
		t.Errorf("send behind a slow one: HTTP %d %s", status, body)
	}
	if _, body := c.post(path+"/receive", "", nil); body != "[2]" {
		t.Errorf("received %q", body)
	}
	c.post("/open", "nonsense", nil)
	c.post("/open", `{"protocols":["bogus"]}`, nil)
	c.post("/open", "", http.Header{"Origin": {"https://evil.example"}})
	s := l.Stats()
	if s.Polls != 1 || s.Sessions != 1 || s.Refused[transport.RefusedHandshake] != 1 ||
		s.Refused[transport.RefusedSubprotocol] != 1 || s.Refused[transport.RefusedOrigin] != 1 {
		t.Errorf("stats %+v", s)
	}

	// The end answers a receive that waits.
	go func() {
		_, body := c.post(path+"/receive", "", nil)
		answers <- body
	}()
	c.post(path+"/send", "[3]", nil)
	if got := <-answers; got != "[3]" {
		t.Errorf("received %q", got)
	}
	first := l.Stats().Accepted
	go func() {
		status, body := c.post(path+"/receive", "", nil)
		if status != http.StatusOK {
			body = "not answered"
		}
		answers <- body
	}()
	eventually(t, "the receive waits", func() bool { return l.Stats().Accepted >= first })
	<-time.After(hasty)
	stop()
	if got := <-answers; got != "" {
		t.Errorf("at the end received %q", got)
	}
	if s := l.Stats(); s.Polls != 0 || s.Open != 0 {
		t.Errorf("stats %+v", s)
	}
}

// TestLongPollLimits opens 10,000 transports where there is room for few.
func TestLongPollLimits(t *testing.T) {
	for name, x := range map[string]struct {
		cfg   transport.Config
		opens int
		why   transport.Refusal
	}{
		"all":     {transport.Config{MaxConnections: 100}, 10_000, transport.RefusedFull},
		"address": {transport.Config{MaxConnectionsPerAddress: 100, LimitLoopback: true}, 1000, transport.RefusedAddress},
	} {
		t.Run(name, func(t *testing.T) {
			x.cfg.Services = []string{transport.ServiceLongPoll}
			l, stop := start(t, x.cfg, echo)
			c := longPoll(t, l)
			opened := 0
			var path string
			for range x.opens {
				switch p, status := c.open(); status {
				case http.StatusOK:
					opened++
					path = p
				case http.StatusServiceUnavailable:
				default:
					t.Fatalf("HTTP %d", status)
				}
			}
			s := l.Stats()
			if opened != 100 || s.Polls != 100 || s.Refused[x.why] != int64(x.opens-100) {
				t.Errorf("%d of %d opened, stats %+v", opened, x.opens, s)
			}
			if status, _ := c.post(path+"/close", "", nil); status != http.StatusAccepted {
				t.Errorf("close: HTTP %d", status)
			}
			eventually(t, "the place is free", func() bool { return l.Stats().Polls == 99 })
			if _, status := c.open(); status != http.StatusOK {
				t.Errorf("HTTP %d for a free place", status)
			}
			stop()
			if s := l.Stats(); s.Polls != 0 {
				t.Errorf("stats %+v", s)
			}
		})
	}
}
