package node

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"bondy/cmd/internal/config"
	"bondy/core/directory"
	"bondy/core/wamp"
)

// bounded is a configuration for a node with its data in dir.
func bounded(t *testing.T, dir, limits string) config.Config {
	t.Helper()
	cfg, err := config.Parse([]byte("[[listener]]\naddress = \"127.0.0.1:0\"\nservices = [\"websocket\"]\n[limits]\n"+limits), filepath.Join(dir, "bondy.toml"))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// open runs a node, and returns what it logged before and what ends it.
func open(t *testing.T, cfg config.Config, reload func() (config.Config, error)) (n *Node, logged string, done func()) {
	t.Helper()
	log := new(bytes.Buffer)
	n, err := New(t.Context(), cfg, Options{Log: slog.New(slog.NewTextHandler(log, nil)), Level: new(slog.LevelVar), Reload: reload})
	if err != nil {
		t.Fatal(err)
	}
	logged = log.String()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	return n, logged, func() {
		t.Helper()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// asked is what a procedure answers the operator.
func asked(n *Node, procedure wamp.URI, args string) error {
	_, err := n.call(context.Background(), Call{Realm: "bondy", Procedure: procedure, Args: json.RawMessage(args)})
	return err
}

// metric is a figure without labels, -1 if there is none.
func metric(t *testing.T, n *Node, name string) float64 {
	t.Helper()
	families, err := n.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return max(f.GetMetric()[0].GetGauge().GetValue(), f.GetMetric()[0].GetCounter().GetValue())
		}
	}
	return -1
}

// A node whose realm holds more than it may starts, says so, and lets the realm
// shrink alone, until its configuration allows more.
func TestFullRealm(t *testing.T) {
	dir := t.TempDir()
	n, logged, done := open(t, bounded(t, dir, ""), nil)
	if err := asked(n, "bondy.realm.apply", `[[{"uri":"app","groups":[{"name":"a"},{"name":"b"},{"name":"c"}]}]]`); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(logged, "more than it may") || metric(t, n, "bondy_realms_nearly_full") != 0 {
		t.Error(logged)
	}
	done()

	more := func() (config.Config, error) {
		return bounded(t, dir, "max_rows_per_realm = 2\n[[limits.realm]]\nuri = \"app\"\nmax_rows = 3"), nil
	}
	n, logged, done = open(t, bounded(t, dir, "max_rows_per_realm = 2"), more)
	defer done()
	if !strings.Contains(logged, "more than it may") || !strings.Contains(logged, "realm=app") {
		t.Errorf("it logs %s", logged)
	}
	const add = `["app", {"name": "d"}]`
	if err := asked(n, "bondy.group.add", add); wamp.AsError(err).URI != directory.ErrQuota {
		t.Errorf("got %v", err)
	}
	if refused, full := metric(t, n, "bondy_quota_refused_total"), metric(t, n, "bondy_realms_nearly_full"); refused != 1 || full < 1 {
		t.Errorf("%v refused, %v realms are full", refused, full)
	}
	if err := asked(n, "bondy.group.delete", `["app", "a"]`); err != nil {
		t.Error(err)
	}
	if err := asked(n, "bondy.group.add", add); wamp.AsError(err).URI != directory.ErrQuota {
		t.Errorf("got %v", err)
	}
	if _, err := n.Reload(); err != nil {
		t.Fatal(err)
	}
	if err := asked(n, "bondy.group.add", add); err != nil {
		t.Error(err)
	}
}
