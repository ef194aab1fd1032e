package config_test

import (
	"errors"
	"strings"
	"testing"

	"bondy/cmd/internal/config"
)

// TestErrors checks the whole message of each mistake.
func TestErrors(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"syntax", "mode = \"edge\"\nnode = ", "b.toml:2: unexpected EOF; expected value"},
		{"unknown key", "mode = \"edge\"\ndatadir = \"x\"", `b.toml:2: datadir: unknown key; did you mean "data_dir"?`},
		{"unknown nested key", "[log]\n\nlvel = \"info\"", `b.toml:3: log.lvel: unknown key; did you mean "level"?`},
		{"nothing near", "zzzzzzz = 1", "b.toml:1: zzzzzzz: unknown key"},
		{"case", "Mode = \"edge\"", `b.toml:1: Mode: unknown key; did you mean "mode"?`},
		{"later section", "[cluster]\nlisten = \"x\"", "b.toml:1: cluster: this release does not have section cluster yet"},
		{"type", "mode = 1", "b.toml:1: mode: want a string, got a number"},
		{"table type", "log = 1", "b.toml:1: log: want a table, got a number"},
		{"list type", "listener = 1", "b.toml:1: listener: want a list, got a number"},
		{"mode", "mode = \"coer\"", `b.toml:1: mode: unknown "coer", want one of edge, core; did you mean "core"?`},
		{"level", "[log]\nlevel = \"INFO\"", `b.toml:2: log.level: unknown "INFO", want one of debug, info, warn, error`},
		{"variable", "node = \"${BONDY_NONE}\"", "b.toml:1: node: environment variable BONDY_NONE is not set"},
		{"open variable", "node = \"${A\"", "b.toml:1: node: ${ without a name and a closing }; a dollar sign is written $$"},
		{"dollar", "node = \"a$b\"", "b.toml:1: node: a dollar sign is written $$, an environment variable ${NAME}"},
		{"duration", "[limits]\nhello_timeout = \"5\"", `b.toml:2: limits.hello_timeout: invalid duration "5": want one such as "500ms", "5s" or "1h30m"`},
		{"duration type", "[limits]\nhello_timeout = 5", `b.toml:2: limits.hello_timeout: want a duration such as "5s", got a number`},
		{"negative duration", "[limits]\nhello_timeout = \"-1ns\"", `b.toml:2: limits.hello_timeout: invalid duration "-1ns": want one such as "500ms", "5s" or "1h30m"`},
		{"no time", "[limits]\nhello_timeout = \"0s\"", "b.toml:2: limits.hello_timeout: must be more than 0"},
		{"size", "[limits]\nqueue_soft = \"64MB\"", `b.toml:2: limits.queue_soft: invalid size "64MB": want a whole number and a unit, such as "64MiB" (B, KiB, MiB, GiB)`},
		{"size overflow", "[limits]\nqueue_soft = \"9999999999GiB\"", `b.toml:2: limits.queue_soft: invalid size "9999999999GiB": want a whole number and a unit, such as "64MiB" (B, KiB, MiB, GiB)`},
		{"marks", "[limits]\nqueue_soft = \"5MiB\"", "b.toml:2: limits.queue_soft: 5MiB is above queue_hard, 4MiB"},
		{"bound of a realm", "[[limits.realm]]\nuri = \"a\"\nmax_rows = -1", "b.toml:3: limits.realm[0].max_rows: must not be negative"},
		{"bounds of a realm", "[[limits.realm]]\nuri = \"a\"\n[[limits.realm]]\nuri = \"a\"", "b.toml:4: limits.realm[1].uri: a is already bounded by limits.realm[0]"},
		{
			"bounds of a realm by its other name", "[[limits.realm]]\nuri = \"bondy\"\n[[limits.realm]]\nuri = \"com.leapsight.bondy\"",
			"b.toml:4: limits.realm[1].uri: com.leapsight.bondy is already bounded by limits.realm[0]",
		},
		{"bound of no realm", "[[limits.realm]]\nmax_rows = 1", "b.toml:1: limits.realm[0].uri: must not be empty"},
		{"budget", "[limits]\nqueue_budget = \"7MiB\"", "b.toml:2: limits.queue_budget: 7MiB does not hold one full queue: queue_hard, 4MiB, and queue_reserve, 4MiB"},

		{"no address", "[[listener]]\nservices = [\"admin\"]", `b.toml:1: listener[0].address: "" is no address: want "host:port" or "unix:/path"`},
		{"port", listener("address = \"127.0.0.1:http\""), `b.toml:3: listener[0].address: port "http" is not a number from 0 to 65535`},
		{"no services", "[[listener]]\naddress = \"127.0.0.1:1\"", "b.toml:1: listener[0].services: wants at least one of websocket, longpoll, rawsocket, admin"},
		{"later service", "[[listener]]\naddress = \"127.0.0.1:1\"\nservices = [\n\"websocket\",\n\"gateway\"]", `b.toml:5: listener[0].services[1]: this release does not have "gateway" yet`},
		{"rawsocket alone", "[[listener]]\naddress = \"127.0.0.1:1\"\nservices = [\"websocket\", \"rawsocket\"]", "b.toml:3: listener[0].services: rawsocket is no HTTP service and needs a listener of its own"},
		{"half tls", listener("address = \"127.0.0.1:1\"\ntls.cert = \"x\""), "b.toml:4: listener[0].tls: wants both cert and key"},
		{"prefix", listener("address = \"127.0.0.1:1\"\nproxy_protocol = [\"10.0.0.0\"]"), `b.toml:4: listener[0].proxy_protocol[0]: netip.ParsePrefix("10.0.0.0"): no '/'`},
		{"trusted proxies", "[[listener]]\naddress = \"127.0.0.1:1\"\nservices = [\"rawsocket\"]\ntrusted_proxies = [\"10.0.0.0/8\"]", "b.toml:4: listener[0].trusted_proxies: is for HTTP: rawsocket has proxy_protocol"},
		{"origin", listener("address = \"127.0.0.1:1\"\norigins = [\"example.com\"]"), `b.toml:4: listener[0].origins[0]: "example.com" is no origin: want "https://example.com", "https://example.com:8443", "*.example.com" or "*"`},
		{"same address", listener("address = \"127.0.0.1:1\"") + "\n" + listener("address = \"127.0.0.1:1\""), "b.toml:6: listener[1].address: 127.0.0.1:1 is already the address of listener[0]"},
		{"message size", listener("address = \"127.0.0.1:1\"\nmax_message_size = \"1GiB\""), "b.toml:4: listener[0].max_message_size: 1GiB is not between 1KiB and 256MiB"},
		{"second listener", listener("address = \"127.0.0.1:1\"") + "\n[[listener]]\naddress = \"127.0.0.1:2\"\nservice = [\"admin\"]\nservices = [\"admin\"]", `b.toml:6: listener[1].service: unknown key; did you mean "services"?`},

		{"no realm uri", "[[realm]]\ndescription = \"x\"", `b.toml:1: realm[0].uri: "" is no loose URI`},
		{"strict uri", realm("uri_strictness = \"strict\"\ndescription = \"x\"", "Com.x"), `b.toml:2: realm[0].uri: "Com.x" is no strict URI`},
		{"reserved realm", realm("", "bondy.x"), "b.toml:2: realm[0].uri: bondy.x is a reserved name"},
		{"same realm", realm("", "r") + realm("", "r"), "b.toml:5: realm[1].uri: r is already defined by realm[0]"},
		{"later method", realm("authmethods = [\"oauth2\"]", "r"), `b.toml:3: realm[0].authmethods[0]: this release does not have "oauth2" yet`},
		{"no method", realm("authmethods = []", "r"), "b.toml:3: realm[0].authmethods: want at least one; leave it out for the default"},
		{"timeouts", realm("call_timeout = \"2s\"\ncall_timeout_max = \"1s\"", "r"), "b.toml:3: realm[0].call_timeout: 2s is above call_timeout_max, 1s"},
		{"request_ids", realm("request_ids = \"random\"", "r"), `b.toml:3: realm[0].request_ids: unknown "random", want one of sequential, any`},
		{"resume_timeout", realm("resume_timeout = \"25h\"", "r"), "b.toml:3: realm[0].resume_timeout: 25h0m0s is above 24h, the longest that a session may wait for its client"},
		{"max_detached_sessions", realm("max_detached_sessions = 0", "r"), "b.toml:3: realm[0].max_detached_sessions: must be more than 0"},
		{"max_messages_per_second", realm("max_messages_per_second = -1", "r"), "b.toml:3: realm[0].max_messages_per_second: must not be negative"},
		{"max_messages_per_second_total", realm("max_messages_per_second_total = -1", "r"), "b.toml:3: realm[0].max_messages_per_second_total: must not be negative"},
		{"max_sessions_per_user", realm("max_sessions_per_user = -1", "r"), "b.toml:3: realm[0].max_sessions_per_user: must not be negative"},
		{"short password", realm("users = [{ username = \"joe\", password = \"s3cre\" }]", "r"), "b.toml:3: realm[0].users[0].password: must have at least 6 characters"},
		{"tickets too long", realm("tickets = { max_lifetime = \"721h\" }", "r"), "b.toml:3: realm[0].tickets.max_lifetime: 721h0m0s is not in 1s..720h0m0s"},
		{"no tickets", realm("tickets = { max_per_user = 0 }", "r"), "b.toml:3: realm[0].tickets.max_per_user: must be more than 0"},
		{"tickets by jwt", realm("tickets = { methods = [\"wampcra\", \"jwt\"] }", "r"), `b.toml:3: realm[0].tickets.methods[1]: no tickets can be had by way of "jwt"`},
		{"no password", realm("users = [{ username = \"joe\" }]", "r"), "b.toml:3: realm[0].users[0].password: want a password, or authorized_keys"},
		{"built-in name", realm("[[realm.groups]]\nname = \"all\"", "r"), "b.toml:4: realm[0].groups[0].name: all is already a built-in role"},
		{"user and group", realm("groups = [{ name = \"a\" }]\nusers = [{ username = \"a\", password = \"s3cret\" }]", "r"), "b.toml:4: realm[0].users[0].username: a is already the group realm[0].groups[0]"},
		{"unknown group", realm("groups = [{ name = \"staff\" }]\nusers = [{ username = \"a\", password = \"s3cret\", groups = [\"stuff\"] }]", "r"), `b.toml:4: realm[0].users[0].groups[0]: no group has the name "stuff"; did you mean "staff"?`},
		{"unknown role", realm(grant("roles = [\"anonymus\"]", "wamp.call", `uri = "a"`), "r"), `b.toml:4: realm[0].grants[0].roles[0]: no user or group has the name "anonymus"; did you mean "anonymous"?`},
		{"permission", realm(grant(`roles = ["all"]`, "call", `uri = "a"`), "r"), `b.toml:5: realm[0].grants[0].permissions[0]: unknown "call", want one of wamp.call, wamp.cancel, wamp.register, wamp.unregister, wamp.publish, wamp.subscribe, wamp.unsubscribe, wamp.disclose_caller, wamp.disclose_publisher, wamp.disclose_session_info, bondy.issue, bondy.revoke, bondy.authenticate`},
		{"own prototype", realm("prototype_uri = \"r\"", "r"), "b.toml:3: realm[0].prototype_uri: is the realm itself"},
		{"prototype of a prototype", realm("is_prototype = true\nprototype_uri = \"p\"", "r"), "b.toml:4: realm[0].prototype_uri: does not go with is_prototype"},
		{"sso of an sso realm", realm("is_sso_realm = true\nsso_realm_uri = \"p\"", "r"), "b.toml:4: realm[0].sso_realm_uri: does not go with is_sso_realm"},
		{"unknown method", realm("authmethods = [\"wampcar\"]", "r"), `b.toml:3: realm[0].authmethods[0]: unknown "wampcar", want one of anonymous, cryptosign, jwt, password, ticket, tls, trust, wampcra, wamp-scram; did you mean "wampcra"?`},
		{"tls without a name", realm("authmethods = [\"tls\"]", "r"), "b.toml:3: realm[0].authmethods[0]: tls needs tls.authid, the name in a certificate that is the authid"},
		{"name in a certificate", realm("tls.authid = \"common\"", "r"), `b.toml:3: realm[0].tls.authid: unknown "common", want one of cn, dns, email, uri`},
		{"jwt without issuer", realm("authmethods = [\"jwt\"]", "r"), "b.toml:3: realm[0].authmethods[0]: jwt needs a [[realm.issuers]]"},
		{"keys over HTTP", realm("[[realm.issuers]]\nissuer = \"i\"\naudience = \"a\"\njwks_url = \"http://example.com/jwks\"", "r"), "b.toml:6: realm[0].issuers[0].jwks_url: want https://, or http:// to a loopback address"},
		{"no keys", realm("[[realm.issuers]]\nissuer = \"i\"\naudience = \"a\"", "r"), "b.toml:3: realm[0].issuers[0].jwks_url: want either jwks_url or jwks_file"},
		{"dynamic anonymous", realm("dynamic = { anonymous = \"a.b\" }", "r"), `b.toml:3: realm[0].dynamic.anonymous: unknown "anonymous", want one of ticket, password, wampcra, wamp-scram, cryptosign`},
		{"trust from everywhere", realm("[[realm.sources]]\nsubjects = [\"all\"]\nmethods = [\"trust\"]", "r"), "b.toml:3: realm[0].sources[0].cidrs: a source for trust must name the addresses that are trusted"},
		{"unknown subject", realm("[[realm.sources]]\nsubjects = [\"joe\"]", "r"), `b.toml:4: realm[0].sources[0].subjects[0]: no user or group has the name "joe"`},
		{"action", realm("[[realm.sources]]\nsubjects = [\"all\"]\naction = \"refuse\"", "r"), `b.toml:5: realm[0].sources[0].action: unknown "refuse", want one of allow, deny`},
		{"two passwords", realm("users = [{ username = \"joe\", password = \"s3cret\", password_hash = \"y\" }]", "r"), "b.toml:3: realm[0].users[0].password: want password or password_hash, not both"},
		{"alias taken", realm("users = [{ username = \"joe\", password = \"s3cret\", aliases = [\"ann\"] }, { username = \"ann\", password = \"s3cret\" }]", "r"), "b.toml:3: realm[0].users[1].username: ann is already an alias of joe"},
		{"reserved realm", realm("", "bondy.x"), "b.toml:2: realm[0].uri: bondy.x is a reserved name"},
		{"no resource", realm(grant(`roles = ["all"]`, "wamp.call", ""), "r"), "b.toml:3: realm[0].grants[0].resources: want uri and match, or resources"},
		{"both forms", realm(grant(`roles = ["all"]`, "wamp.call", "resources = [{ uri = \"a\" }]\nuri = \"a\""), "r"), "b.toml:7: realm[0].grants[0].uri: want uri and match, or resources, not both"},
		{"match alone", realm(grant(`roles = ["all"]`, "wamp.call", "match = \"prefix\""), "r"), "b.toml:6: realm[0].grants[0].match: belongs to a uri"},
		{"everything exactly", realm(grant(`roles = ["all"]`, "wamp.call", "resources = [{ uri = \"\" }]"), "r"), `b.toml:6: realm[0].grants[0].resources[0].uri: "" is every URI with match = "prefix" only`},
		{"bad pattern", realm(grant(`roles = ["all"]`, "wamp.call", "resources = [{ uri = \"a b\" }]"), "r"), `b.toml:6: realm[0].grants[0].resources[0].uri: "a b" is no URI for match exact`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := config.Parse([]byte(tt.text), "b.toml")
			if err == nil {
				t.Fatalf("no error, want %s", tt.want)
			}
			if err.Error() != tt.want {
				t.Errorf("got  %s\nwant %s", err, tt.want)
			}
			if _, ok := errors.AsType[*config.Error](err); !ok {
				t.Errorf("no *Error in %T", err)
			}
		})
	}
}

