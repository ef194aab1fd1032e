// Package wamp holds the vocabulary of WAMP v2: one struct per message of the
// basic and the advanced profile, ids, URIs, error URIs and the raw payload.
// It performs no I/O and imports nothing of this module, so that every other
// package can speak it.
//
// A message that was decoded is valid only as long as its decoder says; the
// payload bytes alias the buffer they were read into.
package wamp
