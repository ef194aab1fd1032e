package directory_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"bondy/core/auth"
	"bondy/core/directory"
	"bondy/core/directory/directorytest"
	"bondy/core/rbac"
	"bondy/core/wamp"
)

func parseDocs(t testing.TB, text string) []directory.Document {
	t.Helper()
	docs, err := directory.ParseDocuments([]byte(text))
	if err != nil {
		t.Fatalf("ParseDocuments: %v", err)
	}
	return docs
}

func applyDocs(t testing.TB, d *directory.Directory, text string, prune bool) []directory.Change {
	t.Helper()
	changes, err := d.ApplyDocuments(directory.Actor{}, parseDocs(t, text), directory.ApplyOptions{Prune: prune})
	if err != nil {
		t.Fatalf("ApplyDocuments: %v", err)
	}
	return changes
}

func viewOf(t testing.TB, d *directory.Directory, uri wamp.URI) *directory.View {
	t.Helper()
	v, err := d.View(uri)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// opens tells whether a password is a user's.
func opens(t testing.TB, d *directory.Directory, uri wamp.URI, name, password string) bool {
	t.Helper()
	u, ok := viewOf(t, d, uri).User(name)
	return ok && auth.Opens(directorytest.Salt(u.AuthRealm), u.Name, u.Verifier, u.Credential, auth.Secret(password))
}

// shape are three realms that refer to each other, in the least helpful order.
const shape = `[
	{"uri": "com.example.app", "prototype_uri": "com.example.proto", "sso_realm_uri": "com.example.sso", "allow_connections": true,
		"description": "the application", "info": {"cost": 7, "<b>": ["x"]}, "call_timeout": "5s", "retention": {"max_bytes": "64MiB", "max_events": 0},
		"history": [{"uri": "com.example.alarms", "match": "prefix", "max_age": "24h"}], "trust": [{"role": "operators", "level": 2}],
		"groups": [{"name": "operators", "groups": ["staff", "shift"]}, {"name": "shift", "groups": ["staff"], "meta": {"a": 1}}],
		"users": [
			{"username": "alice", "sso_realm_uri": "com.example.sso", "groups": ["operators"], "meta": {"site": "Berlin"}},
			{"username": "plc", "password": "s3cret-plc", "aliases": ["line-4"], "groups": ["shift"], "enabled": false,
				"authorized_keys": ["D04AB232742BB4AB3A1368BD4615E4E6D0224AB71A016BAF8520A332C9778737"]}],
		"sources": [
			{"usernames": ["plc"], "authmethod": "trust", "cidr": "10.1.2.3/16", "meta": {"net": "machines"}},
			{"id": "nobody-else", "subjects": ["all"], "cidrs": ["::/0"], "action": "deny"}],
		"grants": [
			{"roles": ["operators", "user/plc"], "permissions": ["wamp.call"], "resources": [{"uri": "com.example."}, {"uri": "a..c"}, {"uri": "com.x", "match": "prefix"}]},
			{"roles": "all", "permissions": ["wamp.subscribe", "wamp.publish"], "uri": "*", "meta": {"dropped": true}}]},
	{"uri": "com.example.proto", "is_prototype": true, "groups": [{"name": "staff"}],
		"grants": [{"roles": ["group/staff", "anonymous"], "permissions": ["wamp.publish"], "uri": ""}]},
	{"uri": "com.example.sso", "is_sso_realm": true, "allow_connections": false, "authmethods": [],
		"users": [{"username": "alice", "password": "s3cret-alice"}]}]`

func TestDocumentsApplyTogetherInAnyOrder(t *testing.T) {
	d := directorytest.Open(t, &directorytest.Log{})
	applyDocs(t, d, shape, false)
	v := viewOf(t, d, "com.example.app")
	p := v.Effective()
	if p.Description != "the application" || p.CallTimeout.Seconds() != 5 || p.Routing.Retention.MaxBytes != 64<<20 ||
		p.Routing.Retention.MaxEvents != -1 || p.Routing.MaxDetached != 1000 || p.SSORealmURI != "com.example.sso" {
		t.Errorf("properties %+v", p)
	}
	if u, _ := v.User("alice"); u.AuthRealm != "com.example.sso" || !slices.Equal(u.Groups, []string{"operators", "shift", "staff"}) {
		t.Errorf("alice is %+v", u)
	}
	if !opens(t, d, "com.example.app", "alice", "s3cret-alice") || !opens(t, d, "com.example.app", "line-4", "s3cret-plc") {
		t.Error("a password of the documents does not open")
	}
	want := []rbac.Resource{{URI: "com.example.", Match: wamp.MatchWildcard}, {URI: "a..c", Match: wamp.MatchWildcard}, {URI: "com.x", Match: wamp.MatchPrefix}}
	for _, role := range []rbac.Role{{Kind: rbac.RoleUser, Name: "plc"}, {Kind: rbac.RoleGroup, Name: "operators"}} {
		grants := v.Grants(role)
		for i, g := range grants {
			if g.Resource != want[i] || g.Permissions != rbac.Set(rbac.Call) {
				t.Errorf("%v: grant %+v", role, g)
			}
		}
		if len(grants) != len(want) {
			t.Errorf("%v has %d grants", role, len(grants))
		}
	}
	if all := v.Grants(rbac.Role{Kind: rbac.RoleGroup, Name: "all"}); len(all) != 1 || all[0].Resource != (rbac.Resource{Match: wamp.MatchPrefix}) {
		t.Errorf("all is granted %+v", all)
	}
	for s := range v.Sources("") {
		if s.ID != "nobody-else" && (s.Prefixes[0].String() != "10.1.0.0/16" || s.Methods[0] != "trust" || s.Deny) {
			t.Errorf("source %+v", s)
		}
	}
}

func TestDocumentsApplyIsIdempotent(t *testing.T) {
	l := &directorytest.Log{}
	d := directorytest.Open(t, l)
	applyDocs(t, d, shape, false)
	for _, prune := range []bool{false, true} {
		commits := l.Commits()
		if changes := applyDocs(t, d, shape, prune); len(changes) > 0 || l.Commits() != commits {
			t.Errorf("prune %v: the second time changes %+v", prune, changes)
		}
		d = directorytest.Open(t, l)
	}
}

func TestDocumentPlanChangesNothing(t *testing.T) {
	l := &directorytest.Log{}
	d := directorytest.Open(t, l)
	planned, err := d.PlanDocuments(directory.Actor{}, parseDocs(t, shape), directory.ApplyOptions{})
	if err != nil || len(planned) == 0 || l.Commits() != 0 {
		t.Fatalf("planned %d changes with %d commits, %v", len(planned), l.Commits(), err)
	}
	if made := applyDocs(t, d, shape, false); fmt.Sprint(made) != fmt.Sprint(planned) {
		t.Errorf("made    %v\nplanned %v", made, planned)
	}
}

func TestDocumentsApplyWholeOrNotAtAll(t *testing.T) {
	l := &directorytest.Log{}
	d := directorytest.Open(t, l)
	bad := strings.Replace(shape, `"roles": ["operators", "user/plc"]`, `"roles": ["operatorz"]`, 1)
	if _, err := d.ApplyDocuments(directory.Actor{}, parseDocs(t, bad), directory.ApplyOptions{}); err == nil {
		t.Fatal("no error")
	}
	if uris := slices.Collect(d.Snapshot().Realms()); len(uris) != 0 || l.Commits() != 0 {
		t.Errorf("an error at the end left realms %v and %d commits", uris, l.Commits())
	}
	applyDocs(t, d, shape, false)
	if n := l.Commits(); n != 1 {
		t.Errorf("written in %d steps, want 1", n)
	}
	l.Fail(errors.New("disk full"))
	if _, err := d.ApplyDocuments(directory.Actor{}, parseDocs(t, `{"uri": "com.example.app", "users": [{"username": "eve"}], "groups": [{"name": "thieves"}]}`), directory.ApplyOptions{}); err == nil {
		t.Fatal("no error of a full disk")
	}
	if _, ok := viewOf(t, d, "com.example.app").User("eve"); ok {
		t.Error("a user of a commit that failed is there")
	}
}

func TestDocumentSaltsDifferPerUser(t *testing.T) {
	d := directorytest.Open(t, &directorytest.Log{})
	users := `"users": [{"username": "ann", "password": "the same"}, {"username": "ben", "password": "the same"}]`
	applyDocs(t, d, `[{"uri": "a.x", `+users+`}, {"uri": "a.y", `+users+`}]`, false)
	salts := make(map[string]bool)
	for _, uri := range []wamp.URI{"a.x", "a.y"} {
		for _, name := range []string{"ann", "ben"} {
			u, _ := viewOf(t, d, uri).User(name)
			v, err := auth.ExplicitVerifier(directorytest.Salt(uri), name, u.Verifier)
			if err != nil {
				t.Fatal(err)
			}
			salt, _, _ := strings.Cut(strings.TrimPrefix(string(v), "pbkdf2$"), "$")
			salts[salt] = true
			if !opens(t, d, uri, name, "the same") {
				t.Errorf("the password of %s in %s is kept with another salt", name, uri)
			}
		}
	}
	if len(salts) != 4 {
		t.Errorf("%d salts for four users", len(salts))
	}
}

func TestDocumentUpdateKeepsSigningKeys(t *testing.T) {
	d := directorytest.Open(t, &directorytest.Log{})
	applyDocs(t, d, shape, false)
	directorytest.Do(t, d, func(tx *directory.Tx) error { return tx.PutSigningKey("com.example.app", "k1", []byte(`{"k":1}`)) })
	applyDocs(t, d, strings.Replace(shape, "the application", "another one", 1), true)
	if keys := slices.Collect(viewOf(t, d, "com.example.app").SigningKeys()); len(keys) != 1 || string(keys[0]) != `{"k":1}` {
		t.Errorf("after an update the keys are %q", keys)
	}
	for _, key := range []string{"private_keys", "encryption_keys"} {
		_, err := directory.ParseDocuments([]byte(`{"uri": "a.b", "` + key + `": []}`))
		if err == nil || !strings.Contains(err.Error(), key+": keys are made here and never taken from documents") {
			t.Errorf("%s: %v", key, err)
		}
	}
}

func TestDocumentUsersOfRealmWithoutMethods(t *testing.T) {
	d := directorytest.Open(t, &directorytest.Log{})
	applyDocs(t, d, `{"uri": "a.sso", "is_sso_realm": true, "authmethods": [], "users": [{"username": "ann", "password": "s3cret"}]}`, false)
	if !opens(t, d, "a.sso", "ann", "s3cret") {
		t.Error("a user of a realm without methods has no password")
	}
	if p := viewOf(t, d, "a.sso").Effective(); len(p.AuthMethods) != 0 || *p.AllowConnections {
		t.Errorf("a realm without methods offers %v and lets in %v", p.AuthMethods, *p.AllowConnections)
	}
}

func TestDocumentAbsentStaysNullResets(t *testing.T) {
	d := directorytest.Open(t, &directorytest.Log{})
	applyDocs(t, d, shape, false)
	applyDocs(t, d, `{"uri": "com.example.app", "users": [{"username": "plc", "meta": {"x": 1}}]}`, false)
	v := viewOf(t, d, "com.example.app")
	if p := v.Realm(); p.Description != "the application" || p.AllowConnections == nil || p.Info == nil {
		t.Errorf("absent properties changed: %+v", p)
	}
	u, _ := v.FindUser("plc")
	if !u.Disabled || len(u.Groups) != 1 || len(u.Keys) != 1 || len(u.Aliases) != 1 || u.Password == nil || string(u.Meta) != `{"x":1}` {
		t.Errorf("absent members of a user changed: %+v", u)
	}
	applyDocs(t, d, `{"uri": "com.example.app", "allow_connections": null, "info": null, "call_timeout": null, "retention": null, "history": null, "trust": null,
		"users": [{"username": "plc", "password": null, "groups": null, "aliases": null, "authorized_keys": null, "enabled": null, "meta": null}]}`, false)
	v = viewOf(t, d, "com.example.app")
	if p := v.Realm(); p.AllowConnections != nil || p.Info != nil || p.CallTimeout != 0 || p.Routing.Retention.MaxEvents != 10_000 ||
		p.Routing.History != nil || p.Routing.Trust != nil {
		t.Errorf("null left %+v", p)
	}
	if u, _ = v.FindUser("plc"); u.Disabled || len(u.Groups) > 0 || len(u.Keys) > 0 || len(u.Aliases) > 0 || u.Password != nil || u.Meta != nil {
		t.Errorf("null left %+v", u)
	}
}

func TestDocumentPrune(t *testing.T) {
	d := directorytest.Open(t, &directorytest.Log{})
	applyDocs(t, d, shape, false)
	small := `{"uri": "com.example.app", "groups": [{"name": "shift"}], "users": [{"username": "plc"}],
		"sources": [{"id": "nobody-else", "subjects": ["all"], "cidrs": ["::/0"], "action": "deny"}],
		"grants": [{"roles": "all", "permissions": ["wamp.publish"], "uri": ""}]}`
	if changes := applyDocs(t, d, small, false); len(changes) != 0 {
		t.Errorf("without prune it changes %+v", changes)
	}
	applyDocs(t, d, small, true)
	v := viewOf(t, d, "com.example.app")
	groups, sources, roles := slices.Collect(v.Groups("")), slices.Collect(v.Sources("")), slices.Collect(v.Roles(rbac.Role{}))
	if v.UserCount() != 1 || len(groups) != 1 || groups[0].Name != "shift" || len(sources) != 1 || len(roles) != 1 ||
		roles[0].Grants[0].Permissions != rbac.Set(rbac.Publish) {
		t.Errorf("%d users, groups %v, %d sources, roles %+v", v.UserCount(), groups, len(sources), roles)
	}
	if u, _ := v.FindUser("plc"); !slices.Equal(u.Groups, []string{"shift"}) || u.Password == nil {
		t.Errorf("prune changed a user who stays: %+v", u)
	}
}

func TestDocumentPruneKeepsUsersOfOtherRealms(t *testing.T) {
	d := directorytest.Open(t, &directorytest.Log{})
	applyDocs(t, d, shape, false)
	applyDocs(t, d, `{"uri": "com.example.sso", "users": [{"username": "idle"}]}`, false)
	applyDocs(t, d, `{"uri": "com.example.sso"}`, true)
	if !opens(t, d, "com.example.app", "alice", "s3cret-alice") {
		t.Error("the credentials of a user of another realm are gone")
	}
	if _, ok := viewOf(t, d, "com.example.sso").User("idle"); ok {
		t.Error("a user whom nobody uses and the document does not have is still there")
	}
	applyDocs(t, d, `[{"uri": "com.example.sso"}, {"uri": "com.example.app"}]`, true)
	if _, ok := viewOf(t, d, "com.example.sso").User("alice"); ok {
		t.Error("a user whom nobody uses any more is still there")
	}
}

func TestDocumentNamesChangeHands(t *testing.T) {
	d := directorytest.Open(t, &directorytest.Log{})
	applyDocs(t, d, `{"uri": "a.b", "groups": [{"name": "x", "groups": ["y"]}, {"name": "y"}], "users": [{"username": "u", "aliases": ["w"]}, {"username": "v"}]}`, false)
	applyDocs(t, d, `{"uri": "a.b", "groups": [{"name": "y", "groups": ["x"]}, {"name": "x", "groups": []}],
		"users": [{"username": "v", "aliases": ["w"]}, {"username": "u", "aliases": []}]}`, false)
	if u, err := viewOf(t, d, "a.b").FindUser("w"); err != nil || u.Name != "v" {
		t.Errorf("the alias is %v's, %v", u, err)
	}
	applyDocs(t, d, `{"uri": "a.b", "groups": [{"name": "u"}], "users": [{"username": "x"}, {"username": "w"}]}`, true)
	if _, ok := viewOf(t, d, "a.b").User("w"); !ok {
		t.Error("a name that was an alias is not a user's now")
	}
}

func TestDocumentErrorsNamePath(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"unknown key":   {`{"uri": "a.b", "desription": ""}`, `line 1: desription: unknown key; did you mean "description"?`},
		"nested":        {"[{\"uri\": \"a.b\",\n\"users\": [{\"username\": \"u\", \"passwort\": \"x\"}]}]", `line 2: [0].users[0].passwort: unknown key; did you mean "password"?`},
		"type":          {`{"uri": "a.b", "users": [{"username": "u", "groups": [1]}]}`, "line 1: users[0].groups[0]: want a string, got a number"},
		"twice":         {`{"uri": "a.b", "uri": "a.c"}`, "line 1: uri: is there twice"},
		"duration":      {`{"uri": "a.b", "call_timeout": "5"}`, `line 1: call_timeout: invalid duration "5": want one such as "500ms", "5s" or "1h30m"`},
		"size":          {`{"uri": "a.b", "retention": {"max_size": "many"}}`, `line 1: retention.max_size: invalid size "many": want a whole number and a unit, such as "64MiB" (B, KiB, MiB, GiB)`},
		"no uri":        {`{}`, "bondy.error.invalid_value: [0].uri: missing"},
		"two documents": {`[{"uri": "a.b"}, {"uri": "a.b"}]`, `bondy.error.invalid_value: [1].uri: there are two documents of the realm "a.b"`},
		"manage":        {`{"uri": "a.b", "manage": "file"}`, "bondy.error.invalid_value: a.b: manage: is for files of a node: leave it out"},
		"group":         {`{"uri": "a.b", "groups": [{"name": "staff"}], "users": [{"username": "u", "groups": ["all", "stuff"]}]}`, `bondy.error.no_such_groups: a.b: users[0].groups: [1]: there is no group "stuff"; did you mean "staff"?`},
		"role":          {`{"uri": "a.b", "grants": [{"roles": ["user/u"], "permissions": ["wamp.call"], "uri": "a"}]}`, `bondy.error.unknown_roles: a.b: grants[0].roles[0]: there is no user "u"`},
		"permission":    {`{"uri": "a.b", "grants": [{"roles": ["all"], "permissions": ["wamp.cal"], "uri": "a"}]}`, `; did you mean "wamp.call"?`},
		"match":         {`{"uri": "a.b", "grants": [{"roles": ["all"], "permissions": ["wamp.call"], "uri": "", "match": "exact"}]}`, `bondy.error.inconsistency_error: a.b: grants[0]: match: "" is every URI with the match prefix alone`},
		"source":        {`{"uri": "a.b", "sources": [{"subjects": ["u"], "authmethod": "password"}]}`, `bondy.error.no_such_users: a.b: sources[0]: there is no user or group "u"`},
		"trust":         {`{"uri": "a.b", "sources": [{"subjects": ["all"], "authmethod": "trust"}]}`, "a source for trust must name the addresses that are trusted"},
		"two passwords": {`{"uri": "a.b", "users": [{"username": "u", "password": "x", "password_hash": "pbkdf2$10000:c2FsdHNhbHQ=$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}]}`, "bondy.error.invalid_value: a.b: users[0]: password: want password or password_hash, not both"},
		"hash":          {`{"uri": "a.b", "users": [{"username": "u", "password_hash": "AAAA"}]}`, "line 1: users[0].password_hash: want pbkdf2$ITERATIONS:SALT$KEY"},
		"empty":         {`{"uri": "a.b", "users": [{"username": "u", "password": ""}]}`, "bondy.error.invalid_value: a.b: users[0]: password: must have at least 6 characters"},
		"user twice":    {`{"uri": "a.b", "users": [{"username": "u"}, {"username": "u"}]}`, `bondy.error.invalid_value: a.b: users[1].username: "u" is there twice`},
		"circle":        {`[{"uri": "a.p", "is_prototype": true, "sso_realm_uri": "a.s"}, {"uri": "a.s", "is_sso_realm": true, "prototype_uri": "a.p"}]`, "bondy.error.inconsistency_error: realms refer to each other in a circle: a.p -> a.s -> a.p"},
		"group circle":  {`{"uri": "a.b", "groups": [{"name": "x", "groups": ["y"]}, {"name": "y", "groups": ["x"]}]}`, "would be in itself"},
		"jwt":           {`{"uri": "a.b", "authmethods": ["jwt"]}`, "bondy.error.invalid_value: a.b: authmethods: jwt needs issuers"},
		"issuer":        {`{"uri": "a.b", "issuers": [{"issuer": "i", "audience": "a", "jwks_url": "http://example.com/keys"}]}`, "bondy.error.invalid_value: a.b: issuers[0]: jwks_url: want https://, or http:// to a loopback address"},
		"keys":          {`{"uri": "a.b", "private_keys": ["-----BEGIN"]}`, "line 1: private_keys: keys are made here"},
		"more":          {`{"uri": "a.b"} {}`, "line 1: more follows the first JSON value"},
		"contradiction": {`[{"uri": "a.s", "is_sso_realm": true, "users": [{"username": "u", "password": "first one"}]}, {"uri": "a.b", "sso_realm_uri": "a.s", "users": [{"username": "u", "sso_realm_uri": "a.s", "password": "second one"}]}]`, `password: another document says something else of the user "u" of the realm "a.s"`},
		"sso moves":     {`[{"uri": "a.s", "is_sso_realm": true}, {"uri": "a.t", "sso_realm_uri": "a.s", "users": [{"username": "u", "sso_realm_uri": "a.x"}]}]`, "bondy.error.invalid_sso_realm"},
	} {
		t.Run(name, func(t *testing.T) {
			d := directorytest.Open(t, &directorytest.Log{})
			docs, err := directory.ParseDocuments([]byte(tt.text))
			if err == nil {
				_, err = d.ApplyDocuments(directory.Actor{}, docs, directory.ApplyOptions{})
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
			if _, ok := errors.AsType[*wamp.Error](err); !ok {
				t.Errorf("a peer would see nothing of %v", err)
			}
		})
	}
}

func TestDocumentErrorsComeAllAtOnce(t *testing.T) {
	_, err := directory.ParseDocuments([]byte("{\"x\": 1,\n\"uri\": 2,\n\"users\": {}}"))
	want := "line 1: x: unknown key\nline 2: uri: want a string, got a number\nline 3: users: want a list, got an object"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func FuzzParseDocuments(f *testing.F) {
	f.Add([]byte(shape))
	f.Add([]byte(`{"uri": "a.b", "users": [{"username": "u", "password_hash": "pbkdf2$10000:c2FsdHNhbHQ=$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		docs, err := directory.ParseDocuments(text)
		if err != nil {
			return
		}
		for i := range docs {
			for j := range docs[i].Users.Value {
				docs[i].Users.Value[j].Password.Present = false // is never written
			}
		}
		out, err := json.Marshal(docs)
		if err != nil {
			t.Fatal(err)
		}
		again, err := directory.ParseDocuments(out)
		if err != nil {
			t.Fatalf("%s: %v", out, err)
		}
		if twice, _ := json.Marshal(again); string(twice) != string(out) {
			t.Errorf("%s\nbecomes\n%s", out, twice)
		}
		_, _ = directorytest.Open(t, &directorytest.Log{}).PlanDocuments(directory.Actor{}, docs, directory.ApplyOptions{})
	})
}
