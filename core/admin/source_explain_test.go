package admin_test

import (
	"testing"

	"bondy/core/wamp"
)

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

// Documents that bring realms their first source tell so, too, once for each.
func TestFirstSourceOfDocuments(t *testing.T) {
	r := newRig(t)
	with := func(cidrs ...string) dict {
		sources := list{}
		for _, cidr := range cidrs {
			sources = append(sources, dict{"subjects": list{"all"}, "cidrs": list{cidr}, "action": "allow"})
		}
		return dict{"sources": sources}
	}
	realm := func(uri string, d dict) dict { d["uri"] = uri; return d }
	r.do("bondy.source.add", "realm2", dict{"usernames": "all", "cidr": "10.0.0.0/8"})
	docs := list{
		realm("realm1", with("10.0.0.0/8", "11.0.0.0/8")), realm("realm2", with("11.0.0.0/8")),
		realm("com.new", with("10.0.0.0/8")), realm("com.open", with()),
	}
	for _, procedure := range []wamp.URI{"bondy.realm.plan", "bondy.realm.apply"} {
		res, err := r.try(caller{}, procedure, nil, docs)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, res.Kwargs["first"], list{"com.new", "realm1"})
	}
	res, err := r.try(caller{}, "bondy.realm.apply", nil, docs)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, res.Kwargs["first"], list{})
}
