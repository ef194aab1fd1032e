package web_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"bondy/transport/web"
)

const peer = "10.0.0.1:4711"

func proxies(networks ...string) (p web.Proxies) {
	for _, n := range networks {
		p = append(p, netip.MustParsePrefix(n))
	}
	return p
}

func headers(lines ...string) http.Header {
	h := http.Header{}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		h.Add(name, value)
	}
	return h
}

// What clients claim counts for nothing, and nobody becomes local by a header
// (W43).
func TestForwardedAddresses(t *testing.T) {
	trusted := proxies("10.0.0.0/8", "127.0.0.0/8", "2001:db8:aa::/48")
	for _, tc := range []struct {
		name    string
		trusted web.Proxies
		lines   []string
		want    string
		proxied bool
	}{
		{"no header, no proxy", nil, nil, peer, false},
		{"no header", trusted, nil, peer, true},
		{"from an untrusted peer", proxies("192.0.2.0/24"), []string{"X-Forwarded-For: 203.0.113.9"}, peer, true},
		{"nobody is trusted", nil, []string{"Forwarded: for=203.0.113.9"}, peer, true},
		{"nobody is trusted, other headers", nil, []string{"X-Real-Ip: 127.0.0.1"}, peer, true},
		{"one hop", trusted, []string{"X-Forwarded-For: 203.0.113.9"}, "203.0.113.9:0", true},
		{"with a port", trusted, []string{"X-Forwarded-For: 203.0.113.9:80"}, "203.0.113.9:80", true},
		{"IPv6", trusted, []string{"X-Forwarded-For: 2001:db8::7"}, "[2001:db8::7]:0", true},
		{"IPv6 with a port", trusted, []string{"X-Forwarded-For: [2001:db8::7]:80"}, "[2001:db8::7]:80", true},
		{"IPv4 in IPv6", trusted, []string{"X-Forwarded-For: ::ffff:203.0.113.9"}, "203.0.113.9:0", true},
		{"invented before it", trusted, []string{"X-Forwarded-For: 192.0.2.1, 203.0.113.9"}, "203.0.113.9:0", true},
		{"invented in a line of its own", trusted, []string{"X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 203.0.113.9"}, "203.0.113.9:0", true},
		{"two proxies", trusted, []string{"X-Forwarded-For: 192.0.2.1, 203.0.113.9, 10.2.3.4"}, "203.0.113.9:0", true},
		{"a proxy on loopback", trusted, []string{"X-Forwarded-For: 203.0.113.9, 127.0.0.1"}, "203.0.113.9:0", true},
		{"all are proxies", trusted, []string{"X-Forwarded-For: 10.9.9.9, 10.2.3.4"}, "10.9.9.9:0", true},
		{"loopback", trusted, []string{"X-Forwarded-For: 127.0.0.1"}, peer, true},
		{"loopback that is no proxy", proxies("10.0.0.0/8"), []string{"X-Forwarded-For: 127.0.0.1"}, peer, true},
		{"loopback, IPv6", trusted, []string{"X-Forwarded-For: ::1"}, peer, true},
		{"loopback, IPv4 in IPv6", trusted, []string{"X-Forwarded-For: ::ffff:127.0.0.1"}, peer, true},
		{"loopback behind it", trusted, []string{"X-Forwarded-For: 203.0.113.9, ::1"}, peer, true},
		{"unspecified", trusted, []string{"X-Forwarded-For: 0.0.0.0"}, peer, true},
		{"multicast", trusted, []string{"X-Forwarded-For: 224.0.0.1"}, peer, true},
		{"with a zone", trusted, []string{"X-Forwarded-For: fe80::1%eth0"}, peer, true},
		{"no address", trusted, []string{"X-Forwarded-For: 203.0.113.9, unknown"}, peer, true},
		{"no address behind a proxy", trusted, []string{"X-Forwarded-For: 203.0.113.9, unknown, 10.2.3.4"}, "10.2.3.4:0", true},
		{"empty elements", trusted, []string{"X-Forwarded-For: , 203.0.113.9 ,, "}, "203.0.113.9:0", true},
		{"RFC 7239", trusted, []string{`Forwarded: for=192.0.2.1, For="[2001:db8::7]:4711";proto=https;by=10.0.0.1`}, "[2001:db8::7]:4711", true},
		{"RFC 7239, IPv6 alone", trusted, []string{`Forwarded: for="[2001:db8::7]"`}, "[2001:db8::7]:0", true},
		{"RFC 7239, two proxies", trusted, []string{`Forwarded: proto=http;for=203.0.113.9, for="[2001:db8:aa::1]"`}, "203.0.113.9:0", true},
		{"RFC 7239, escaped", trusted, []string{`Forwarded: for="203.0.113\.9"`}, "203.0.113.9:0", true},
		{"RFC 7239, hidden", trusted, []string{`Forwarded: for=192.0.2.1, for=_hidden`}, peer, true},
		{"RFC 7239, not said", trusted, []string{`Forwarded: for=192.0.2.1, proto=https`}, peer, true},
		{"RFC 7239, said twice", trusted, []string{`Forwarded: for=203.0.113.9;for=192.0.2.1`}, peer, true},
		{"RFC 7239, swallowed", trusted, []string{`Forwarded: for=192.0.2.1;x=", for=203.0.113.9`}, peer, true},
		{"RFC 7239, swallowed by quotes", trusted, []string{`Forwarded: for=192.0.2.1;x=", for="[2001:db8::7]"`}, peer, true},
		{"RFC 7239, loopback", trusted, []string{`Forwarded: for=127.0.0.1`}, peer, true},
		{"both agree", trusted, []string{"X-Forwarded-For: 203.0.113.9", "Forwarded: for=\"203.0.113.9:80\""}, "203.0.113.9:0", true},
		{"one is the client's", trusted, []string{"X-Forwarded-For: 203.0.113.9", "Forwarded: for=192.0.2.1"}, peer, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, proxied := tc.trusted.Client(netip.MustParseAddrPort(peer), headers(tc.lines...))
			if got.String() != tc.want || proxied != tc.proxied {
				t.Errorf("%v %v, want %s %v", got, proxied, tc.want, tc.proxied)
			}
		})
	}
}

