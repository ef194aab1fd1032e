package systest_test

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// TestExampleEdgeCore runs examples/edge-core as its README says, on free
// ports.
func TestExampleEdgeCore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(repository("examples", "edge-core"))); err != nil {
		t.Fatal(err)
	}
	var out string
	var err error
	for range 3 { // another process may take a port that was free
		if out, err = runExample(t, dir); err == nil || !portTaken.MatchString(out) {
			break
		}
	}
	if err != nil {
		t.Fatalf("run.sh: %v\n%s", err, out)
	}
	for _, want := range []string{
		`(?m)^\{"topic":"com\.example\.telemetry\.temperature","args":\[21\.5\],"publication":\d+,`,
		`(?m)^\{"args":\["hello from the edge"\]\}$`,
		`(?m)^\{"args":\["hello from the core"\]\}$`,
	} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("run.sh does not print %s:\n%s", want, out)
		}
	}
	for _, node := range []string{"core", "edge"} {
		if _, err := os.Stat(filepath.Join(dir, "data", node, "admin.sock")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the node %s was not stopped in order: %v", node, err)
		}
	}
}

var portTaken = regexp.MustCompile(`address already in use`)

func runExample(t *testing.T, dir string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*awaitLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", filepath.Join(dir, "run.sh"))
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // it stops its nodes
	cmd.WaitDelay = 5 * time.Second
	cmd.Env = append(os.Environ(), "BONDY="+bondy(),
		"CORE_PORT="+freePort(t, "tcp"), "EDGE_PORT="+freePort(t, "tcp"), "UPLINK_PORT="+freePort(t, "udp"))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// freePort is one that was free a moment ago, for what must know the port
// before it listens.
func freePort(t *testing.T, network string) string {
	t.Helper()
	const loopback = "127.0.0.1:0"
	if network == "udp" {
		c, err := net.ListenPacket(network, loopback)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return strconv.Itoa(c.LocalAddr().(*net.UDPAddr).Port)
	}
	l, err := net.Listen(network, loopback)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// repository is a path in the repository.
func repository(path ...string) string {
	return filepath.Join(append([]string{"..", "..", ".."}, path...)...)
}
