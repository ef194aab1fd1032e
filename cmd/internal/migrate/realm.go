package migrate

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"bondy/core/auth"
	"bondy/core/directory"
	"bondy/core/strict"
	"bondy/core/wamp"
)

// control is the predecessor's internal realm.
const control wamp.URI = directory.MasterAlias + ".internal"

// realm converts one.
func (c *converter) realm(path string, r *foreignRealm) {
	uri := wamp.URI(r.URI)
	switch r.URI {
	case "":
		return // which is told already
	case string(control):
		c.note(r.at, uri, path, Dropped, "the predecessor's own control realm")
		return
	case string(directory.MasterAlias):
		uri = directory.Master
		c.note(r.at, uri, path+".uri", Changed, "the master realm is called %s; clients may go on calling it %s", uri, directory.MasterAlias)
	}
	d := directory.Document{URI: uri, Description: strict.Some(r.Description)}
	if uri != directory.Master {
		d.IsPrototype, d.IsSSORealm = strict.Some(r.IsPrototype), strict.Some(r.IsSSORealm)
		d.PrototypeURI, d.SSORealmURI = strict.NonZero(wamp.URI(r.PrototypeURI)), strict.NonZero(wamp.URI(r.SSORealmURI))
		d.AllowConnections, d.SecurityEnabled = r.AllowConnections, r.SecurityEnabled
	}
	for name, ref := range map[string]string{"prototype_uri": r.PrototypeURI, "sso_realm_uri": r.SSORealmURI} {
		if ref != "" && c.realms[wamp.URI(ref)] == nil {
			c.errorf(r.at, path+"."+name, "the realm %s is not in the document: add it", ref)
		}
	}
	if proto := c.proto(r); proto != nil && !r.AllowConnections.Has() && !proto.AllowConnections.Has() {
		d.AllowConnections = strict.Some(false)
		c.note(r.at, uri, path+".allow_connections", Changed, "made false: the predecessor lets nobody into a realm that leaves this to a prototype that says nothing")
	}
	c.methods(path, uri, r, &d)
	c.info(path, uri, r, &d)
	c.leftOut(path, uri, r)
	groups, users := c.groups(path, uri, r), c.users(path, uri, r)
	sources, grants := c.sources(path, uri, r), c.grants(path, uri, r)
	if closed, ok := c.closed(r); ok {
		sources = append(sources, closed)
		c.note(r.at, uri, path+".sources", Changed, "added the source %s: without any source the predecessor lets nobody in, and bondy everybody who has credentials", closed.ID)
	}
	d.Groups, d.Users, d.Sources, d.Grants = strict.Some(groups), strict.Some(users), strict.Some(sources), strict.Some(grants)
	c.result.Documents = append(c.result.Documents, d)
	c.note(0, uri, path, Taken, "%d groups, %d users, %d sources, %d grants", len(groups), len(users), len(sources), len(grants))
}

// foreignMethods are methods of the predecessor that a realm cannot just go on
// with, and why.
func foreignMethods() map[string]string {
	const gateway = "it is not a method here"
	return map[string]string{
		"oauth2": gateway, "oidc": gateway, "oidcrp": gateway, "cookie": gateway,
		"tls": "the predecessor does not have it either; to use it, say which name in a certificate is the authid with tls.authid",
	}
}

// methods converts the authentication methods. Where the predecessor's default
// counts, it is spelled out.
func (c *converter) methods(path string, uri wamp.URI, r *foreignRealm, d *directory.Document) {
	if !r.AuthMethods.Has() {
		d.AuthMethods = strict.Null[[]string]()
		if r.PrototypeURI == "" {
			list := []string{auth.MethodPassword, auth.MethodWAMPCRA, auth.MethodTicket}
			if uri != directory.Master {
				list = append([]string{auth.MethodAnonymous}, list...)
			}
			d.AuthMethods = strict.Some(list)
			c.note(r.at, uri, path+".authmethods", Changed, "made %s, the predecessor's default without oauth2", strings.Join(d.AuthMethods.Value, ", "))
		}
		return
	}
	list := []string{}
	for i, m := range r.AuthMethods.Value {
		at := fmt.Sprintf("%s.authmethods[%d]", path, i)
		if why, foreign := foreignMethods()[m]; foreign {
			c.note(r.at, uri, at, Dropped, "%s: %s", m, why)
		} else if m == auth.MethodAnonymous && uri == directory.Master {
			c.note(r.at, uri, at, Dropped, "anonymous: nobody administers a node without saying who it is")
		} else if !slices.Contains(list, m) {
			list = append(list, m)
		}
	}
	d.AuthMethods = strict.Some(list)
}

