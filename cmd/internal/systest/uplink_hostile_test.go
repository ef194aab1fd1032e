package systest_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"bondy/core/codec"
	"bondy/core/wamp"
	"bondy/transport/client"
	"bondy/uplink"
	"bondy/uplink/bridge"
)

// raw is an end of a link that says what it likes: an uplink.Handler.
type raw struct {
	up     chan *uplink.Link
	down   chan error
	marked chan struct{} // closed by the answer to marker

	mu      sync.Mutex
	heard   []byte           // all that came
	refused map[wamp.URI]int // requests, by the error
}

// marker is the request id of what is sent last.
const marker wamp.ID = 1 << 50

func (r *raw) Up(l *uplink.Link) {
	select {
	case r.up <- l:
	default: // dialed again
	}
}

func (r *raw) Frame(_ *uplink.Link, _ int, _ uint8, body []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.heard = append(r.heard, body...)
	_, n := binary.Uvarint(body)
	m, err := codec.NewDecoder(wamp.MessagePack, codec.Limits{}).Decode(body[n:])
	e, ok := m.(*wamp.ErrorMessage)
	switch {
	case err != nil || !ok:
	case e.Request == marker:
		close(r.marked)
	default:
		r.refused[e.Error]++
	}
}

// all is what has come.
func (r *raw) all() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Clone(r.heard)
}

func (r *raw) Down(_ *uplink.Link, err error) {
	select {
	case r.down <- err:
	default:
	}
}

// intrude opens a link with the certificate of the edge "thief".
func intrude(t *testing.T, a *authority, core *station) (*raw, *uplink.Link) {
	t.Helper()
	r := &raw{up: make(chan *uplink.Link, 1), down: make(chan error, 1), marked: make(chan struct{}), refused: map[wamp.URI]int{}}
	d, err := uplink.NewDialer(uplink.DialerConfig{
		Config: linkConfig(a.config("thief"), r), Endpoints: []string{core.arrivals()},
	})
	if err != nil {
		t.Fatal(err)
	}
	serveUntilEnd(t, d.Run)
	select {
	case l := <-r.up:
		return r, l
	case <-time.After(patience):
		t.Fatalf("no link: %v", d.Stats().Err)
		return nil, nil
	}
}

// bridgeFrame is the body of a frame of a bridged realm.
func bridgeFrame(session uint64, m wamp.Message) []byte {
	return append(binary.AppendUvarint(nil, session), encoded(wamp.MessagePack, m)...)
}

// bridgeHello asks for a realm, anonymously, by so many rules.
func bridgeHello(rules int) *wamp.Hello {
	rule := []any{"com.example.", "prefix", "both"}
	list := make([]any, rules)
	for i := range list {
		list[i] = rule
	}
	return &wamp.Hello{Realm: "realm1", Details: wamp.Dict{"_bridge": map[string]any{"topics": list, "procedures": list}}}
}

// TestGarbageOnALink has a peer that keeps the protocol of links, and not that
// of bridges: it is cut off, and told why.
func TestGarbageOnALink(t *testing.T) {
	t.Parallel()
	a, core, good := guarded(t)
	a.pki("issue", "thief", "--role", "edge")
	for name, bodies := range map[string][][]byte{
		"garbage":             {[]byte("\x00GET / HTTP/1.1\r\n\r\n")},
		"empty":               {{}},
		"unfinished number":   {{0xff}},
		"number out of range": {bridgeFrame(1<<40, bridgeHello(1))},
		"deep nesting":        {append([]byte{0}, strings.Repeat("\x91", 10_000)...)},
		"too many rules":      {bridgeFrame(0, bridgeHello(1001))},
		"early answer":        {bridgeFrame(0, &wamp.Authenticate{})},
		"not for a bridge":    {bridgeFrame(0, bridgeHello(1)), bridgeFrame(0, &wamp.Call{Request: 1, Procedure: "com.example.f"})},
		"unasked result":      {bridgeFrame(0, bridgeHello(1)), bridgeFrame(0, &wamp.Result{Request: 1})},
		"event without topic": {bridgeFrame(0, bridgeHello(1)), bridgeFrame(0, &wamp.Event{Subscription: 1, Publication: 1, Details: wamp.Dict{"topic": 1}})},
	} {
		t.Run(name, func(t *testing.T) {
			thief, link := intrude(t, a, core)
			for _, body := range bodies {
				if err := link.Send(0, bridge.KindMessage, body); err != nil {
					t.Fatal(err)
				}
			}
			select {
			case err := <-thief.down:
				if ce, ok := errors.AsType[*uplink.CloseError](err); !ok || !ce.Remote || ce.Reason == "" {
					t.Errorf("cut off with %v", err)
				} else {
					t.Log(err)
				}
			case <-time.After(5 * time.Second):
				t.Error("not cut off")
			}
		})
	}
	alive(t, core, good)
}

