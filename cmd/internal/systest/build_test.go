package systest_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
)

// binDir holds the binary under test as bondy.
var binDir string

func bondy() string { return filepath.Join(binDir, "bondy") }

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	err := errors.Join(
		flag.Set("test.parallel", strconv.Itoa(2*runtime.GOMAXPROCS(0))), // most of what runs in parallel waits
		os.Setenv("GORACE", raceOptions),
	)
	if err == nil {
		binDir, err = os.MkdirTemp("", "bondy")
	}
	if err == nil {
		defer func() { _ = os.RemoveAll(binDir) }()
		err = provide(os.Getenv("BONDY_BIN"))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "systest:", err)
		return 1
	}
	return m.Run()
}

// raceOptions are those of the race detector in the processes that tests start: a
// race ends them, which their tests notice, and an end takes no second.
const raceOptions = "halt_on_error=1 atexit_sleep_ms=0"

// kills marks a test whose nodes are killed.
func kills(t *testing.T) {
	t.Helper()
	if raceDetector {
		t.Skip("what is killed tells of no race: make test runs this")
	}
	t.Parallel()
}

// provide puts the given binary into binDir, or else builds one.
func provide(given string) error {
	if given != "" {
		path, err := filepath.Abs(given)
		if err != nil {
			return err
		}
		return os.Symlink(path, bondy())
	}
	cmd := exec.Command("go", "build", "-o", bondy(), "bondy/cmd/bondy")
	if raceDetector {
		cmd.Args = append(cmd.Args[:2], append([]string{"-race"}, cmd.Args[2:]...)...)
	} else {
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	}
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	return cmd.Run()
}
