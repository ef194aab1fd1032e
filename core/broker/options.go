package broker

import (
	"slices"

	"bondy/core/peer"
	"bondy/core/wamp"
)

type options struct {
	acknowledge, includeMe, disclose bool
	filter                           *filter
}

func readOptions(d wamp.Dict) (o options, err error) {
	if len(d) == 0 {
		return o, nil
	}
	if o.acknowledge, err = d.Bool("acknowledge"); err != nil {
		return o, err
	}
	if o.disclose, err = d.Bool("disclose_me"); err != nil {
		return o, err
	}
	if d["exclude_me"] != nil {
		exclude, err := d.Bool("exclude_me")
		if err != nil {
			return o, err
		}
		o.includeMe = !exclude
	}
	o.filter, err = readFilter(d)
	return o, err
}

// filter holds the black- and whitelists of a publication (section "Subscriber
// Black- and Whitelisting").
type filter struct {
	lists wamp.Dict // as they were given

	exclude, eligible                 []wamp.ID
	excludeAuthID, eligibleAuthID     []string
	excludeAuthRole, eligibleAuthRole []string
}

// listNames are the options that make up a filter.
func listNames() [6]string {
	return [...]string{
		"exclude", "eligible", "exclude_authid", "eligible_authid", "exclude_authrole", "eligible_authrole",
	}
}

// readFilter returns nil when there are no lists.
func readFilter(d wamp.Dict) (*filter, error) {
	lists := wamp.Dict{}
	for _, name := range listNames() {
		if v := d[name]; v != nil {
			lists[name] = v
		}
	}
	if len(lists) == 0 {
		return nil, nil
	}
	f := &filter{lists: lists}
	var err error
	for name, list := range map[string]*[]wamp.ID{"exclude": &f.exclude, "eligible": &f.eligible} {
		if *list, err = ids(d, name); err != nil {
			return nil, err
		}
	}
	for name, list := range map[string]*[]string{
		"exclude_authid": &f.excludeAuthID, "eligible_authid": &f.eligibleAuthID,
		"exclude_authrole": &f.excludeAuthRole, "eligible_authrole": &f.eligibleAuthRole,
	} {
		if *list, err = d.Strings(name); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func ids(d wamp.Dict, name string) ([]wamp.ID, error) {
	l, err := d.List(name)
	if err != nil || l == nil {
		return nil, err
	}
	out := make([]wamp.ID, len(l))
	for i, v := range l {
		switch n := v.(type) {
		case int64:
			out[i] = wamp.ID(max(n, 0)) // 0 is nobody's
		case float64: // encoders of JavaScript write large integers so
			out[i] = wamp.ID(max(n, 0))
		default:
			return nil, wamp.Violationf("%q must be a list of session ids, got %s in it", name, wamp.TypeName(v))
		}
	}
	return out, nil
}

// allows reports whether p may have the event: it is on no blacklist, and on
// every whitelist that is given, of which an empty one holds nobody.
func (f *filter) allows(p *peer.Peer) bool {
	return !slices.Contains(f.exclude, p.Session) &&
		!slices.Contains(f.excludeAuthID, p.AuthID) &&
		!slices.Contains(f.excludeAuthRole, p.AuthRole) &&
		(f.eligible == nil || slices.Contains(f.eligible, p.Session)) &&
		(f.eligibleAuthID == nil || slices.Contains(f.eligibleAuthID, p.AuthID)) &&
		(f.eligibleAuthRole == nil || slices.Contains(f.eligibleAuthRole, p.AuthRole))
}
