package auth_test

import (
	"net/netip"
	"strings"
	"testing"

	"bondy/core/auth"
	"bondy/core/wamp"
)

func prefixes(texts ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		out[i] = netip.MustParsePrefix(text)
	}
	return out
}

func from(addr string) netip.AddrPort {
	if addr == "" {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(netip.MustParseAddr(addr), 4711)
}

func TestSources(t *testing.T) {
	cfg := config()
	cfg.Methods = []string{"anonymous", "trust", "ticket", "wampcra"}
	cfg.Sources = []auth.Source{
		{ID: "tickets", Subjects: []string{"all"}, Methods: []string{"ticket"}},
		{ID: "lan", Subjects: []string{"all"}, Prefixes: prefixes("10.0.0.0/8", "fd00::/8"), Methods: []string{"wampcra", "anonymous"}},
		{ID: "no-joe", Subjects: []string{"joe"}, Prefixes: prefixes("10.0.0.0/8"), Methods: []string{"wampcra"}, Deny: true},
		{ID: "joes-desk", Subjects: []string{"joe"}, Prefixes: prefixes("10.1.2.3/32")},
		{ID: "operators", Subjects: []string{"operator"}, Prefixes: prefixes("192.0.2.0/24"), Methods: []string{"trust"}},
		{ID: "cellar", Subjects: []string{"all"}, Prefixes: prefixes("10.66.0.0/16"), Deny: true},
		{ID: "cellar-light", Subjects: []string{"all"}, Prefixes: prefixes("10.66.0.0/16"), Methods: []string{"ticket"}},
		{ID: "both", Subjects: []string{"user"}, Prefixes: prefixes("198.51.100.0/24"), Methods: []string{"wampcra"}},
		{ID: "both-no", Subjects: []string{"user"}, Prefixes: prefixes("198.51.100.0/24"), Methods: []string{"wampcra"}, Deny: true},
	}
	a := newAuth(t, cfg)
	for _, tc := range []struct {
		name, addr, methods, want string
	}{
		{"joe", "203.0.113.1", "wampcra ticket", "ticket"},
		{"joe", "", "wampcra ticket", "ticket"}, // a unix socket
		{"peter", "10.1.2.3", "wampcra ticket", "wampcra"},
		{"peter", "::ffff:10.1.2.3", "wampcra ticket", "wampcra"},
		{"peter", "a00::1", "wampcra ticket", "ticket"}, // no IPv4 address, though it begins like one
		{"peter", "fd00::1%eth0", "wampcra ticket", "wampcra"},
		{"joe", "10.1.2.4", "wampcra ticket", "ticket"},
		{"joe", "10.1.2.3", "wampcra ticket", "wampcra"},
		{"joe", "10.1.2.3", "trust wampcra", "wampcra"}, // all methods are not trust
		{"peter", "192.0.2.7", "trust", "admitted"},
		{"joe", "192.0.2.7", "trust ticket", "ticket"},
		{"peter", "10.66.0.1", "wampcra", ""},
		{"peter", "10.66.0.1", "wampcra ticket", "ticket"},
		{"peter", "198.51.100.1", "wampcra", ""}, // a denial wins between equals
		{"", "10.0.0.1", "anonymous", "admitted"},
		{"", "203.0.113.1", "anonymous", ""},
	} {
		req := auth.Request{AuthID: tc.name, Methods: strings.Fields(tc.methods), Remote: from(tc.addr)}
		id, x, err := a.Begin(t.Context(), req)
		got := ""
		switch {
		case id != nil:
			got = "admitted"
		case x != nil:
			got = x.Method
		case uri(err) != wamp.ErrNoMatchingAuthMethod:
			t.Errorf("%+v: %v", tc, err)
		}
		if got != tc.want {
			t.Errorf("%s from %q with %s: %q, want %q", tc.name, tc.addr, tc.methods, got, tc.want)
		}
	}
}

// A name without user is treated as some user is.
func TestSourcesHideUnknownNames(t *testing.T) {
	cfg := config()
	cfg.Users = []auth.User{{Name: "joe", Password: "s3cret"}}
	cfg.Sources = []auth.Source{{Subjects: []string{"joe"}, Methods: []string{"ticket"}}}
	a := newAuth(t, cfg)
	for _, name := range []string{"joe", "nobody"} {
		begin(t, a, auth.Request{AuthID: name, Methods: []string{"ticket"}})
		if _, x, err := a.Begin(t.Context(), auth.Request{AuthID: name, Methods: []string{"wampcra"}}); x != nil || uri(err) != wamp.ErrNoMatchingAuthMethod {
			t.Errorf("%s: %v, %v", name, x, err)
		}
	}
}

func TestTrust(t *testing.T) {
	cfg := config()
	cfg.Methods = []string{"trust"}
	if _, err := auth.New(cfg); err == nil || !strings.HasPrefix(err.Error(), "authmethods[0]: trust needs a source") {
		t.Errorf("trust without a source: %v", err)
	}
	cfg.Sources = []auth.Source{{Subjects: []string{"all"}, Methods: []string{"trust"}}}
	if _, err := auth.New(cfg); err == nil || !strings.HasPrefix(err.Error(), "sources[0].cidrs") && !strings.HasPrefix(err.Error(), "authmethods[0]") {
		t.Errorf("trust from everywhere: %v", err)
	}
	cfg.Sources[0].Prefixes = prefixes("127.0.0.0/8")
	a := newAuth(t, cfg)
	for name, want := range map[string]wamp.URI{
		"joe": "", "keyless": "", "nobody": wamp.ErrAuthenticationDenied, "gone": wamp.ErrAuthenticationDenied,
		"": wamp.ErrAuthenticationDenied,
	} {
		id, x, err := a.Begin(t.Context(), auth.Request{AuthID: name, Methods: []string{"trust"}, Remote: from("127.0.0.1")})
		if uri(err) != want || x != nil || (id != nil) != (want == "") {
			t.Errorf("%q: %v, %v, %v", name, id, x, err)
		}
	}
	for _, addr := range []string{"192.0.2.1", "::1", ""} {
		if id, _, err := a.Begin(t.Context(), auth.Request{AuthID: "joe", Methods: []string{"trust"}, Remote: from(addr)}); id != nil || err == nil {
			t.Errorf("trusted from %q: %v", addr, id)
		}
	}
}

func TestSourceIsValidated(t *testing.T) {
	for want, s := range map[string]auth.Source{
		"sources[0].subjects:":    {},
		"sources[0].subjects[1]:": {Subjects: []string{"all", "on"}},
		"sources[0].cidrs[0]:":    {Subjects: []string{"all"}, Prefixes: make([]netip.Prefix, 1)},
		"sources[0].cidrs[1]:":    {Subjects: []string{"all"}, Prefixes: prefixes("::/0", "::ffff:10.0.0.0/104")},
		"sources[0].methods[0]:":  {Subjects: []string{"all"}, Methods: []string{"oidc"}},
		"sources[0].cidrs:":       {Subjects: []string{"all"}, Methods: []string{"trust"}},
	} {
		err := (&auth.Config{Sources: []auth.Source{s}}).Validate()
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%+v: %v, want %s", s, err, want)
		}
	}
}

