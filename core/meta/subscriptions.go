package meta

import (
	"bondy/core/broker"
	"bondy/core/mgmt"
	"bondy/core/wamp"
)

func addSubscriptions(t *mgmt.Table, br *broker.Broker) {
	addHolding(t, holding{
		kind: "subscription", uri: "topic", members: "subscribers", remove: "remove_subscriber",
		unknown: wamp.ErrNoSuchSubscription,
		all: func() (all []entry) {
			for _, s := range br.List() {
				all = append(all, entry{s.ID, s.Match})
			}
			return all
		},
		get: func(id wamp.ID) (map[string]any, bool) {
			s, ok := br.Get(id)
			return subscriptionDetails(s), ok
		},
		lookup: br.Lookup, list: br.Members, count: br.Count, end: br.RemoveSubscriber,
	})
	t.Add("wamp.subscription.match", func(r *mgmt.Request) (mgmt.Result, error) {
		a := r.Args()
		topic := a.At(0, "topic").URI(wamp.MatchExact)
		if a.Err() != nil {
			return mgmt.Result{}, a.Err()
		}
		if ids := br.Matching(topic); len(ids) > 0 {
			return mgmt.Value(ids), nil
		}
		return mgmt.Value(nil), nil
	})
}

func subscriptionDetails(s broker.Subscription) map[string]any {
	return map[string]any{"id": s.ID, "created": stamp(s.Created), "uri": s.URI, "match": s.Match.String()}
}
