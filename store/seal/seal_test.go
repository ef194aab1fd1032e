package seal_test

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"bondy/store/seal"
)

func create(t testing.TB) (*seal.Box, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), seal.FileName)
	b, err := seal.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	return b, path
}

// What is sealed opens after a restart, in its place alone, and shows nothing.
func TestSealed(t *testing.T) {
	b, path := create(t)
	secret := []byte("the private half")
	sealed := b.Seal(secret, "row 1")
	if bytes.Contains(sealed, secret) || bytes.Equal(sealed, b.Seal(secret, "row 1")) {
		t.Errorf("sealed as %q", sealed)
	}
	again, err := seal.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := again.Open(sealed, "row 1"); err != nil || !bytes.Equal(plain, secret) {
		t.Errorf("opened as %q, %v", plain, err)
	}
	if plain, err := again.Open(sealed, "row 2"); err == nil {
		t.Errorf("opened in another place as %q", plain)
	}
	for i := range sealed {
		broken := bytes.Clone(sealed)
		broken[i] ^= 1
		if plain, err := b.Open(broken, "row 1"); err == nil {
			t.Errorf("with byte %d changed it opened as %q", i, plain)
		}
		if _, err := b.Open(sealed[:i], "row 1"); err == nil {
			t.Errorf("cut to %d bytes it opened", i)
		}
	}
	empty := b.Seal(nil, "")
	if plain, err := b.Open(empty, ""); err != nil || len(plain) != 0 {
		t.Errorf("nothing opened as %q, %v", plain, err)
	}
}

// Errors name the file and what to do.
func TestNodeKeyMissingOrWrong(t *testing.T) {
	b, path := create(t)
	other, otherPath := create(t)
	if _, err := other.Open(b.Seal([]byte("x"), "row"), "row"); err == nil || !strings.Contains(err.Error(), otherPath) {
		t.Errorf("another key: %v", err)
	}
	if _, err := seal.Create(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("created twice: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Dir(path) + "/*"); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
	if runtime.GOOS != "windows" {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
		if err := os.Chmod(path, 0o640); err != nil {
			t.Fatal(err)
		}
		if _, err := seal.Open(path); err == nil || !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("a key that others can read: %v", err)
		}
	}
	for _, text := range []string{"", "abc\n", strings.Repeat("zz", 32), strings.Repeat("ab", 33)} {
		damaged := filepath.Join(t.TempDir(), seal.FileName)
		if err := os.WriteFile(damaged, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := seal.Open(damaged); err == nil || !strings.Contains(err.Error(), damaged) {
			t.Errorf("a key of %q: %v", text, err)
		}
	}
	if _, err := seal.Open(path + "x"); err == nil || !strings.Contains(err.Error(), path+"x is missing") {
		t.Errorf("no key: %v", err)
	}
	if _, err := seal.Create(filepath.Join(path, "x")); err == nil {
		t.Error("created below a file")
	}
}

func FuzzOpen(f *testing.F) {
	b, _ := create(f)
	f.Add(b.Seal([]byte("secret"), "row"))
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, sealed []byte) {
		if plain, err := b.Open(sealed, "elsewhere"); err == nil {
			t.Fatalf("%x opened as %q", sealed, plain)
		}
	})
}
