// Package uplink is the Link: one secured connection between two nodes, over
// QUIC with mutual TLS 1.3. A Dialer keeps one up for ever, a Listener
// accepts many; what crosses them is up to a Handler.
//
// A link has a control lane and some data lanes. A lane is a stream of frames
// in each direction, opened by its sender at the first use, and keeps their
// order; a message picks its lane by the hash of its source. Send copies into
// the lane's queue, which is bounded in bytes, and never waits: a goroutine
// that lives only while something is queued writes what has gathered. So an
// idle link costs two goroutines beside those of QUIC.
//
// Whether the peer is there is decided here and not by QUIC, which can stay
// silent for a minute after a long outage: pings on the control lane, and
// while the link is down a small probe each second outside of any connection,
// whose answer makes the dialer dial at once. The decisions are step functions
// in uplink/internal/step.
//
// Locks: Listener.mu or Dialer.mu, then that of a lane or of the liveness of
// one link; none is held during I/O or a callback.
package uplink
