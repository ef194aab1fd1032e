package coretest

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"testing"
	"time"

	"bondy/core"
	"bondy/core/auth"
	"bondy/core/codec"
	"bondy/core/peer"
	"bondy/core/rbac"
	"bondy/core/realm"
	"bondy/core/session"
	"bondy/core/wamp"
)

// Realm is a realm where anonymous clients may do everything but management.
func Realm(uri wamp.URI) realm.Config {
	return realm.Config{
		URI:  uri,
		Auth: auth.Config{Methods: []string{auth.MethodAnonymous}},
		Access: rbac.Config{Grants: []rbac.Grant{{
			Roles: []string{rbac.RoleAnonymous},
			Permissions: []rbac.Permission{
				rbac.Call, rbac.Register, rbac.Subscribe, rbac.Publish,
				rbac.DiscloseCaller, rbac.DisclosePublisher, rbac.DiscloseSessionInfo,
			},
			Resources: []rbac.Resource{{Match: wamp.MatchPrefix}},
		}}},
		Queue: peer.Limits{Soft: 1 << 20, Hard: 4 << 20, Reserve: 4 << 20},
	}
}

// Router starts a router with the given realms, by default "realm1"; it is
// shut down with the test.
func Router(t testing.TB, realms ...realm.Config) *core.Router {
	t.Helper()
	if len(realms) == 0 {
		realms = []realm.Config{Realm("realm1")}
	}
	r, err := core.New(core.Config{Realms: realms, Agent: "bondy-test", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Client is a WAMP client that sends and expects single messages.
type Client struct {
	*Conn
	ID      wamp.ID
	Welcome wamp.Dict

	t       testing.TB
	request wamp.ID
	served  sync.WaitGroup
}

// Connect opens a connection to r, served until the test ends.
func Connect(t testing.TB, r *core.Router, s wamp.Serializer, maxMessage int) *Client {
	t.Helper()
	c := &Client{Conn: NewConn(s, maxMessage), t: t}
	c.served.Add(1)
	go r.Serve(context.WithoutCancel(t.Context()), c.Conn, func(session.Conn) { c.served.Done() })
	t.Cleanup(c.Drop)
	return c
}

// Lasting is a Realm whose sessions may be resumed for a minute, so many of
// them at a time.
func Lasting(uri wamp.URI, places int) realm.Config {
	cfg := Realm(uri)
	cfg.ResumeTimeout, cfg.MaxDetached = time.Minute, places
	return cfg
}

// Resumable is Roles with the wish that the session may be resumed, and more.
func Resumable(more wamp.Dict) wamp.Dict {
	d := Roles()
	d["resumable"] = true
	maps.Copy(d, more)
	return d
}

// Roles announces every role, and every feature that the router acts on but
// those named.
func Roles(without ...string) wamp.Dict {
	callee := map[string]any{"progressive_call_results": true, "call_canceling": true, "call_timeout": true}
	for _, name := range without {
		delete(callee, name)
	}
	return wamp.Dict{"roles": map[string]any{
		"publisher": map[string]any{}, "subscriber": map[string]any{}, "caller": map[string]any{},
		"callee": map[string]any{"features": callee},
	}}
}

// Join connects and joins realm1.
func Join(t testing.TB, r *core.Router) *Client {
	t.Helper()
	return JoinWith(t, r, wamp.MessagePack, Roles())
}

// JoinWith connects with a serializer and joins realm1 with the given details.
func JoinWith(t testing.TB, r *core.Router, s wamp.Serializer, details wamp.Dict) *Client {
	t.Helper()
	c := Connect(t, r, s, 0)
	c.Hello("realm1", details)
	return c
}

// Hello joins a realm.
func (c *Client) Hello(uri wamp.URI, details wamp.Dict) {
	c.t.Helper()
	c.Send(&wamp.Hello{Realm: uri, Details: details})
	w := Expect[*wamp.Welcome](c)
	c.ID, c.Welcome, c.request = w.Session, w.Details, 0
}

// Drop cuts the connection and waits until the router has noticed.
func (c *Client) Drop() {
	c.Hangup()
	c.served.Wait()
}

// Next is the next request id in sequence.
func (c *Client) Next() wamp.ID {
	c.request++
	return c.request
}

// Send sends one message.
func (c *Client) Send(m wamp.Message) {
	c.t.Helper()
	b, err := codec.Append(nil, c.serializer, m)
	if err != nil {
		c.t.Fatalf("encode %s: %v", m.Type(), err)
	}
	c.Put(b)
}

// Receive waits for the next message; nil when the connection is closed.
func (c *Client) Receive() wamp.Message {
	c.t.Helper()
	b, ok := c.Take()
	if !ok {
		return nil
	}
	return c.decode(b)
}

func (c *Client) decode(b []byte) wamp.Message {
	c.t.Helper()
	m, err := codec.NewDecoder(c.serializer, codec.Limits{}).Decode(b)
	if err != nil {
		c.t.Fatalf("router sent %q: %v", b, err)
	}
	return m
}

// Nothing fails the test if a message waits.
func (c *Client) Nothing() {
	c.t.Helper()
	if b, ok := c.Poll(); ok {
		m := c.decode(b)
		c.t.Fatalf("unexpected %s: %+v", m.Type(), m)
	}
}

// Expect waits for a message of type M and fails the test at any other.
func Expect[M wamp.Message](c *Client) M {
	c.t.Helper()
	m := c.Receive()
	want, ok := m.(M)
	if !ok {
		if m == nil {
			c.t.Fatalf("connection closed, want %T", want)
		}
		c.t.Fatalf("got %s %+v, want %T", m.Type(), m, want)
	}
	return want
}

// ExpectError waits for an ERROR with the given URI.
func (c *Client) ExpectError(uri wamp.URI) *wamp.ErrorMessage {
	c.t.Helper()
	m := Expect[*wamp.ErrorMessage](c)
	if m.Error != uri {
		args, _ := codec.DecodeArgs(m.Payload)
		c.t.Fatalf("got ERROR %s %v, want %s", m.Error, args, uri)
	}
	return m
}

// ExpectAbort waits for an ABORT with the given reason.
func (c *Client) ExpectAbort(reason wamp.URI) *wamp.Abort {
	c.t.Helper()
	m := Expect[*wamp.Abort](c)
	if m.Reason != reason {
		c.t.Fatalf("got ABORT %s %v, want %s", m.Reason, m.Details, reason)
	}
	return m
}

// Args encodes positional arguments in the client's serializer.
func (c *Client) Args(args ...any) wamp.Payload {
	c.t.Helper()
	p, err := codec.NewPayload(c.serializer, args, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	return p
}

// Subscribe subscribes and returns the subscription's id.
func (c *Client) Subscribe(topic wamp.URI, options wamp.Dict) wamp.ID {
	c.t.Helper()
	c.Send(&wamp.Subscribe{Request: c.Next(), Topic: topic, Options: options})
	return Expect[*wamp.Subscribed](c).Subscription
}

// Register registers and returns the registration's id.
func (c *Client) Register(procedure wamp.URI, options wamp.Dict) wamp.ID {
	c.t.Helper()
	c.Send(&wamp.Register{Request: c.Next(), Procedure: procedure, Options: options})
	return Expect[*wamp.Registered](c).Registration
}

// Publish publishes with acknowledgement and waits for it.
func (c *Client) Publish(topic wamp.URI, options wamp.Dict, args ...any) wamp.ID {
	c.t.Helper()
	o := wamp.Dict{"acknowledge": true}
	maps.Copy(o, options)
	c.Send(&wamp.Publish{Request: c.Next(), Topic: topic, Options: o, Payload: c.Args(args...)})
	return Expect[*wamp.Published](c).Publication
}

// Call starts a call and returns its request id.
func (c *Client) Call(procedure wamp.URI, options wamp.Dict, args ...any) wamp.ID {
	c.t.Helper()
	id := c.Next()
	c.Send(&wamp.Call{Request: id, Procedure: procedure, Options: options, Payload: c.Args(args...)})
	return id
}
