package systest_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

const auditedConfig = `
data_dir = "data"
log = { format = "json" }

[[realm]]
uri = "realm1"
authmethods = ["ticket"]

[[realm.users]]
username = "joe"
password = "open-sesame"
`

// TestAuditLogOfKilledNode kills a node that records logins, denials, refusals and
// administration: the log verifies before and after the next start mends it, and
// still has the head that was noted earlier.
func TestAuditLogOfKilledNode(t *testing.T) {
	kills(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "bondy.toml"), []byte(auditedConfig+listener("rawsocket")), 0o600); err != nil {
		t.Fatal(err)
	}
	command := func(ctx context.Context, args ...string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, bondy(), args...)
		cmd.Dir = dir
		return cmd
	}
	head := ""
	verify := func(round int) {
		t.Helper()
		args := []string{"audit", "verify", "--config", "bondy.toml"}
		if head != "" {
			args = append(args, "--head", head)
		}
		out, err := command(t.Context(), args...).CombinedOutput()
		if err != nil {
			t.Fatalf("round %d: %v\n%s", round, err, out)
		}
		_, head, _ = strings.Cut(string(out), "head")
		head = strings.TrimSpace(head)
	}
	for round := range 3 {
		n, err := serveNode(command(t.Context(), "serve", "--config", "bondy.toml"))
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		var busy sync.WaitGroup
		for _, args := range [][]string{
			{"call", "--url", n.urls["rawsocket"], "--authid", "joe", "--ticket", "open-sesame", "com.example.none"},
			{"call", "--url", n.urls["rawsocket"], "--authid", "joe", "--ticket", "open-barley", "com.example.none"},
			{"session", "kill", fmt.Sprint(round + 1), "--config", "bondy.toml"},
		} {
			busy.Go(func() {
				for ctx.Err() == nil {
					_ = command(ctx, args...).Run() // each is refused
				}
			})
		}
		for range 5 * (round + 1) { // some work, and the log is in order meanwhile
			verify(round)
		}
		n.kill()
		stop()
		busy.Wait()
		verify(round)
	}
	n, err := serveNode(command(t.Context(), "serve", "--config", "bondy.toml"))
	if err != nil {
		t.Fatal(err)
	}
	n.kill()
	verify(-1)
	out, err := command(t.Context(), "audit", "tail", "--config", "bondy.toml", "-n", "0", "--output", "json").CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"kind":"login"`, `"kind":"refusal"`, `"kind":"denial"`, `"kind":"logout"`, `"action":"wamp.session.kill"`} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the log has no %s", want)
		}
	}
	if strings.Contains(string(out), "open-") {
		t.Error("the log has a password")
	}
}
