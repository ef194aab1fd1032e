package migrate_test

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bondy/cmd/internal/migrate"
	"bondy/core/auth"
	"bondy/core/directory"
	"bondy/core/directory/directorytest"
	"bondy/core/rbac"
	"bondy/core/wamp"
)

const example = "../../../examples/migrate/security.json"

func convert(t testing.TB, text string) *migrate.Result {
	t.Helper()
	r, err := migrate.Convert([]byte(text))
	if err != nil {
		t.Fatalf("Convert: %v", err)
	}
	return r
}

// applied is a directory of what Convert makes of a security document.
func applied(t testing.TB, text string) (*directory.Directory, *migrate.Result) {
	t.Helper()
	r := convert(t, text)
	var b strings.Builder
	if err := r.Write(&b); err != nil {
		t.Fatal(err)
	}
	docs, err := directory.ParseDocuments([]byte(b.String()))
	if err != nil {
		t.Fatalf("what was written cannot be read: %v", err)
	}
	d := directorytest.Open(t, &directorytest.Log{})
	if _, err := d.ApplyDocuments(directory.Actor{}, docs, directory.ApplyOptions{}); err != nil {
		t.Fatal(err)
	}
	return d, r
}

// reapply tells what applying a result once more changes.
func reapply(t testing.TB, d *directory.Directory, r *migrate.Result) []directory.Change {
	t.Helper()
	changes, err := d.ApplyDocuments(directory.Actor{}, r.Documents, directory.ApplyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return changes
}

func view(t testing.TB, d *directory.Directory, uri wamp.URI) *directory.View {
	t.Helper()
	v, err := d.View(uri)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// noted tells whether there is a note with all of these texts.
func noted(r *migrate.Result, what migrate.What, texts ...string) bool {
	return slices.ContainsFunc(r.Notes, func(n migrate.Note) bool {
		line := fmt.Sprint(n.Line, " ", n.Realm, " ", n.Path, " ", n.Text)
		return n.What == what && !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(line, text) })
	})
}

func TestMigrateExample(t *testing.T) {
	text, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	d, r := applied(t, string(text))
	for name, password := range map[string]string{"alice": "s3cret-alice", "Alice": "s3cret-alice", "plc-17": "s3cret-plain", "line-4": "s3cret-plain"} {
		u, ok := view(t, d, "com.example.floor").User(name)
		if !ok || !auth.Opens(directorytest.Salt(u.AuthRealm), u.Name, u.Verifier, u.Credential, auth.Secret(password)) {
			t.Errorf("%s cannot log in with the old password: %+v", name, u)
		}
	}
	if u, ok := view(t, d, "com.example.sso").User("bob"); !ok || !auth.Opens(nil, "bob", nil, u.Credential, "s3cret-bob") {
		t.Errorf("bob cannot log in with the old password: %+v", u)
	}
	for _, want := range [][]string{
		{"dropped", "private_keys", "keys are made anew"},
		{"dropped", "authmethods[6]", "oauth2"},
		{"dropped", "[0].sources[1]", "oauth2"},
		{"changed", "::/0"},
		{"changed", "operators may call management", "--role group/operators"},
		{"changed", "Alice is called alice", "Alice is an alias"},
		{"taken", "2 groups, 3 users, 1 sources, 3 grants"},
	} {
		if !noted(r, migrate.What(want[0]), want[1:]...) {
			t.Errorf("no note %q", want)
		}
	}
	var report strings.Builder
	if err := r.Report(&report); err != nil || !strings.Contains(report.String(), "REALM") || strings.Contains(report.String(), "s3cret") {
		t.Errorf("report %v\n%s", err, &report)
	}
}

func TestMigrateWritesForOwnerAlone(t *testing.T) {
	r := convert(t, `[{"uri": "com.example/x"}, {"uri": "com.example.y"}]`)
	dir := filepath.Join(t.TempDir(), "out")
	if err := r.WriteDir(dir); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Fatalf("%d files, %v", len(entries), err)
	}
	for _, e := range entries {
		if info, _ := e.Info(); info.Mode() != 0o600 || filepath.Ext(e.Name()) != ".json" {
			t.Errorf("%s has mode %v", e.Name(), info.Mode())
		}
	}
	if info, _ := os.Stat(dir); info.Mode() != fs.ModeDir|0o700 {
		t.Errorf("the folder has mode %v", info.Mode())
	}
	if err := r.WriteDir(dir); err == nil {
		t.Error("files that were there are overwritten")
	}
}

