package node

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bondy/cmd/internal/config"
	"bondy/core/mgmt"
	"bondy/core/peer"
	"bondy/core/rbac"
	"bondy/core/wamp"
)

// TestReloadTellsWhatWaits: what a restart is needed for is told at each reload until
// the file says what runs.
func TestReloadTellsWhatWaits(t *testing.T) {
	dir := t.TempDir()
	var cfg config.Config
	n, _, done := open(t, bounded(t, dir, ""), func() (config.Config, error) { return cfg, nil })
	defer done()
	const live = "shutdown_grace = \"1s\"\nmax_rows_per_realm = 5\nqueue_soft = \"2MiB\"\nmax_changes_per_second_per_realm = 3\n"
	const waits = live + "memory = \"8GiB\"\nqueue_budget = \"64MiB\"\nmax_hellos_per_second_per_address = 7\nhello_timeout = \"9s\"\nhibernate_after = \"1m\"\n"
	const note = "after a restart: limits.queue_budget, limits.hello_timeout, limits.hibernate_after, limits.memory, limits.max_hellos_per_second_per_address"
	for i, tc := range []struct {
		limits string
		want   []string
	}{
		{live, nil},
		{waits, []string{note}},
		{waits, []string{note}},
		{"queue_budget = \"64MiB\"", []string{"after a restart: limits.queue_budget"}},
		{live, nil},
		{"", nil},
	} {
		cfg = bounded(t, dir, tc.limits)
		if notes, err := n.Reload(); err != nil || !slices.Equal(notes, tc.want) {
			t.Errorf("reload %d: %q, %v, want %q", i, notes, err, tc.want)
		}
	}
	cfg = bounded(t, dir, waits)
	cfg.Mode, cfg.Audit.Enabled, cfg.Log.Format, cfg.Listeners = config.ModeCore, false, config.FormatJSON, nil
	want := "after a restart: mode, log.format, audit, listener, " + strings.TrimPrefix(note, "after a restart: ")
	if notes, err := n.Reload(); err != nil || !slices.Equal(notes, []string{want}) {
		t.Errorf("%q, %v, want %q", notes, err, want)
	}
}

// TestReloadChangesPace: how many changes a realm's sessions may make is read again.
func TestReloadChangesPace(t *testing.T) {
	dir := t.TempDir()
	limits := func(pace string) config.Config { return bounded(t, dir, "max_changes_per_second_per_realm = "+pace) }
	n, _, done := open(t, limits("0"), func() (config.Config, error) { return limits("1"), nil })
	defer done()
	realm, err := n.router.Realm("realm1")
	if err != nil {
		t.Fatal(err)
	}
	all, err := rbac.New(rbac.Config{SecurityDisabled: true})
	if err != nil {
		t.Fatal(err)
	}
	refused := func() (count int) {
		for range 100 {
			_, err := realm.Procedures.Call(&mgmt.Request{
				Procedure: "bondy.group.delete", Realm: "realm1", Caller: &peer.Peer{AuthID: "eve"}, Rights: all.Rights(rbac.Subject{}),
				Payload: wamp.Payload{Serializer: wamp.JSON, Args: json.RawMessage(`["nobody"]`)},
			})
			if wamp.AsError(err).URI == wamp.ErrTooManyRequests {
				count++
			}
		}
		return count
	}
	if c := refused(); c != 0 {
		t.Errorf("%d refused without a bound", c)
	}
	if _, err := n.Reload(); err != nil {
		t.Fatal(err)
	}
	if c := refused(); c < 50 {
		t.Errorf("%d of 100 refused with a bound of 1", c)
	}
}

// withIssuer is a configuration with a realm whose issuer's keys are in that file.
func withIssuer(t *testing.T, dir, file string) config.Config {
	t.Helper()
	return bounded(t, dir, "[[realm]]\nuri = \"com.a\"\nauthmethods = [\"jwt\"]\n[[realm.issuers]]\nissuer = \"https://id\"\naudience = \"x\"\njwks_file = \""+file+"\"\n")
}

// TestKeysOfIssuers: a file with keys that is not there may come, and one that has none
// is wrong; neither keeps a node from taking the rest of its configuration.
func TestKeysOfIssuers(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "keys.json")
	cfg := withIssuer(t, dir, "keys.json")
	n, _, done := open(t, cfg, func() (config.Config, error) { return cfg, nil })
	defer done()
	const key = `{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`
	const missing = `realm com.a: the keys of the issuer "https://id" cannot be read, and nobody can log in with its tokens before they can: open `
	const broken = `realm com.a: the issuer "https://id" has no keys in `
	for _, tc := range []struct{ text, warning, failure string }{
		{"", missing + file, ""}, {"[", "", broken + file}, {`{"keys":[]}`, "", broken + file}, {key, "", ""},
	} {
		if tc.text != "" {
			if err := os.WriteFile(file, []byte(tc.text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		warnings, err := Check(&cfg)
		if strings.Join(warnings, "") != "" != (tc.warning != "") || !strings.HasPrefix(strings.Join(warnings, ""), tc.warning) {
			t.Errorf("%q: warnings %q, want %q", tc.text, warnings, tc.warning)
		}
		if (err != nil) != (tc.failure != "") || err != nil && !strings.HasPrefix(err.Error(), tc.failure) {
			t.Errorf("%q: %v, want %q", tc.text, err, tc.failure)
		}
		want := tc.warning + tc.failure
		if notes, err := n.Reload(); err != nil || (len(notes) > 0) != (want != "") || !strings.HasPrefix(strings.Join(notes, ""), want) {
			t.Errorf("%q: reload notes %q, %v, want %q", tc.text, notes, err, want)
		}
	}
}
