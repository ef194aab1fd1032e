//go:build e2e

package systest_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestPythonLogins has Autobahn|Python, whose wamp-scram is that of Crossbar.io, log
// in by every method that it has.
func TestPythonLogins(t *testing.T) {
	t.Parallel()
	python, scripts := pythonWithPackages(t)
	n, _ := serveInterop(t)
	cmd := exec.CommandContext(t.Context(), python, filepath.Join(scripts, "logins.py"),
		"--url", n.urls["websocket"], "--tcp", n.urls["rawsocket"])
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	runChecks(t, n, cmd)
}

// pythonWithPackages returns an interpreter that has the packages of
// scripts/e2e/python, which are installed in the build folder once for each
// requirements.txt, and that folder. Without them the test is skipped, and fails
// where CI is set.
func pythonWithPackages(t *testing.T) (python, scripts string) {
	t.Helper()
	missing := t.Skipf
	if os.Getenv("CI") != "" {
		missing = t.Fatalf
	}
	root, err := filepath.Abs(filepath.Join("..", "..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	scripts = filepath.Join(root, "scripts", "e2e", "python")
	file := filepath.Join(scripts, "requirements.txt")
	requirements, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	base, err := exec.LookPath("python3")
	if err != nil {
		missing("python3 is not installed")
	}
	dir := filepath.Join(root, "build", fmt.Sprintf("python-%x", sha256.Sum256(requirements))[:15])
	python = filepath.Join(dir, "bin", "python")
	complete := filepath.Join(dir, "complete")
	if _, err := os.Stat(complete); err == nil {
		return python, scripts
	}
	for _, args := range [][]string{
		{base, "-m", "venv", "--clear", dir},
		{python, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:", "--require-hashes", "-r", file},
	} {
		if out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput(); err != nil {
			missing("the packages of %s are not installed, which want Python 3.11 or newer and the network: %v\n%s", file, err, out)
		}
	}
	if err := os.WriteFile(complete, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return python, scripts
}
