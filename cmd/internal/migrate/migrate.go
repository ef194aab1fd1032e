// Package migrate turns the predecessor's security documents into documents of
// ours, and tells what changes on the way and what has no counterpart.
package migrate

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"bondy/core/directory"
	"bondy/core/id"
	"bondy/core/strict"
	"bondy/core/wamp"
)

// MaxSize bounds a security document in bytes.
const MaxSize = 256 << 20

// Result is what became of a security document.
type Result struct {
	// Documents have no private keys and no passwords in plain text, but hashes of
	// these: keep them as safe as passwords.
	Documents []directory.Document
	// Notes say what was taken, what is different, and what is not there any more.
	Notes []Note
}

// Note is something that whoever migrates should know.
type Note struct {
	// Line is where it is in the document; 0 for what is about a whole realm.
	Line  int
	Realm wamp.URI
	// Path is the member of the document, such as [0].users[3].password.
	Path string
	What What
	Text string
}

// What says what a Note is about.
type What string

// What happens to things.
const (
	Taken   What = "taken"
	Changed What = "changed"
	Dropped What = "dropped"
)

// Convert turns a security document into documents, which are good as a whole. The
// error joins all that is wrong, with line and path.
func Convert(text []byte) (*Result, error) {
	if len(text) > MaxSize {
		return nil, fmt.Errorf("a document of more than %d bytes", MaxSize)
	}
	c := &converter{result: &Result{}, realms: make(map[wamp.URI]*foreignRealm), credentials: make(map[[2]string]bool)}
	list, err := read(bytes.TrimPrefix(text, []byte("\ufeff")), func(line int, path string) {
		c.note(line, "", path, Dropped, "it is not known, and the predecessor ignores it")
	})
	if err != nil {
		return nil, err
	}
	uris := make(map[string]string)
	for i := range list {
		r, at := &list[i], fmt.Sprintf("[%d]", i)
		c.once(uris, r.at, at+".uri", r.URI)
		c.normalize(at, r)
		c.realms[wamp.URI(r.URI)] = r
		if r.IsSSORealm {
			for _, u := range r.Users {
				c.credentials[[2]string{r.URI, u.Username}] = true
			}
		}
	}
	c.aliases(list)
	for i := range list {
		c.realm(fmt.Sprintf("[%d]", i), &list[i])
	}
	if err := errors.Join(c.problems...); err != nil {
		return nil, err
	}
	if err := check(c.result.Documents); err != nil {
		return nil, err
	}
	slices.SortStableFunc(c.result.Notes, func(a, b Note) int { return strings.Compare(string(a.Realm), string(b.Realm)) })
	return c.result, nil
}

// check applies documents to a directory that nobody keeps.
func check(docs []directory.Document) error {
	salt := make([]byte, 32)
	d, err := directory.Open(nothing{}, id.NewClock(1), func(wamp.URI) []byte { return salt })
	if err != nil {
		return err
	}
	_, err = d.PlanDocuments(directory.Actor{}, docs, directory.ApplyOptions{})
	return err
}

// nothing is a directory.Log without rows.
type nothing struct{}

// Load implements directory.Log.
func (nothing) Load(directory.Kind, func(directory.Row) error) error { return nil }

// Commit implements directory.Log.
func (nothing) Commit([]directory.Row) error { return nil }

// converter turns realms into documents.
type converter struct {
	result   *Result
	problems []error
	realms   map[wamp.URI]*foreignRealm
	// credentials are the users of SSO realms whose credentials are there.
	credentials map[[2]string]bool
}

func (c *converter) note(line int, realm wamp.URI, path string, what What, format string, args ...any) {
	c.result.Notes = append(c.result.Notes, Note{line, directory.Canonical(realm), path, what, fmt.Sprintf(format, args...)})
}

func (c *converter) errorf(line int, path, format string, args ...any) {
	c.problems = append(c.problems, &strict.Error{Line: line, Path: path, Message: fmt.Sprintf(format, args...)})
}

// proto is the prototype of a realm; nil without, or when it is not in the
// document.
func (c *converter) proto(r *foreignRealm) *foreignRealm { return c.realms[wamp.URI(r.PrototypeURI)] }

// hasGroup tells whether a realm has a group, or inherits it.
func (c *converter) hasGroup(r *foreignRealm, name string) bool {
	proto := c.proto(r)
	return builtIn(name) || r.ownGroup(name) || proto != nil && proto.ownGroup(name)
}

func (r *foreignRealm) ownGroup(name string) bool {
	return slices.ContainsFunc(r.Groups, func(g foreignGroup) bool { return g.Name == name })
}

func (r *foreignRealm) hasUser(name string) bool {
	return slices.ContainsFunc(r.Users, func(u foreignUser) bool { return u.Username == name })
}