func TestTrace(t *testing.T) {
	for name, tc := range map[string]struct {
		lines   []string
		remote  string
		want    string
		proxied bool
	}{
		"plain":                {nil, peer, peer, false},
		"proxied":              {[]string{"X-Forwarded-For: 203.0.113.9"}, "127.0.0.1:1", "203.0.113.9:0", true},
		"forged":               {[]string{"X-Forwarded-For: 203.0.113.9"}, peer, peer, true},
		"unix socket":          {nil, "@", "@", false},
		"unix socket, proxied": {[]string{"X-Forwarded-For: 203.0.113.9"}, "@", "@", true},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header, r.RemoteAddr = headers(tc.lines...), tc.remote
			proxies("127.0.0.0/8").Trace(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				client, proxied := web.Source(r)
				if r.RemoteAddr != tc.want || proxied != tc.proxied || client.IsValid() && client.String() != tc.want {
					t.Errorf("%v %v %v, want %s %v", r.RemoteAddr, client, proxied, tc.want, tc.proxied)
				}
			})).ServeHTTP(httptest.NewRecorder(), r)
		})
	}
}

// FuzzForwarded lets a client write what it likes into both headers, to which the
// proxy appends where the client is.
func FuzzForwarded(f *testing.F) {
	for _, s := range []string{
		"", "192.0.2.1", "192.0.2.1, 127.0.0.1", `for=192.0.2.1;x="`, `for="[::1]:80";by=_x, for=unknown`, `x="\`, "for=", `for="a"b`, ";,;=", "\t", "[::1", "fe80::1%a",
	} {
		f.Add(s, s)
	}
	trusted := proxies("10.0.0.0/8", "127.0.0.0/8")
	from, where := netip.MustParseAddrPort(peer), netip.MustParseAddr("203.0.113.9")
	f.Fuzz(func(t *testing.T, x, fwd string) {
		check := func(what string, h http.Header, lost bool) {
			t.Helper()
			got, proxied := trusted.Client(from, h)
			if !proxied || got.Addr() != where && (!lost || got != from) {
				t.Errorf("%s: %v, %v", what, got, proxied)
			}
		}
		xx := http.Header{"X-Forwarded-For": {x + ", 203.0.113.9"}}
		ff := http.Header{"Forwarded": {fwd + ", for=203.0.113.9;proto=https"}}
		check("X-Forwarded-For", xx, false)
		check("X-Forwarded-For in lines", http.Header{"X-Forwarded-For": {x, "203.0.113.9"}}, false)
		check("Forwarded", ff, true)
		check("Forwarded in lines", http.Header{"Forwarded": {fwd, "for=203.0.113.9"}}, false)
		check("Forwarded invented", http.Header{"X-Forwarded-For": xx["X-Forwarded-For"], "Forwarded": {fwd}}, true)
		check("X-Forwarded-For invented", http.Header{"X-Forwarded-For": {x}, "Forwarded": {"for=203.0.113.9"}}, true)
		for _, h := range []http.Header{{"X-Forwarded-For": {x}}, {"Forwarded": {fwd}}} {
			if got, _ := trusted.Client(from, h); got != from && !web.Remote(got.Addr()) {
				t.Errorf("%v: %v", h, got)
			}
			if got, _ := proxies("192.0.2.0/24").Client(from, h); got != from {
				t.Errorf("an untrusted peer says %v", got)
			}
		}
	})
}
