package longpoll_test

import (
	"context"
	"encoding/binary"
	"net/http"
	"strings"
	"sync"
	"testing"

	"bondy/core/codec"
	"bondy/core/coretest"
	"bondy/core/session"
	"bondy/core/wamp"
	"bondy/transport/longpoll"
)

// wampClient is a WAMP client over long-poll.
type wampClient struct {
	*rig
	t          *testing.T
	path       string
	serializer wamp.Serializer
	batched    bool
	got        [][]byte
}

func (p *wampClient) send(msgs ...wamp.Message) {
	p.t.Helper()
	if status, body := p.post(p.t, p.path+"/send", p.encode(msgs...)); status != http.StatusAccepted {
		p.t.Fatalf("send: HTTP %d %s", status, body)
	}
}

func (p *wampClient) encode(msgs ...wamp.Message) (body []byte) {
	p.t.Helper()
	for _, m := range msgs {
		b, err := codec.Append(nil, p.serializer, m)
		if err != nil {
			p.t.Fatal(err)
		}
		if p.batched && p.serializer.Binary() {
			body = binary.BigEndian.AppendUint32(body, uint32(len(b)))
		}
		body = append(body, b...)
		if p.batched && !p.serializer.Binary() {
			body = append(body, 0x1e)
		}
	}
	return body
}

// split takes an answer apart.
func (p *wampClient) split(b string) (msgs [][]byte) {
	switch {
	case !p.batched:
		return [][]byte{[]byte(b)}
	case !p.serializer.Binary():
		for m := range strings.SplitSeq(strings.TrimSuffix(b, "\x1e"), "\x1e") {
			msgs = append(msgs, []byte(m))
		}
		return msgs
	}
	for len(b) > 0 {
		n := binary.BigEndian.Uint32([]byte(b))
		msgs, b = append(msgs, []byte(b[4:4+n])), b[4+n:]
	}
	return msgs
}

func expect[M wamp.Message](p *wampClient) M {
	p.t.Helper()
	for len(p.got) == 0 {
		if b := p.receive(p.t, p.path); b != "" {
			p.got = p.split(b)
		}
	}
	m, err := codec.NewDecoder(p.serializer, codec.Limits{}).Decode(p.got[0])
	if err != nil {
		p.t.Fatalf("received %q: %v", p.got[0], err)
	}
	p.got = p.got[1:]
	want, ok := m.(M)
	if !ok {
		p.t.Fatalf("received %s %+v, want %T", m.Type(), m, want)
	}
	return want
}

// routed serves a router.
func routed(t *testing.T, cfg longpoll.Config) *rig {
	t.Helper()
	router := coretest.Router(t)
	var sessions sync.WaitGroup
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	cfg.Accept = func(c *longpoll.Conn) error {
		sessions.Add(1)
		context.AfterFunc(ctx, c.Close)
		go router.Serve(ctx, c, func(session.Conn) {
			defer sessions.Done()
			c.Wait()
		})
		return nil
	}
	r := serve(t, cfg)
	t.Cleanup(func() {
		r.handler.Close()
		stop()
		sessions.Wait()
	})
	return r
}

func (r *rig) join(t *testing.T, protocol string) *wampClient {
	t.Helper()
	name, batched := strings.CutSuffix(strings.TrimPrefix(protocol, "wamp.2."), ".batched")
	s, ok := wamp.ParseSerializer(name)
	if !ok {
		t.Fatal(protocol)
	}
	p := &wampClient{rig: r, t: t, path: r.open(t, protocol), serializer: s, batched: batched}
	p.send(&wamp.Hello{Realm: "realm1", Details: coretest.Roles()})
	expect[*wamp.Welcome](p)
	return p
}

