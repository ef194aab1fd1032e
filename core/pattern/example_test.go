package pattern_test

import (
	"fmt"

	"bondy/core/pattern"
	"bondy/core/wamp"
)

func Example() {
	type subscription struct {
		name        string
		subscribers pattern.Set[string]
	}
	var subscriptions pattern.Index[*subscription]
	subscribe := func(who string, m wamp.Match, topic wamp.URI) {
		subscriptions.Update(m, topic, func(s *subscription, ok bool) (*subscription, bool) {
			if !ok {
				s = &subscription{name: fmt.Sprintf("%s %s", m, topic)}
			}
			s.subscribers.Add(who)
			return s, true
		})
	}
	subscribe("alice", wamp.MatchWildcard, "com.example..temperature")
	subscribe("bob", wamp.MatchPrefix, "com.example")
	subscribe("carol", wamp.MatchPrefix, "com.example")

	for _, s := range subscriptions.Match(nil, "com.example.kitchen.temperature") {
		for who := range s.subscribers.All {
			fmt.Println(s.name, "->", *who)
		}
	}
	// Output:
	// prefix com.example -> bob
	// prefix com.example -> carol
	// wildcard com.example..temperature -> alice
}
