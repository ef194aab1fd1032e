package systest_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// binDir holds the binary under test as bondy.
var binDir string

func bondy() string { return filepath.Join(binDir, "bondy") }

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	var err error
	if binDir, err = os.MkdirTemp("", "bondy"); err == nil {
		defer func() { _ = os.RemoveAll(binDir) }()
		err = provide(os.Getenv("BONDY_BIN"))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "systest:", err)
		return 1
	}
	return m.Run()
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
