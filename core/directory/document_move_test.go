package directory_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"bondy/core/auth"
	"bondy/core/directory"
	"bondy/core/directory/directorytest"
	"bondy/core/id"
	"bondy/core/rbac"
	"bondy/core/wamp"
)

// elsewhere is the directory of a node with other salts.
func elsewhere(t testing.TB) *directory.Directory {
	t.Helper()
	d, err := directory.Open(&directorytest.Log{}, id.NewClock(2), otherSalt)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func otherSalt(uri wamp.URI) []byte {
	return []byte(fmt.Sprintf("%-40s", "another node's "+string(uri)))
}

func export(t testing.TB, d *directory.Directory, uri wamp.URI, secrets bool) string {
	t.Helper()
	doc, err := viewOf(t, d, uri).Export(directory.ExportOptions{Secrets: secrets})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func exportAll(t testing.TB, d *directory.Directory, secrets bool) string {
	t.Helper()
	var all []string
	for uri := range d.Snapshot().Realms() {
		all = append(all, export(t, d, uri, secrets))
	}
	return "[" + strings.Join(all, ",") + "]"
}

func TestExportMovesRealm(t *testing.T) {
	d := directorytest.Open(t, &directorytest.Log{})
	applyDocs(t, d, shape, false)
	hash, err := auth.NewCredential("s3cret-scram", auth.KDFArgon2id)
	if err != nil {
		t.Fatal(err)
	}
	directorytest.Do(t, d, func(tx *directory.Tx) error {
		return tx.AddUser("com.example.app", directory.UserSpec{Name: "scram", Password: &directory.Password{Credential: hash, KDF: auth.KDFArgon2id}})
	})
	text := exportAll(t, d, true)
	if changes := applyDocs(t, d, text, true); len(changes) != 0 {
		t.Errorf("its own export changes %+v", changes)
	}
	other := elsewhere(t)
	applyDocs(t, other, text, true)
	if again := exportAll(t, other, true); again != text {
		t.Errorf("moved   %s\nwanted  %s", again, text)
	}
	for name, password := range map[string]string{"alice": "s3cret-alice", "plc": "s3cret-plc", "scram": "s3cret-scram"} {
		u, _ := viewOf(t, other, "com.example.app").User(name)
		if !auth.Opens(otherSalt(u.AuthRealm), u.Name, u.Verifier, u.Credential, auth.Secret(password)) {
			t.Errorf("the password of %s does not open there", name)
		}
		if auth.Opens(otherSalt(u.AuthRealm), u.Name, u.Verifier, u.Credential, "wrong") {
			t.Errorf("any password of %s opens there", name)
		}
	}
}

func TestExportHasNoSecretsUnlessAsked(t *testing.T) {
	d := directorytest.Open(t, &directorytest.Log{})
	applyDocs(t, d, shape, false)
	if text := exportAll(t, d, false); strings.Contains(text, "password") || strings.Contains(text, "pbkdf2") {
		t.Errorf("an export has secrets: %s", text)
	}
	docs := parseDocs(t, shape)
	hash := directory.PasswordHash{Verifier: []byte("pbkdf2$1")}
	for _, text := range []string{fmt.Sprintf("%v %+v", docs, docs), fmt.Sprintf("%v %+v %s", hash, hash, hash)} {
		if strings.Contains(text, "s3cret") || strings.Contains(text, "pbkdf2$") {
			t.Errorf("printed: %s", text)
		}
	}
}

// TestExportRoundTrip exports realms made at random: what is made of an export
// exports the same.
func TestExportRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		doc := randomDocument(rt)
		d := directorytest.Open(t, &directorytest.Log{})
		if _, err := d.ApplyDocuments(directory.Actor{}, []directory.Document{doc}, directory.ApplyOptions{}); err != nil {
			rt.Fatal(err)
		}
		text := export(t, d, doc.URI, true)
		other := elsewhere(t)
		for _, prune := range []bool{true, false} {
			docs, err := directory.ParseDocuments([]byte(text))
			if err != nil {
				rt.Fatal(err)
			}
			if _, err := other.ApplyDocuments(directory.Actor{}, docs, directory.ApplyOptions{Prune: prune}); err != nil {
				rt.Fatal(err)
			}
			if again := export(t, other, doc.URI, true); again != text {
				rt.Fatalf("got  %s\nwant %s", again, text)
			}
		}
	})
}

