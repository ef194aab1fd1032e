package bridge

import (
	"bondy/core/pattern"
	"bondy/core/wamp"
)

// interest tracks what one side wants or offers, narrowed to the rules, and
// turns each change into what the other side is to be told: a step function
// without I/O. Several patterns may narrow to one, which is then told once. At
// most window announcements wait for their answer, so that a large picture
// never floods the link.
type interest struct {
	rules   patterns
	last    wamp.ID // request ids, in sequence
	told    map[pattern.Pattern]*told
	waiting []pattern.Pattern        // to be told
	queued  map[pattern.Pattern]bool // those in waiting
	open    int                      // told and not answered
}

// window is how many announcements may wait for their answer.
const window = 1000

// told is a pattern that the other side knows of, or is to know.
type told struct {
	request wamp.ID // by which it is taken back; 0 while it is waiting
	refs    int
	invoke  string // the policy of a registration
}

// announcement is something to tell the other side.
type announcement struct {
	pattern pattern.Pattern
	request wamp.ID
	invoke  string
	on      bool
}

func newInterest(rules patterns) *interest {
	return &interest{rules: rules, told: make(map[pattern.Pattern]*told), queued: make(map[pattern.Pattern]bool)}
}

// step takes a change of what is wanted or offered here.
func (i *interest) step(p pattern.Pattern, invoke string, on bool) []announcement {
	var out []announcement
	for _, n := range i.rules.narrow(p) {
		if on {
			i.add(n, invoke)
		} else if a, tell := i.remove(n); tell {
			out = append(out, a)
		}
	}
	return i.release(out)
}

// answered takes the answer to an announcement.
func (i *interest) answered() []announcement {
	if i.open > 0 {
		i.open--
	}
	return i.release(nil)
}

func (i *interest) add(p pattern.Pattern, invoke string) {
	if t := i.told[p]; t != nil {
		t.refs++
		return
	}
	i.told[p] = &told{refs: 1, invoke: invoke}
	if !i.queued[p] {
		i.queued[p] = true
		i.waiting = append(i.waiting, p)
	}
}

func (i *interest) remove(p pattern.Pattern) (announcement, bool) {
	t := i.told[p]
	if t == nil {
		return announcement{}, false
	}
	if t.refs--; t.refs > 0 {
		return announcement{}, false
	}
	delete(i.told, p)
	return announcement{pattern: p, request: t.request}, t.request != 0
}

// release tells what the window has room for.
func (i *interest) release(out []announcement) []announcement {
	for len(i.waiting) > 0 && i.open < window {
		p := i.waiting[0]
		i.waiting = i.waiting[1:]
		delete(i.queued, p)
		t := i.told[p]
		if t == nil || t.request != 0 { // taken back meanwhile
			continue
		}
		i.last = i.last.Next()
		i.open++
		t.request = i.last
		out = append(out, announcement{pattern: p, request: t.request, invoke: t.invoke, on: true})
	}
	if len(i.waiting) == 0 {
		i.waiting = nil
	}
	return out
}
