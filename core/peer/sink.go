// Package peer is how the kernel sees the other end of a session: a Peer with
// its identity and features, the Queue that bounds what waits for it, and the
// Frame that carries one message to many of them. Local sessions, remote nodes
// and bridges are all Peers.
//
// Lock order: a Queue's lock is the innermost lock of the kernel. Nothing that
// blocks or does I/O runs under it.
package peer

import (
	"errors"

	"bondy/core/wamp"
)

// Errors of a Sink.
var (
	// ErrTooLong means that the other side accepts no message of this size.
	ErrTooLong = errors.New("message longer than the receiver accepts")
	// ErrClosed means that the connection is closed or closing.
	ErrClosed = errors.New("connection closed")
)

// Sink is the outbound half of a connection, made by a transport. Append and
// Buffered are called under the lock of the Queue that owns the sink, Flush
// without it; OnProgress is called once, before the first Append.
type Sink interface {
	// Serializer is what the connection negotiated.
	Serializer() wamp.Serializer
	// Append puts one encoded message, framed for the wire, behind what is
	// waiting. It never blocks and does no I/O. The bytes are copied, unless
	// keep is not nil: then they may be kept instead, under a hold on keep
	// that ends when they were written. Errors: ErrTooLong, ErrClosed.
	Append(msg []byte, keep *Buffer) error
	// Buffered is how many bytes wait that the kernel has not taken.
	Buffered() int
	// Flush hands what waits to the kernel without blocking; what the kernel
	// does not take is written by a goroutine that lives only until then.
	// Safe to call from any goroutine.
	Flush()
	// OnProgress sets a function that the sink calls, with no lock held,
	// whenever that goroutine has written some of the backlog.
	OnProgress(func())
}

// Wire is a Sink that can tell what became of what it was given.
type Wire interface {
	Sink
	// Written is how many bytes the kernel has taken of all that were appended,
	// framing included. What waited when the connection broke was not taken.
	Written() (taken, appended int64)
}