// TestSession has events and calls cross between every two subprotocols.
func TestSession(t *testing.T) {
	r := routed(t, longpoll.Config{})
	protocols := []string{
		"wamp.2.json", "wamp.2.msgpack", "wamp.2.cbor",
		"wamp.2.json.batched", "wamp.2.msgpack.batched", "wamp.2.cbor.batched",
	}
	for i, protocol := range protocols {
		t.Run(protocol, func(t *testing.T) {
			a, b := r.join(t, protocol), r.join(t, protocols[(i+1)%len(protocols)])
			a.send(&wamp.Subscribe{Request: 1, Options: wamp.Dict{}, Topic: "com.example.topic"})
			id := expect[*wamp.Subscribed](a).Subscription
			for n := range wamp.ID(5) {
				b.send(&wamp.Publish{Request: n + 1, Options: wamp.Dict{}, Topic: "com.example.topic"})
			}
			for range 5 {
				if got := expect[*wamp.Event](a).Subscription; got != id {
					t.Errorf("event of %d, want %d", got, id)
				}
			}
			a.send(&wamp.Register{Request: 2, Options: wamp.Dict{}, Procedure: "com.example.procedure"})
			expect[*wamp.Registered](a)
			b.send(&wamp.Call{Request: 6, Options: wamp.Dict{}, Procedure: "com.example.procedure"})
			a.send(&wamp.Yield{Request: expect[*wamp.Invocation](a).Request, Options: wamp.Dict{}})
			if got := expect[*wamp.Result](b).Request; got != 6 {
				t.Errorf("result of call %d", got)
			}
			a.send(&wamp.Goodbye{Details: wamp.Dict{}, Reason: wamp.CloseRealm})
			expect[*wamp.Goodbye](a)
			a.send(&wamp.Hello{Realm: "realm1", Details: coretest.Roles()}) // the transport carries another session
			expect[*wamp.Welcome](a)
			for _, p := range []*wampClient{a, b} {
				if status, body := p.post(t, p.path+"/close", nil); status != http.StatusAccepted {
					t.Errorf("close: HTTP %d %s", status, body)
				}
				if status, _ := p.post(t, p.path+"/receive", nil); status != http.StatusNotFound {
					t.Errorf("receive after close: HTTP %d", status)
				}
			}
		})
	}
}

// TestSeveralInOneSend sends a whole session in one request.
func TestSeveralInOneSend(t *testing.T) {
	for _, protocol := range []string{"wamp.2.json.batched", "wamp.2.msgpack.batched", "wamp.2.cbor.batched"} {
		t.Run(protocol, func(t *testing.T) {
			p := routed(t, longpoll.Config{}).join(t, protocol)
			p.send(
				&wamp.Subscribe{Request: 1, Options: wamp.Dict{}, Topic: "com.example.a"},
				&wamp.Subscribe{Request: 2, Options: wamp.Dict{}, Topic: "com.example.b"},
				&wamp.Publish{Request: 3, Options: wamp.Dict{"exclude_me": false}, Topic: "com.example.a"},
			)
			expect[*wamp.Subscribed](p)
			expect[*wamp.Subscribed](p)
			expect[*wamp.Event](p)
			if len(p.got) != 0 {
				t.Errorf("more was received: %q", p.got)
			}
		})
	}
}

// TestWrongMessages has the session end for what a send carries: the answer
// says whether it was well formed, and ABORT the rest.
func TestWrongMessages(t *testing.T) {
	r := routed(t, longpoll.Config{MaxMessageSize: 100_000})
	hello := `[1,"realm1",{"roles":{}}]`
	for _, x := range []struct {
		name, protocol, body string
		status               int
	}{
		{"garbage", "wamp.2.json", "[32,", 400},
		{"empty", "wamp.2.json", "", 400},
		{"no list", "wamp.2.json", "{}", 400},
		{"not UTF-8", "wamp.2.json", "[1,\"\xff\"]", 400},
		{"two messages unbatched", "wamp.2.json", hello + hello, 400},
		{"out of turn", "wamp.2.json", hello, 202},
		{"too long", "wamp.2.json", strings.Repeat("[", 100_001), 413},
		{"empty batch", "wamp.2.json.batched", "", 400},
		{"batch without its end", "wamp.2.json.batched", "[1]", 400},
		{"garbage in a batch", "wamp.2.json.batched", "[33,1,1]\x1e[32,\x1e", 400},
		{"batch that ends in a length", "wamp.2.cbor.batched", "\x00\x00", 400},
		{"length beyond the batch", "wamp.2.cbor.batched", "\xff\xff\xff\xff[]", 400},
		{"batch too long", "wamp.2.cbor.batched", strings.Repeat("\x00\x00\x00\x00", 25_001), 413},
	} {
		t.Run(x.name, func(t *testing.T) {
			p := r.join(t, x.protocol)
			if status, body := p.post(t, p.path+"/send", []byte(x.body)); status != x.status {
				t.Errorf("HTTP %d %q, want %d", status, body, x.status)
			}
			if got := expect[*wamp.Abort](p); got.Reason != wamp.ErrProtocolViolation {
				t.Errorf("ABORT %s, want a protocol violation", got.Reason)
			}
		})
	}
	t.Run("a long HELLO", func(t *testing.T) {
		path := r.open(t, "wamp.2.json")
		body := `[1,"realm1",{"x":"` + strings.Repeat("x", 70_000) + `"}]`
		if status, _ := r.post(t, path+"/send", []byte(body)); status != http.StatusRequestEntityTooLarge {
			t.Errorf("HTTP %d, want 413", status)
		}
	})
	t.Run("ABORT", func(t *testing.T) {
		p := r.join(t, "wamp.2.json")
		p.send(&wamp.Abort{Details: wamp.Dict{}, Reason: "com.example.tired"})
	})
}
