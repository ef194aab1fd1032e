package strict

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// maxDepth bounds how deep values are nested.
const maxDepth = 64

// node is a JSON value and where it ends: nil, bool, json.Number, string, []node
// or []member.
type node struct {
	end   int
	value any
}

// member is a member of an object.
type member struct {
	name string
	at   int
	node node
}

// tree reads a text.
type tree struct {
	text   []byte
	dec    *json.Decoder
	breaks []int // where lines end; nil until somebody asks for a line
}

func (t *tree) parse() (node, error) {
	t.dec = json.NewDecoder(bytes.NewReader(t.text))
	t.dec.UseNumber()
	root, err := t.node(0)
	if err != nil {
		return node{}, t.syntax(err)
	}
	if _, err := t.dec.Token(); !errors.Is(err, io.EOF) {
		return node{}, &Error{Line: t.line(t.offset()), Message: "more follows the first JSON value"}
	}
	return root, nil
}

func (t *tree) offset() int { return int(t.dec.InputOffset()) }

// line is that of an offset.
func (t *tree) line(at int) int {
	if t.breaks == nil {
		t.breaks = make([]int, 0, 1+bytes.Count(t.text, []byte("\n")))
		for i, b := range t.text {
			if b == '\n' {
				t.breaks = append(t.breaks, i)
			}
		}
	}
	before, _ := slices.BinarySearch(t.breaks, at)
	return 1 + before
}

// syntax is what the parser found, without the text around it, which may be
// secret.
func (t *tree) syntax(err error) error {
	at := t.offset()
	if s, ok := errors.AsType[*json.SyntaxError](err); ok {
		at = int(s.Offset)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("the JSON ends too early")
	}
	return &Error{Line: t.line(at), Message: err.Error()}
}

func (t *tree) node(depth int) (node, error) {
	token, err := t.dec.Token()
	if err != nil {
		return node{}, err
	}
	if depth > maxDepth {
		return node{}, fmt.Errorf("nested deeper than %d levels", maxDepth)
	}
	n := node{value: token}
	switch token {
	case json.Delim('['):
		list := []node{}
		for t.dec.More() {
			e, err := t.node(depth + 1)
			if err != nil {
				return node{}, err
			}
			list = append(list, e)
		}
		n.value = list
		_, err = t.dec.Token()
	case json.Delim('{'):
		n.value, err = t.members(depth)
	}
	n.end = t.offset()
	return n, err
}

func (t *tree) members(depth int) ([]member, error) {
	list := []member{}
	for t.dec.More() {
		token, err := t.dec.Token()
		if err != nil {
			return nil, err
		}
		name, _ := token.(string) // the decoder wants one
		m := member{name: name, at: t.offset()}
		if m.node, err = t.node(depth + 1); err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	_, err := t.dec.Token()
	return list, err
}

// plain is a node as encoding/json has it.
func (n node) plain() any {
	switch v := n.value.(type) {
	case []node:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = e.plain()
		}
		return out
	case []member:
		out := make(map[string]any, len(v))
		for _, m := range v {
			out[m.name] = m.node.plain()
		}
		return out
	default:
		return v
	}
}

// kind names the type of a node.
func (n node) kind() string {
	switch n.value.(type) {
	case nil:
		return "null"
	case string:
		return "a string"
	case json.Number:
		return "a number"
	case bool:
		return "a boolean"
	case []node:
		return "a list"
	default:
		return "an object"
	}
}
