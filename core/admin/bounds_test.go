package admin_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"bondy/core/admin"
	"bondy/core/auth"
	"bondy/core/codec"
	"bondy/core/directory"
	"bondy/core/wamp"
)

// Sessions of a realm make so many changes in a second, together; what they read, and
// what users change of themselves, does not count, and who manages all realms has no
// bound.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pace := admin.NewPace(10)
		r := newRigAt(t, pace)
		r.do("bondy.user.add", "realm1", dict{"username": "joe", "password": "secret"})
		r.do("bondy.user.add", "realm1", dict{"username": "ann"})
		eve, other, root := r.as("realm1", "eve"), r.as("realm2", "eve"), r.as("bondy", "admin")
		add := func(c caller, i int) error {
			_, err := r.try(c, "bondy.group.add", nil, dict{"name": fmt.Sprint("g", i)})
			return err
		}
		for i := range 20 {
			if err := add(eve, i); err != nil {
				t.Fatalf("change %d: %v", i, err)
			}
		}
		recorded := len(r.events.list)
		we := r.refused(eve, wamp.ErrTooManyRequests, "bondy.group.add", dict{"name": "g20"})
		if we.Kwargs["code"] != "too_many_requests" || we.Message == "" {
			t.Errorf("%+v", we)
		}
		r.refused(eve, wamp.ErrTooManyRequests, "bondy.group.delete", "nobody") // it would have failed anyway
		if pace.Refused() != 2 || len(r.events.list) != recorded {
			t.Errorf("%d refused, and %d recorded", pace.Refused(), len(r.events.list)-recorded)
		}
		r.doAs(eve, "bondy.group.get", "g1")
		r.doAs(eve, "bondy.group.list")
		joe := r.as("realm1", "joe")
		r.doAs(joe, "bondy.user.self.change_password", "secret", "another")
		nobody := r.as("realm1", "stranger") // such as an anonymous client
		for range 100 {
			r.refused(nobody, wamp.ErrNoSuchPrincipal, "bondy.user.self.change_password", "secret", "another")
		}
		ann := r.as("realm1", "ann")
		for range 2 {
			r.doAs(ann, "bondy.ticket.revoke_own")
		}
		r.refused(ann, wamp.ErrTooManyRequests, "bondy.ticket.revoke_own")
		r.doAs(joe, "bondy.ticket.revoke_own")
		if err := errors.Join(add(other, 1), add(root, 1)); err != nil {
			t.Error(err)
		}
		for i := range 50 {
			r.do("bondy.group.add", "realm1", dict{"name": fmt.Sprint("operator", i)})
		}
		synctest.Wait()
	})
	r := newRig(t)
	for i := range 200 {
		r.doAs(r.as("realm1", "eve"), "bondy.group.add", dict{"name": fmt.Sprint("g", i)})
	}
}

// A pace that is set counts at once; to set what it is changes nothing.
func TestPaceChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pace := admin.NewPace(0)
		r := newRigAt(t, pace)
		made := func() (n int) {
			for range 50 {
				if _, err := r.try(r.as("realm1", "eve"), "bondy.group.delete", nil, "nobody"); wamp.AsError(err).URI != wamp.ErrTooManyRequests {
					n++
				}
			}
			return n
		}
		for _, tc := range []struct{ perSecond, made int }{{0, 50}, {2, 4}, {2, 0}, {5, 10}, {0, 50}} {
			pace.Set(tc.perSecond)
			if n := made(); n != tc.made {
				t.Errorf("%d a second: %d at once, want %d", tc.perSecond, n, tc.made)
			}
		}
		if n := pace.Refused(); n != 46+50+40 {
			t.Errorf("%d refused", n)
		}
	})
}

// One call makes so many changes: no administrator of one realm keeps those of the
// others waiting, or fills the memory before a quota counts.
func TestOneCallIsBounded(t *testing.T) {
	r := newRig(t)
	for _, name := range []string{"joe", "eve"} {
		r.do("bondy.user.add", "realm1", dict{"username": name})
	}
	var groups, resources list
	for i := range 101 {
		r.do("bondy.group.add", "realm1", dict{"name": fmt.Sprint("g", i)})
		groups, resources = append(groups, fmt.Sprint("g", i)), append(resources, dict{"uri": fmt.Sprint("com.a", i)})
	}
	eve, same := r.as("realm1", "eve"), func(n int) list { return slices.Repeat(list{"joe"}, n) }
	for _, procedure := range []wamp.URI{"bondy.user.add_groups", "bondy.user.remove_groups"} {
		r.refused(eve, directory.ErrRange, procedure, same(10), groups)
		r.refused(eve, directory.ErrRange, procedure, same(1001), list{})
		r.doAs(eve, procedure, same(10), groups[:100])
	}
	for _, procedure := range []wamp.URI{"bondy.grant.create", "bondy.grant.revoke"} {
		grant := func(roles, resources list) dict {
			return dict{"roles": roles, "permissions": list{"wamp.call"}, "resources": resources}
		}
		r.refused(eve, directory.ErrRange, procedure, grant(list{"joe", "eve", "g1", "g2", "g3", "g4", "g5", "g6", "g7", "g8"}, resources))
		r.doAs(eve, procedure, grant(list{"joe", "eve"}, resources))
	}
	r.refused(eve, directory.ErrInvalidValue, "bondy.user.update", "joe", dict{"groups": same(10_001)})
}

