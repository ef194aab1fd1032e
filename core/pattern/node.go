package pattern

import (
	"strings"
	"sync/atomic"
)

// node is a node of a radix tree: the text on the edge that leads to it, the
// value of the pattern that ends here, if one does, and the children by the
// first byte of their text. All but the pointers in kids is immutable. Every
// node has a value or two children at least. A nil node is an empty tree.
type node[V any] struct {
	label string // text and keys in one string: memory that is read together
	kids  []atomic.Pointer[node[V]]
	value V
	has   bool
}

// text is what the edge to n reads.
func (n *node[V]) text() string { return n.label[:len(n.label)-len(n.kids)] }

// keys are the first bytes of the children, ascending.
func (n *node[V]) keys() string { return n.label[len(n.label)-len(n.kids):] }

// kid is the child whose text begins with c, or nil.
func (n *node[V]) kid(c byte) *node[V] {
	if i := strings.IndexByte(n.keys(), c); i >= 0 {
		return n.kids[i].Load()
	}
	return nil
}

// get finds the value whose pattern reads u.
func (n *node[V]) get(u string) (v V, ok bool) {
	for n != nil {
		rest, below := strings.CutPrefix(u, n.text())
		if !below {
			break
		}
		if rest == "" {
			return n.value, n.has
		}
		n, u = n.kid(rest[0]), rest
	}
	return v, false
}

// prefixes calls yield with each value whose pattern is a prefix of u, the
// longest first, and with the prefix's length, until yield returns false; it
// reports whether yield never did. u[:at] is the text above n.
func (n *node[V]) prefixes(u string, at int, yield func(v V, end int) bool) bool {
	if n == nil {
		return true
	}
	rest, below := strings.CutPrefix(u[at:], n.text())
	if !below {
		return true
	}
	end := len(u) - len(rest)
	if rest != "" && !n.kid(rest[0]).prefixes(u, end, yield) {
		return false
	}
	return !n.has || yield(n.value, end)
}

// wildcards calls yield with each value whose pattern matches u by components
// until yield returns false; it reports whether yield never did. Where a
// literal component and a wildcard both match, it follows the literal first.
// u[:at] is matched by the text above n; start tells that a component of the
// pattern, and with it one of u, begins there. It visits only nodes whose text
// matches, and recurses at most once for each component of u.
func (n *node[V]) wildcards(u string, at int, start bool, yield func(V) bool) bool {
	for n != nil {
		for _, c := range []byte(n.text()) {
			if start && c == '.' { // an empty component: skip one of u
				dot := strings.IndexByte(u[at:], '.')
				if dot < 0 {
					return true
				}
				at += dot + 1
				continue
			}
			if at == len(u) || u[at] != c {
				return true
			}
			at++
			start = c == '.'
		}
		if !start {
			if at == len(u) {
				return !n.has || yield(n.value)
			}
			n = n.kid(u[at])
			continue
		}
		dot := strings.IndexByte(u[at:], '.')
		if at < len(u) && dot != 0 && !n.kid(u[at]).wildcards(u, at, true, yield) {
			return false
		}
		if dot < 0 { // the last component of u, and an empty one of the pattern
			return !n.has || yield(n.value)
		}
		n = n.kid('.')
	}
	return true
}

// all calls yield with every pattern and its value in byte order until yield
// returns false; it reports whether yield never did. above is the text above
// n; yield must not keep the bytes.
func (n *node[V]) all(above []byte, yield func([]byte, V) bool) bool {
	if n == nil {
		return true
	}
	text := append(above, n.text()...)
	if n.has && !yield(text, n.value) {
		return false
	}
	for i := range n.kids {
		if !n.kids[i].Load().all(text, yield) {
			return false
		}
	}
	return true
}

// below is all for the patterns that begin with prefix.
func (n *node[V]) below(prefix string, yield func([]byte, V) bool) {
	var above []byte
	for n != nil && !strings.HasPrefix(n.text(), prefix) {
		rest, below := strings.CutPrefix(prefix, n.text())
		if !below {
			return
		}
		above = append(above, n.text()...)
		n, prefix = n.kid(rest[0]), rest
	}
	n.all(above, yield)
}