// TestGreedyPeer has a peer that asks for ever more: what it makes the core
// hold is bounded, and the rest is refused.
func TestGreedyPeer(t *testing.T) {
	t.Parallel()
	const times = 2 * mostHeld
	a, core, good := guarded(t)
	a.pki("issue", "thief", "--role", "edge")
	inside := core.join()
	register(t, inside, "com.example.allowed.never", func(ctx context.Context, _ *client.Invocation) (*client.Result, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})
	name := func(i int) wamp.URI { return wamp.URI(fmt.Sprintf("com.example.greed%d", i)) }
	for _, greed := range []struct {
		name string
		ask  func(i int) wamp.Message
	}{
		{"topics", func(i int) wamp.Message {
			return &wamp.Subscribe{Request: wamp.ID(i + 1), Topic: name(i)}
		}},
		{"procedures", func(i int) wamp.Message {
			return &wamp.Register{Request: wamp.ID(i + 1), Procedure: name(i)}
		}},
		{"one topic", func(i int) wamp.Message {
			return &wamp.Subscribe{Request: wamp.ID(i + 1), Topic: name(0)}
		}},
		{"calls", func(i int) wamp.Message {
			return &wamp.Invocation{Request: wamp.ID(i + 1), Registration: 1, Details: wamp.Dict{"procedure": "com.example.allowed.never"}}
		}},
	} {
		t.Run(greed.name, func(t *testing.T) {
			thief, link := intrude(t, a, core)
			insist(t, link, bridgeHello(1))
			for i := range times {
				insist(t, link, greed.ask(i))
			}
			insist(t, link, &wamp.Invocation{Request: marker, Registration: 1, Details: wamp.Dict{"procedure": "com.example.none"}})
			select {
			case <-thief.marked:
				held := core.realm("thief").Wanted
				thief.mu.Lock()
				defer thief.mu.Unlock()
				t.Logf("the core holds %d and refused %v", held, thief.refused)
				if held > mostHeld {
					t.Errorf("the core holds %d, want %d at most", held, mostHeld)
				}
				if len(thief.refused) == 0 {
					t.Errorf("all %d were granted", times)
				}
			case err := <-thief.down:
				if greed.name != "one topic" { // which an honest peer does not ask for twice
					t.Errorf("cut off: %v", err)
				}
			case <-time.After(patience):
				t.Error("neither answered nor cut off")
			}
		})
	}
	alive(t, core, good)
}

// insist sends a message of session 0, waiting while the lane is full; to a
// link that is down it sends nothing.
func insist(t *testing.T, link *uplink.Link, m wamp.Message) {
	t.Helper()
	body := bridgeFrame(0, m)
	for {
		err := link.Send(0, bridge.KindMessage, body)
		switch {
		case err == nil, errors.Is(err, uplink.ErrDown):
			return
		case !errors.Is(err, uplink.ErrFull):
			t.Fatal(err)
		}
		<-time.After(time.Millisecond)
	}
}
