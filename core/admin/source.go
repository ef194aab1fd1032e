package admin

import (
	"cmp"
	"errors"
	"net/netip"
	"slices"
	"strings"

	"bondy/core/auth"
	"bondy/core/directory"
	"bondy/core/mgmt"
	"bondy/core/wamp"
)

func sources() []procedure {
	return []procedure{
		{uri: "bondy.source.add", least: 1, most: 1, changes: true, run: addSource},
		{uri: "bondy.source.get", least: 1, most: 1, run: getSource},
		{uri: "bondy.source.list", run: listSources},
		{uri: "bondy.source.delete", least: 1, most: 2, changes: true, run: deleteSource},
		{uri: "bondy.source.match", least: 1, most: 2, run: matchSources},
		{uri: "bondy.source.explain", least: 2, most: 2, run: explainSources},
	}
}

// addSource takes the predecessor's form, with one method and one address prefix,
// and lists of both; subjects, methods and action as in documents are the same.
func addSource(c *call) (mgmt.Result, error) {
	o := c.args.At(0, "source").Object("id", "usernames", "username", "subjects", "authmethods", "authmethod", "methods",
		"cidrs", "cidr", "deny", "action", "meta", "type", "version")
	given := map[string]string{ // members as they are called in documents, and here
		"subjects": either(o, "usernames", "username", "subjects"), "methods": either(o, "authmethods", "authmethod", "methods"),
		"cidrs": either(o, "cidrs", "cidr"),
	}
	s := directory.Source{Source: auth.Source{
		ID: o.Key("id").String(), Subjects: o.Key(given["subjects"]).Texts(),
		Methods: o.Key(given["methods"]).Texts(), Prefixes: prefixes(o.Key(given["cidrs"])),
		Deny: o.Key("deny").Bool(),
	}, Meta: metaOf(o.Key("meta"))}
	if len(s.Subjects) == 0 {
		o.Need("usernames")
	}
	switch action := o.Key("action"); action.String() {
	case "deny":
		s.Deny = true
	case "allow", "":
	default:
		action.Refuse("must be allow or deny")
	}
	var id string
	first := false
	err := c.change(func(tx *directory.Tx) error {
		v, err := tx.View(c.realm)
		if err != nil {
			return err
		}
		first = sourceless(v)
		id, err = tx.AddSource(c.realm, s)
		return err
	})
	c.object = "source " + id
	if err != nil {
		return mgmt.Result{}, renamed(err, given)
	}
	res, err := c.showSource(id)
	res.Kwargs = map[string]any{"first": first}
	return res, err
}

// sourceless tells whether no source says who may log in to a realm.
func sourceless(v *directory.View) bool {
	for range v.Sources("") {
		return false
	}
	return len(v.Inherited()) == 0
}