// What a realm holds is told, and what it may; who reaches that is told what to do,
// also who draws tickets.
func TestUsage(t *testing.T) {
	r := newRig(t)
	r.quota = directory.Quota{Rows: 3, Bytes: 1 << 20}
	r.do("bondy.user.add", "realm1", dict{"username": "joe", "password": "secret"})
	usage, _ := r.do("bondy.realm.get", "realm1").(dict)["usage"].(dict)
	has(t, usage, dict{"rows": int64(2), "tickets": int64(0), "max_rows": int64(3), "max_bytes": int64(1 << 20)})
	if n, _ := usage["bytes"].(int64); n < 100 || n > 10_000 {
		t.Errorf("a user has %d bytes", n)
	}
	eve := r.as("realm1", "eve")
	r.doAs(eve, "bondy.group.add", dict{"name": "g"})
	we := r.refused(eve, directory.ErrQuota, "bondy.group.add", dict{"name": "h"})
	has(t, dict(we.Kwargs), dict{"code": "quota_exceeded", "key": "rows", "limit": int64(3), "count": int64(3), "message": we.Message})
	sent, err := codec.DecodeKwargs(we.Reply(wamp.TypeCall, 1).Payload)
	if err != nil {
		t.Fatal(err)
	}
	has(t, sent, dict{"code": "quota_exceeded", "key": "rows", "limit": int64(3), "description": we.Message})
	we = r.refused(caller{}, directory.ErrQuota, "bondy.realm.apply", list{dict{"uri": "realm1", "groups": list{dict{"name": "h"}}}})
	has(t, dict(we.Kwargs), dict{"key": "rows", "limit": int64(3)})
	joe := caller{"realm1", r.session("realm1", "joe", auth.MethodWAMPCRA), eve.rights}
	for range 3 {
		r.doAs(joe, "bondy.ticket.issue")
	}
	we = r.refused(joe, directory.ErrQuota, "bondy.ticket.issue")
	has(t, dict(we.Kwargs), dict{"key": "tickets", "count": int64(3), "limit": int64(3)})
	r.doAs(eve, "bondy.ticket.revoke_all")
	r.doAs(eve, "bondy.group.delete", "g")
	r.doAs(joe, "bondy.ticket.issue")
}

// Lists of tickets and grants come in pages, each of which follows the one before.
func TestPagesOfTicketsAndGrants(t *testing.T) {
	r := newRig(t)
	for _, name := range []string{"a", "a b", "b"} {
		r.do("bondy.user.add", "realm1", dict{"username": name, "password": "secret"})
		r.do("bondy.group.add", "realm1", dict{"name": "group " + name})
		for _, role := range []string{"user/" + name, "group/group " + name} {
			for _, uri := range []string{"com.b", "com.a"} {
				r.do("bondy.grant.create", "realm1", dict{"roles": role, "permissions": list{"wamp.call"}, "uri": uri})
			}
		}
		r.do("bondy.ticket.issue", "realm1", name)
		r.do("bondy.ticket.issue", "realm1", name)
	}
	for procedure, tc := range map[wamp.URI]struct {
		kwargs dict
		n      int
	}{
		"bondy.ticket.list":  {dict{}, 6},
		"bondy.realm.grants": {dict{}, 12},
	} {
		whole, err := r.try(caller{}, procedure, nil, "realm1")
		if err != nil {
			t.Fatal(err)
		}
		var paged list
		for after := any(nil); ; {
			res, err := r.try(caller{}, procedure, dict{"limit": 5, "after": after}, "realm1")
			if err != nil {
				t.Fatal(err)
			}
			page, _ := res.Args[0].(list)
			paged = append(paged, page...)
			if after = res.Kwargs["next"]; after == nil || len(page) == 0 {
				break
			}
		}
		if all, _ := whole.Args[0].(list); len(all) != tc.n {
			t.Errorf("%s: %d", procedure, len(all))
		}
		equal(t, any(paged), whole.Args[0])
	}
	for role, n := range map[string]int{"a": 2, "user/a": 2, "group/group a b": 2, "group a b": 2, "c": 0, "user/aa": 0} {
		res, err := r.try(caller{}, "bondy.realm.grants", dict{"role": role, "limit": 1}, "realm1")
		if err != nil {
			t.Fatal(err)
		}
		got, _ := res.Args[0].(list)
		if after := res.Kwargs["next"]; after != nil {
			res, err = r.try(caller{}, "bondy.realm.grants", dict{"role": role, "after": after}, "realm1")
			if err != nil {
				t.Fatal(err)
			}
			more, _ := res.Args[0].(list)
			got = append(got, more...)
		}
		if len(got) != n {
			t.Errorf("role %s has %d grants, want %d", role, len(got), n)
		}
	}
}
