// Package client is a WAMP client: it joins a realm of a router over WebSocket
// or RawSocket and calls, registers, publishes and subscribes there. The
// command line, the tests and whatever else in this module talks to a router
// from outside use it.
//
// Dial makes a Session; Run keeps one alive over reconnects. A Session is safe
// for concurrent use. It runs one goroutine that reads and one that writes;
// messages queued while a write is under way leave together.
//
// # Flow control
//
// Event handlers run one after another, in the order of arrival, on one
// goroutine of the session. Invocation handlers run concurrently, up to
// Config.MaxInvocations. What arrived and was not handed to a handler yet is
// bounded in number (1,024 events, 1,024 invocations) and in bytes
// (Config.ReadAhead); at the bound the session stops reading, so that the
// router's own limits apply. While it does not read, no request is answered
// either: an event handler or an OnProgress function that makes requests of
// its own and can be overrun should leave them to another goroutine.
//
// Requests wait while Config.SendBuffer bytes are on their way out.
//
// # Locks
//
// Session.mu, then outbox.mu, then nothing. No I/O and no handler runs under
// either.
package client