// firstSources are the realms that had no source before changes which bring one.
func firstSources(before *directory.Snapshot, changes []directory.Change) []string {
	out := []string{}
	for _, c := range changes {
		if c.Kind != directory.KindSource || c.Verb != directory.Created {
			continue
		}
		if v, err := before.View(c.Realm); err != nil || sourceless(v) { // err: there was no such realm
			out = append(out, string(c.Realm))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// either is the first of some members that is there.
func either(o mgmt.Object, members ...string) string {
	for _, m := range members {
		if o.Key(m).Set() {
			return m
		}
	}
	return members[0]
}

// renamed is an error about a member that goes by another name here.
func renamed(err error, names map[string]string) error {
	we, ok := errors.AsType[*wamp.Error](err)
	if !ok {
		return err
	}
	if n := strings.IndexAny(we.Message, "[:"); n > 0 && names[we.Message[:n]] != "" {
		return &wamp.Error{URI: we.URI, Message: names[we.Message[:n]] + we.Message[n:], Kwargs: we.Kwargs}
	}
	return err
}

func prefixes(v mgmt.Arg) []netip.Prefix {
	texts := v.Texts()
	out := make([]netip.Prefix, 0, len(texts))
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if addr, single := netip.ParseAddr(text); single == nil {
			p, err = addr.Prefix(addr.BitLen())
		}
		if err != nil {
			v.Refuse("has %q, which is no address prefix such as 10.0.0.0/8", text)
			return nil
		}
		out = append(out, p.Masked())
	}
	return out
}

func (c *call) showSource(id string) (mgmt.Result, error) {
	v, err := c.view()
	if err != nil {
		return mgmt.Result{}, err
	}
	if s, ok := v.Source(id); ok {
		return mgmt.Value(shownSource(s)), nil
	}
	return mgmt.Result{}, wamp.Errorf(directory.ErrNotFound, "the realm %q has no source %q", c.realm, id)
}

func getSource(c *call) (mgmt.Result, error) {
	id := c.args.At(0, "id").String()
	if err := c.args.Err(); err != nil {
		return mgmt.Result{}, err
	}
	return c.showSource(id)
}

// shownSource has the predecessor's members where they say it all.
func shownSource(s *directory.Source) map[string]any {
	cidrs := make([]string, len(s.Prefixes))
	for i, p := range s.Prefixes {
		cidrs[i] = p.String()
	}
	out := map[string]any{
		"type": "source", "version": "1.1", "id": s.ID, "usernames": texts(s.Subjects), "authmethods": texts(s.Methods),
		"cidrs": texts(cidrs), "deny": s.Deny, "meta": shownMeta(s.Meta),
	}
	for member, list := range map[string][]string{"username": s.Subjects, "authmethod": s.Methods, "cidr": cidrs} {
		if len(list) == 1 {
			out[member] = list[0]
		}
	}
	return out
}

func listSources(c *call) (mgmt.Result, error) {
	page, subject, method := c.args.Cursor(), c.args.Key("subject").String(), c.args.Key("method").String()
	if err := c.args.Err(); err != nil {
		return mgmt.Result{}, err
	}
	v, err := c.view()
	if err != nil {
		return mgmt.Result{}, err
	}
	return mgmt.Listed(page, v.Sources(page.After), func(s *directory.Source) (string, any) {
		if subject != "" && !slices.Contains(s.Subjects, subject) || method != "" && !slices.Contains(s.Methods, method) {
			return s.ID, nil
		}
		return s.ID, shownSource(s)
	}), nil
}

// deleteSource takes the id of a source, or subjects and an address prefix, which
// then have no source any more, whatever the method.
func deleteSource(c *call) (mgmt.Result, error) {
	if c.args.Len() == 1 {
		id := c.args.At(0, "id").String()
		c.object = "source " + id
		return mgmt.Result{}, c.change(func(tx *directory.Tx) error { return tx.DeleteSource(c.realm, id) })
	}
	subjects, at := c.args.At(0, "usernames").Texts(), prefixes(c.args.At(1, "cidr"))
	if len(at) != 1 {
		c.args.At(1, "cidr").Refuse("must be one address prefix such as 10.0.0.0/8")
		return mgmt.Result{}, c.args.Err()
	}
	c.object = "sources of " + strings.Join(subjects, ",")
	named := make(map[string]bool, len(subjects))
	for _, name := range subjects {
		named[name] = true
	}
	return mgmt.Result{}, c.change(func(tx *directory.Tx) error {
		v, err := tx.View(c.realm)
		if err != nil {
			return err
		}
		for s := range v.Sources("") {
			if err := withdraw(tx, c.realm, s, named, at[0]); err != nil {
				return err
			}
		}
		return nil
	})
}

// withdraw takes subjects out of a source for a prefix.
func withdraw(tx *directory.Tx, realm wamp.URI, s *directory.Source, subjects map[string]bool, at netip.Prefix) error {
	rest := *s
	rest.Subjects = slices.DeleteFunc(slices.Clone(s.Subjects), func(name string) bool { return subjects[name] })
	everywhere := len(s.Prefixes) == 0 && at.Bits() == 0
	switch {
	case len(rest.Subjects) == len(s.Subjects) || !everywhere && !slices.Contains(s.Prefixes, at):
		return nil
	case len(s.Prefixes) > 1:
		return wamp.Errorf(directory.ErrInconsistency, "the source %q is also about other addresses: delete it by its id, or replace it", s.ID)
	case len(rest.Subjects) == 0:
		return tx.DeleteSource(realm, s.ID)
	}
	_, err := tx.AddSource(realm, rest)
	return err
}

// matchSources lists the sources that are about a user, from an address if there
// is one, the most specific ones first.
func matchSources(c *call) (mgmt.Result, error) {
	name := c.username()
	from := address(c.args.Optional(1, "ip"))
	if err := c.args.Err(); err != nil {
		return mgmt.Result{}, err
	}
	v, err := c.view()
	if err != nil {
		return mgmt.Result{}, err
	}
	kinds := map[string]int{auth.SubjectAll: 0}
	if u, ok := v.User(name); ok {
		for _, g := range u.Groups {
			kinds[g] = 1
		}
		kinds[u.Name] = 2
	} else if name != auth.SubjectAll {
		kinds[name] = 2 // anonymous, or nobody
	}
	var found []matched
	consider := func(s *directory.Source) {
		m := matched{source: s, bits: -1, kind: -1}
		for _, subject := range s.Subjects {
			if k, ok := kinds[subject]; ok {
				m.kind = max(m.kind, k)
			}
		}
		for _, p := range s.Prefixes {
			if !from.IsValid() || p.Contains(from) {
				m.bits = max(m.bits, p.Bits())
			}
		}
		if m.kind >= 0 && (m.bits >= 0 || len(s.Prefixes) == 0) {
			found = append(found, m)
		}
	}
	for s := range v.Sources("") {
		consider(s)
	}
	for _, s := range v.Inherited() {
		consider(&directory.Source{Source: s})
	}
	slices.SortStableFunc(found, func(a, b matched) int { return cmp.Or(cmp.Compare(b.bits, a.bits), cmp.Compare(b.kind, a.kind)) })
	out := make([]any, len(found))
	for i, m := range found {
		out[i] = shownSource(m.source)
	}
	return mgmt.Value(out), nil
}

// matched is a source with how specific it is.
type matched struct {
	source     *directory.Source
	bits, kind int
}

// address reads an IP address; the invalid one is none.
func address(v mgmt.Arg) netip.Addr {
	if !v.Set() || v.String() == "" {
		return netip.Addr{}
	}
	addr, err := netip.ParseAddr(v.String())
	if err != nil {
		v.Refuse("must be an IP address")
	}
	return addr.Unmap().WithZone("")
}

// explainSources tells which methods a user may use from an address, and why.
func explainSources(c *call) (mgmt.Result, error) {
	name, from := c.username(), address(c.args.Optional(1, "ip"))
	if err := c.args.Err(); err != nil {
		return mgmt.Result{}, err
	}
	r, err := c.Config.Realm(c.realm)
	if err != nil {
		return mgmt.Result{}, err
	}
	out := []any{}
	for _, d := range r.Policy().Auth.Explain(name, from, c.args.Key("proxied").Bool()) {
		out = append(out, map[string]any{"method": d.Method, "allowed": d.Allowed, "source": orNull(d.Source), "reason": d.Reason})
	}
	return mgmt.Value(out), nil
}
