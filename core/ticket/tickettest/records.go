// Package tickettest tests implementations of ticket.Records, and has one in memory
// for tests of others.
package tickettest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"bondy/core/ticket"
	"bondy/core/wamp"
)

// Records tests what open makes; each one is empty.
func Records(t *testing.T, open func(t *testing.T) ticket.Records) {
	t.Helper()
	now := time.Now().Truncate(time.Millisecond)
	record := func(realm wamp.URI, name, id string, life time.Duration) ticket.Record {
		return ticket.Record{
			ID: id, AuthRealm: realm, Name: name, Incarnation: 7, AuthMethod: "password", IssuedBy: name,
			Scope: ticket.Scope{Realm: realm, DeviceID: "phone"}, IssuedAt: now, ExpiresAt: now.Add(life).Truncate(time.Second),
		}
	}
	put := func(t *testing.T, rs ticket.Records, r ticket.Record, most int) {
		t.Helper()
		if err := rs.Put(r, most); err != nil {
			t.Fatal(err)
		}
	}
	alive := func(t *testing.T, rs ticket.Records, realm wamp.URI, want string, ids ...string) {
		t.Helper()
		var got []string
		for _, id := range ids {
			if _, ok := rs.Get(realm, id); ok {
				got = append(got, id)
			}
		}
		if strings.Join(got, "") != want {
			t.Errorf("of %v there are %v, want %q", ids, got, want)
		}
	}
	t.Run("Get", func(t *testing.T) {
		rs := open(t)
		want := record("r1", "joe", "a", time.Hour)
		put(t, rs, want, 10)
		got, ok := rs.Get("r1", "a")
		same := got.IssuedAt.Equal(want.IssuedAt) && got.ExpiresAt.Equal(want.ExpiresAt)
		got.IssuedAt, got.ExpiresAt = want.IssuedAt, want.ExpiresAt
		if !ok || !same || got != want {
			t.Errorf("Get = %+v, %v, want %+v", got, ok, want)
		}
		alive(t, rs, "r2", "", "a")
		alive(t, rs, "r1", "a", "a", "b")
	})
	t.Run("Cap", func(t *testing.T) {
		rs := open(t)
		put(t, rs, record("r1", "ann", "x", time.Minute), 3)
		put(t, rs, record("r2", "joe", "y", time.Minute), 3)
		for i, life := range []int{3, 1, 2} {
			put(t, rs, record("r1", "joe", fmt.Sprint(i), time.Duration(life)*time.Hour), 3)
		}
		put(t, rs, record("r1", "joe", "3", time.Minute), 3) // expires first, and is the new one
		alive(t, rs, "r1", "023", "0", "1", "2", "3")
		put(t, rs, record("r1", "joe", "4", time.Hour), 2)
		alive(t, rs, "r1", "04x", "0", "1", "2", "3", "4", "x")
		alive(t, rs, "r2", "y", "y")
	})
	t.Run("Revoke", func(t *testing.T) {
		rs := open(t)
		put(t, rs, record("r1", "joe", "a", time.Hour), 3)
		put(t, rs, record("r1", "joe", "b", time.Hour), 3)
		for _, tc := range []struct {
			realm wamp.URI
			id    string
			want  bool
		}{{"r2", "a", false}, {"r1", "a", true}, {"r1", "a", false}} {
			if ok, err := rs.Revoke(tc.realm, tc.id); ok != tc.want || err != nil {
				t.Errorf("Revoke(%s, %s) = %v, %v", tc.realm, tc.id, ok, err)
			}
		}
		alive(t, rs, "r1", "b", "a", "b")
	})
	t.Run("RevokeAll", func(t *testing.T) {
		rs := open(t)
		at := func(realm wamp.URI, name string, want time.Time) {
			t.Helper()
			if got := rs.Epoch(realm, name); !got.Equal(want) {
				t.Errorf("the epoch of %s in %s is %s, want %s", name, realm, got, want)
			}
		}
		revoke := func(realm wamp.URI, name string, at time.Time) {
			t.Helper()
			if err := rs.RevokeAll(realm, name, at); err != nil {
				t.Fatal(err)
			}
		}
		at("r1", "joe", time.Time{})
		revoke("r1", "joe", now)
		revoke("r1", "joe", now.Add(-time.Hour)) // never back
		at("r1", "joe", now)
		at("r1", "ann", time.Time{})
		at("r2", "joe", time.Time{})
		revoke("r1", "", now.Add(-time.Minute))
		at("r1", "joe", now)
		at("r1", "ann", now.Add(-time.Minute))
		revoke("r1", "", now.Add(time.Minute))
		at("r1", "joe", now.Add(time.Minute))
		at("r2", "joe", time.Time{})
		late := record("r2", "joe", "a", time.Hour)
		late.IssuedAt = now.Add(time.Second) // by a clock that is ahead
		for _, name := range []string{"ann", "joe", ""} {
			put(t, rs, late, 3)
			revoke("r2", name, now)
			r, ok := rs.Get("r2", "a")
			if alive := ok && r.IssuedAt.After(rs.Epoch("r2", "joe")); alive != (name == "ann") {
				t.Errorf("after all of %q were revoked, that of joe is alive: %v", name, alive)
			}
			if ok {
				_, _ = rs.Revoke("r2", "a") // it was there
			}
		}
	})
	t.Run("Purge", func(t *testing.T) {
		rs := open(t)
		for i, name := range []string{"joe", "joe", "ann"} {
			put(t, rs, record("r1", name, fmt.Sprint(i), time.Duration(i)*time.Hour), 3)
		}
		if err := rs.RevokeAll("r1", "bob", now); err != nil {
			t.Fatal(err)
		}
		for _, want := range []int{2, 0} {
			if n, err := rs.Purge(now.Add(90 * time.Minute)); n != want || err != nil {
				t.Errorf("Purge = %d, %v, want %d", n, err, want)
			}
		}
		alive(t, rs, "r1", "2", "0", "1", "2")
		if !rs.Epoch("r1", "bob").Equal(now) {
			t.Error("an epoch that still counts is gone")
		}
	})
	t.Run("PurgeMany", func(t *testing.T) {
		rs := open(t)
		const many = 4200
		for i := range many {
			put(t, rs, record([]wamp.URI{"r1", "r2"}[i%2], fmt.Sprint("user", i), fmt.Sprint(i), time.Minute), 1)
		}
		put(t, rs, record("r1", "joe", "late", time.Hour), 1)
		if n, err := rs.Purge(now.Add(30 * time.Minute)); n != many || err != nil {
			t.Errorf("Purge = %d, %v, want %d", n, err, many)
		}
		alive(t, rs, "r1", "late", "0", "4198", "late")
		alive(t, rs, "r2", "", "1", "4199")
	})
}
