package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Error is one thing that is wrong with a configuration.
type Error struct {
	// File is the name of the file, empty when Config.Validate found it.
	File string
	// Line is the line in the file, from 1; 0 when it has none.
	Line int
	// Key is the path of the key, such as listener[0].address.
	Key string
	// Message says what is wrong and what is wanted.
	Message string
}

// Error implements error: file:line: key: message.
func (e *Error) Error() string {
	var b strings.Builder
	if e.File != "" {
		b.WriteString(e.File)
		if e.Line > 0 {
			fmt.Fprintf(&b, ":%d", e.Line)
		}
		b.WriteString(": ")
	}
	if e.Key != "" {
		b.WriteString(e.Key + ": ")
	}
	b.WriteString(e.Message)
	return b.String()
}

// problems collects what is wrong.
type problems []*Error

func (p *problems) addf(key, format string, args ...any) {
	*p = append(*p, &Error{Key: key, Message: fmt.Sprintf(format, args...)})
}

// covers reports whether key, or a table that it is in, is already reported.
func (p problems) covers(key string) bool {
	return slices.ContainsFunc(p, func(e *Error) bool {
		rest, ok := strings.CutPrefix(key, e.Key)
		return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
	})
}

// locate completes the problems with the file and the lines of their keys.
func (p problems) locate(file string, lines map[string]int) {
	for _, e := range p {
		e.File = file
		for key := e.Key; key != "" && e.Line == 0; key = parent(key) {
			e.Line = lines[key]
		}
	}
	slices.SortStableFunc(p, func(a, b *Error) int { return cmp.Compare(a.Line, b.Line) })
}

// err joins the problems, or is nil when there are none.
func (p problems) err() error {
	errs := make([]error, len(p))
	for i, e := range p {
		errs[i] = e
	}
	return errors.Join(errs...)
}

// join is the path of a key in the table at path.
func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// element is the path of an element of the list at path.
func element(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }

// parent is the path of the table or list that holds the key at path.
func parent(path string) string {
	return path[:max(0, strings.LastIndexAny(path, ".["))]
}
