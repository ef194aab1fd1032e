package client_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bondy/core/wamp"
	"bondy/transport/client"
	"bondy/transport/client/clienttest"
)

func TestPublish(t *testing.T) {
	script := func(p *clienttest.Peer) {
		p.Welcome()
		m := clienttest.Expect[*wamp.Publish](p)
		if m.Options != nil || m.Topic != "com.t" || p.Args(m.Payload)[0] != int64(1) {
			p.Errorf("PUBLISH %+v", m)
		}
		m = clienttest.Expect[*wamp.Publish](p)
		want := wamp.Dict{"acknowledge": true, "exclude_me": false, "disclose_me": true, "retain": true, "eligible": []any{int64(5)}}
		if !reflect.DeepEqual(m.Options, want) {
			p.Errorf("options %v, want %v", m.Options, want)
		}
		p.Send(&wamp.Published{Request: m.Request, Publication: 77})
		m = clienttest.Expect[*wamp.Publish](p)
		p.Send(&wamp.ErrorMessage{RequestType: wamp.TypePublish, Request: m.Request, Error: wamp.ErrNotAuthorized})
		p.Goodbye()
	}
	over(t, script, func(t *testing.T, s *client.Session) {
		t.Helper()
		if _, err := s.Publish(t.Context(), "com.t", []any{int64(1)}, nil, client.PublishOptions{}); err != nil {
			t.Error(err)
		}
		id, err := s.Publish(t.Context(), "com.t", nil, nil, client.PublishOptions{
			Acknowledge: true, IncludeMe: true, DiscloseMe: true, Retain: true,
			Options: wamp.Dict{"eligible": []any{int64(5)}},
		})
		if err != nil || id != 77 {
			t.Errorf("Publish = %d, %v", id, err)
		}
		_, err = s.Publish(t.Context(), "com.t", nil, nil, client.PublishOptions{Acknowledge: true})
		if err == nil || err.Error() != "wamp.error.not_authorized" {
			t.Errorf("Publish = %v", err)
		}
	})
}