func randomDocument(rt *rapid.T) directory.Document {
	names := []string{"a", "b", "ü", "c.d", "x y", `q"u`}
	some := func(label string) []string {
		return rapid.SliceOfNDistinct(rapid.SampledFrom(names), 0, 4, rapid.ID[string]).Draw(rt, label)
	}
	oneOf := func(label string, words ...string) string { return rapid.SampledFrom(words).Draw(rt, label) }
	groups := some("groups")
	m := map[string]any{
		"uri": "com.example.r", "description": rapid.StringMatching(`[a-zä<]{0,9}`).Draw(rt, "description"),
		"slow_consumer": oneOf("slow", "drop", "close"), "uri_strictness": "loose", "features": oneOf("features", "used", "announced"),
		"request_ids": oneOf("ids", "any", "sequential"), "disclosure": rapid.Bool().Draw(rt, "disclosure"),
		"call_timeout": oneOf("timeout", "0s", "90s", "1h0m1s", "250ms"), "max_detached_sessions": rapid.IntRange(1, 9).Draw(rt, "detached"),
		"max_messages_per_second": rapid.IntRange(0, 9).Draw(rt, "rate"), "retention": map[string]any{"max_events": rapid.IntRange(0, 3).Draw(rt, "retained")},
		"dynamic": map[string]string{oneOf("method", "ticket", "password"): "com.example.auth"}, "tls": map[string]string{"authid": "cn"},
		"issuers": []any{map[string]any{"issuer": "i", "audience": "a", "jwks_file": "k", "leeway": "5s", "groups_map": map[string]any{"x": []string{"y"}}}},
	}
	if rapid.Bool().Draw(rt, "methods") {
		m["authmethods"] = rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"ticket", "tls", "jwt"}), 0, 3, rapid.ID[string]).Draw(rt, "authmethods")
	}
	var gs, us, ss, grants []any
	for i, g := range groups {
		gs = append(gs, map[string]any{"name": "g" + g, "groups": prefixed(groups[:i]), "meta": map[string]any{"n": i}})
	}
	users := some("users")
	for _, u := range users {
		user := map[string]any{"username": u, "groups": prefixed(groups), "enabled": rapid.Bool().Draw(rt, "enabled"), "aliases": []string{"alias of " + u}}
		if rapid.Bool().Draw(rt, "hash") {
			user["password_hash"] = "pbkdf2$10000:c2FsdHNhbHQ=$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
			user["kdf"] = oneOf("kdf", "", "pbkdf2", "argon2id13")
		}
		us = append(us, user)
		ss = append(ss, map[string]any{"subjects": []string{u, "anonymous"}, "methods": []string{"ticket"}, "cidrs": []string{oneOf("cidr", "10.0.0.0/8", "::1/128")}, "action": oneOf("action", "allow", "deny")})
		grants = append(grants, map[string]any{
			"roles": []string{"user/" + u, "all"}, "permissions": []string{oneOf("permission", "wamp.call", "wamp.publish", "bondy.issue")},
			"resources": []any{map[string]any{"uri": oneOf("uri", "", "a.b", "a.", "a..b")}, map[string]any{"uri": "x", "match": oneOf("match", "exact", "prefix")}},
		})
	}
	m["groups"], m["users"], m["sources"], m["grants"] = gs, us, ss, grants
	for _, key := range []string{"groups", "users", "sources", "grants"} {
		if len(m[key].([]any)) == 0 {
			delete(m, key)
		}
	}
	text, err := json.Marshal(m)
	if err != nil {
		rt.Fatal(err)
	}
	docs, err := directory.ParseDocuments(text)
	if err != nil {
		rt.Fatal(err)
	}
	return docs[0]
}

func prefixed(groups []string) []string {
	out := []string{}
	for _, g := range groups {
		out = append(out, "g"+g)
	}
	return out
}

