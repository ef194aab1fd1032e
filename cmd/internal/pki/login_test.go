package pki_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bondy/cmd/internal/pki"
)

func TestLoginKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gateway.key")
	var out bytes.Buffer
	run := func(args ...string) error {
		cmd := pki.Command(&out)
		cmd.SetArgs(args)
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		return cmd.ExecuteContext(t.Context())
	}
	if err := run("key", path); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	seed, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(seed) != ed25519.SeedSize {
		t.Fatalf("seed %q, %v", text, err)
	}
	want := hex.EncodeToString(ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey))
	if got := strings.TrimSpace(out.String()); got != want {
		t.Errorf("printed %s, want the public key %s", got, want)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := run("key", path); err == nil {
		t.Error("an existing key was overwritten")
	}
	if err := run("key"); err == nil {
		t.Error("accepted without a file")
	}
}
