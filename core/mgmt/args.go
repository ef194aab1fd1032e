package mgmt

import (
	"errors"
	"fmt"
	"math"
	"time"

	"bondy/core/codec"
	"bondy/core/wamp"
)

// Args reads the arguments of a call one by one and keeps the first error, an
// ErrInvalidArgument or ErrInvalidURI that names the argument and says what it
// must be. Surplus arguments are ignored. It belongs to one goroutine.
type Args struct {
	list   []any
	before int // arguments that Drop took off the list
	dict   map[string]any
	strict bool
	err    error
}

// Args decodes the arguments of the request.
func (r *Request) Args() *Args {
	a := &Args{strict: r.StrictURIs}
	var err error
	if a.list, err = codec.DecodeArgs(r.Payload); err == nil {
		a.dict, err = codec.DecodeKwargs(r.Payload)
	}
	a.err = err
	return a
}

// Err is the first thing that was wrong, nil when nothing was.
func (a *Args) Err() error { return a.err }

// Len is the number of positional arguments that are left.
func (a *Args) Len() int { return len(a.list) }

// Drop takes the first n positional arguments off the list: At and Optional
// count from the next one.
func (a *Args) Drop(n int) {
	n = min(n, len(a.list))
	a.list, a.before = a.list[n:], a.before+n
}

// Arg is one argument, or a member of one, on its way to a type. The readers
// below return the zero value when it is absent or null, and when an error was
// found before.
type Arg struct {
	args   *Args
	name   string
	value  any
	inside bool // it is a member of an Object
}

// At is the positional argument i, which must be there.
func (a *Args) At(i int, name string) Arg {
	v := a.Optional(i, name)
	v.demand()
	return v
}

// Optional is the positional argument i, which may be absent.
func (a *Args) Optional(i int, name string) Arg {
	v := Arg{args: a, name: fmt.Sprintf("argument %d, %s,", a.before+i+1, name)}
	if i < len(a.list) {
		v.value = a.list[i]
	}
	return v
}

// Key is a keyword argument, which may be absent.
func (a *Args) Key(name string) Arg {
	return Arg{args: a, name: fmt.Sprintf("keyword argument %q", name), value: a.dict[name]}
}

// Kwargs are all keyword arguments; nil if there are none.
func (a *Args) Kwargs() wamp.Dict { return a.dict }

// Set reports whether the argument is there and not null.
func (v Arg) Set() bool { return v.value != nil }

// ID reads an id.
func (v Arg) ID() wamp.ID {
	n, ok := integer(v.value)
	if id := wamp.ID(max(n, 0)); ok && id.Valid() {
		return id
	}
	v.want("an id, an integer from 1 to 2^53")
	return 0
}

// Positive reads an integer above 0.
func (v Arg) Positive() int {
	if n, ok := integer(v.value); ok && n > 0 {
		return int(min(n, math.MaxInt))
	}
	v.want("a positive integer")
	return 0
}

// integer takes integers, and floats without fraction: encoders of JavaScript
// write large integers so.
func integer(v any) (int64, bool) {
	switch n := v.(type) {
	case int64:
		return n, true
	case float64:
		return int64(n), n == math.Trunc(n) && math.Abs(n) <= 1<<53
	default:
		return 0, false
	}
}

// Bool reads a boolean.
func (v Arg) Bool() bool { return read[bool](v, "a boolean") }

// String reads a string.
func (v Arg) String() string { return read[string](v, "a string") }

// List reads a list.
func (v Arg) List() []any { return read[[]any](v, "a list") }

// Dict reads a dict.
func (v Arg) Dict() wamp.Dict { return read[map[string]any](v, "a dict") }

// Err is that of the Args that the argument is one of.
func (v Arg) Err() error { return v.args.err }

// Value is the argument as package codec decoded it.
func (v Arg) Value() any { return v.value }

// Texts reads a list of strings, or one string, which is a list of itself; it is
// nil only when absent.
func (v Arg) Texts() []string {
	if s, ok := v.value.(string); ok {
		return []string{s}
	}
	return v.Strings()
}

// maxStrings bounds a list of strings.
const maxStrings = 10_000

// Strings reads a list of strings, a bounded number; it is nil only when absent.
func (v Arg) Strings() []string {
	const want = "a list of strings"
	list := read[[]any](v, want)
	if list == nil {
		return nil
	}
	if len(list) > maxStrings {
		v.fail("has %d members, the most is %d: make several calls of it", len(list), maxStrings)
		return nil
	}
	out := make([]string, len(list))
	for i, member := range list {
		s, ok := member.(string)
		if !ok {
			v.member(i, member).failAs(ErrInvalidDatatype, "must be a string, got %s", shown(member))
			return nil
		}
		out[i] = s
	}
	return out
}

// URI reads a URI that is valid under match; what is none is ErrInvalidURI.
func (v Arg) URI(match wamp.Match) wamp.URI {
	s := v.String()
	if v.value != nil && v.args.err == nil && !wamp.URI(s).Valid(match, v.args.strict) {
		v.args.err = wamp.Errorf(wamp.ErrInvalidURI, "%s is %q, which is not a valid URI here", v.name, s)
	}
	return wamp.URI(s)
}

// Time reads an RFC 3339 timestamp.
func (v Arg) Time() time.Time {
	const want = "a timestamp as in RFC 3339, such as 2006-01-02T15:04:05.999Z"
	s := read[string](v, want)
	if s == "" && !v.Set() {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		v.want(want)
	}
	return t
}

// Check takes the error, if any, that another part of the router found in the
// argument: whatever its URI, it is the argument that was wrong.
func (v Arg) Check(err error) {
	if we, ok := errors.AsType[*wamp.Error](err); ok {
		v.fail("is refused: %s", we.Message)
	} else if err != nil && v.args.err == nil {
		v.args.err = err
	}
}

func read[T any](v Arg, want string) T {
	t, ok := v.value.(T)
	if !ok {
		v.want(want)
	}
	return t
}

// want notes that the value, if there is one, is of the wrong kind.
func (v Arg) want(what string) {
	if v.value != nil {
		v.failAs(ErrInvalidDatatype, "must be %s, got %s", what, shown(v.value))
	}
}

// demand notes that there is no value.
func (v Arg) demand() {
	if v.value == nil {
		v.failAs(ErrMissingValue, "is missing")
	}
}

func (v Arg) fail(format string, args ...any) { v.failAs(ErrInvalidValue, format, args...) }

// failAs keeps the first error. Of arguments themselves all are
// ErrInvalidArgument; inside is the URI for members of objects.
func (v Arg) failAs(inside wamp.URI, format string, args ...any) {
	if v.args.err != nil {
		return
	}
	uri := wamp.ErrInvalidArgument
	if v.inside {
		uri = inside
	}
	e := wamp.Errorf(uri, v.name+" "+format, args...)
	if v.inside {
		e.Kwargs = wamp.Dict{"key": v.name}
		switch v.value.(type) {
		case int64, uint64, bool: // never a text, which may be secret, or long
			e.Kwargs["value"] = v.value
		}
	}
	v.args.err = e
}

// shown is the value where it is short and its type where it may be long.
func shown(v any) string {
	switch v.(type) {
	case int64, uint64, float64:
		return fmt.Sprint(v)
	default:
		return wamp.TypeName(v)
	}
}
