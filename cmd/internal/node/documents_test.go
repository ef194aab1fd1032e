package node

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bondy/cmd/internal/config"
	"bondy/core/directory"
	"bondy/core/directory/directorytest"
)

// applied is a directory of what a file says.
func applied(t *testing.T, cfg *config.Config) *directory.Directory {
	t.Helper()
	docs, err := documents(cfg)
	if err != nil {
		t.Fatal(err)
	}
	d := directorytest.Open(t, &directorytest.Log{})
	if _, _, err := d.Merge(directory.Actor{}, docs); err != nil {
		t.Fatal(err)
	}
	return d
}

func load(t *testing.T, text string) *config.Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bondy.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return &cfg
}

// TestDocumentsSayEverything compares a [[realm]] with every key with the same in
// JSON, and one without any with the defaults.
func TestDocumentsSayEverything(t *testing.T) {
	cfg := load(t, `
[[realm]]
uri = "com.example.full"
description = "all of it"
prototype_uri = "com.example.proto"
sso_realm_uri = "com.example.sso"
security_enabled = true
allow_connections = false
authmethods = ["tls", "jwt", "trust", "ticket"]
slow_consumer = "close"
uri_strictness = "strict"
call_timeout = "5s"
call_timeout_max = "1m"
features = "announced"
request_ids = "any"
max_messages_per_second = 1
max_messages_per_second_per_user = 2
max_messages_per_second_total = 3
max_sessions = 4
max_sessions_per_user = 5
resume_timeout = "30s"
max_detached_sessions = 6
disclosure = false
retention = { max_events = 0, max_bytes = "1MiB", max_size = "1KiB", ttl = "1h" }
history = [{ uri = "com.x", match = "prefix", max_events = 7, max_bytes = "2KiB", max_age = "2h", storage = "disk" }]
trust = [{ role = "operators", level = 2 }]
tls = { authid = "email" }
router_key_file = "/etc/router.key"
authorizer = "com.x.authorize"
authorizer_cache = "10s"
dynamic = { ticket = "com.x.login" }
tickets = { max_lifetime = "24h", methods = ["wampcra"], max_per_user = 3 }
groups = [{ name = "operators", groups = ["staff"], meta = { a = 1 } }]
users = [
  { username = "joe", password = "s3cret", kdf = "pbkdf2", groups = ["operators"], aliases = ["j"], meta = { site = "Berlin" } },
  { username = "ann", sso_realm_uri = "com.example.sso" },
]
sources = [{ id = "lan", subjects = ["operators"], cidrs = ["10.0.0.0/8"], methods = ["trust"], action = "deny" }]
[[realm.issuers]]
issuer = "https://id"
audience = "me"
jwks_url = "https://id/keys"
refresh = "10m"
keep = "20m"
algorithms = ["ES256"]
leeway = "1s"
require = { a = "b" }
authid_claim = "/x/y"
authid_prefix = "id:"
groups_claim = "g"
groups_map = { admin = ["operators"] }
groups = ["staff"]
[[realm.trustroots]]
address = "0xf766dc789cf04cd18ae75af2c5faf2da6650ff57"
contract = "0xf766dc789cf04cd18ae75af2c5faf2da6650ff57"
realm = "0xa6e693cc4a2b4f1400391a728d26369d9b82ef96"
chain_id = 1
block = 9
groups = ["operators"]
[[realm.grants]]
roles = ["operators", "user/joe"]
permissions = ["wamp.call", "wamp.disclose_caller"]
uri = "com.x"
match = "prefix"
[[realm]]
uri = "com.example.proto"
is_prototype = true
groups = [{ name = "staff" }]
[[realm]]
uri = "com.example.sso"
is_sso_realm = true
authmethods = []
users = [{ username = "ann", password = "s3cret" }]
`)
	d := applied(t, cfg)
	want, err := directory.ParseDocuments([]byte(`[
{"uri": "com.example.full", "description": "all of it", "prototype_uri": "com.example.proto", "sso_realm_uri": "com.example.sso",
 "security_enabled": true, "allow_connections": false, "authmethods": ["tls", "jwt", "trust", "ticket"],
 "slow_consumer": "close", "uri_strictness": "strict", "call_timeout": "5s", "call_timeout_max": "1m", "features": "announced", "request_ids": "any",
 "max_messages_per_second": 1, "max_messages_per_second_per_user": 2, "max_messages_per_second_total": 3, "max_sessions": 4, "max_sessions_per_user": 5,
 "resume_timeout": "30s", "max_detached_sessions": 6, "disclosure": false,
 "retention": {"max_events": 0, "max_bytes": "1MiB", "max_size": "1KiB", "ttl": "1h"},
 "history": [{"uri": "com.x", "match": "prefix", "max_events": 7, "max_bytes": "2KiB", "max_age": "2h", "storage": "disk"}],
 "trust": [{"role": "operators", "level": 2}], "tls": {"authid": "email"}, "router_key_file": "/etc/router.key",
 "authorizer": "com.x.authorize", "authorizer_cache": "10s", "dynamic": {"ticket": "com.x.login"},
 "tickets": {"max_lifetime": "24h", "methods": ["wampcra"], "max_per_user": 3},
 "issuers": [{"issuer": "https://id", "audience": "me", "jwks_url": "https://id/keys", "refresh": "10m", "keep": "20m", "algorithms": ["ES256"], "leeway": "1s",
  "require": {"a": "b"}, "authid_claim": "/x/y", "authid_prefix": "id:", "groups_claim": "g", "groups_map": {"admin": ["operators"]}, "groups": ["staff"]}],
 "trustroots": [{"address": "0xf766dc789cf04cd18ae75af2c5faf2da6650ff57", "contract": "0xf766dc789cf04cd18ae75af2c5faf2da6650ff57", "realm": "0xa6e693cc4a2b4f1400391a728d26369d9b82ef96", "chain_id": 1, "block": 9, "groups": ["operators"]}],
 "groups": [{"name": "operators", "groups": ["staff"], "meta": {"a": 1}}],
 "users": [{"username": "joe", "password": "s3cret", "kdf": "pbkdf2", "groups": ["operators"], "aliases": ["j"], "meta": {"site": "Berlin"}}, {"username": "ann", "sso_realm_uri": "com.example.sso"}],
 "sources": [{"id": "lan", "subjects": ["operators"], "cidrs": ["10.0.0.0/8"], "methods": ["trust"], "action": "deny"}],
 "grants": [{"roles": ["operators", "joe"], "permissions": ["wamp.call", "wamp.disclose_caller"], "uri": "com.x", "match": "prefix"}]},
{"uri": "com.example.proto", "is_prototype": true, "groups": [{"name": "staff"}]},
{"uri": "com.example.sso", "is_sso_realm": true, "authmethods": [], "users": [{"username": "ann", "password": "s3cret"}]}]`))
	if err != nil {
		t.Fatal(err)
	}
	changes, err := d.PlanDocuments(directory.Actor{}, want, directory.ApplyOptions{Prune: true})
	if err != nil || len(changes) != 0 {
		t.Errorf("the same in JSON differs: %+v, %v", changes, err)
	}

	d = applied(t, load(t, "[[realm]]\nuri = \"a.b\""))
	v, err := d.View("a.b")
	if err != nil {
		t.Fatal(err)
	}
	got, _ := json.Marshal(v.Realm().Settings)
	if def, _ := json.Marshal(directory.DefaultSettings()); string(got) != string(def) {
		t.Errorf("without keys\n%s\nwant the defaults\n%s", got, def)
	}
}

