package bridge

import (
	"bondy/core/pattern"
	"bondy/core/wamp"
)

// interest tracks what one side wants or offers, narrowed to the rules, and
// turns each change into what the other side is to be told: a step function
// without I/O. Several patterns may narrow to one, which is then told once.
type interest struct {
	rules patterns
	last  wamp.ID // request ids, in sequence
	told  map[pattern.Pattern]*told
}

// told is a pattern that the other side knows of.
type told struct {
	request wamp.ID // by which it is taken back
	refs    int
}

// announcement is something to tell the other side.
type announcement struct {
	pattern pattern.Pattern
	request wamp.ID
	on      bool
}

func newInterest(rules patterns) *interest {
	return &interest{rules: rules, told: make(map[pattern.Pattern]*told)}
}

// step takes a change of what is wanted here.
func (i *interest) step(p pattern.Pattern, on bool) []announcement {
	var out []announcement
	for _, n := range i.rules.narrow(p) {
		if a, tell := i.count(n, on); tell {
			out = append(out, a)
		}
	}
	return out
}

func (i *interest) count(p pattern.Pattern, on bool) (announcement, bool) {
	t := i.told[p]
	switch {
	case on && t == nil:
		i.last = i.last.Next()
		i.told[p] = &told{request: i.last, refs: 1}
		return announcement{pattern: p, request: i.last, on: true}, true
	case on:
		t.refs++
	case t != nil:
		if t.refs--; t.refs == 0 {
			delete(i.told, p)
			return announcement{pattern: p, request: t.request}, true
		}
	}
	return announcement{}, false
}