func TestExplain(t *testing.T) {
	cfg := config()
	cfg.Sources = []auth.Source{
		{Subjects: []string{"user", "anonymous"}, Prefixes: prefixes("127.0.0.0/8", "::1/128")},
		{ID: "no-ticket", Subjects: []string{"all"}, Methods: []string{"ticket"}, Prefixes: prefixes("127.0.0.1/32"), Deny: true},
	}
	a := newAuth(t, cfg)
	explain := func(a *auth.Authenticator, name, addr string) map[string]auth.Decision {
		out := make(map[string]auth.Decision)
		for _, d := range a.Explain(name, from(addr).Addr(), false) {
			if d.Reason == "" {
				t.Errorf("%s for %s: no reason", d.Method, name)
			}
			out[d.Method] = d
		}
		return out
	}
	got := explain(a, "joe", "127.0.0.1")
	cra := got["wampcra"]
	if !cra.Allowed || len(cra.Source) != 16 || got["ticket"].Allowed || got["ticket"].Source != "no-ticket" || got["anonymous"].Allowed {
		t.Errorf("joe: %+v", got)
	}
	cfg.Sources[0].Subjects = []string{"anonymous", "user"}
	cfg.Sources[0].Prefixes = prefixes("::1/128", "127.0.0.0/8")
	if again := explain(newAuth(t, cfg), "joe", "127.0.0.1")["wampcra"]; again.Source != cra.Source {
		t.Errorf("the id %s became %s", cra.Source, again.Source)
	}
	for name, lack := range map[string]string{"keyless": "without", "gone": "disabled", "nobody": "no such user"} {
		if d := explain(a, name, "127.0.0.2")["wampcra"]; d.Allowed || !strings.Contains(d.Reason, lack) && !strings.Contains(d.Reason, "no source") {
			t.Errorf("%s: %+v", name, d)
		}
	}
	if d := explain(a, "anonymous", "127.0.0.2")["anonymous"]; !d.Allowed {
		t.Errorf("anonymous: %+v", d)
	}
	if d := explain(a, "peter", "192.0.2.1")["wampcra"]; d.Allowed || d.Source != "" {
		t.Errorf("peter from afar: %+v", d)
	}
}
