package systest_test

import (
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"bondy/core/wamp"
)

// idleConfig is a node without its listener: when its sessions hibernate.
const idleConfig = `
data_dir = "data"
[log]
format = "json"
[limits]
hibernate_after = %q
[[realm]]
uri = "realm1"
security_enabled = false
`

// What one idle session may cost the node, in KiB of memory that is resident.
func TestIdleSessionsAreSmall(t *testing.T) {
	if runtime.GOOS != "linux" || testing.Short() || raceDetector {
		t.Skip("slow, reads /proc, and the race detector needs memory of its own: make test runs this")
	}
	t.Parallel()
	files := filepath.Join(t.TempDir(), "ca")
	for _, args := range [][]string{
		{"pki", "init", "--dir", files}, {"pki", "issue", "--dir", files, "router", "--address", "127.0.0.1"},
	} {
		if out, err := exec.CommandContext(t.Context(), bondy(), args...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	secure := fmt.Sprintf("tls = { cert = %q, key = %q }", filepath.Join(files, "router.crt"), filepath.Join(files, "router.key"))
	for _, tc := range []struct {
		name, hibernate, tls string
		sessions             int
		most                 float64
	}{
		{"awake", "0s", "", 4000, 6},
		{"hibernating", "1s", "", 4000, 2},
		{"hibernating over TLS", "1s", secure, 2000, 12.5},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "bondy.toml")
			if err := os.WriteFile(file, fmt.Appendf(nil, idleConfig+listener("rawsocket", tc.tls), tc.hibernate), 0o600); err != nil {
				t.Fatal(err)
			}
			n, err := serveNode(exec.CommandContext(t.Context(), bondy(), "serve", "--config", file))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(n.kill)
			at, err := url.Parse(n.urls["rawsocket"])
			if err != nil {
				t.Fatal(err)
			}
			before := resident(t, n.cmd.Process.Pid)
			var g errgroup.Group
			g.SetLimit(16)
			for range tc.sessions {
				c, err := net.Dial("tcp", at.Host)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { c.Close() })
				if tc.tls != "" {
					c = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
				}
				g.Go(func() error { return welcomed(c) })
			}
			if err := g.Wait(); err != nil {
				t.Fatal(err)
			}
			each := func() float64 { return (resident(t, n.cmd.Process.Pid) - before) / float64(tc.sessions) }
			deadline, tick := time.Now().Add(2*patience), time.NewTicker(100*time.Millisecond)
			defer tick.Stop()
			for each() > tc.most {
				if <-tick.C; time.Now().After(deadline) {
					t.Errorf("%.2f KiB for each session, want at most %.2f", each(), tc.most)
					break
				}
			}
			t.Logf("%.2f KiB for each session", each())
		})
	}
}

// welcomed joins over RawSocket.
func welcomed(c net.Conn) error {
	hello := encoded(wamp.MessagePack, &wamp.Hello{Realm: "realm1", Details: wamp.Dict{"roles": map[string]any{"caller": map[string]any{}}}})
	b := binary.BigEndian.AppendUint32([]byte{0x7f, 0xf2, 0, 0}, uint32(len(hello)))
	if _, err := c.Write(append(b, hello...)); err != nil {
		return err
	}
	var head [8]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return err
	}
	_, err := io.CopyN(io.Discard, c, int64(binary.BigEndian.Uint32(head[4:])))
	return err
}

var rss = regexp.MustCompile(`(?m)^VmRSS:\s+(\d+) kB$`)

// resident is the memory of a process in KiB.
func resident(t *testing.T, pid int) float64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseFloat(string(rss.FindSubmatch(b)[1]), 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
