package meta

import (
	"maps"

	"bondy/core/broker"
	"bondy/core/codec"
	"bondy/core/mgmt"
	"bondy/core/rbac"
	"bondy/core/wamp"
)

// addHistory adds the reading of event history. Who may not subscribe may not
// read either.
func addHistory(t *mgmt.Table, br *broker.Broker) {
	t.Add("wamp.subscription.get_events", func(r *mgmt.Request) (mgmt.Result, error) {
		a := r.Args()
		id, q := a.At(0, "subscription").ID(), readQuery(a)
		if a.Err() != nil {
			return mgmt.Result{}, a.Err()
		}
		if s, ok := br.Get(id); ok && !r.Rights.Decide(rbac.Subscribe, s.URI, s.Match) {
			return mgmt.Result{}, wamp.Errorf(wamp.ErrNotAuthorized, "no grant of %s on %q, whose events are asked for", rbac.Subscribe, s.URI)
		}
		past, more, err := br.Events(id, q, r.Caller)
		if err != nil {
			return mgmt.Result{}, err
		}
		res := mgmt.Result{Args: make([]any, len(past))}
		for i, p := range past {
			if res.Args[i], err = pastDetails(p); err != nil {
				return mgmt.Result{}, err
			}
		}
		if more {
			res.Kwargs = map[string]any{"next": past[len(past)-1].Publication}
		}
		return res, nil
	})
}

func readQuery(a *mgmt.Args) broker.HistoryQuery {
	return broker.HistoryQuery{
		Limit: a.Key("limit").Positive(), Reverse: a.Key("reverse").Bool(), Topic: a.Key("topic").URI(wamp.MatchExact),
		FromTime: a.Key("from_time").Time(), AfterTime: a.Key("after_time").Time(),
		BeforeTime: a.Key("before_time").Time(), UntilTime: a.Key("until_time").Time(),
		FromPublication: a.Key("from_publication").ID(), AfterPublication: a.Key("after_publication").ID(),
		BeforePublication: a.Key("before_publication").ID(), UntilPublication: a.Key("until_publication").ID(),
	}
}

// pastDetails is an event as section "Event History" describes it.
func pastDetails(p broker.Past) (map[string]any, error) {
	details := wamp.Dict{}
	maps.Copy(details, p.Details)
	if p.Topic != "" {
		details["topic"] = string(p.Topic)
	}
	d := map[string]any{
		"timestamp": stamp(p.Time), "subscription": p.Subscription, "publication": p.Publication, "details": details,
	}
	args, err := codec.DecodeArgs(p.Payload)
	if err != nil {
		return nil, err
	}
	kwargs, err := codec.DecodeKwargs(p.Payload)
	if err != nil {
		return nil, err
	}
	if args != nil {
		d["args"] = args
	}
	if kwargs != nil {
		d["kwargs"] = kwargs
	}
	return d, nil
}