func quote(v any) string {
	text, _ := json.Marshal(v)
	return string(text)
}

// foreign is a password as the predecessor keeps it.
func foreign(protocol, password string) string {
	b64 := base64.StdEncoding.EncodeToString
	salt := []byte("sixteen bytes...")
	data := map[string]string{"salt": b64(salt)}
	if protocol == "cra" {
		key, _ := pbkdf2.Key(sha256.New, password, []byte(b64(salt)), 10000, 32)
		data["salted_password"] = b64(key)
	} else {
		root, _ := pbkdf2.Key(sha256.New, password, salt, 10000, 32)
		mac := func(text string) []byte {
			h := hmac.New(sha256.New, root)
			h.Write([]byte(text))
			return h.Sum(nil)
		}
		stored := sha256.Sum256(mac("Client Key"))
		data["stored_key"], data["server_key"] = b64(stored[:]), b64(mac("Server Key"))
	}
	return quote(map[string]any{
		"type": "password", "version": "1.2", "protocol": protocol, "data": data,
		"params": map[string]any{"kdf": "pbkdf2", "iterations": 10000, "hash_function": "sha256", "hash_length": 32, "salt_length": 16},
	})
}

func TestMigratePasswords(t *testing.T) {
	d, r := applied(t, `{"uri": "com.leapsight.bondy", "users": [
		{"username": "CRA", "password": `+foreign("cra", "old secret")+`},
		{"username": "scram", "password": `+foreign("scram", "old secret")+`},
		{"username": "plain", "password": "old secret"},
		{"username": "admin", "password": `+foreign("cra", "bondy-admin")+`},
		{"username": "broken", "password": {"type": "password", "version": "1.0"}},
		{"username": "argon", "password": {"version": "1.2", "protocol": "scram", "params": {"kdf": "argon2id13"}}},
		{"username": "gone", "has_password": true, "has_authorized_keys": true, "type": "user", "version": "1.1"},
		{"username": "keyed", "authorized_keys": ["zz"]}]}`)
	for _, name := range []string{"cra", "scram", "plain"} {
		u, ok := view(t, d, "bondy").User(name)
		if !ok || !auth.Opens(directorytest.Salt("bondy"), name, u.Verifier, u.Credential, "old secret") {
			t.Errorf("%s: the old password is not good", name)
		}
	}
	for _, name := range []string{"admin", "broken", "argon", "gone"} {
		if u, ok := view(t, d, "bondy").User(name); !ok || len(u.Verifier) > 0 || u.Credential != nil {
			t.Errorf("%s has %+v", name, u)
		}
	}
	for _, n := range r.Notes {
		if strings.Count(n.Text, "set ") > 1 {
			t.Errorf("advice twice: %s", n.Text)
		}
	}
	for _, want := range []string{"default password", "of broken: password object: version", "of argon: password object: params.kdf", "the password of gone is not in the document", "the keys of gone", "authorized_keys[0]"} {
		if !noted(r, migrate.Dropped, want) {
			t.Errorf("no note of %q", want)
		}
	}
	if text := quote(r.Documents); strings.Contains(text, "old secret") {
		t.Error("a password is written in plain text")
	}
}

func TestMigrateClosesRealmsWithoutSources(t *testing.T) {
	d, r := applied(t, `[{"uri": "a.closed", "users": [{"username": "u", "password": "secret"}]},
		{"uri": "a.proto", "is_prototype": true, "sources": [{"usernames": "all", "authmethod": "password"}]},
		{"uri": "a.child", "prototype_uri": "a.proto"}]`)
	v := view(t, d, "a.closed")
	a, err := auth.New(auth.Config{Methods: v.Effective().AuthMethods, Directory: v, Key: directorytest.Salt("a.closed"), Sources: func() (out []auth.Source) {
		for s := range v.Sources("") {
			out = append(out, s.Source)
		}
		return out
	}()})
	if err != nil {
		t.Fatal(err)
	}
	for _, method := range v.Effective().AuthMethods {
		if id, x, err := a.Begin(t.Context(), auth.Request{Realm: "a.closed", AuthID: "u", Methods: []string{method}}); err == nil || id != nil || x != nil {
			t.Errorf("%s: a realm without sources lets somebody begin to log in", method)
		}
	}
	if !noted(r, migrate.Changed, "migrated-closed") {
		t.Error("it is not noted")
	}
	child := view(t, d, "a.child")
	if n := len(slices.Collect(child.Sources(""))); n != 0 || *child.Effective().AllowConnections {
		t.Errorf("a realm with a prototype that says nothing has %d sources and lets in %v", n, *child.Effective().AllowConnections)
	}
}

