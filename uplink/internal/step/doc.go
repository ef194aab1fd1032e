// Package step has the decisions of a link as step functions: Live says when
// to ping and when a link is dead, Redial when to dial and when to probe. Both
// know the time only from their arguments, do no I/O and start no goroutine,
// so that a simulation replays an outage exactly. They are not safe for
// concurrent use.
package step
