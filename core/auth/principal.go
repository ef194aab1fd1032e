package auth

import (
	"bondy/core/id"
	"bondy/core/wamp"
)

// Principal is the user whom a session is: of all users of that name the one of
// this realm and incarnation. It never changes and is shared.
type Principal struct {
	// AuthRealm is where the user's credentials are: the realm, or the SSO realm
	// that keeps them for it.
	AuthRealm wamp.URI
	// Name is the user's own, also when the client gave an alias.
	Name        string
	Incarnation id.Incarnation
	// Ticket is the id of the signed ticket that the client logged in with; empty
	// for other credentials.
	Ticket string
	// Client is the client whose own ticket had to come with the user's; the zero
	// value for none.
	Client Client
	// Trusted says that a source of the realm let the client in by its address and
	// nothing was proven: for other realms with the same AuthRealm that is no login.
	Trusted bool
}

// Client is a user of the realm that acts for others; the fields are as those of
// Principal.
type Client struct {
	AuthRealm    wamp.URI
	Name, Ticket string
}