// info takes the free data but for what the predecessor gives a meaning.
func (c *converter) info(path string, uri wamp.URI, r *foreignRealm, d *directory.Document) {
	if _, has := r.Info["oidc_providers"]; has {
		delete(r.Info, "oidc_providers")
		c.note(r.at, uri, path+".info.oidc_providers", Dropped, "OpenID Connect providers have no counterpart; tokens of an issuer are accepted by the method jwt, with issuers")
	}
	if len(r.Info) > 0 {
		text, _ := json.Marshal(r.Info) // is JSON already
		d.Info = strict.Some(json.RawMessage(text))
	}
}

// leftOut notes what has no counterpart.
func (c *converter) leftOut(path string, uri wamp.URI, r *foreignRealm) {
	for _, o := range []struct {
		name string
		raw  json.RawMessage
		why  string
	}{
		{"private_keys", r.PrivateKeys, "keys are made anew: tickets and tokens that the old ones signed are not accepted"},
		{"encryption_keys", r.EncryptionKeys, "nothing is encrypted with them"},
		{"password_opts", r.PasswordOpts, "how new passwords are kept is said by kdf, for each user"},
	} {
		if len(o.raw) > 0 {
			c.note(r.at, uri, path+"."+o.name, Dropped, "%s", o.why)
		}
	}
}

// groups converts the groups.
func (c *converter) groups(path string, uri wamp.URI, r *foreignRealm) []directory.GroupDocument {
	out := []directory.GroupDocument{}
	for i, g := range r.Groups {
		at := fmt.Sprintf("%s.groups[%d]", path, i)
		if builtIn(g.Name) {
			c.note(g.at, uri, at, Dropped, "the group %s is built in: grants to it are kept, and nothing else can be said of it", g.Name)
			continue
		}
		out = append(out, directory.GroupDocument{Name: g.Name, Groups: strict.Some(c.members(g.at, at, r, g.Groups)), Meta: meta(g.Meta)})
	}
	return out
}

// members are groups that somebody is in, without those that are built in.
func (c *converter) members(line int, path string, r *foreignRealm, groups []string) []string {
	out := []string{}
	for i, g := range groups {
		switch {
		case !c.hasGroup(r, g):
			c.errorf(line, fmt.Sprintf("%s.groups[%d]", path, i), "there is no group %q", g)
		case !builtIn(g) && !slices.Contains(out, g):
			out = append(out, g)
		}
	}
	return out
}

func meta(raw json.RawMessage) strict.Field[json.RawMessage] {
	if len(raw) == 0 || string(raw) == "{}" {
		return strict.Field[json.RawMessage]{}
	}
	return strict.Some(raw)
}

// closed is the source that keeps everybody out of a realm that the predecessor
// lets nobody into because it has none, as its master realm never has.
func (c *converter) closed(r *foreignRealm) (directory.SourceDocument, bool) {
	open := len(r.Sources) > 0 || r.IsPrototype || r.master() || r.AllowConnections.Present && !r.AllowConnections.Value && !r.AllowConnections.Null ||
		r.SecurityEnabled.Has() && !r.SecurityEnabled.Value
	if proto := c.proto(r); proto != nil {
		open = open || slices.ContainsFunc(proto.Sources, func(s foreignSource) bool { return slices.Contains(s.subjects(), "all") })
	}
	return directory.SourceDocument{ID: "migrated-closed", Subjects: directory.Names{"all"}, Action: "deny"}, !open
}