// listener is a listener of service admin with lines of its own from line 3.
func listener(lines string) string { return "[[listener]]\nservices = [\"admin\"]\n" + lines }

// realm is a realm with a URI in line 2 and further lines from line 3.
func realm(lines, uri string) string { return "[[realm]]\nuri = \"" + uri + "\"\n" + lines + "\n" }

// grant is a grant of one permission, with its roles in line 4 of a realm.
func grant(roles, permission, resource string) string {
	return "[[realm.grants]]\n" + roles + "\npermissions = [\"" + permission + "\"]\n" + resource
}

func TestAllErrorsAtOnce(t *testing.T) {
	_, err := config.Parse([]byte(`
nodde = "x"
mode = "x"

# a comment with [[listener]]
[[listener]]
address = """
127.0.0.1:1 "quoted" \""""
services = ["admin"] # ]
"max_connections" = "many"

[[realm]]
uri = '#'
[[realm.users]]
username = 'joe'
password = 1
[[realm.users]]
username = 'joe'
passwort = "x"
`), "b.toml")
	if err == nil {
		t.Fatal("no error")
	}
	want := strings.TrimSpace(`
b.toml:2: nodde: unknown key; did you mean "node"?
b.toml:3: mode: unknown "x", want one of edge, core
b.toml:7: listener[0].address: port "1 \"quoted\" \"" is not a number from 0 to 65535
b.toml:10: listener[0].max_connections: want a whole number, got a string
b.toml:13: realm[0].uri: "#" is no loose URI
b.toml:16: realm[0].users[0].password: want a string, got a number
b.toml:17: realm[0].users[1].password: want a password, or authorized_keys
b.toml:18: realm[0].users[1].username: joe is already the user realm[0].users[0]
b.toml:19: realm[0].users[1].passwort: unknown key; did you mean "password"?
`)
	if err.Error() != want {
		t.Errorf("got\n%s\nwant\n%s", err, want)
	}
}

func TestValidateWithoutFile(t *testing.T) {
	cfg, err := config.Default()
	if err != nil {
		t.Fatal(err)
	}
	if err := cfg.Validate(); err != nil {
		t.Errorf("Validate of the default = %v", err)
	}
	cfg.Listeners[0].MaxConnections = 0
	if err := cfg.Validate(); err == nil || err.Error() != "listener[0].max_connections: must be more than 0" {
		t.Errorf("Validate = %v", err)
	}
}

func TestNoSecretInErrors(t *testing.T) {
	for _, text := range []string{
		realm("users = [{ username = \"joe\", password = \"s3cret$x\" }]", "r"),
		realm("users = [{ username = \"joe\", password = \"s3cret\" \"s3cret\" }]", "r"),
		realm("users = [{ username = \"joe\", password = [\"s3cret\"] }]", "r"),
		realm("users = [{ username = \"joe\", password = s3cret }]", "r"),
	} {
		if _, err := config.Parse([]byte(text), "b.toml"); err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("error = %v", err)
		}
	}
}
