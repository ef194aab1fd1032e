package websocket

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// origins decides which web pages may connect. Beside the configured ones
// those are pages from this machine and from the host that is connected to.
type origins struct {
	any   bool
	exact map[string]bool
	hosts []string // suffixes such as ".example.com"
}

func parseOrigins(list []string) (origins, error) {
	o := origins{exact: map[string]bool{}}
	for _, s := range list {
		low := strings.ToLower(s)
		switch host, wild := strings.CutPrefix(low, "*."); {
		case low == "*":
			o.any = true
		case wild && host != "" && !strings.ContainsAny(host, "*/:"):
			o.hosts = append(o.hosts, "."+host)
		default:
			u, err := url.Parse(low)
			if err != nil || u.Scheme == "" || u.Host == "" || low != u.Scheme+"://"+u.Host || strings.Contains(low, "*") {
				return origins{}, fmt.Errorf("origin %q is not like https://app.example.com, *.example.com or *", s)
			}
			o.exact[low] = true
		}
	}
	return o, nil
}

// allow reports whether the page that r's Origin header names may connect;
// clients that are no browsers send none.
func (o origins) allow(r *http.Request) bool {
	list := r.Header["Origin"]
	if len(list) == 0 || o.any {
		return true
	}
	origin := strings.ToLower(list[0])
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || len(list) > 1 {
		return false
	}
	name := u.Hostname()
	if o.exact[origin] || loopback(name) || sameHost(u.Host, r) {
		return true
	}
	for _, suffix := range o.hosts {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}
	return false
}

// sameHost reports whether a page's host is the one connected to. On a
// loopback address a host name proves nothing: whoever owns a name can let it
// point here.
func sameHost(host string, r *http.Request) bool {
	if !strings.EqualFold(host, r.Host) {
		return false
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if !ok || !local.IP.IsLoopback() {
		return true
	}
	name, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		name = r.Host
	}
	_, err = netip.ParseAddr(strings.Trim(name, "[]"))
	return err == nil
}

func loopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}
