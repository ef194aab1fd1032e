package meta

import (
	"bondy/core/dealer"
	"bondy/core/mgmt"
	"bondy/core/wamp"
)

func addRegistrations(t *mgmt.Table, d *dealer.Dealer) {
	addHolding(t, holding{
		kind: "registration", uri: "procedure", members: "callees", remove: "remove_callee",
		unknown: wamp.ErrNoSuchRegistration,
		all: func() (all []entry) {
			for _, r := range d.List() {
				all = append(all, entry{r.ID, r.Match})
			}
			return all
		},
		get: func(id wamp.ID) (map[string]any, bool) {
			r, ok := d.Get(id)
			return registrationDetails(r), ok
		},
		lookup: d.Lookup, list: d.Members, count: d.Count, end: d.RemoveCallee,
	})
	t.Add("wamp.registration.match", func(r *mgmt.Request) (mgmt.Result, error) {
		a := r.Args()
		procedure := a.At(0, "procedure").URI(wamp.MatchExact)
		if a.Err() != nil {
			return mgmt.Result{}, a.Err()
		}
		return nullable(d.Matching(procedure)), nil
	})
}

func registrationDetails(r dealer.Registration) map[string]any {
	return map[string]any{
		"id": r.ID, "created": stamp(r.Created), "uri": r.URI, "match": r.Match.String(), "invoke": r.Invoke,
	}
}
