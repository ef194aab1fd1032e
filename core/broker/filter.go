package broker

import (
	"slices"

	"bondy/core/peer"
	"bondy/core/wamp"
)

// filter holds the black- and whitelists of a publication (section "Subscriber
// Black- and Whitelisting"), each sorted.
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
		slices.Sort(*list)
	}
	for name, list := range map[string]*[]string{
		"exclude_authid": &f.excludeAuthID, "eligible_authid": &f.eligibleAuthID,
		"exclude_authrole": &f.excludeAuthRole, "eligible_authrole": &f.eligibleAuthRole,
	} {
		if *list, err = d.Strings(name); err != nil {
			return nil, err
		}
		slices.Sort(*list)
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
		case uint64: // nobody's
		default:
			return nil, wamp.Violationf("%q must be a list of session ids, got %s in it", name, wamp.TypeName(v))
		}
	}
	return out, nil
}

// allows reports whether p may have the event: it is on no blacklist, and on
// every whitelist that is given, of which an empty one holds nobody.
func (f *filter) allows(p *peer.Peer) bool {
	return !has(f.exclude, p.Session) &&
		!has(f.excludeAuthID, p.AuthID) &&
		!has(f.excludeAuthRole, p.AuthRole) &&
		(f.eligible == nil || has(f.eligible, p.Session)) &&
		(f.eligibleAuthID == nil || has(f.eligibleAuthID, p.AuthID)) &&
		(f.eligibleAuthRole == nil || has(f.eligibleAuthRole, p.AuthRole))
}

func has[T wamp.ID | string](sorted []T, v T) bool {
	_, found := slices.BinarySearch(sorted, v)
	return found
}

// bySession reports whether the filter names sessions, which nobody can be told
// by later.
func (f *filter) bySession() bool { return f.exclude != nil || f.eligible != nil }

// size is about what the lists take in bytes.
func (f *filter) size() int {
	n := 16 * (len(f.exclude) + len(f.eligible))
	for _, list := range [...][]string{f.excludeAuthID, f.eligibleAuthID, f.excludeAuthRole, f.eligibleAuthRole} {
		for _, s := range list {
			n += 2 * (len(s) + 16)
		}
	}
	return n
}
