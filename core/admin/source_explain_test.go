package admin_test

import "testing"

// A user who is disabled in the realm that keeps its credentials is disabled in that
// one alone: no other is named.
func TestExplainDisabled(t *testing.T) {
	r := newRig(t)
	r.do("bondy.user.add", "realm1", dict{"username": "joe", "password": "first secret", "enabled": false})
	for _, d := range r.do("bondy.source.explain", "realm1", "joe", "192.0.2.1").(list) {
		if reason := d.(dict)["reason"]; reason != "the user is disabled" && d.(dict)["method"] != "anonymous" {
			t.Errorf("%v", reason)
		}
	}
}

// The first source of a realm closes it to all whom no source matches, which the
// answer lets one know.
func TestFirstSource(t *testing.T) {
	r := newRig(t)
	for _, first := range []bool{true, false} {
		res, err := r.try(caller{}, "bondy.source.add", nil, "realm1", dict{"usernames": "all", "cidr": map[bool]string{true: "10.0.0.0/8", false: "11.0.0.0/8"}[first]})
		if err != nil || res.Kwargs["first"] != first {
			t.Errorf("%v, %v; want first %v", res.Kwargs, err, first)
		}
	}
}
