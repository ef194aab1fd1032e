package transport_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"bondy/core"
	"bondy/core/codec"
	"bondy/core/coretest"
	"bondy/core/wamp"
	"bondy/transport"
	"bondy/transport/client"
)

// dozy starts a router with a listener whose sessions fall asleep soon.
func dozy(t *testing.T, cfg transport.Config) (*transport.Listener, *core.Router) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("sessions stay awake on this system")
	}
	if cfg.HibernateAfter == 0 {
		cfg.HibernateAfter = 20 * time.Millisecond
	}
	r := coretest.Router(t)
	l, _ := start(t, cfg, r.Serve)
	return l, r
}

// endpoints are the ways to reach a router.
func endpoints(t *testing.T) map[string]transport.Config {
	t.Helper()
	files := certificate(t, "router")
	web := []string{transport.ServiceWebSocket}
	return map[string]transport.Config{
		"tcp": {}, "ws": {Services: web}, "tls": {TLS: files}, "wss": {Services: web, TLS: files},
	}
}

func url(scheme string, l *transport.Listener) string {
	u := scheme + "://" + l.ListenAddr().String()
	if scheme[0] == 'w' {
		u += transport.WebSocketPath
	}
	return u
}

// serving is how many goroutines serve a session.
func serving() int {
	var b bytes.Buffer
	pprof.Lookup("goroutine").WriteTo(&b, 2)
	return strings.Count(b.String(), "session.(*door).serve(")
}

func TestHibernate(t *testing.T) {
	n := 300
	if testing.Short() {
		n = 100
	}
	for scheme, cfg := range endpoints(t) {
		for _, pings := range []time.Duration{-1, time.Second} {
			t.Run(fmt.Sprint(scheme, pings), func(t *testing.T) {
				cfg.PingInterval = pings
				exchangeAsleep(t, scheme, cfg, n)
			})
		}
	}
}

