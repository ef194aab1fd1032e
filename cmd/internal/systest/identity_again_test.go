package systest_test

import (
	"context"
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"bondy/core/wamp"
	"bondy/transport/client"
)

// TestRealmMadeAgainIsEmpty deletes a realm and makes another of the same name:
// users, rights, tickets, keys, retained events and event history of the former
// are gone, also after a restart.
func TestRealmMadeAgainIsEmpty(t *testing.T) {
	t.Parallel()
	d := newDomain(t, "")
	// What was granted to anonymous stays in both, so that the tests can look.
	granted := []any{
		grant("staff", "com.example.", everyMessage...), grant("anonymous", "com.past.", everyMessage...),
		grant("all", "wamp.subscription.", "wamp.call"), grant("staff", "bondy.ticket.issue", "wamp.call"),
		grant("staff", "bondy.ticket.scope.", "bondy.issue"),
	}
	history := []any{
		dict{"uri": "com.past.disk", "storage": "disk"},
		dict{"uri": "com.past.memory", "storage": "memory"},
		dict{"uri": "com.past.some.", "match": "prefix", "storage": "disk"},
	}
	app := application("app", people("joe"), dict{"grants": granted, "history": history})
	d.apply(app)
	key := d.do("bondy.key.rotate", "app")
	joe := d.join("app", as("joe"))
	ticket, err := ask(t.Context(), joe, "bondy.ticket.issue", nil)
	if err != nil {
		t.Fatal(err)
	}
	old := func(c *client.Session, topic wamp.URI, match wamp.Match) (retained, events int) {
		t.Helper()
		got := make(chan any, 10)
		s, err := c.Subscribe(t.Context(), topic, func(_ context.Context, ev *client.Event) { got <- ev.Args[0] },
			client.SubscribeOptions{GetRetained: true, Match: match})
		if err != nil {
			t.Fatal(err)
		}
		r, err := c.Call(t.Context(), "wamp.subscription.get_events", []any{s.ID()}, nil, client.CallOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, ev := range r.Args {
			if reflect.DeepEqual(ev.(dict)["args"], []any{"old"}) {
				events++
			}
		}
		publishIn(t, c, topic, match, client.PublishOptions{IncludeMe: true}, "new") // comes after those that were retained
		for <-got == "old" {
			retained++
		}
		if err := s.Unsubscribe(t.Context()); err != nil {
			t.Fatal(err)
		}
		return retained, events
	}
	anybody := d.join("app", nil)
	topics := map[wamp.URI]wamp.Match{"com.past.disk": wamp.MatchExact, "com.past.memory": wamp.MatchExact, "com.past.some.": wamp.MatchPrefix}
	for topic, match := range topics {
		publishIn(t, anybody, topic, match, client.PublishOptions{Retain: true}, "old")
		if retained, events := old(d.join("app", nil), topic, match); retained != 1 || events != 1 {
			t.Errorf("%s: %d retained, %d events in the history before", topic, retained, events)
		}
	}
	<-time.After(1500 * time.Millisecond) // the history is written once a second

	d.doWith("bondy.realm.delete", dict{"force": true}, "app")
	app["users"], app["groups"] = people("ann"), []any{dict{"name": "staff"}, dict{"name": "others"}}
	d.apply(app)
	check := func(when string) {
		t.Helper()
		for _, login := range []client.Authenticator{as("joe"), client.Ticket("joe", ticket.(dict)["ticket"].(string))} {
			d.denied(wamp.ErrAuthenticationDenied, "app", login)
		}
		ann := d.join("app", as("ann"))
		for topic, match := range topics {
			if retained, events := old(d.join("app", nil), topic, match); retained != 0 || events != 0 {
				t.Errorf("%s, %s: %d retained, %d events in the history of a realm that is new", when, topic, retained, events)
			}
		}
		if keys := d.do("bondy.key.list", "app"); reflect.DeepEqual(keys, key) || len(keys.([]any)) != 0 {
			t.Errorf("%s: the new realm has the keys %v, the former had %v", when, keys, key)
		}
		if list := d.do("bondy.ticket.list", "app").([]any); len(list) != 0 {
			t.Errorf("%s: the new realm has tickets: %v", when, list)
		}
		closeSession(t, ann)
	}
	check("at once")
	d.stop()
	d.start("")
	check("after a restart")

	// The same user, with the same name in the same group: who makes it decides
	// what it has.
	d.do("bondy.user.add", "app", dict{"username": "joe", "password": secretOf("joe")})
	c := d.join("app", as("joe"))
	if err := call(t.Context(), c, "com.example.none", patience); uri(err) != wamp.ErrNotAuthorized {
		t.Errorf("a user who was made again has the rights of the former: %v", err)
	}
	d.denied(wamp.ErrAuthenticationDenied, "app", client.Ticket("joe", ticket.(dict)["ticket"].(string)))
}

// publishIn publishes to a topic, or to one that matches a prefix.
func publishIn(t *testing.T, c *client.Session, topic wamp.URI, match wamp.Match, o client.PublishOptions, args ...any) {
	t.Helper()
	if match == wamp.MatchPrefix {
		topic += "topic"
	}
	o.Acknowledge = true
	if _, err := c.Publish(t.Context(), topic, args, nil, o); err != nil {
		t.Fatal(err)
	}
}

// TestUserMadeAgainHasNothing deletes a user and a group, and makes them again.
func TestUserMadeAgainHasNothing(t *testing.T) {
	d := newDomain(t, "")
	d.apply(application("app", people("joe", "ann"), nil))
	d.do("bondy.grant.create", "app", grant("joe", "com.joes.", everyMessage...))
	d.do("bondy.user.update", "app", "joe", dict{"authorized_keys": []any{publicOf("joe")}, "meta": dict{"a": "b"}})
	d.do("bondy.user.add_alias", "app", "joe", "joseph")
	d.do("bondy.user.delete", "app", "joe")
	d.do("bondy.user.add", "app", dict{"username": "joe", "password": secretOf("joe")})
	check := func() {
		t.Helper()
		c := d.join("app", as("joe"))
		for _, p := range []wamp.URI{"com.example.none", "com.joes.none"} {
			if err := call(t.Context(), c, p, patience); uri(err) != wamp.ErrNotAuthorized {
				t.Errorf("call of %s by who was made again: %v", p, err)
			}
		}
		d.denied(wamp.ErrAuthenticationDenied, "app", client.Cryptosign("joe", keyOf("joe")))
		d.denied(wamp.ErrAuthenticationDenied, "app", client.CRA("joseph", secretOf("joe")))
		u := d.do("bondy.user.get", "app", "joe").(dict)
		if len(u["meta"].(dict))+len(u["groups"].([]any))+len(u["aliases"].([]any)) != 0 {
			t.Errorf("who was made again is %v", u)
		}
		closeSession(t, c)
	}
	check()
	d.do("bondy.group.delete", "app", "staff")
	d.do("bondy.group.add", "app", dict{"name": "staff"})
	d.do("bondy.user.add_group", "app", "joe", "staff")
	c := d.join("app", as("joe"))
	if err := call(t.Context(), c, "com.example.none", patience); uri(err) != wamp.ErrNotAuthorized {
		t.Errorf("call by a member of a group that was made again: %v", err)
	}
	d.do("bondy.user.remove_group", "app", "joe", "staff")
	d.stop()
	d.start("")
	check()
}

// TestChangesAreTold has an administrator watch what is changed.
func TestChangesAreTold(t *testing.T) {
	d := newDomain(t, "")
	d.apply(application("app", people("joe"), nil))
	told := make(chan string, 100)
	listen := func(c *client.Session) {
		subscribe(t, c, "bondy.", wamp.MatchPrefix, func(ev *client.Event) {
			topic, _ := ev.Details["topic"].(string)
			if topic == "" {
				topic = string(ev.Topic)
			}
			text, _ := json.Marshal(ev.Args)
			told <- topic + string(text)
		})
	}
	d.do("bondy.grant.create", "app", grant("joe", "bondy.", "wamp.subscribe"))
	listen(d.admin)
	listen(d.join("app", as("joe")))
	d.do("bondy.user.add", "app", dict{"username": "ann"})
	d.do("bondy.user.change_password", "app", "ann", "another-secret")
	d.do("bondy.group.add", "app", dict{"name": "crew"})
	d.apply(dict{"uri": "other"})
	d.doWith("bondy.realm.delete", dict{"force": true}, "other")
	want := map[string]bool{
		`bondy.user.added["ann"]`: true, `bondy.user.updated["app","ann"]`: true, `bondy.user.credentials_changed["app","ann"]`: true,
		`bondy.ticket.revoked_all["app","ann"]`: true, `bondy.group.added["app","crew"]`: true, `bondy.realm.created["other"]`: true, `bondy.realm.deleted["other"]`: true,
	}
	late := time.NewTimer(effectLimit())
	defer late.Stop()
	for len(want) > 0 {
		select {
		case got := <-told:
			if !want[got] {
				t.Errorf("told of %s", got)
			}
			delete(want, got)
		case <-late.C:
			t.Fatalf("not told of %v", want)
		}
	}
}
