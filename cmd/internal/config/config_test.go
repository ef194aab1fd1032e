package config_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"bondy/cmd/internal/config"
)

// parse reads text as /etc/bondy/bondy.toml and expects it to be good.
func parse(t *testing.T, text string) config.Config {
	t.Helper()
	cfg, err := config.Parse([]byte(text), "/etc/bondy/bondy.toml")
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	return cfg
}

func TestDefault(t *testing.T) {
	cfg, err := config.Default()
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Mode != config.ModeEdge || cfg.DataDir != "bondy-data" || cfg.Log.Level != config.LevelInfo {
		t.Errorf("mode %q, data_dir %q, level %q", cfg.Mode, cfg.DataDir, cfg.Log.Level)
	}
	if host, _ := os.Hostname(); cfg.Node != host {
		t.Errorf("node = %q, want the host name %q", cfg.Node, host)
	}
	var got []string
	for _, l := range cfg.Listeners {
		got = append(got, l.Address+" "+string(l.Services[0]))
	}
	want := []string{"127.0.0.1:18080 websocket", "127.0.0.1:18082 rawsocket", "127.0.0.1:18081 admin"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("listeners = %v, want %v", got, want)
	}
	for _, l := range cfg.Listeners {
		if l.PingInterval != 30*time.Second {
			t.Errorf("ping_interval of %s = %s, want 30s", l.Services, l.PingInterval)
		}
	}
	if len(cfg.Realms) != 1 {
		t.Fatalf("%d realms, want 1", len(cfg.Realms))
	}
	grants := []config.Grant{{
		Roles:       []string{"anonymous"},
		Permissions: []string{"wamp.call", "wamp.register", "wamp.subscribe", "wamp.publish"},
		Resources:   []config.Resource{{URI: "", Match: config.MatchPrefix}},
	}}
	if r := cfg.Realms[0]; r.URI != "realm1" || r.SecurityEnabled != nil || !reflect.DeepEqual(r.Grants, grants) {
		t.Errorf("realm = %+v", r)
	}
}

func TestEmptyFileIsDefault(t *testing.T) {
	got, err := config.Parse(nil, "bondy.toml")
	if err != nil {
		t.Fatal(err)
	}
	want, err := config.Default()
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("empty file = %+v, want the default", got)
	}
}

func TestParse(t *testing.T) {
	t.Setenv("PORT", "9000")
	t.Setenv("PASSWORD", "pa${ss}$word")
	cfg := parse(t, `
mode = "core"
node = "core-$$1"
data_dir = "state"

[log]
level = "debug"
format = "json"

[[listener]]
address = "10.0.0.1:${PORT}"
services = ["websocket", "admin"]
tls = { cert = "server.crt", key = "/keys/server.key" }
proxy_protocol = ["10.0.0.0/8"]
origins = ["https://example.com", "*.example.org"]
ping_interval = "1m30s"
max_message_size = "64MiB"

[[listener]]
address = "unix:run/raw.sock"
services = ["rawsocket"]

[limits]
queue_soft = "64KiB"
max_pending_calls_per_session = 7

[[realm]]
uri = "com.example"
authmethods = ["wampcra"]
slow_consumer = "close"
call_timeout = "5s"

[[realm.groups]]
name = "operators"

[[realm.users]]
username = "joe"
password = "${PASSWORD}"
groups = ["operators"]
meta = { site = "${PORT}", tags = ["a", "b"], floor = 3 }

[[realm.grants]]
roles = ["operators"]
permissions = ["wamp.call"]
uri = "com.example"
`)
	if cfg.Mode != config.ModeCore || cfg.Node != "core-$1" || cfg.DataDir != "/etc/bondy/state" {
		t.Errorf("mode %q, node %q, data_dir %q", cfg.Mode, cfg.Node, cfg.DataDir)
	}
	want := config.Listener{
		Address:                  "10.0.0.1:9000",
		Services:                 []config.Service{config.ServiceWebSocket, config.ServiceAdmin},
		TLS:                      &config.TLS{Cert: "/etc/bondy/server.crt", Key: "/keys/server.key"},
		ProxyProtocol:            []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
		MaxConnections:           100_000,
		MaxConnectionsPerAddress: 1_000,

		MaxConnectionsPerSecondPerAddress: 500,
		Origins:                           []string{"https://example.com", "*.example.org"},
		PingInterval:                      90 * time.Second,
		MaxMessageSize:                    64 * config.MiB,
		HandshakeTimeout:                  10 * time.Second,
	}
	if got := cfg.Listeners[0]; !reflect.DeepEqual(got, want) {
		t.Errorf("listener = %+v\nwant %+v", got, want)
	}
	if got := cfg.Listeners[1].Address; got != "unix:/etc/bondy/run/raw.sock" {
		t.Errorf("address = %q", got)
	}
	if l := cfg.Limits; l.QueueSoft != 64*config.KiB || l.MaxPendingCallsPerSession != 7 || l.QueueHard != 4*config.MiB {
		t.Errorf("limits = %+v", l)
	}
	r := cfg.Realms[0]
	if r.CallTimeout != 5*time.Second || r.SlowConsumer != config.SlowClose || r.AllowConnections != nil {
		t.Errorf("realm = %+v", r)
	}
	u := r.Users[0]
	if u.Password.Reveal() != "pa${ss}$word" || !u.Enabled {
		t.Errorf("password %q, enabled %t", u.Password.Reveal(), u.Enabled)
	}
	meta := map[string]any{"site": "9000", "tags": []any{"a", "b"}, "floor": int64(3)}
	if !reflect.DeepEqual(u.Meta, meta) {
		t.Errorf("meta = %v, want %v", u.Meta, meta)
	}
	resources := []config.Resource{{URI: "com.example", Match: config.MatchExact}}
	if g := r.Grants[0]; !reflect.DeepEqual(g.Resources, resources) || g.URI != nil {
		t.Errorf("grant = %+v", g)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "bondy.toml")
	if err := os.WriteFile(path, []byte("data_dir = \"d\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(dir, "d"); cfg.DataDir != want {
		t.Errorf("data_dir = %q, want %q", cfg.DataDir, want)
	}
	if _, err := config.Load(filepath.Join(dir, "none.toml")); !os.IsNotExist(err) && !strings.Contains(err.Error(), "none.toml") {
		t.Errorf("Load of no file = %v", err)
	}
}

func TestDefaultRealmStaysOnLoopback(t *testing.T) {
	for _, tt := range []struct {
		address, service string
		ok               bool
	}{
		{"127.0.0.2:0", "websocket", true},
		{"[::1]:0", "rawsocket", true},
		{"localhost:0", "websocket", true},
		{"unix:/run/bondy.sock", "rawsocket", true},
		{"0.0.0.0:0", "admin", true},
		{"0.0.0.0:0", "websocket", false},
		{":0", "websocket", false},
		{"example.com:0", "rawsocket", false},
	} {
		text := "[[listener]]\naddress = \"" + tt.address + "\"\nservices = [\"" + tt.service + "\"]\n"
		if _, err := config.Parse([]byte(text), "bondy.toml"); (err == nil) != tt.ok {
			t.Errorf("%s on %s without a realm: %v", tt.service, tt.address, err)
		}
		if _, err := config.Parse([]byte(text+"[[realm]]\nuri = \"r\"\n"), "bondy.toml"); err != nil {
			t.Errorf("%s on %s with a realm: %v", tt.service, tt.address, err)
		}
	}
}