func TestMigrateAccess(t *testing.T) {
	d, r := applied(t, `{"uri": "a.b", "groups": [{"name": "Staff", "groups": ["all"]}, {"name": "all"}], "users": [{"username": "Joe", "groups": ["STAFF", "staff", "all"]}],
		"oauth2": {"clients": []}, "info": {"oidc_providers": {"x": {"client_secret": "s3cret"}}, "note": 1},
		"sources": [
			{"usernames": "any", "authmethod": "wampcra", "cidr": "::ffff:10.0.0.0/104"},
			{"username": "joe", "authmethod": "trust", "cidr": "0.0.0.0/0"},
			{"usernames": ["anonymous"], "authmethod": "anonymous", "cidr": "127.0.0.1/8"},
			{"usernames": ["joe"], "authmethod": "oidc"}],
		"grants": [
			{"roles": ["staff", "user/joe"], "permissions": ["wamp.call", "custom.fly"], "resources": [{"uri": "*", "match": "prefix"}, {"uri": "any", "match": "exact"}]},
			{"roles": "anonymous", "permissions": ["wamp.call"], "uri": "com.", "match": "prefix"},
			{"roles": ["all"], "permissions": ["wamp.call"], "uri": "..", "match": "wildcard"},
			{"roles": ["all"], "permissions": ["wamp.call"], "resource": {"uri": "bondy.", "match": "prefix"}},
			{"roles": ["all"], "permissions": ["custom.fly"], "uri": "com.x", "match": "exact"}]}`)
	v := view(t, d, "a.b")
	if u, ok := v.User("joe"); !ok || !slices.Equal(u.Groups, []string{"staff"}) {
		t.Errorf("joe is %+v", u)
	}
	var sources []string
	for s := range v.Sources("") {
		sources = append(sources, fmt.Sprint(s.Subjects, s.Prefixes, s.Methods))
	}
	slices.Sort(sources)
	if want := []string{"[all] [10.0.0.0/8] [wampcra]", "[anonymous] [127.0.0.0/8] [anonymous]", "[joe] [0.0.0.0/0 ::/0] [trust]"}; !slices.Equal(sources, want) {
		t.Errorf("sources %q, want %q", sources, want)
	}
	if string(v.Realm().Info) != `{"note":1}` {
		t.Errorf("info %s", v.Realm().Info)
	}
	for _, want := range [][]string{
		{"dropped", "[0].oauth2", "not known"},
		{"dropped", "oidc_providers"},
		{"changed", "counts as IPv4"},
		{"changed", "joe in from everywhere"},
		{"dropped", "[0].sources[3]", "oidc"},
		{"dropped", "permissions[1]", "custom.fly"},
		{"dropped", `"any"`},
		{"dropped", "[0].grants[4]", "nothing is left"},
		{"changed", "[0].grants[0]", "staff may call management"},
		{"changed", "[0].grants[0]", "--role user/joe"},
		{"changed", "[0].grants[1]", "anonymous may call management"},
		{"changed", "[0].grants[2]", "all may call management"},
	} {
		if !noted(r, migrate.What(want[0]), want[1:]...) {
			t.Errorf("no note %q", want)
		}
	}
	if noted(r, migrate.Changed, "[0].grants[3]") {
		t.Error("a grant that names management is said not to")
	}
	if text := quote(r); strings.Contains(text, "s3cret") {
		t.Error("a secret of a provider is in the result")
	}
}

func TestMigrateDropsGrantsToGroupsOfPrototype(t *testing.T) {
	d, r := applied(t, `[{"uri": "a.p", "is_prototype": true, "groups": [{"name": "staff"}]},
		{"uri": "a.b", "prototype_uri": "a.p", "grants": [{"roles": ["group/staff", "all"], "permissions": ["wamp.call"], "uri": "a.b"}]}]`)
	if roles := slices.Collect(view(t, d, "a.b").Roles(rbac.Role{})); len(roles) != 1 || roles[0].Role.Name != "all" {
		t.Errorf("granted to %+v", roles)
	}
	if !noted(r, migrate.Dropped, "[1].grants[0].roles[0]", "is the prototype's") {
		t.Error("it is not noted")
	}
}

