package admin_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"bondy/core/wamp"
)

// TestErrorsNameTheMember: whichever part of the router finds what is wrong, the error
// names the member as the caller calls it, in its text and as the key.
func TestErrorsNameTheMember(t *testing.T) {
	r := newRig(t)
	boss := r.as("realm1", "boss")
	r.do("bondy.user.add", "realm1", dict{"username": "joe", "password": "first secret"})
	long := strings.Repeat("x", 255)
	many := func(n int, one func(int) any) list {
		out := list{}
		for i := range n {
			out = append(out, one(i))
		}
		return out
	}
	user := func(member string, v any) list { return list{dict{"username": "x", member: v}} }
	source := func(member string, v any) list { return list{dict{"usernames": "all", member: v}} }
	grant := func(member string, v any) list {
		g := dict{"roles": "all", "permissions": list{"wamp.call"}, "uri": "a", "match": "exact"}
		g[member] = v
		return list{g}
	}
	for _, tc := range []struct {
		procedure wamp.URI
		args      list
		uri       wamp.URI
		key       string
	}{
		{"bondy.user.add", list{dict{"username": long}}, "bondy.error.invalid_value", "username"},
		{"bondy.group.add", list{dict{"name": long}}, "bondy.error.invalid_value", "name"},
		{"bondy.user.add", list{dict{"username": "all"}}, "bondy.error.reserved_name", "username"},
		{"bondy.user.add", user("meta", dict{"a": strings.Repeat("x", 16<<10)}), "bondy.error.property_range_limit", "meta"},
		{"bondy.user.add", user("authorized_keys", many(65, func(i int) any { return fmt.Sprintf("%064x", i) })), "bondy.error.property_range_limit", "authorized_keys"},
		{"bondy.user.add", user("aliases", many(6, func(i int) any { return fmt.Sprint("x", i) })), "bondy.error.property_range_limit", "aliases"},
		{"bondy.user.add", user("groups", list{1}), "bondy.error.invalid_datatype", "groups[0]"},
		{"bondy.user.add", user("groups", list{"a", nil}), "bondy.error.invalid_datatype", "groups[1]"},
		{"bondy.source.add", source("cidrs", many(260, func(i int) any { return fmt.Sprintf("10.0.%d.%d", i/256, i%256) })), "bondy.error.property_range_limit", "cidrs"},
		{"bondy.source.add", source("authmethods", list{"foo"}), "bondy.error.invalid_value", "authmethods[0]"},
		{"bondy.source.add", source("methods", list{"foo"}), "bondy.error.invalid_value", "methods[0]"},
		{"bondy.source.add", source("authmethods", list{"trust"}), "bondy.error.invalid_value", "cidrs"},
		{"bondy.source.add", source("cidrs", list{"x"}), "bondy.error.invalid_value", "cidrs"},
		{"bondy.grant.create", grant("permissions", list{"wamp.fly"}), "bondy.error.invalid_value", "permissions[0]"},
		{"bondy.grant.create", grant("permissions", list{}), "bondy.error.missing_required_value", "permissions"},
		{"bondy.grant.create", grant("match", "near"), "bondy.error.invalid_value", "match"},
		{"bondy.grant.create", grant("uri", "a..b c"), wamp.ErrInvalidURI, "uri"},
		{"bondy.grant.create", grant("nothing", 1), "bondy.error.invalid_value", "nothing"},
	} {
		e := r.refused(boss, tc.uri, tc.procedure, tc.args...)
		if e.Kwargs["key"] != tc.key || !strings.HasPrefix(e.Message, tc.key) {
			t.Errorf("%s: the key is %v, want %s: %s", tc.procedure, e.Kwargs["key"], tc.key, e.Message)
		}
	}
	joe := r.as("realm1", "joe")
	for key, v := range (dict{"expiry_time_secs": 0, "allow_sso": "yes", "client_id": "", "device_id": 1}) {
		_, err := r.try(joe, "bondy.ticket.issue", dict{key: v})
		if e, ok := errors.AsType[*wamp.Error](err); !ok || e.Kwargs["key"] != key || !strings.HasPrefix(e.Message, key+": want ") {
			t.Errorf("%s: %v", key, err)
		}
	}
	args := r.refused(boss, wamp.ErrInvalidArgument, "bondy.user.add_groups", "joe", list{"a", 1})
	if want := "argument 2, groups[1], must be a string, got 1"; args.Message != want {
		t.Errorf("got %q, want %q", args.Message, want)
	}
}

// TestPasswordOptions: what is said of costs must be sound, and is the node's own; how a
// password is kept is shown, without what it is checked against.
func TestPasswordOptions(t *testing.T) {
	r := newRig(t)
	pbkdf2 := dict{"kdf": "pbkdf2", "iterations": int64(10_000)}
	argon2 := dict{"kdf": "argon2id13", "iterations": int64(2), "memory": int64(19 << 10)}
	add := func(name string, opts dict) any {
		return r.do("bondy.user.add", "realm1", dict{"username": name, "password": "first secret", "password_opts": opts})
	}
	has(t, add("joe", dict{"protocol": "cra", "params": dict{"kdf": "pbkdf2", "iterations": 65_536, "hash_function": "sha256"}}), dict{"password_kdfs": list{pbkdf2}})
	has(t, add("eve", dict{"params": dict{"kdf": "argon2id13", "iterations": 1, "memory": 8}}), dict{"password_kdfs": list{pbkdf2, argon2}})
	for member, v := range (dict{"iterations": "many", "memory": 0, "hash_length": true, "salt": 7}) {
		e := r.refused(caller{}, "bondy.error.invalid_datatype", "bondy.user.add", "realm1",
			dict{"username": "x", "password": "first secret", "password_opts": dict{"params": dict{member: v}}})
		if e.Kwargs["key"] != "password_opts.params."+member {
			t.Errorf("%s: %v", member, e.Kwargs)
		}
	}
}

// TestOwnRealm: administrators of a realm see what it is and holds, and no other.
func TestOwnRealm(t *testing.T) {
	r := newRig(t)
	boss := r.as("realm1", "boss")
	for _, args := range []list{{}, {nil}, {"realm1"}} {
		got := r.doAs(boss, "bondy.realm.get", args...)
		has(t, got, dict{"uri": "realm1"})
		if usage, _ := got.(dict)["usage"].(dict); usage["rows"] == nil {
			t.Errorf("no usage: %v", got)
		}
	}
	r.refused(boss, wamp.ErrNotAuthorized, "bondy.realm.get", "realm2")
	r.refused(boss, wamp.ErrNotAuthorized, "bondy.realm.get", "none")
	has(t, r.doAs(r.as("bondy", "boss"), "bondy.realm.get", "realm2"), dict{"uri": "realm2"})
	r.refused(caller{}, "bondy.error.not_found", "bondy.realm.get", "none")
}
