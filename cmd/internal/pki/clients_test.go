package pki_test

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"bondy/cmd/internal/pki"
)

func TestRevocations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		a, err := pki.Init(dir, pki.P256, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"lost", "kept"} {
			if _, err := a.Issue(pki.Request{Name: name, Role: pki.RoleEdge}); err != nil {
				t.Fatal(err)
			}
		}
		r, err := pki.LoadRevocations(filepath.Join(dir, "ca.crt"), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Check(chain(t, dir, "lost")); err != nil {
			t.Error(err)
		}
		if _, err := a.Revoke("lost", ""); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second) // virtual
		refused := func(when string) {
			t.Helper()
			if err := r.Check(chain(t, dir, "lost")); !errors.Is(err, pki.ErrRevoked) {
				t.Errorf("%s: %v, want ErrRevoked", when, err)
			}
			if err := r.Check(chain(t, dir, "kept")); err != nil {
				t.Errorf("%s: %v", when, err)
			}
		}
		refused("revoked")
		list := filepath.Join(dir, "revoked.crl")
		for _, spoil := range []func() error{
			func() error { return os.WriteFile(list, []byte("half a fi"), 0o600) },
			func() error { return os.Remove(list) },
		} {
			if err := spoil(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Second)
			refused("spoiled list")
		}
	})
}
