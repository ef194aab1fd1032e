//go:build e2e

package systest_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
)

const interopConfig = `
data_dir = "data"
log = { format = "json" }

[[realm]]
uri = "realm1"
authmethods = ["anonymous", "cryptosign", "ticket", "wampcra", "wamp-scram"]
groups = [{ name = "user" }]
users = [
  { username = "joe", password = "joe-secret", groups = ["user"] },
  { username = "jos\u00e9", password = "contrase\u00f1a \u2713", groups = ["user"] },
  { username = "susan", password = "susan-secret", kdf = "argon2id13", groups = ["user"] },
  { username = "sam", password = "sam-secret", kdf = "pbkdf2", groups = ["user"] },
  { username = "carol", authorized_keys = ["d04ab232742bb4ab3a1368bd4615e4e6d0224ab71a016baf8520a332c9778737"], groups = ["user"] },
]

[[realm.grants]]
roles = ["all"]
permissions = ["wamp.call", "wamp.cancel", "wamp.register", "wamp.unregister", "wamp.publish", "wamp.subscribe", "wamp.unsubscribe"]
uri = ""
match = "prefix"

[[realm.grants]]
roles = ["all"]
permissions = ["wamp.call"]
uri = "wamp.session.kill"

[[realm.grants]]
roles = ["user"]
permissions = ["wamp.call"]
uri = "bondy.ticket.issue"

[[realm.grants]]
roles = ["user"]
permissions = ["bondy.issue"]
uri = "bondy.ticket.scope.local"

[[realm.grants]]
roles = ["all"]
permissions = ["wamp.call"]
uri = "wamp.registration.remove_callee"

[[realm.history]]
uri = "com.example.history"
match = "prefix"

[[realm]]
uri = "com.example.access"
authmethods = ["ticket", "wampcra"]
`

// verdict is a line that the scripts write for each check.
type verdict struct{ Name, Error, Skipped string }

func (v verdict) report(t *testing.T) {
	t.Helper()
	t.Run(v.Name, func(t *testing.T) {
		switch {
		case v.Error != "":
			t.Error(v.Error)
		case v.Skipped != "":
			t.Skip(v.Skipped)
		}
	})
}

// TestInterop runs the clients from npm against the router: each library and
// serializer with each.
func TestInterop(t *testing.T) {
	t.Parallel()
	n, file := serveInterop(t)
	runChecks(t, n, npmScript(t, "interop.mjs", "--url", n.urls["websocket"], "--tcp", n.urls["rawsocket"], "--bondy", bondy(), "--config", file))
}

// TestLongPoll runs autobahn-js over long-poll.
func TestLongPoll(t *testing.T) {
	t.Parallel()
	n, _ := serveInterop(t)
	runChecks(t, n, npmScript(t, "longpoll.mjs", "--longpoll", n.urls["longpoll"], "--url", n.urls["websocket"]))
}

// runChecks reports the checks that cmd makes, and stops the router.
func runChecks(t *testing.T, n *served, cmd *exec.Cmd) {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	checks := 0
	lines := bufio.NewScanner(out)
	for ; lines.Scan(); checks++ {
		parse(t, lines.Bytes()).report(t)
	}
	if err := cmd.Wait(); err != nil || checks == 0 {
		t.Errorf("%d checks were made, then the script ended with %v:\n%s", checks, err, &stderr)
	}
	if err := n.stop(syscall.SIGTERM); err != nil {
		t.Errorf("the router ended with %v:\n%s", err, &n.stderr)
	}
}

// TestGoodbye stops the router while the clients from npm are connected.
func TestGoodbye(t *testing.T) {
	n, _ := serveInterop(t)
	clients, err := start(npmScript(t, "goodbye.mjs", "--url", n.urls["websocket"]))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(clients.kill)
	if err := clients.await(regexp.MustCompile("joined\n")); err != nil {
		t.Fatal(err)
	}
	if err := n.stop(syscall.SIGTERM); err != nil {
		t.Errorf("the router ended with %v:\n%s", err, &n.stderr)
	}
	<-clients.ended // the script has a limit of its own
	_, verdicts, _ := bytes.Cut([]byte(clients.stdout.String()), []byte("joined\n"))
	checks := 0
	for line := range bytes.Lines(verdicts) {
		parse(t, line).report(t)
		checks++
	}
	if clients.err != nil || checks == 0 {
		t.Errorf("%d checks were made, then the script ended with %v:\n%s", checks, clients.err, &clients.stderr)
	}
}

// serveInterop runs a router with the realms that the scripts join, of a file;
// it is killed after the test unless it was stopped before.
func serveInterop(t *testing.T) (n *served, file string) {
	t.Helper()
	dir := t.TempDir()
	file = filepath.Join(dir, "bondy.toml")
	if err := os.WriteFile(file, []byte(interopConfig+listener("websocket,longpoll")+listener("rawsocket")), 0o600); err != nil {
		t.Fatal(err)
	}
	n, err := serveNode(exec.Command(bondy(), "serve", "--config", file))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.kill)
	return n, file
}

// npmScript prepares a run of one of the scripts. What is missing for it skips the
// test, and fails it where CI is set.
func npmScript(t *testing.T, script string, args ...string) *exec.Cmd {
	t.Helper()
	missing := t.Skip
	if os.Getenv("CI") != "" {
		missing = t.Fatal
	}
	dir, err := filepath.Abs(filepath.Join("..", "..", "..", "scripts", "e2e"))
	if err != nil {
		t.Fatal(err)
	}
	path, err := exec.LookPath("node")
	if err != nil {
		missing("node is not installed")
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err != nil {
		missing("the packages from npm are not installed: run npm ci in scripts/e2e")
	}
	cmd := exec.CommandContext(t.Context(), path, append([]string{script}, args...)...)
	cmd.Dir = dir
	return cmd
}

func parse(t *testing.T, line []byte) verdict {
	t.Helper()
	var v verdict
	if err := json.Unmarshal(line, &v); err != nil || v.Name == "" {
		t.Fatalf("the script wrote %q: %v", line, err)
	}
	return v
}
