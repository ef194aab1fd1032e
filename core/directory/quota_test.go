package directory_test

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"bondy/core/directory"
	"bondy/core/directory/directorytest"
	"bondy/core/rbac"
	"bondy/core/wamp"
)

// bounded is a directory with the realms r1 and r2, of which r1 has a bound.
func bounded(t *testing.T, log *directorytest.Log, q directory.Quota) *directory.Directory {
	t.Helper()
	d := directorytest.Open(t, log)
	d.Bound(func(realm wamp.URI) directory.Quota {
		if realm == "r1" {
			return q
		}
		return directory.Quota{}
	})
	if _, err := d.View("r1"); err != nil {
		directorytest.Do(t, d, func(tx *directory.Tx) error {
			return errors.Join(tx.CreateRealm("r1", directory.Properties{}), tx.CreateRealm("r2", directory.Properties{}))
		})
	}
	return d
}

func rows(t *testing.T, d *directory.Directory) int64 {
	t.Helper()
	return view(t, d, "r1").Usage().Rows
}

// Everything that an administrator of a realm can add is counted, and counted no
// more when it goes.
func TestRowsAreCounted(t *testing.T) {
	log := new(directorytest.Log)
	d := bounded(t, log, directory.Quota{})
	uri, ps := call("com.")
	hash, err := d.Snapshot().Hash("r1", "joe", "secret", "")
	if err != nil {
		t.Fatal(err)
	}
	meta := rawMessage(`{"a":1}`)
	steps := []struct {
		rows int64
		step func(tx *directory.Tx) error
	}{
		{1, func(tx *directory.Tx) error { return tx.AddGroup("r1", "g", nil, nil) }},
		{2, func(tx *directory.Tx) error { return tx.AddGroup("r1", "h", []string{"g"}, nil) }},
		{1, func(tx *directory.Tx) error { return tx.UpdateGroup("r1", "h", nil, &meta) }},
		{4, func(tx *directory.Tx) error {
			return tx.AddUser("r1", directory.UserSpec{Name: "joe", Password: hash, Groups: []string{"g", "h"}})
		}},
		{1, func(tx *directory.Tx) error { return tx.UpdateUser("r1", "joe", directory.UserPatch{Meta: &meta}) }},
		{1, func(tx *directory.Tx) error { return tx.AddAlias("r1", "joe", "joseph") }},
		{1, func(tx *directory.Tx) error { return tx.Grant("r1", userRole("joe"), uri, ps) }},
		{0, func(tx *directory.Tx) error { return tx.Grant("r1", userRole("joe"), uri, rbac.Set(rbac.Publish)) }},
		{1, func(tx *directory.Tx) error { return tx.Grant("r1", groupRole("g"), uri, ps) }},
		{4, func(tx *directory.Tx) error { // two subjects, from two places
			s := directory.Source{Meta: meta}
			s.ID, s.Subjects = "s", []string{"joe", "g"}
			s.Prefixes = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("11.0.0.0/8")}
			_, err := tx.AddSource("r1", s)
			return err
		}},
		{0, func(tx *directory.Tx) error { return tx.PutTicket("r1", "t", []byte(`{}`)) }},
		{0, func(tx *directory.Tx) error {
			return tx.UpdateRealm("r1", func(p *directory.Properties) error { p.Description = "x"; return nil })
		}},
		{-1, func(tx *directory.Tx) error { return tx.RemoveAlias("r1", "joe", "joseph") }},
		{-6, func(tx *directory.Tx) error { return tx.DeleteGroup("r1", "g") }}, // with two members, a grant, and its part of the source
		{-1, func(tx *directory.Tx) error { return tx.Revoke("r1", userRole("joe"), uri, ps|rbac.Set(rbac.Publish)) }},
	}
	want := int64(0)
	last := view(t, d, "r1").Usage()
	for i, s := range steps {
		directorytest.Do(t, d, s.step)
		want += s.rows
		now := view(t, d, "r1").Usage()
		if now.Rows != want {
			t.Fatalf("after step %d %d rows, want %d", i, now.Rows, want)
		}
		if (now.Bytes > last.Bytes) != (now.Rows > last.Rows) {
			t.Errorf("after step %d %d bytes, before %d", i, now.Bytes, last.Bytes)
		}
		last = now
	}
	if u := view(t, d, "r1").Usage(); u.Tickets != 1 {
		t.Errorf("%d tickets", u.Tickets)
	}
	both(t, log, d, func(t *testing.T, d *directory.Directory) {
		t.Helper()
		if got := view(t, d, "r1").Usage(); got != last {
			t.Errorf("%+v, want %+v", got, last)
		}
	})
	directorytest.Do(t, d, func(tx *directory.Tx) error {
		return errors.Join(tx.DeleteRealm("r1", true), tx.CreateRealm("r1", directory.Properties{}), tx.AddGroup("r1", "g", nil, nil))
	})
	if got := rows(t, d); got != 1 {
		t.Errorf("a realm made again has %d rows", got)
	}
}

