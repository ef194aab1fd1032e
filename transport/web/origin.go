package web

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// ErrOrigin means that a request comes from a web page that may not connect.
var ErrOrigin = errors.New("pages of this origin may not connect: the listener's setting origins names those that may")

// Origins decides which web pages may connect. Beside the configured ones
// those are pages from this machine and from the host that is connected to. It
// is safe for concurrent use.
type Origins struct {
	any   bool
	exact map[string]bool
	hosts []string // suffixes such as ".example.com"
}

// ParseOrigins reads a list of origins such as https://app.example.com, hosts
// below one as *.example.com, or * for all.
func ParseOrigins(list []string) (Origins, error) {
	o := Origins{exact: map[string]bool{}}
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
				return Origins{}, fmt.Errorf("origin %q is not like https://app.example.com, *.example.com or *", s)
			}
			o.exact[low] = true
		}
	}
	return o, nil
}

// Allow reports whether the page that r's Origin header names may connect;
// clients that are no browsers send none.
func (o Origins) Allow(r *http.Request) bool {
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
