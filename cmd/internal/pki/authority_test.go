package pki_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"bondy/cmd/internal/pki"
)

// authority makes one in a folder of its own.
func authority(t testing.TB) (*pki.Authority, string) {
	t.Helper()
	dir := t.TempDir()
	a, err := pki.Init(dir, pki.Ed25519, 0)
	if err != nil {
		t.Fatal(err)
	}
	return a, dir
}

func issue(t testing.TB, a *pki.Authority, r pki.Request) pki.Certificate {
	t.Helper()
	c, err := a.Issue(r)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func write(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestConcurrentChangesKeepEachOther(t *testing.T) {
	_, dir := authority(t)
	const n = 8
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			a, err := pki.Open(dir) // as another process would
			if err != nil {
				t.Error(err)
				return
			}
			name := fmt.Sprintf("edge-%d", i)
			if _, err := a.Issue(pki.Request{Name: name, Role: pki.RoleEdge}); err != nil {
				t.Error(err)
			}
			if _, err := a.Revoke(name, ""); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	a, err := pki.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	all, err := a.List()
	if err != nil || len(all) != n {
		t.Fatalf("List has %d, %v, want %d", len(all), err, n)
	}
	for _, c := range all {
		if c.State != pki.Revoked {
			t.Errorf("the revocation of %s is lost", c.Name)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".new-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestDamagedRecordsDoNotStopRevocation(t *testing.T) {
	a, dir := authority(t)
	issue(t, a, pki.Request{Name: "a"})
	other, otherDir := authority(t)
	foreign := issue(t, other, pki.Request{Name: "b"})
	write(t, filepath.Join(dir, "issued", "bad.crt"), []byte("nonsense"))
	write(t, filepath.Join(dir, "issued", "foreign.crt"), read(t, filepath.Join(otherDir, "b.crt")))

	revoked, err := a.Revoke("a", "")
	if len(revoked) != 1 || err == nil || !strings.Contains(err.Error(), "bad.crt") || !strings.Contains(err.Error(), "foreign.crt") {
		t.Errorf("Revoke = %v, %v; want a revoked and both bad records named", revoked, err)
	}
	if all, err := a.List(); len(all) != 1 || err == nil {
		t.Errorf("List = %v, %v", all, err)
	}
	// Without a record the serial number is enough.
	if revoked, _ := a.Revoke("b", foreign.Serial); len(revoked) != 1 {
		t.Errorf("Revoke by serial number = %v", revoked)
	}
}

func TestDamagedAuthority(t *testing.T) {
	for file, content := range map[string]func(t *testing.T) []byte{
		"ca.key": func(t *testing.T) []byte {
			t.Helper()
			_, other := authority(t)
			return read(t, filepath.Join(other, "ca.key"))
		},
		"revoked.crl": func(t *testing.T) []byte {
			t.Helper()
			a, other := authority(t)
			issue(t, a, pki.Request{Name: "x"})
			if _, err := a.Revoke("x", ""); err != nil {
				t.Fatal(err)
			}
			return read(t, filepath.Join(other, "revoked.crl"))
		},
	} {
		t.Run(file, func(t *testing.T) {
			a, dir := authority(t)
			issue(t, a, pki.Request{Name: "a"})
			for _, data := range [][]byte{content(t), nil, []byte("nonsense")} {
				write(t, filepath.Join(dir, file), data)
				if _, err := a.Revoke("a", ""); err == nil || !strings.Contains(err.Error(), file) {
					t.Errorf("Revoke with a bad %s = %v", file, err)
				}
			}
		})
	}
	_, dir := authority(t)
	path := filepath.Join(dir, "ca.crt")
	good := read(t, path)
	for _, data := range [][]byte{nil, []byte("nonsense"), read(t, filepath.Join(dir, "ca.key")), append(good, good...), make([]byte, 2<<20)} {
		write(t, path, data)
		if _, err := pki.Open(dir); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("Open with a bad ca.crt = %v", err)
		}
	}
}
