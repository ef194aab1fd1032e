package mgmt

import (
	"cmp"
	"slices"

	"bondy/core/wamp"
)

// Page is the part of a list in order of ids that a caller wants: at most
// limit members, those that follow the id after. Without either it is the
// whole list.
type Page struct {
	Limit int // 0 means no limit
	After wamp.ID
}

// Page reads the keyword arguments limit and after.
func (a *Args) Page() Page {
	return Page{Limit: a.Key("limit").Positive(), After: a.Key("after").ID()}
}

// Cut returns the page of a list that is sorted by id, and the id after which
// the next page begins, 0 when there is none.
func Cut[T any](p Page, sorted []T, id func(T) wamp.ID) (page []T, next wamp.ID) {
	begin, found := slices.BinarySearchFunc(sorted, p.After, func(t T, after wamp.ID) int {
		return cmp.Compare(id(t), after)
	})
	if found {
		begin++
	}
	page = sorted[begin:]
	if p.Limit == 0 || p.Limit >= len(page) {
		return page, 0
	}
	page = page[:p.Limit]
	return page, id(page[p.Limit-1])
}

// Paged is a result of one positional argument and, where another page
// follows, the keyword next: the value of after for that page.
func Paged(v any, next wamp.ID) Result {
	r := Value(v)
	if next != 0 {
		r.Kwargs = map[string]any{"next": next}
	}
	return r
}
