package mgmt

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"bondy/core/wamp"
)

// Error URIs of what is wrong within an argument, which are the predecessor's.
const (
	ErrMissingValue    wamp.URI = "bondy.error.missing_required_value"
	ErrInvalidDatatype wamp.URI = "bondy.error.invalid_datatype"
	ErrInvalidValue    wamp.URI = "bondy.error.invalid_value"
)

// Object is a dict among the arguments whose members are read one by one. Errors
// name the member by its path.
type Object struct {
	args *Args
	path string
	dict map[string]any
}

// Object reads a dict that has no other members than these.
func (v Arg) Object(members ...string) Object {
	o := Object{args: v.args, path: v.path(), dict: v.Dict()}
	for _, key := range slices.Sorted(maps.Keys(o.dict)) {
		if !slices.Contains(members, key) {
			o.member(key).fail("is unknown: there are %s", strings.Join(members, ", "))
		}
	}
	return o
}

// path is what the names of members begin with: nothing for a whole argument.
func (v Arg) path() string {
	if v.inside {
		return v.name + "."
	}
	return ""
}

func (o Object) member(key string) Arg {
	return Arg{args: o.args, name: o.path + key, value: o.dict[key], inside: true}
}

// Key is a member that may be absent.
func (o Object) Key(key string) Arg { return o.member(key) }

// Need is a member that must be there.
func (o Object) Need(key string) Arg {
	v := o.member(key)
	v.demand()
	return v
}

// Has reports whether the member is there, also as null.
func (o Object) Has(key string) bool {
	_, ok := o.dict[key]
	return ok
}

// Members are those of a list, each with its place for a name.
func (v Arg) Members() []Arg {
	list := v.List()
	out := make([]Arg, len(list))
	for i, m := range list {
		out[i] = v.member(i, m)
		out[i].inside = true
	}
	return out
}

// member is the one at that place of a list.
func (v Arg) member(i int, value any) Arg {
	name, comma := strings.CutSuffix(v.name, ",") // of what stands in a sentence
	v.name, v.value = name+"["+strconv.Itoa(i)+"]", value
	if comma {
		v.name += ","
	}
	return v
}

// Refuse notes that the value is wrong, for a reason that follows its name.
func (v Arg) Refuse(format string, args ...any) { v.fail(format, args...) }