func addUser(name string) func(tx *directory.Tx) error {
	return func(tx *directory.Tx) error { return tx.AddUser("r1", directory.UserSpec{Name: name}) }
}

// What would go beyond the bound is refused whole, says so, and is counted; what
// shrinks is possible, also from above it.
func TestQuota(t *testing.T) {
	log := new(directorytest.Log)
	d := bounded(t, log, directory.Quota{Rows: 3})
	directorytest.Do(t, d, addUser("a"))
	text := fails(t, d, directory.ErrQuota, func(tx *directory.Tx) error {
		for _, name := range []string{"b", "c", "d"} {
			if err := addUser(name)(tx); err != nil {
				return err
			}
		}
		return nil
	})
	if !contains(text, `"r1"`) || !contains(text, "max_rows") {
		t.Errorf("it says %q", text)
	}
	directorytest.Do(t, d, func(tx *directory.Tx) error {
		return errors.Join(addUser("b")(tx), addUser("c")(tx), tx.AddUser("r2", directory.UserSpec{Name: "a"}), tx.AddUser("r2", directory.UserSpec{Name: "b"}),
			tx.AddUser("r2", directory.UserSpec{Name: "c"}), tx.AddUser("r2", directory.UserSpec{Name: "d"}))
	})
	err := d.Update(directory.Actor{}, addUser("d"))
	we, _ := errors.AsType[*wamp.Error](err)
	if we == nil || we.Kwargs["limit"] != int64(3) || we.Kwargs["count"] != int64(3) || we.Kwargs["key"] != "rows" {
		t.Errorf("%+v", we)
	}
	if _, err := d.Try(directory.Actor{}, addUser("d")); err == nil {
		t.Error("it would be possible to add one more")
	}
	if n := d.Refused(); n != 3 {
		t.Errorf("%d refused", n)
	}

	d = bounded(t, log, directory.Quota{Rows: 1}) // which it is above
	fails(t, d, directory.ErrQuota, addUser("d"))
	directorytest.Do(t, d, func(tx *directory.Tx) error {
		return tx.UpdateRealm("r1", func(p *directory.Properties) error { p.Description = "x"; return nil })
	})
	off := true
	directorytest.Do(t, d, func(tx *directory.Tx) error { return tx.UpdateUser("r1", "a", directory.UserPatch{Disabled: &off}) })
	directorytest.Do(t, d, func(tx *directory.Tx) error {
		return errors.Join(tx.DeleteUser("r1", "a", false), tx.DeleteUser("r1", "b", false), addUser("d")(tx)) // less than before
	})
	if got := rows(t, d); got != 2 {
		t.Errorf("%d rows", got)
	}
}

func TestQuotaOfBytes(t *testing.T) {
	d := bounded(t, new(directorytest.Log), directory.Quota{Bytes: 20_000})
	long := rawMessage(fmt.Sprintf(`{"a":%q}`, strings.Repeat("x", 15_000)))
	directorytest.Do(t, d, func(tx *directory.Tx) error { return tx.AddUser("r1", directory.UserSpec{Name: "a", Meta: long}) })
	text := fails(t, d, directory.ErrQuota, func(tx *directory.Tx) error { return tx.AddUser("r1", directory.UserSpec{Name: "b", Meta: long}) })
	if !contains(text, "max_bytes") {
		t.Errorf("it says %q", text)
	}
	short := rawMessage(`{}`)
	directorytest.Do(t, d, func(tx *directory.Tx) error { return tx.UpdateUser("r1", "a", directory.UserPatch{Meta: &short}) })
	directorytest.Do(t, d, func(tx *directory.Tx) error { return tx.AddUser("r1", directory.UserSpec{Name: "b", Meta: long}) })
}

