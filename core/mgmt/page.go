package mgmt

import (
	"cmp"
	"iter"
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

// Bounds of a list in order of names.
const (
	// MaxListed is how many members it has at most; those beyond are on the next
	// page.
	MaxListed = 10_000
	// MaxVisited is how many are looked at for a page: where few of them are wanted,
	// a page is shorter than it might be, or empty, and others follow it.
	MaxVisited = 100_000
)

// Cursor is the part of a list in order of names that a caller wants: at most
// Limit members, those that follow the name After.
type Cursor struct {
	Limit int
	After string
}

// Cursor reads the keyword arguments limit and after.
func (a *Args) Cursor() Cursor {
	c := Cursor{Limit: a.Key("limit").Positive(), After: a.Key("after").String()}
	if c.Limit == 0 || c.Limit > MaxListed {
		c.Limit = MaxListed
	}
	return c
}

// Listed is the result of one positional argument that lists members of all, in
// order of their names, and the keyword next where there are more: the value of
// after for that page. show returns a member's name and how it is shown, nil if
// it is left out.
func Listed[T any](c Cursor, all iter.Seq[T], show func(T) (name string, shown any)) Result {
	list := []any{}
	last, visited := "", 0
	for member := range all {
		name, shown := show(member)
		if name <= c.After {
			continue
		}
		if visited == MaxVisited || shown != nil && len(list) == c.Limit {
			return Result{Args: []any{list}, Kwargs: map[string]any{"next": last}}
		}
		visited++
		if len(list) < c.Limit {
			last = name
		}
		if shown != nil {
			list = append(list, shown)
		}
	}
	return Value(list)
}
