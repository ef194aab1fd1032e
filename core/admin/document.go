package admin

import (
	"encoding/json"

	"bondy/core/directory"
	"bondy/core/mgmt"
	"bondy/core/ticket"
	"bondy/core/wamp"
)

// shownRealm is a realm as it says itself, with what it has in effect by what it
// inherits, and its public keys.
func (c *call) shownRealm(v *directory.View) map[string]any {
	text, err := json.Marshal(v.Realm().Document())
	out, ok := valueOf(text).(map[string]any)
	if err != nil || !ok { // documents always marshal
		panic("admin: a realm that is no document")
	}
	p := v.Effective()
	out["security_status"] = status(*p.SecurityEnabled)
	out["effective"] = map[string]any{
		"allow_connections": *p.AllowConnections, "security_enabled": *p.SecurityEnabled,
		"authmethods": texts(p.AuthMethods), "sso_realm_uri": orNull(p.SSORealmURI),
	}
	out["created"] = stamp(v.Realm().Created)
	u, q := v.Usage(), c.Directory.Quota(v.Realm().URI)
	out["usage"] = map[string]any{
		"rows": u.Rows, "bytes": u.Bytes, "tickets": u.Tickets, "max_rows": q.Rows, "max_bytes": q.Bytes,
	}
	out["public_keys"] = []any{}
	if c.Book != nil {
		if set, err := ticket.JWKS(c.Book.Ring(v.Realm().URI)); err == nil {
			if keys, ok := valueOf(set).(map[string]any); ok {
				out["public_keys"] = keys["keys"]
			}
		}
	}
	return out
}

// document reads a realm. uri is what it is about, if that is said elsewhere.
func (c *call) document(v mgmt.Arg, uri wamp.URI) (directory.Document, error) {
	m := v.Dict()
	if uri != "" {
		if said, ok := m["uri"]; ok && said != string(uri) {
			return directory.Document{}, wamp.Errorf(directory.ErrInvalidValue, "uri: cannot change: create another realm")
		}
		if m == nil {
			m = wamp.Dict{}
		}
		m["uri"] = string(uri)
	}
	text := jsonOf(v, m)
	if err := c.args.Err(); err != nil {
		return directory.Document{}, err
	}
	docs, err := directory.ParseDocuments(text)
	if err != nil {
		return directory.Document{}, err
	}
	c.realm = directory.Canonical(docs[0].URI)
	c.object = "realm " + string(c.realm)
	return docs[0], nil
}

// put makes a realm what a document says, and returns it.
func (c *call) put(doc directory.Document) (mgmt.Result, error) {
	err := c.Change(func() (err error) {
		c.made, err = c.Directory.ApplyDocuments(c.actor, []directory.Document{doc}, directory.ApplyOptions{Gate: c.gated, Still: c.still})
		return err
	})
	if err != nil {
		return mgmt.Result{}, err
	}
	return c.showRealm()
}

func createRealm(c *call) (mgmt.Result, error) {
	doc, err := c.document(c.args.At(0, "realm"), "")
	if err != nil {
		return mgmt.Result{}, err
	}
	if _, err := c.view(); err == nil {
		return mgmt.Result{}, wamp.Errorf(directory.ErrAlreadyExists, "there is a realm %q already", c.realm)
	}
	return c.put(doc)
}

func updateRealm(c *call) (mgmt.Result, error) {
	if err := c.named(); err != nil {
		return mgmt.Result{}, err
	}
	if _, err := c.found(); err != nil {
		return mgmt.Result{}, err
	}
	doc, err := c.document(c.args.At(1, "realm"), c.realm)
	if err != nil {
		return mgmt.Result{}, err
	}
	return c.put(doc)
}

// deploy plans or applies documents.
func deploy(
	do func(*directory.Directory, directory.Actor, []directory.Document, directory.ApplyOptions) ([]directory.Change, error), applied bool,
) func(*call) (mgmt.Result, error) {
	return func(c *call) (mgmt.Result, error) {
		v := c.args.At(0, "documents")
		text, options := jsonOf(v, v.List()), directory.ApplyOptions{Prune: c.args.Key("prune").Bool(), Gate: c.gated, Still: c.still}
		if err := c.args.Err(); err != nil {
			return mgmt.Result{}, err
		}
		docs, err := directory.ParseDocuments(text)
		if err != nil {
			return mgmt.Result{}, err
		}
		c.object = "documents"
		var changes []directory.Change
		before := c.Directory.Snapshot()
		err = c.Change(func() (err error) {
			changes, err = do(c.Directory, c.actor, docs, options)
			return err
		})
		if err != nil {
			return mgmt.Result{}, err
		}
		if applied {
			c.made = changes
		}
		res := mgmt.Value(map[string]any{"changes": shownChanges(changes), "applied": applied})
		res.Kwargs = map[string]any{"first": texts(firstSources(before, changes))}
		return res, nil
	}
}

func shownChanges(changes []directory.Change) []any {
	out := make([]any, len(changes))
	for i, c := range changes {
		out[i] = map[string]any{
			"realm": string(c.Realm), "kind": string(c.Kind), "key": c.Name, "verb": string(c.Verb), "fields": texts(c.Fields),
		}
	}
	return out
}

func exportRealm(c *call) (mgmt.Result, error) {
	if err := c.named(); err != nil {
		return mgmt.Result{}, err
	}
	v, err := c.found()
	if err != nil {
		return mgmt.Result{}, err
	}
	doc, err := v.Export(directory.ExportOptions{Secrets: c.args.Key("secrets").Bool()})
	if err != nil {
		return mgmt.Result{}, err
	}
	text, err := json.Marshal(doc)
	if err != nil {
		return mgmt.Result{}, err
	}
	return mgmt.Value(valueOf(text)), nil
}
