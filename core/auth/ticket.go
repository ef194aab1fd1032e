package auth

import (
	"context"
	"crypto/hmac"

	"bondy/core/wamp"
)

// ticket takes the password itself (section "Ticket-based Authentication").
type ticket struct {
	named
	dir *directory
}

func (t ticket) begin(_ context.Context, req *Request) (*Identity, *Exchange, error) {
	c := t.dir.find(req, MethodTicket, lacksPassword)
	return nil, &Exchange{
		Method:    MethodTicket,
		Challenge: wamp.Dict{},
		verify: func(_ context.Context, signature string, _ wamp.Dict) (*Identity, error) {
			// Digests have one length, so that the comparison tells nothing
			// of the password's.
			return c.admit(hmac.Equal(t.dir.mac(MethodTicket, signature), t.dir.mac(MethodTicket, c.secret)))
		},
	}, nil
}
