package pattern

import (
	"strings"
	"sync/atomic"
)

// put holds v where the pattern reads u and returns what takes n's place: n
// itself when the change is below it. One writer at a time calls put and drop.
func (n *node[V]) put(u string, v V) *node[V] {
	if n == nil {
		return leaf(u, v)
	}
	text := n.text()
	common := 0
	for common < min(len(text), len(u)) && text[common] == u[common] {
		common++
	}
	rest := u[common:]
	switch {
	case common < len(text):
		return n.split(common, rest, v)
	case rest == "":
		return n.with(v, true)
	}
	i := strings.IndexByte(n.keys(), rest[0])
	if i < 0 {
		return n.add(leaf(rest, v))
	}
	n.kids[i].Store(n.kids[i].Load().put(rest, v))
	return n
}

// drop takes away the value whose pattern reads u, which there is, with the
// nodes that were there for it alone, and returns what takes n's place.
func (n *node[V]) drop(u string) *node[V] {
	rest := u[len(n.text()):]
	if rest == "" {
		var none V
		return n.with(none, false).normal()
	}
	i := strings.IndexByte(n.keys(), rest[0])
	kid := n.kids[i].Load().drop(rest)
	if kid == nil {
		return n.remove(i).normal()
	}
	n.kids[i].Store(kid)
	return n
}

// leaf keeps none of the memory behind text.
func leaf[V any](text string, v V) *node[V] {
	return &node[V]{label: strings.Clone(text), value: v, has: true}
}

// branch is a node with n's value, as yet without its children.
func (n *node[V]) branch(text, keys string) *node[V] {
	return &node[V]{
		label: text + keys,
		kids:  make([]atomic.Pointer[node[V]], len(keys)),
		value: n.value,
		has:   n.has,
	}
}

// split is a node that ends after the first at bytes of n's text, with v under
// rest and n under what remains of its text.
func (n *node[V]) split(at int, rest string, v V) *node[V] {
	text := n.text()
	top := (&node[V]{}).branch(text[:at], text[at:at+1])
	top.kids[0].Store(n.rename(text[at:]))
	return top.put(text[:at]+rest, v)
}

// rename is n with another text.
func (n *node[V]) rename(text string) *node[V] {
	c := n.branch(text, n.keys())
	move(c.kids, n.kids)
	return c
}

// with is n with another value, or without one.
func (n *node[V]) with(v V, has bool) *node[V] {
	c := n.rename(n.text())
	c.value, c.has = v, has
	return c
}

// add is n with one child more.
func (n *node[V]) add(kid *node[V]) *node[V] {
	keys, key := n.keys(), kid.label[:1]
	i := 0
	for i < len(keys) && keys[i] < key[0] {
		i++
	}
	c := n.branch(n.text(), keys[:i]+key+keys[i:])
	move(c.kids, n.kids[:i])
	c.kids[i].Store(kid)
	move(c.kids[i+1:], n.kids[i:])
	return c
}

// remove is n without its i-th child.
func (n *node[V]) remove(i int) *node[V] {
	c := n.branch(n.text(), n.keys()[:i]+n.keys()[i+1:])
	move(c.kids, n.kids[:i])
	move(c.kids[i:], n.kids[i+1:])
	return c
}

// normal is what stands for n in a tree: nothing when n holds nothing, its
// only child, under both texts, when it has no value.
func (n *node[V]) normal() *node[V] {
	switch {
	case n.has || len(n.kids) > 1:
		return n
	case len(n.kids) == 0:
		return nil
	default:
		kid := n.kids[0].Load()
		return kid.rename(n.text() + kid.text())
	}
}

func move[V any](dst, src []atomic.Pointer[node[V]]) {
	for i := range src {
		dst[i].Store(src[i].Load())
	}
}