func TestSubscribe(t *testing.T) {
	const n = 3000 // more than may wait
	script := func(p *clienttest.Peer) {
		p.Welcome()
		for range 2 {
			m := clienttest.Expect[*wamp.Subscribe](p)
			if m.Options["match"] != "prefix" || m.Options["get_retained"] != true {
				p.Errorf("SUBSCRIBE %+v", m)
			}
			p.Send(&wamp.Subscribed{Request: m.Request, Subscription: 5})
		}
		clienttest.Expect[*wamp.Publish](p)
		for i := range int64(n) {
			p.Send(&wamp.Event{
				Subscription: 5, Publication: wamp.ID(i + 1),
				Details: wamp.Dict{"topic": "com.t.x"}, Payload: p.Payload([]any{i}, nil),
			})
		}
		p.Send(&wamp.Unsubscribed{Request: clienttest.Expect[*wamp.Unsubscribe](p).Request})
		p.Send(&wamp.Event{Subscription: 5, Publication: 1})
		p.Goodbye()
	}
	over(t, script, func(t *testing.T, s *client.Session) {
		t.Helper()
		got := [2][]any{}
		done := make(chan struct{}, 2)
		var subs [2]*client.Subscription
		for i := range subs {
			var err error
			subs[i], err = s.Subscribe(t.Context(), "com.t", func(_ context.Context, ev *client.Event) {
				if ev.Topic != "com.t.x" || ev.Publication == 0 {
					t.Errorf("event %+v", ev)
				}
				if got[i] = append(got[i], ev.Args...); len(got[i]) == n {
					done <- struct{}{}
				}
			}, client.SubscribeOptions{Match: wamp.MatchPrefix, GetRetained: true})
			if err != nil {
				t.Fatal(err)
			}
		}
		_, _ = s.Publish(t.Context(), "a.b", nil, nil, client.PublishOptions{})
		<-done
		<-done
		for i := range got {
			for j, v := range got[i] {
				if v != int64(j) {
					t.Fatalf("event %d is %v", j, v)
				}
			}
		}
		for _, sub := range subs {
			if err := sub.Unsubscribe(t.Context()); err != nil {
				t.Error(err)
			}
			<-sub.Done()
			if err := sub.Unsubscribe(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestRevokedAndAbandonedSubscription(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := client.Dial(t.Context(), "tcp://router:1", client.Config{
			Realm: "realm1", KeepAlive: -1, Dial: clienttest.Pipe(t, func(p *clienttest.Peer) {
				p.Welcome()
				p.Send(&wamp.Subscribed{Request: clienttest.Expect[*wamp.Subscribe](p).Request, Subscription: 5})
				p.Send(&wamp.Unsubscribed{Details: wamp.Dict{"subscription": int64(5)}})
				late := clienttest.Expect[*wamp.Subscribe](p).Request
				time.Sleep(time.Minute)
				p.Send(&wamp.Subscribed{Request: late, Subscription: 6})
				if m := clienttest.Expect[*wamp.Unsubscribe](p); m.Subscription != 6 {
					p.Errorf("UNSUBSCRIBE %+v", m)
				}
				p.Goodbye()
			}),
		})
		if err != nil {
			t.Fatal(err)
		}
		handler := func(context.Context, *client.Event) {}
		sub, err := s.Subscribe(t.Context(), "a.b", handler, client.SubscribeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		<-sub.Done()
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		if _, err := s.Subscribe(ctx, "a.c", handler, client.SubscribeOptions{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Subscribe = %v, want a deadline", err)
		}
		time.Sleep(2 * time.Minute)
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestTLS(t *testing.T) {
	server := httptest.NewTLSServer(nil) // for its certificate
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	r := clienttest.Start(t, &tls.Config{Certificates: server.TLS.Certificates}, func(p *clienttest.Peer) {
		p.Welcome()
		m := clienttest.Expect[*wamp.Call](p)
		p.Send(&wamp.Result{Request: m.Request})
		p.Goodbye()
	})
	for _, url := range []string{r.WebSocket, r.RawSocket, strings.Replace(r.RawSocket, "tls:", "tcps:", 1)} {
		s := dial(t, url, client.Config{TLS: &tls.Config{RootCAs: roots}})
		if _, err := s.Call(t.Context(), "a.b", nil, nil, client.CallOptions{}); err != nil {
			t.Error(err)
		}
		if _, err := client.Dial(t.Context(), url, client.Config{Realm: "realm1"}); err == nil {
			t.Errorf("%s accepted with an unknown certificate", url)
		}
	}
}

func TestLargeMessages(t *testing.T) {
	text := strings.Repeat("x", 3<<19)
	script := func(p *clienttest.Peer) {
		p.Welcome()
		m := clienttest.Expect[*wamp.Call](p)
		p.Send(&wamp.Result{Request: m.Request, Payload: m.Payload.Clone()})
		p.Goodbye()
	}
	over(t, script, func(t *testing.T, s *client.Session) {
		t.Helper()
		r, err := s.Call(t.Context(), "a.b", []any{text}, nil, client.CallOptions{})
		if err != nil || r.Args[0] != text {
			t.Errorf("Call = %v", err)
		}
	})
	limited := clienttest.Start(t, nil, func(p *clienttest.Peer) {
		p.Welcome()
		m := clienttest.Expect[*wamp.Call](p)
		p.Send(&wamp.Result{Request: m.Request, Payload: m.Payload.Clone()})
		p.Recv()
	})
	for _, url := range []string{limited.WebSocket, limited.RawSocket} {
		s := dial(t, url, client.Config{MaxMessage: 1 << 10})
		if _, err := s.Call(t.Context(), "a.b", []any{text}, nil, client.CallOptions{}); err == nil {
			t.Error("message above the limit accepted")
		}
	}
	s := dial(t, clienttest.Start(t, nil, script).RawSocket, client.Config{})
	_, err := s.Publish(t.Context(), "a.b", []any{strings.Repeat("x", 17<<20)}, nil, client.PublishOptions{})
	if we, ok := errors.AsType[*wamp.Error](err); !ok || we.URI != wamp.ErrPayloadSizeExceeded {
		t.Errorf("Publish = %v, want payload_size_exceeded", err)
	}
	if _, err := s.Call(t.Context(), "a.b", nil, nil, client.CallOptions{}); err != nil {
		t.Errorf("Call after a message that was too long: %v", err)
	}
}