func TestDocumentsOfFolder(t *testing.T) {
	cfg := load(t, "realms_dir = \"realms.d\"")
	if len(cfg.Realms) != 0 {
		t.Fatalf("with a folder the default realm is there: %+v", cfg.Realms)
	}
	if _, err := documents(cfg); err == nil || !strings.Contains(err.Error(), "realms_dir: ") {
		t.Errorf("a folder that is not there: %v", err)
	}
	if err := os.Mkdir(cfg.RealmsDir, 0o700); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(cfg.RealmsDir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("1.json", `{"uri": "a.child", "prototype_uri": "a.proto", "manage": "file", "router_key_file": "r.key",
		"issuers": [{"issuer": "i", "audience": "a", "jwks_file": "keys.json"}]}`)
	write("2.json", "\ufeff"+`[{"uri": "a.proto", "is_prototype": true}, {"uri": "a.other"}]`)
	write("README", "not a document")
	d := applied(t, cfg)
	v, err := d.View("a.child")
	if err != nil {
		t.Fatal(err)
	}
	login := v.Realm().Login
	if !v.Realm().Managed || login.RouterKeyFile != filepath.Join(cfg.RealmsDir, "r.key") || login.Issuers[0].JWKSFile != filepath.Join(cfg.RealmsDir, "keys.json") {
		t.Errorf("a.child is %+v", v.Realm())
	}
	if v, err = d.View("a.other"); err != nil || v.Realm().Managed {
		t.Errorf("a.other: %v", err)
	}
	write("3.json", "{\"uri\": \"a.b\",\n\"user\": []}")
	want := filepath.Join(cfg.RealmsDir, "3.json") + `:2: user: unknown key; did you mean "users"?`
	if _, err := documents(cfg); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}
