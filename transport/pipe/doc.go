// Package pipe is the socket end of every connection: bytes in and out of the
// kernel without a goroutine that only writes and without a buffer that is
// held while nothing moves.
//
// A [Pipe] wraps an accepted connection. At first it passes everything
// through, so that a PROXY header, a TLS handshake or an HTTP request can be
// read from it as from any net.Conn. [Stream.Open] then switches it to queueing:
// writing appends to an outbound buffer and never blocks, Flush hands that
// buffer to the kernel in one write that does not block, and what the kernel
// does not take is written by a goroutine that lives only until then. A
// [Stream] is what message framings are built on, in the clear or over TLS.
//
// A Stream that waits may sleep ([Stream.Sleep]): its socket is then a bare
// descriptor that one goroutine watches for all of them ([Shared.Hibernate]), and
// anybody may still write to it.
//
// Lock order: the lock of a Stream's outbound buffer, then that of the Pipe's,
// then Pipe.mu, then the watch's. No lock but that for copying a descriptor is
// held across a system call that may block, and none while a hook runs.
package pipe