func TestDocumentPasswords(t *testing.T) {
	d := directorytest.Open(t, &directorytest.Log{})
	user := func(members string) []directory.Change {
		t.Helper()
		return applyDocs(t, d, `{"uri": "a.b", "users": [{"username": "joe"`+members+`}]}`, false)
	}
	password := func() *directory.Password {
		t.Helper()
		u, err := viewOf(t, d, "a.b").FindUser("joe")
		if err != nil {
			t.Fatal(err)
		}
		return u.Password
	}
	user(`, "password": "first one"`)
	first := password()
	if changes := user(`, "password": "first one"`); len(changes) != 0 || password() != first {
		t.Errorf("the same password changes %+v", changes)
	}
	c, err := auth.NewCredential("first one", auth.KDFArgon2id)
	if err != nil {
		t.Fatal(err)
	}
	directorytest.Do(t, d, func(tx *directory.Tx) error { return tx.Rehash("a.b", loginOf(t, d, "a.b", "joe"), c) })
	if changes := user(`, "password": "first one"`); len(changes) != 0 || password().Credential == nil {
		t.Errorf("after a login made it stronger the same password changes %+v", changes)
	}
	if changes := user(`, "password": "second one"`); len(changes) != 1 || !slices.Contains(changes[0].Fields, "password") || !opens(t, d, "a.b", "joe", "second one") {
		t.Errorf("another password changes %+v", changes)
	}
	user(`, "password": "second one", "kdf": "argon2id13"`)
	if p := password(); p.Credential == nil || p.Credential.KDF != auth.KDFArgon2id || p.KDF != auth.KDFArgon2id {
		t.Errorf("with argon2id13 there is %+v", p)
	}
	if changes := user(`, "password": "second one", "kdf": "argon2id13"`); len(changes) != 0 {
		t.Errorf("the same again changes %+v", changes)
	}
	foreign, err := auth.ImportVerifier("c29tZSBzYWx0IHRleHQ=", 5000, make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{1, 0} {
		if changes := user(`, "password_hash": "` + string(foreign) + `"`); len(changes) != want {
			t.Errorf("a hash changes %+v, want %d things", changes, want)
		}
	}
}

func TestDocumentPasswordThatChangesMeanwhile(t *testing.T) {
	var d *directory.Directory
	meanwhile := func() {}
	d, err := directory.Open(&directorytest.Log{}, id.NewClock(1), func(uri wamp.URI) []byte {
		f := meanwhile
		meanwhile = func() {}
		f()
		return directorytest.Salt(uri)
	})
	if err != nil {
		t.Fatal(err)
	}
	docs := parseDocs(t, `{"uri": "a.b", "users": [{"username": "joe", "password": "first one"}]}`)
	for range 2 {
		if _, err := d.ApplyDocuments(directory.Actor{}, docs, directory.ApplyOptions{}); err != nil {
			t.Fatal(err)
		}
		if !opens(t, d, "a.b", "joe", "first one") {
			t.Error("a password that changed while it was compared stays")
		}
		meanwhile = func() {
			other, err := d.Snapshot().Hash("a.b", "joe", "another", "")
			if err != nil {
				t.Error(err)
			}
			directorytest.Do(t, d, func(tx *directory.Tx) error { return tx.UpdateUser("a.b", "joe", directory.UserPatch{Password: other}) })
		}
	}
}

const definition = `{
	"description": "a realm", "authmethods": ["ticket", "cryptosign"], "uri_strictness": "strict", "call_timeout": "1s",
	"groups": [{"name": "user"}],
	"users": [{"username": "carol", "authorized_keys": ["0000000000000000000000000000000000000000000000000000000000000000"], "enabled": false},
		{"username": "joe", "password": "s3cret", "groups": ["user"]}],
	"grants": [{"roles": ["user"], "permissions": ["wamp.call", "wamp.publish"], "resources": [{"uri": "com.", "match": "prefix"}, {"uri": "org.x"}]}]`

func managed(uri, manage, body string) string {
	return body + `, "uri": "` + uri + `", "manage": "` + manage + `"}`
}

func merge(t *testing.T, d *directory.Directory, docs ...string) []string {
	t.Helper()
	_, differ, err := d.Merge(directory.Actor{}, parseDocs(t, "["+strings.Join(docs, ",")+"]"))
	if err != nil {
		t.Fatal(err)
	}
	return differ
}

func TestMerge(t *testing.T) {
	l := &directorytest.Log{}
	d := directorytest.Open(t, l)
	if differ := merge(t, d, managed("a.kept", "node", definition), managed("a.managed", "file", definition)); differ != nil {
		t.Errorf("differences %v of new realms", differ)
	}
	commits := l.Commits()
	d = directorytest.Open(t, l)
	if differ := merge(t, d, managed("a.kept", "node", definition), managed("a.managed", "file", definition)); differ != nil || l.Commits() != commits {
		t.Errorf("the second time there are differences %v and %d commits, had %d", differ, l.Commits(), commits)
	}

	small := `{"uri_strictness": "loose", "users": [{"username": "joe", "password": "s3cret", "groups": []}], "groups": [{"name": "user"}]`
	differ := merge(t, d, managed("a.kept", "node", small), managed("a.managed", "file", small))
	want := []string{"a.kept: properties uri_strictness", "a.kept: user joe"}
	if !slices.Equal(differ, want) {
		t.Errorf("differences %q, want %q", differ, want)
	}
	kept, follows := viewOf(t, d, "a.kept"), viewOf(t, d, "a.managed")
	if kept.UserCount() != 2 || len(slices.Collect(kept.Roles(rbac.Role{}))) != 1 || !kept.Realm().StrictURIs {
		t.Error("the realm that follows no file changed")
	}
	p := follows.Realm()
	if follows.UserCount() != 1 || len(slices.Collect(follows.Roles(rbac.Role{}))) != 0 || p.StrictURIs || p.Description != "" || p.AuthMethods != nil || p.CallTimeout != 0 {
		t.Errorf("the realm that follows its file is %+v", p)
	}
	if u, _ := follows.FindUser("joe"); len(u.Groups) != 0 || !opens(t, d, "a.managed", "joe", "s3cret") {
		t.Errorf("joe is %+v", u)
	}

	merge(t, d)
	if uris := slices.Collect(d.Snapshot().Realms()); !slices.Equal(uris, []wamp.URI{"a.kept"}) {
		t.Errorf("after both left the file there are %v, want the one that follows none", uris)
	}
}

func TestMergeFollowsFile(t *testing.T) {
	d := directorytest.Open(t, &directorytest.Log{})
	merge(t, d, managed("a.b", "file", definition))
	hash, err := d.Snapshot().Hash("a.b", "joe", "changed", "")
	if err != nil {
		t.Fatal(err)
	}
	c, err := auth.NewCredential("s3cret", auth.KDFArgon2id)
	if err != nil {
		t.Fatal(err)
	}
	directorytest.Do(t, d, func(tx *directory.Tx) error { return tx.Rehash("a.b", loginOf(t, d, "a.b", "joe"), c) })
	merge(t, d, managed("a.b", "file", definition))
	if u, _ := viewOf(t, d, "a.b").FindUser("joe"); u.Password.Credential == nil {
		t.Error("the stronger form of the same password is gone")
	}
	for what, change := range map[string]func(*directory.Tx) error{
		"add a user": func(tx *directory.Tx) error { return tx.AddUser("a.b", directory.UserSpec{Name: "eve"}) },
		"change a password": func(tx *directory.Tx) error {
			return tx.UpdateUser("a.b", "joe", directory.UserPatch{Password: hash})
		},
		"delete the realm": func(tx *directory.Tx) error { return tx.DeleteRealm("a.b", true) },
	} {
		if err := d.Update(directory.Actor{}, change); wamp.AsError(err).URI != directory.ErrInconsistency {
			t.Errorf("%s of a realm that follows a file: %v", what, err)
		}
	}
	without := strings.Replace(definition, `"username": "joe"`, `"username": "eve"`, 1)
	if without == definition {
		t.Fatal("the definition has no joe")
	}
	merge(t, d, managed("a.b", "file", without))
	if _, ok := viewOf(t, d, "a.b").User("joe"); ok {
		t.Error("a user whom the file has no more stays")
	}
	merge(t, d, managed("a.b", "file", definition))
	differ := merge(t, d, managed("a.b", "node", definition))
	if len(differ) != 0 || viewOf(t, d, "a.b").Realm().Managed {
		t.Errorf("a realm that the file lets go of still follows it; differences %v", differ)
	}
}

// TestMergeTellsFewDifferences: those of what the file says, not what was added to
// the realm.
func TestMergeTellsFewDifferences(t *testing.T) {
	d := directorytest.Open(t, &directorytest.Log{})
	merge(t, d, managed("a.b", "node", definition), managed("a.c", "node", definition))
	directorytest.Do(t, d, func(tx *directory.Tx) error {
		for i := range 1000 {
			if err := tx.AddUser("a.b", directory.UserSpec{Name: fmt.Sprint("user", i)}); err != nil {
				return err
			}
		}
		resource, ps := call("com.added.")
		return errors.Join(tx.Grant("a.b", groupRole("user"), resource, ps), tx.AddGroup("a.b", "added", nil, nil))
	})
	if differ := merge(t, d, managed("a.b", "node", definition), managed("a.c", "node", definition)); len(differ) != 0 {
		t.Errorf("what was added at run time differs: %q", differ)
	}
	var names []string
	for i := range 30 {
		names = append(names, fmt.Sprintf(`{"username": "new%02d", "password": "s3cret"}`, i))
	}
	more := `{"users": [` + strings.Join(names, ",") + `]`
	differ := merge(t, d, managed("a.b", "node", more), managed("a.c", "node", more))
	if len(differ) != 21 || differ[0] != "a.b: user new00" || differ[20] != "40 more" {
		t.Errorf("%d differences: %q", len(differ), differ)
	}
	directorytest.Do(t, d, func(tx *directory.Tx) error { return tx.DeleteUser("a.b", "joe", true) })
	if differ := merge(t, d, managed("a.b", "node", definition), managed("a.c", "node", definition)); !slices.Equal(differ, []string{"a.b: user joe"}) {
		t.Errorf("differences %q", differ)
	}
}
