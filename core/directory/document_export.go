package directory

import (
	"encoding/json"
	"slices"
	"strings"

	"bondy/core/rbac"
	"bondy/core/strict"
)

// ExportOptions say what an export has.
type ExportOptions struct {
	// Secrets adds password_hash: who reads it can log in by wampcra as these users,
	// and guess their passwords.
	Secrets bool
}

// Export is the document of which ApplyDocuments makes the same realm, with
// everything that the realm says itself. Keys and tickets are not part of it, nor
// are credentials that another realm keeps.
func (v *View) Export(o ExportOptions) (Document, error) {
	d := v.realm.realm.document(v.realm.realm.URI)
	d.Groups, d.Users = strict.Some([]GroupDocument{}), strict.Some([]UserDocument{})
	d.Sources, d.Grants = strict.Some([]SourceDocument{}), strict.Some([]GrantDocument{})
	for g := range v.Groups("") {
		d.Groups = appended(d.Groups, GroupDocument{Name: g.Name, Groups: strict.Some(slices.Sorted(slices.Values(g.Groups))), Meta: compact(g.Meta)})
	}
	for u := range v.Users("") {
		doc, err := v.userDocument(u, o)
		if err != nil {
			return d, at(err, "user %s", u.Name)
		}
		d.Users = appended(d.Users, doc)
	}
	for s := range v.Sources("") {
		d.Sources = appended(d.Sources, s.Document())
	}
	for role := range v.Roles(rbac.Role{}) {
		d.Grants = strict.Some(append(d.Grants.Value, role.grantDocuments()...))
	}
	return d, nil
}

func (v *View) userDocument(u *User, o ExportOptions) (UserDocument, error) {
	d := UserDocument{
		Username: u.Name, Groups: strict.Some(append([]string{}, u.Groups...)), Enabled: strict.Some(!u.Disabled), Meta: compact(u.Meta),
	}
	if u.SSO != "" {
		d.SSORealmURI = strict.Some(u.SSO)
		return d, nil
	}
	keys := []PublicKey{}
	for _, k := range u.Keys {
		keys = append(keys, PublicKey(k))
	}
	slices.SortFunc(keys, func(a, b PublicKey) int { return strings.Compare(string(a), string(b)) })
	d.AuthorizedKeys, d.Aliases = strict.Some(keys), strict.Some(slices.Sorted(slices.Values(u.Aliases)))
	if d.Aliases.Value == nil {
		d.Aliases.Value = []string{}
	}
	if !o.Secrets || u.Password == nil {
		return d, nil
	}
	h, err := v.snapshot.hash(v.realm, u.Name, u.Password)
	if err != nil {
		return d, err
	}
	d.PasswordHash = strict.Some(h)
	if u.Password.KDF != "" {
		d.KDF = strict.Some(u.Password.KDF)
	}
	return d, nil
}

// compact is free data as a document has it, absent when there is none.
func compact(meta json.RawMessage) strict.Field[json.RawMessage] {
	if meta == nil {
		return strict.Field[json.RawMessage]{}
	}
	return strict.Some(meta)
}
