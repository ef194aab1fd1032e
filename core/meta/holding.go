package meta

import (
	"slices"

	"bondy/core/mgmt"
	"bondy/core/peer"
	"bondy/core/wamp"
)

// holding is what sessions hold and what has an id, a registration or a
// subscription, with what the procedures that the two have alike need of it.
type holding struct {
	kind, uri, members, remove string
	unknown                    wamp.URI

	all    func() []entry // in order of id
	lookup func(wamp.Match, wamp.URI) (wamp.ID, bool)
	get    func(id wamp.ID) (map[string]any, bool)
	list   func(id wamp.ID) ([]wamp.ID, bool)
	count  func(id wamp.ID) (int, bool)
	end    func(b *peer.Batch, id, session wamp.ID, reason wamp.URI) error
}

// entry is one of them in a list.
type entry struct {
	id    wamp.ID
	match wamp.Match
}

func addHolding(t *mgmt.Table, h holding) {
	prefix := wamp.URI("wamp." + h.kind + ".")
	t.Add(prefix+"list", func(r *mgmt.Request) (mgmt.Result, error) {
		a := r.Args()
		page := a.Page()
		if a.Err() != nil {
			return mgmt.Result{}, a.Err()
		}
		part, next := mgmt.Cut(page, h.all(), func(e entry) wamp.ID { return e.id })
		return mgmt.Paged(byMatch(part), next), nil
	})
	t.Add(prefix+"lookup", func(r *mgmt.Request) (mgmt.Result, error) {
		a := r.Args()
		options := a.Optional(1, "options")
		match, err := options.Dict().Match()
		options.Check(err)
		uri := a.At(0, h.uri).URI(match)
		if a.Err() != nil {
			return mgmt.Result{}, a.Err()
		}
		return nullable(h.lookup(match, uri)), nil
	})
	t.Add(prefix+"get", func(r *mgmt.Request) (mgmt.Result, error) {
		details, err := find(h, r.Args(), h.get)
		return mgmt.Value(details), err
	})
	t.Add(prefix+wamp.URI("count_"+h.members), func(r *mgmt.Request) (mgmt.Result, error) {
		n, err := find(h, r.Args(), h.count)
		return mgmt.Value(n), err
	})
	t.Add(prefix+wamp.URI("list_"+h.members), func(r *mgmt.Request) (mgmt.Result, error) {
		a := r.Args()
		page := a.Page()
		ids, err := find(h, a, h.list)
		if err != nil {
			return mgmt.Result{}, err
		}
		slices.Sort(ids)
		part, next := mgmt.Cut(page, ids, same)
		return mgmt.Paged(part, next), nil
	})
	t.Add(prefix+wamp.URI(h.remove), func(r *mgmt.Request) (mgmt.Result, error) {
		a := r.Args()
		id, session, reason := a.At(0, h.kind).ID(), a.At(1, "session").ID(), a.Optional(2, "reason").URI(wamp.MatchExact)
		if a.Err() != nil {
			return mgmt.Result{}, a.Err()
		}
		return mgmt.Result{}, r.Change(func() error { return h.end(r.Batch, id, session, reason) })
	})
}

// find looks up what the first argument names.
func find[T any](h holding, a *mgmt.Args, get func(wamp.ID) (T, bool)) (v T, err error) {
	id := a.At(0, h.kind).ID()
	if a.Err() != nil {
		return v, a.Err()
	}
	v, ok := get(id)
	if !ok {
		return v, wamp.Errorf(h.unknown, "this realm has no %s %d", h.kind, id)
	}
	return v, nil
}

// byMatch sorts ids by matching policy.
func byMatch(all []entry) map[string]any {
	var ids [3][]wamp.ID
	for _, e := range all {
		ids[e.match] = append(ids[e.match], e.id)
	}
	out := make(map[string]any, len(ids))
	for _, m := range [...]wamp.Match{wamp.MatchExact, wamp.MatchPrefix, wamp.MatchWildcard} {
		out[m.String()] = ids[m]
	}
	return out
}

// nullable is an id as a result that is null when there is none.
func nullable(id wamp.ID, ok bool) mgmt.Result {
	if !ok {
		return mgmt.Value(nil)
	}
	return mgmt.Value(id)
}
