// Package mgmt is the table of the procedures that the router itself answers:
// each part of the router adds its own, and whoever takes calls in, a session
// or an administrator's door, asks the table. Who calls was authorized before.
//
// The main type is Table; a Handler reads its arguments with Request.Args,
// which keeps the first error, and returns a Result.
package mgmt

import (
	"maps"
	"slices"

	"bondy/core/peer"
	"bondy/core/rbac"
	"bondy/core/wamp"
)

// Handler answers one call, in the goroutine of the caller and without
// blocking. What it keeps of the request's payload it copies; the values that
// Args returns are copies. Errors that the caller may see are *wamp.Error.
type Handler func(*Request) (Result, error)

// Request is one call of a procedure of the router's own.
type Request struct {
	Procedure wamp.URI
	// Realm is where the caller is, Caller its side of the session; nil when
	// the node's operator calls, who has none.
	Realm  wamp.URI
	Caller *peer.Peer
	// Rights are what the caller may do beside this call.
	Rights *rbac.Rights
	// StrictURIs demands the recommended alphabet in URIs among the arguments.
	StrictURIs bool
	// Batch takes what the handler sends to others.
	Batch *peer.Batch
	// Payload are the arguments, valid until the handler returns.
	Payload wamp.Payload
	// Guard runs what changes shared state, where a panic must end the process
	// and not this call alone; nil just runs it.
	Guard func(change func() error) error
}

// Session is the caller's session id, 0 when it has none.
func (r *Request) Session() wamp.ID {
	if r.Caller == nil {
		return 0
	}
	return r.Caller.Session
}

// Change runs f under the request's Guard.
func (r *Request) Change(f func() error) error {
	if r.Guard == nil {
		return f()
	}
	return r.Guard(f)
}

// Result is what a handler answers, in values that package codec encodes. The
// zero value is a result without arguments.
type Result struct {
	Args   []any
	Kwargs map[string]any
}

// Value is a result of one positional argument.
func Value(v any) Result { return Result{Args: []any{v}} }

// Table holds handlers by the URI of their procedure. The zero value is empty.
// Adding ends before the first Call; calls are safe for concurrent use.
type Table struct {
	handlers map[wamp.URI]Handler
	aliases  map[wamp.URI]wamp.URI
	shared   *Table
}

// Add puts a handler in. It panics when the procedure has one already.
func (t *Table) Add(procedure wamp.URI, h Handler) {
	if _, twice := t.handlers[procedure]; twice {
		panic("mgmt: two handlers for " + string(procedure))
	}
	if t.handlers == nil {
		t.handlers = make(map[wamp.URI]Handler)
	}
	t.handlers[procedure] = h
}

// Alias makes name another name of a procedure.
func (t *Table) Alias(name, procedure wamp.URI) {
	if t.aliases == nil {
		t.aliases = make(map[wamp.URI]wamp.URI)
	}
	t.aliases[name] = procedure
}

// Share has another table answer what t has no handler for, so that the tables of
// many realms need not repeat what is the same in all of them.
func (t *Table) Share(other *Table) { t.shared = other }

// Procedures lists those that t has handlers for itself, in order.
func (t *Table) Procedures() []wamp.URI { return slices.Sorted(maps.Keys(t.handlers)) }

// Canonical is the one name of a procedure under which it is authorized and
// called, whatever a client calls it.
func (t *Table) Canonical(procedure wamp.URI) wamp.URI {
	procedure = procedure.Canonical(wamp.MatchExact)
	for ; t != nil; t = t.shared {
		if name, ok := t.aliases[procedure]; ok {
			return name
		}
	}
	return procedure
}

// Call has the procedure's handler answer, or returns ErrNoSuchProcedure. Errors
// are Explained.
func (t *Table) Call(r *Request) (Result, error) {
	r.Procedure = t.Canonical(r.Procedure)
	for ; t != nil; t = t.shared {
		if h, ok := t.handlers[r.Procedure]; ok {
			res, err := h(r)
			return res, Explained(err)
		}
	}
	return Result{}, Explained(wamp.Errorf(wamp.ErrNoSuchProcedure, "this router has no procedure %q", r.Procedure))
}
