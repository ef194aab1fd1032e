// Package strict reads JSON into structs and tells everything that does not fit,
// each with its line and path: members that there are not, with the one that
// may be meant, values of the wrong type, and members that are there twice.
// Field tells what is absent from what is null.
package strict

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"bondy/core/wamp"
)

// ErrInvalidValue is the error URI of an Error.
const ErrInvalidValue wamp.URI = "bondy.error.invalid_value"

// Error is one thing that does not fit.
type Error struct {
	// Line is where it stands, from 1.
	Line int
	// Path is the member, such as users[3].groups[0]; empty for the whole.
	Path string
	// Message says what is wrong and what is wanted.
	Message string
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.text()) }

func (e *Error) text() string {
	if e.Path == "" {
		return e.Message
	}
	return e.Path + ": " + e.Message
}

// As makes a *wamp.Error of it, for a peer.
func (e *Error) As(target any) bool {
	to, ok := target.(**wamp.Error)
	if ok {
		*to = wamp.Errorf(ErrInvalidValue, "%s", e.text())
	}
	return ok
}

// Decoder reads JSON. The zero value knows what the struct knows.
type Decoder struct {
	// Explain says of members that the struct does not have, by name, why.
	Explain map[string]string
	// Unknown is told of members that the struct does not have; they are no
	// error then.
	Unknown func(line int, path string)
}

// Lined is a struct that wants to know the line of its first member, or of its end
// without any.
type Lined interface{ SetLine(line int) }

// maxProblems is how many are told at once.
const maxProblems = 50

// Decode reads data into the struct or slice that to points at. Members are named
// by json tags; those of embedded structs count as the struct's own. Null leaves
// what is not a Field as it was, and absent members too. The error joins an *Error
// for each thing that is wrong.
func (d Decoder) Decode(data []byte, to any) error {
	t := &tree{text: data}
	root, err := t.parse()
	if err != nil {
		return err
	}
	w := &writer{Decoder: d, tree: t}
	w.decode(root, to)
	slices.SortStableFunc(w.problems, func(a, b *Error) int { return cmp.Compare(a.Line, b.Line) })
	errs := make([]error, 0, maxProblems)
	for _, e := range w.problems[:min(len(w.problems), maxProblems)] {
		errs = append(errs, e)
	}
	return errors.Join(errs...)
}
