package directory

import (
	"bondy/core/rbac"
	"bondy/core/wamp"
)

// Document is the realm itself as a document has it, without what is in it.
func (r *Realm) Document() Document { return r.document(r.URI) }

// Role finds the user or group that a grant names, with user/ or group/ before
// what could be either.
func (tx *Tx) Role(realm wamp.URI, name string) (rbac.Role, error) {
	d, err := tx.draft(realm)
	if err != nil {
		return rbac.Role{}, err
	}
	return tx.role(d, name)
}
