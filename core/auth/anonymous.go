package auth

import (
	"context"
	"crypto/rand"
)

// anonymous lets everybody in under a fresh random authid; what the client
// says about authid and authrole counts for nothing.
type anonymous struct {
	policy *policy
	roles  []string // of every identity
}

func (anonymous) usable(*Request) error { return nil }

func (a anonymous) begin(_ context.Context, req *Request) (*Identity, *Exchange, error) {
	if d := a.policy.decide(SubjectAnonymous, nil, MethodAnonymous, req.from()); !d.Allowed {
		return nil, nil, barred(d.Reason)
	}
	return &Identity{
		AuthID:       rand.Text(),
		AuthRole:     MethodAnonymous,
		AuthMethod:   MethodAnonymous,
		AuthProvider: provider,
		Roles:        a.roles,
		Groups:       a.roles,
	}, nil, nil
}