// Files of the node are its operator's, who says what the bound is.
func TestQuotaLeavesFilesAlone(t *testing.T) {
	d := bounded(t, new(directorytest.Log), directory.Quota{Rows: 1})
	docs, err := directory.ParseDocuments([]byte(`{"uri": "r1", "manage": "file", "groups": [{"name": "a"}, {"name": "b"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.Merge(directory.Actor{}, docs); err != nil {
		t.Error(err)
	}
	if got := rows(t, d); got != 2 {
		t.Errorf("%d rows", got)
	}
}

// As many tickets as rows: they are counted apart, so that neither takes the place
// of the other, and no ticket is refused to be revoked.
func TestQuotaOfTickets(t *testing.T) {
	d := bounded(t, new(directorytest.Log), directory.Quota{Rows: 2})
	put := func(id string) error {
		return d.Update(directory.Actor{}, func(tx *directory.Tx) error {
			if err := tx.TicketRoom("r1"); err != nil {
				return err
			}
			return tx.PutTicket("r1", id, []byte(`{}`))
		})
	}
	if err := errors.Join(put("a"), put("b")); err != nil {
		t.Fatal(err)
	}
	if we, _ := errors.AsType[*wamp.Error](put("c")); we == nil || we.URI != directory.ErrQuota || we.Kwargs["key"] != "tickets" {
		t.Errorf("got %v", we)
	}
	directorytest.Do(t, d, func(tx *directory.Tx) error { return tx.PutTicket("r1", "revoked", []byte(`{}`)) })

	d = bounded(t, new(directorytest.Log), directory.Quota{Rows: 1000, Bytes: 2 << 10}) // which two tickets take
	if err := errors.Join(put("a"), put("b")); err != nil {
		t.Fatal(err)
	}
	if we, _ := errors.AsType[*wamp.Error](put("c")); we == nil || we.URI != directory.ErrQuota || !contains(we.Message, "max_bytes") {
		t.Errorf("got %v", we)
	}
	if u := view(t, d, "r1").Usage(); u.Exceeds(directory.Quota{Rows: 2, Bytes: 2 << 10}) || !u.Exceeds(directory.Quota{Bytes: 1 << 10}) {
		t.Errorf("%+v", u)
	}
}

// Lists within one row have bounds, too.
func TestBoundsOfRows(t *testing.T) {
	d := bounded(t, new(directorytest.Log), directory.Quota{})
	source := func(change func(s *directory.Source)) func(tx *directory.Tx) error {
		return func(tx *directory.Tx) error {
			var s directory.Source
			s.Subjects = []string{"all"}
			change(&s)
			_, err := tx.AddSource("r1", s)
			return err
		}
	}
	for what, change := range map[string]func(tx *directory.Tx) error{
		"subjects": source(func(s *directory.Source) { s.Subjects = slices.Repeat(s.Subjects, 257) }),
		"cidrs": source(func(s *directory.Source) {
			s.Prefixes = slices.Repeat([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, 257)
		}),
		"methods": source(func(s *directory.Source) { s.Methods = slices.Repeat([]string{"wampcra"}, 257) }),
		"grants": func(tx *directory.Tx) error {
			for i := range 4097 {
				r := rbac.Resource{URI: wamp.URI(fmt.Sprint("com.", i))}
				if err := tx.Grant("r1", groupRole("all"), r, rbac.Set(rbac.Call)); err != nil {
					return err
				}
			}
			return nil
		},
		"properties": func(tx *directory.Tx) error {
			return tx.UpdateRealm("r1", func(p *directory.Properties) error {
				p.Routing.Trust = map[string]int{strings.Repeat("x", 1<<20): 1}
				return nil
			})
		},
	} {
		if text := fails(t, d, directory.ErrRange, change); !contains(text, what) {
			t.Errorf("%s: it says %q", what, text)
		}
	}
}
