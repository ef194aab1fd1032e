package transport_test

import (
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"bondy/transport"
)

// TestSocketIsForItsOwner has another user connect to a socket that is for its
// owner, though the mode of the file would allow it.
func TestSocketIsForItsOwner(t *testing.T) {
	if path := os.Getenv("BONDY_TEST_SOCKET"); path != "" {
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		_, _ = c.Write([]byte{0x7f, 0xf1, 0, 0})
		if n, err := io.ReadFull(c, make([]byte, 4)); err == nil || n != 0 {
			t.Fatal("a stranger got an answer")
		}
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user")
	}
	dir, err := os.MkdirTemp("/tmp", "bondy") //nolint:usetesting // others must get at it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "s")
	l, stop := start(t, transport.Config{Address: "unix:" + path}, echo)
	defer stop()
	c, _ := raw(t, l) // its owner
	exchange(t, c, "mine")
	self, err := os.ReadFile("/proc/self/exe")
	program := filepath.Join(dir, "test")
	for _, err := range []error{err, os.Chmod(dir, 0o755), os.Chmod(path, 0o666), os.WriteFile(program, self, 0o755)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), program, "-test.run=^TestSocketIsForItsOwner$")
	cmd.Dir = dir
	cmd.Env = []string{"BONDY_TEST_SOCKET=" + path}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
