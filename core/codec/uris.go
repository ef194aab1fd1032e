package codec

import "bondy/core/wamp"

const (
	maxInterned  = 32  // URIs; a power of two
	maxInternLen = 256 // bytes in one
)

// uris keeps some of the URIs that were read lately, so that one that comes
// again is neither allocated nor checked again. Each has a pair of places: a
// new one takes the first, and what was there moves to the second.
type uris [maxInterned]wamp.URI

// intern returns the URI that s holds and whether it is valid UTF-8.
func (u *uris) intern(s []byte) (uri wamp.URI, valid bool) {
	at := u.place(s)
	first, second := &u[at], &u[at+1]
	if string(s) == string(*first) {
		return *first, true
	}
	if string(s) == string(*second) {
		return *second, true
	}
	if !validText(s) {
		return "", false
	}
	uri = wamp.URI(s)
	if len(s) <= maxInternLen {
		*first, *second = uri, *first
	}
	return uri, true
}

// place is the first place for s, by a hash of its middle and its end: that is
// where the URIs of one application differ. Who makes them collide allocates a
// string per message.
func (*uris) place(s []byte) int {
	n := len(s)
	if n < 8 {
		return n * 2 % maxInterned
	}
	const m1, m2 = 0x9e3779b97f4a7c15, 0xd6e8feb86659fd93 // odd, with bits everywhere
	hash := (word(s[n-8:])*m1 + word(s[n/2-4:])) * m2
	return int(hash>>32%maxInterned) &^ 1
}
