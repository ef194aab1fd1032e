package auth

import (
	"context"
	"crypto/subtle"

	"bondy/core/wamp"
)

// ticket takes the password itself (section "Ticket-based Authentication") and
// compares what derives from it with the user's verifier.
type ticket struct {
	named
	dir        *directory
	iterations int
	keys       *keyCache
}

func (t ticket) begin(_ context.Context, req *Request) (*Identity, *Exchange, error) {
	c := t.dir.find(req, MethodTicket, lacksPassword)
	salt := t.dir.salt(req.AuthID)
	return nil, &Exchange{
		Method:    MethodTicket,
		Challenge: wamp.Dict{},
		verify: func(ctx context.Context, signature string, _ wamp.Dict) (*Identity, error) {
			want, err := t.keys.of(ctx, c, salt, t.iterations)
			if err != nil {
				return nil, err
			}
			got, err := t.keys.derive(ctx, signature, salt, t.iterations)
			if err != nil {
				return nil, err
			}
			return c.admit(subtle.ConstantTimeCompare(got, want) == 1)
		},
	}, nil
}