func TestMigrateErrors(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"syntax":    {"[{\"uri\": \"a.b\",}]", "line 1: invalid character"},
		"type":      {"[{\"uri\": \"a.b\",\n\"users\": {}}]", "line 2: [0].users: want a list, got an object"},
		"no uri":    {"[{\"description\": \"x\"}]", "line 1: [0].uri: missing"},
		"group":     {"[{\"uri\": \"a.b\",\n\"users\": [\n{\"username\": \"u\", \"groups\": [\"g\"]}]}]", `line 3: [0].users[0].groups[0]: there is no group "g"`},
		"subject":   {`[{"uri": "a.b", "sources": [{"usernames": ["u"], "authmethod": "password"}]}]`, `[0].sources[0].usernames[0]: there is no user "u"`},
		"cidr":      {`[{"uri": "a.b", "sources": [{"usernames": "all", "authmethod": "password", "cidr": "10.0.0.0"}]}]`, `[0].sources[0].cidr: "10.0.0.0" is not an address prefix`},
		"role":      {`[{"uri": "a.b", "grants": [{"roles": ["g"], "permissions": ["wamp.call"], "uri": "a"}]}]`, `[0].grants[0].roles[0]: there is no user or group "g"`},
		"resource":  {`[{"uri": "a.b", "grants": [{"roles": ["all"], "permissions": ["wamp.call"], "uri": "", "match": "exact"}]}]`, `[0].grants[0]: resources[0]: match`},
		"prototype": {`[{"uri": "a.b", "prototype_uri": "a.p"}]`, "[0].prototype_uri: the realm a.p is not in the document: add it"},
		"circle":    {`[{"uri": "a.b", "groups": [{"name": "x", "groups": ["y"]}, {"name": "y", "groups": ["x"]}]}]`, "would be in itself"},
		"twice":     {`[{"uri": "a.b", "groups": [{"name": "g"}, {"name": "g"}]}]`, `line 1: [0].groups[1].name: "g" is there twice`},
		"folded":    {"[{\"uri\": \"a.b\", \"users\": [{\"username\": \"Joe\"},\n{\"username\": \"joe\"}]}]", `line 2: [0].users[1].username: "joe" is there twice, as "Joe" and "joe": the predecessor compares names in lower case`},
		"realms":    {"[{\"uri\": \"a.b\"},\n{\"uri\": \"A.b\"}]", `line 2: [1].uri: "a.b" is there twice, as "a.b" and "A.b"`},
		"nothing":   {"\n{}", "line 2: [0].uri: missing"},
		"no name":   {"[{\"uri\": \"a.b\", \"users\": [\n{}]}]", "line 2: [0].users[0].username: missing"},
		"method":    {`[{"uri": "a.b", "authmethods": ["magic"]}]`, `authmethods[0]: unknown method "magic"`},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := migrate.Convert([]byte(tt.text)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestMigrateSSOCredentialsStayWhereTheyAre(t *testing.T) {
	d, r := applied(t, `[{"uri": "a.app", "sso_realm_uri": "a.sso", "users": [{"username": "u", "sso_realm_uri": "a.sso", "password": "of the app"}, {"username": "new", "sso_realm_uri": "a.sso", "password": "first"}]},
		{"uri": "a.sso", "is_sso_realm": true, "allow_connections": false, "authmethods": [], "users": [{"username": "u", "password": "of the sso realm"}]}]`)
	for name, password := range map[string]auth.Secret{"u": "of the sso realm", "new": "first"} {
		if u, ok := view(t, d, "a.app").User(name); !ok || !auth.Opens(directorytest.Salt("a.sso"), name, u.Verifier, nil, password) {
			t.Errorf("%s: the password is not %q", name, string(password))
		}
	}
	if !noted(r, migrate.Dropped, "the credentials of u") {
		t.Error("it is not noted")
	}
}

func FuzzConvert(f *testing.F) {
	text, err := os.ReadFile(example)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"uri": "A.b", "users": [{"username": "u", "password": ` + foreign("cra", "x") + `}], "sources": [{"usernames": "all", "authmethod": "trust", "cidr": "::/0"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := migrate.Convert(text)
		if err != nil {
			return
		}
		out, err := json.Marshal(r.Documents)
		if err != nil {
			t.Fatal(err)
		}
		docs, err := directory.ParseDocuments(out)
		if err != nil {
			t.Fatalf("%s: %v", out, err)
		}
		if _, err := directorytest.Open(t, &directorytest.Log{}).PlanDocuments(directory.Actor{}, docs, directory.ApplyOptions{}); err != nil {
			t.Fatalf("%s: %v", out, err)
		}
	})
}
