package systest_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bondy/cmd/internal/config"
	composition "bondy/cmd/internal/node"
	"bondy/core/audit"
	"bondy/core/wamp"
	"bondy/store/seal"
	"bondy/transport/client"
)

// TestNodeKeyLost: a start without the node key, or with another one, fails and
// says what to do, and with --new-node-key the node goes on without the tickets.
func TestNodeKeyLost(t *testing.T) {
	realms := strings.Replace(keptRealms, "%s", "", 1)
	d := newDomain(t, realms)
	as := func() *client.Session { return d.join("app", client.Password("joe", "joe-secret")) }
	issued, err := ask(t.Context(), as(), "bondy.ticket.issue", nil)
	if err != nil {
		t.Fatal(err)
	}
	ticket := issued.(dict)["ticket"].(string)
	d.stop()

	path := filepath.Join(d.dir, "bondy-data", seal.FileName)
	cfg, err := config.Parse([]byte(domainConfig(realms)), filepath.Join(d.dir, "bondy.toml"))
	if err != nil {
		t.Fatal(err)
	}
	log := &logBuffer{}
	opts := composition.Options{Version: "test", Log: slog.New(slog.NewTextHandler(log, nil)), Level: new(slog.LevelVar)}
	key := nodeKey(t, filepath.Dir(path))
	refused := func(what, why string) {
		t.Helper()
		n, err := composition.New(t.Context(), cfg, opts)
		if err == nil || !strings.Contains(err.Error(), path+" "+why) || !strings.Contains(err.Error(), "--new-node-key") {
			t.Errorf("%s: %v, %v", what, n, err)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	refused("without key", "is missing")
	if _, err := seal.Create(path); err != nil {
		t.Fatal(err)
	}
	refused("with another key", "is another one")

	restart := func() {
		t.Helper()
		d.rig = startWith(t, d.dir, domainConfig(realms), composition.Options{NewNodeKey: true})
	}
	if err := os.WriteFile(path, key, 0o600); err != nil {
		t.Fatal(err)
	}
	restart() // with the right one nothing happens
	d.join("app", client.Ticket("joe", ticket))
	d.stop()
	if got := nodeKey(t, filepath.Dir(path)); string(got) != string(key) {
		t.Error("a key that fits was replaced")
	}
	if _, err := seal.Replace(path); err != nil {
		t.Fatal(err)
	}
	restart()
	d.denied(wamp.ErrAuthenticationDenied, "app", client.Ticket("joe", ticket))
	if _, err := ask(t.Context(), as(), "bondy.ticket.issue", nil); err != nil {
		t.Errorf("a ticket under a new key: %v", err)
	}
	d.stop()
	if text := d.log.String(); !strings.Contains(text, "signing keys that do not open were dropped") {
		t.Errorf("the log has %s", text)
	}
	if aside, _ := filepath.Glob(path + ".*"); len(aside) != 2 {
		t.Errorf("put aside: %v", aside)
	}
	found := false
	err = composition.AuditLog(filepath.Dir(path)).Tail(t.Context(), composition.AuditQuery{}, func(r *audit.Record, damage error) error {
		found = found || damage == nil && r.Action == "bondy.node.keys_dropped" && r.Realm == "app"
		return damage
	})
	if err != nil {
		t.Fatal(err)
	}
	if !found {
		t.Error("the audit log does not tell that keys were dropped")
	}
}
