// Package bridge joins realms of an edge and a core over a link: what one side
// is subscribed to or has registered, as far as the rules say, is made known to
// the other, and events and calls cross that somebody there wants.
//
// Both ends speak WAMP messages, each as its kernel makes them for a peer: what
// the one sends as EVENT, INVOCATION, RESULT, ERROR or INTERRUPT the other takes
// as publication, call, yield, error or cancel of the session that stands for
// the bridge there. SUBSCRIBE and REGISTER, and what ends them, carry the
// interest of the one to the other. So bridged calls are calls: progressive
// results, canceling, timeouts, errors and disclosure are those of the kernel.
//
// Nothing here waits: frames are handled in the goroutine of their lane, and
// what is to be sent goes into the bounded queue of the link. Lock order: the
// broker's or dealer's lock, then session.mu, then a queue lock.
package bridge

import (
	"fmt"

	"bondy/core/pattern"
	"bondy/core/wamp"
)

// Direction says which way a rule lets messages cross, as the edge sees it.
type Direction string

// The directions. For topics, out carries events from edge to core. For
// procedures, out lets the core call what is registered at the edge.
const (
	Out  Direction = "out"
	In   Direction = "in"
	Both Direction = "both"
)

func (d Direction) out() bool { return d == Out || d == Both }
func (d Direction) in() bool  { return d == In || d == Both }

// Rule lets messages with URIs of a pattern cross.
type Rule struct {
	Pattern   pattern.Pattern
	Direction Direction
}

// Rules are what one realm of an uplink bridges.
type Rules struct{ Topics, Procedures []Rule }

// maxRules bounds the rules of one realm.
const maxRules = 1000

// Validate names the rule that is wrong.
func (r Rules) Validate() error {
	for kind, rules := range map[string][]Rule{"topic": r.Topics, "procedure": r.Procedures} {
		if len(rules) > maxRules {
			return fmt.Errorf("%s: %d rules, at most %d are allowed", kind, len(rules), maxRules)
		}
		for i, rule := range rules {
			switch {
			case !rule.Pattern.URI.Valid(rule.Pattern.Match, false):
				return fmt.Errorf("%s[%d].uri: %q is not valid with match %q", kind, i, rule.Pattern.URI, rule.Pattern.Match)
			case !rule.Direction.out() && !rule.Direction.in():
				return fmt.Errorf("%s[%d].direction: %q is not out, in or both", kind, i, rule.Direction)
			}
		}
	}
	return nil
}

// view is the rules as one end sees them.
type view struct {
	sendTopics, receiveTopics         patterns
	sendProcedures, receiveProcedures patterns // by the way of the call
}

// edge is how the edge sees the rules, core how the core does.
func (r Rules) edge() view {
	return view{
		sendTopics: pick(r.Topics, Direction.out), receiveTopics: pick(r.Topics, Direction.in),
		sendProcedures: pick(r.Procedures, Direction.in), receiveProcedures: pick(r.Procedures, Direction.out),
	}
}

func (r Rules) core() view {
	v := r.edge()
	return view{
		sendTopics: v.receiveTopics, receiveTopics: v.sendTopics,
		sendProcedures: v.receiveProcedures, receiveProcedures: v.sendProcedures,
	}
}

func pick(rules []Rule, which func(Direction) bool) patterns {
	var ps patterns
	for _, r := range rules {
		if which(r.Direction) {
			ps = append(ps, r.Pattern)
		}
	}
	return ps
}

type patterns []pattern.Pattern

func (ps patterns) match(u wamp.URI) bool {
	for _, p := range ps {
		if p.Matches(u) {
			return true
		}
	}
	return false
}

func (ps patterns) overlap(q pattern.Pattern) bool {
	for _, p := range ps {
		if p.Overlaps(q) {
			return true
		}
	}
	return false
}

// narrow is what of q may cross: q itself where a rule covers it, else each
// rule that q covers, else q, whose messages are then checked one by one.
func (ps patterns) narrow(q pattern.Pattern) patterns {
	var out patterns
	for _, p := range ps {
		switch {
		case p.Covers(q):
			return patterns{q}
		case !p.Overlaps(q):
		case q.Covers(p):
			out = append(out, p)
		default:
			out = append(out, q)
		}
	}
	return out
}

// dict is the rules as HELLO carries them, which has room for all of them.
func (r Rules) dict() map[string]any {
	list := func(rules []Rule) []any {
		out := make([]any, len(rules))
		for i, rule := range rules {
			out[i] = []any{string(rule.Pattern.URI), rule.Pattern.Match.String(), string(rule.Direction)}
		}
		return out
	}
	return map[string]any{"topics": list(r.Topics), "procedures": list(r.Procedures)}
}

// parseRules reads them back.
func parseRules(d wamp.Dict) (r Rules, err error) {
	for name, to := range map[string]*[]Rule{"topics": &r.Topics, "procedures": &r.Procedures} {
		list, err := d.List(name)
		if err != nil {
			return r, err
		}
		for _, v := range list {
			rule, err := parseRule(v)
			if err != nil {
				return r, err
			}
			*to = append(*to, rule)
		}
	}
	if err := r.Validate(); err != nil {
		return r, wamp.Violationf("%v", err)
	}
	return r, nil
}

// parseRule reads [URI, matching policy, direction].
func parseRule(v any) (Rule, error) {
	var text []string
	list, _ := v.([]any)
	for _, part := range list {
		s, ok := part.(string)
		if !ok {
			return Rule{}, wamp.Violationf("a rule is a list of strings, got %s in it", wamp.TypeName(part))
		}
		text = append(text, s)
	}
	const parts = 3
	if len(text) != parts {
		return Rule{}, wamp.Violationf("a rule is a URI, a matching policy and a direction, got %d strings", len(text))
	}
	match, ok := wamp.ParseMatch(text[1])
	if !ok {
		return Rule{}, wamp.Violationf("unknown matching policy %q in a rule", text[1])
	}
	return Rule{Pattern: pattern.Pattern{Match: match, URI: wamp.URI(text[0])}, Direction: Direction(text[2])}, nil
}