// exchangeAsleep has n sessions fall asleep, get events, call each other, and
// fall asleep again.
func exchangeAsleep(t *testing.T, scheme string, cfg transport.Config, n int) {
	t.Helper()
	l, _ := dozy(t, cfg)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var events atomic.Int64
	sessions := make([]*client.Session, n)
	g, ctx2 := errgroup.WithContext(ctx)
	g.SetLimit(32)
	for i := range sessions {
		g.Go(func() error {
			s, err := client.Dial(ctx2, url(scheme, l), client.Config{
				Realm: "realm1", TLS: &tls.Config{InsecureSkipVerify: true}, KeepAlive: -1,
			})
			if err != nil {
				return err
			}
			sessions[i] = s
			if _, err := s.Subscribe(ctx, "a.topic", func(context.Context, *client.Event) { events.Add(1) }, client.SubscribeOptions{}); err != nil {
				return err
			}
			_, err = s.Register(ctx, wamp.URI(fmt.Sprintf("a.echo.%d", i)), func(_ context.Context, inv *client.Invocation) (*client.Result, error) {
				return &client.Result{Args: inv.Args}, nil
			}, client.RegisterOptions{})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	most := int64(n)
	if cfg.PingInterval > 0 {
		most = most * 9 / 10 // some are awake for their ping
	}
	asleep := func() bool { return l.Stats().Hibernating >= most }
	eventually(t, "all sleep", asleep)
	if cfg.PingInterval < 0 && serving() > 0 {
		t.Errorf("%d goroutines serve sessions that sleep", serving())
	}
	woken := l.Stats().Wakeups
	if _, err := sessions[0].Publish(ctx, "a.topic", []any{1}, nil, client.PublishOptions{Acknowledge: true}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all get the event", func() bool { return events.Load() == int64(n-1) })
	if more := l.Stats().Wakeups - woken; cfg.PingInterval < 0 && more > 2 {
		t.Errorf("an event woke %d sessions up", more)
	}
	for i, s := range sessions {
		g.Go(func() error {
			res, err := s.Call(ctx, wamp.URI(fmt.Sprintf("a.echo.%d", (i+1)%n)), []any{"x"}, nil, client.CallOptions{})
			if err == nil && len(res.Args) != 1 {
				err = fmt.Errorf("echo = %v", res.Args)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all sleep again", asleep)
	for _, s := range sessions {
		g.Go(func() error { return s.Close(ctx) })
	}
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
	eventually(t, "all have left", func() bool {
		s := l.Stats()
		return s.Open == 0 && s.Hibernating == 0 && s.Sessions == 0
	})
}

// joined is a RawSocket client with a session, in JSON.
func joined(t *testing.T, l *transport.Listener, secure bool) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", l.ListenAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if secure {
		c = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
	}
	if reply := shake(c); !bytes.Equal(reply, accepted) {
		t.Fatalf("reply % x", reply)
	}
	c.Write(framed(t, &wamp.Hello{Realm: "realm1", Details: coretest.Roles()}))
	if m, ok := receive(t, c).(*wamp.Welcome); !ok {
		t.Fatalf("got %v, want WELCOME", m)
	}
	return c
}

func framed(t *testing.T, m wamp.Message) []byte {
	t.Helper()
	b, err := codec.Append(make([]byte, 4), wamp.JSON, m)
	if err != nil {
		t.Fatal(err)
	}
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b
}

// receive reads the next message, nil for a PING.
func receive(t *testing.T, c net.Conn) wamp.Message {
	t.Helper()
	var head [4]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, binary.BigEndian.Uint32(head[:])&0xffffff)
	if _, err := io.ReadFull(c, b); err != nil {
		t.Fatal(err)
	}
	if head[0] != 0 {
		return nil
	}
	m, err := codec.NewDecoder(wamp.JSON, codec.Limits{}).Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestHibernatingSessionEnds(t *testing.T) {
	gone := func(l *transport.Listener) func() bool {
		return func() bool { s := l.Stats(); return s.Open == 0 && s.Hibernating == 0 && s.Sessions == 0 }
	}
	asleep := func(l *transport.Listener) func() bool {
		return func() bool { return l.Stats().Hibernating == 1 }
	}
	for _, secure := range []bool{false, true} {
		cfg := transport.Config{}
		if secure {
			cfg.TLS = certificate(t, "router")
		}
		name := map[bool]string{false: "plain", true: "tls"}[secure]
		t.Run(name+" hangs up", func(t *testing.T) {
			l, _ := dozy(t, cfg)
			c := joined(t, l, secure)
			eventually(t, "it sleeps", asleep(l))
			c.Close()
			eventually(t, "it is gone", gone(l))
		})
		t.Run(name+" is silent", func(t *testing.T) {
			quiet := cfg
			quiet.PingInterval = 50 * time.Millisecond
			l, _ := dozy(t, quiet)
			c := joined(t, l, secure)
			if m := receive(t, c); m != nil {
				t.Errorf("got %s, want a PING", m.Type())
			}
			if _, err := io.Copy(io.Discard, c); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("read %v, want the end", err)
			}
			c.Close()
			eventually(t, "it is gone", gone(l))
		})
		t.Run(name+" is shut down", func(t *testing.T) {
			l, r := dozy(t, cfg)
			c := joined(t, l, secure)
			eventually(t, "it sleeps", asleep(l))
			down := make(chan struct{})
			go func() { defer close(down); r.Shutdown(t.Context()) }()
			if m, ok := receive(t, c).(*wamp.Goodbye); !ok || m.Reason != wamp.CloseSystemShutdown {
				t.Errorf("got %+v, want GOODBYE", m)
			}
			c.Write(framed(t, &wamp.Goodbye{Reason: wamp.CloseGoodbyeAndOut}))
			<-down
			c.Close()
			eventually(t, "it is gone", gone(l))
		})
		t.Run(name+" does not read", func(t *testing.T) {
			l, r := dozy(t, cfg)
			c := joined(t, l, secure)
			c.Write(framed(t, &wamp.Subscribe{Request: 1, Topic: "a.b"}))
			receive(t, c)
			eventually(t, "it sleeps", asleep(l))
			p := coretest.Join(t, r)
			payload := p.Args(strings.Repeat("x", 60<<10))
			const n = 200
			for range n {
				p.Send(&wamp.Publish{Request: p.Next(), Topic: "a.b", Payload: payload})
			}
			eventually(t, "what the kernel does not take wakes it up", func() bool { return l.Stats().Hibernating == 0 })
			for range n / 4 { // as many as the queue takes at least
				if m, ok := receive(t, c).(*wamp.Event); !ok {
					t.Fatalf("got %v, want EVENT", m)
				}
			}
		})
		t.Run(name+" is there when the listener ends", func(t *testing.T) {
			r := coretest.Router(t)
			quick := cfg
			quick.HibernateAfter = time.Millisecond
			l, stop := start(t, quick, r.Serve)
			c := joined(t, l, secure)
			go io.Copy(io.Discard, c)
			if runtime.GOOS == "linux" {
				eventually(t, "it sleeps", asleep(l))
			}
			stop()
		})
	}
}

// A ping and its answer are no messages: who sleeps goes on sleeping after them,
// however long hibernate_after is.
func TestPingsWakeNobodyForLong(t *testing.T) {
	for name, cfg := range map[string]transport.Config{"plain": {}, "tls": {TLS: certificate(t, "router")}} {
		t.Run(name, func(t *testing.T) {
			cfg.HibernateAfter, cfg.PingInterval = time.Minute, 100*time.Millisecond
			l, _ := dozy(t, cfg)
			c := joined(t, l, cfg.TLS != nil)
			for range 3 {
				if m := receive(t, c); m != nil {
					t.Fatalf("got %s, want a PING", m.Type())
				}
				eventually(t, "it sleeps after a ping", func() bool { return l.Stats().Hibernating == 1 })
				woken := l.Stats().Wakeups
				c.Write([]byte{2, 0, 0, 1, 'p'})
				eventually(t, "the answer arrives", func() bool { return l.Stats().Wakeups > woken })
				eventually(t, "it sleeps after the answer", func() bool { return l.Stats().Hibernating == 1 })
			}
		})
	}
}

// Messages that come just when a session falls asleep are handled, all of them
// and in order.
func TestBurstsAroundSleep(t *testing.T) {
	for name, cfg := range map[string]transport.Config{"plain": {}, "tls": {TLS: certificate(t, "router")}} {
		t.Run(name, func(t *testing.T) {
			cfg.HibernateAfter, cfg.PingInterval = time.Millisecond, 150*time.Millisecond
			l, _ := dozy(t, cfg)
			var clients sync.WaitGroup
			for range 8 {
				c := joined(t, l, cfg.TLS != nil)
				clients.Go(func() { bursts(t, c) })
			}
			clients.Wait()
			if l.Stats().Wakeups < 100 {
				t.Errorf("%d wake-ups: the sessions hardly slept", l.Stats().Wakeups)
			}
		})
	}
}

func bursts(t *testing.T, c net.Conn) {
	t.Helper()
	c.SetDeadline(time.Now().Add(time.Minute))
	var next, answered wamp.ID
	pong := []byte{2, 0, 0, 0}
	for range 150 {
		var b []byte
		for range 1 + rand.N(5) {
			next++
			b = append(b, framed(t, &wamp.Publish{Request: next, Topic: "a.b", Options: wamp.Dict{"acknowledge": true}})...)
		}
		for len(b) > 0 { // in pieces, with pauses near the time of falling asleep
			n := min(len(b), 1+rand.N(2*len(b)))
			if _, err := c.Write(b[:n]); err != nil {
				t.Error(err)
				return
			}
			b = b[n:]
			<-time.After(rand.N(3 * time.Millisecond))
		}
		for answered < next {
			switch m := receive(t, c).(type) {
			case nil:
				c.Write(pong)
			case *wamp.Published:
				if answered++; m.Request != answered {
					t.Errorf("answer to %d, want %d", m.Request, answered)
					return
				}
			default:
				t.Errorf("got %+v", m)
				return
			}
		}
	}
}
