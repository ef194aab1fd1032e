package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A file that is there, or a link, is neither used nor followed, and the error says
// what to do.
func TestAdminSecretFileThatIsThere(t *testing.T) {
	dir := t.TempDir()
	path, elsewhere := filepath.Join(dir, "secret"), filepath.Join(dir, "elsewhere")
	if err := os.Symlink(elsewhere, path); err != nil {
		t.Skip(err)
	}
	s := adminSecret{file: path, data: dir, stderr: new(strings.Builder), log: slog.New(slog.DiscardHandler)}
	if err := s.deliver("admin", "x"); err == nil || !strings.Contains(err.Error(), "remove it") {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(elsewhere); err == nil {
		t.Error("the link was followed")
	}
}

// Without a terminal the log says where the password is, and not which it is.
func TestAdminSecretFileIsLogged(t *testing.T) {
	var log strings.Builder
	dir := t.TempDir()
	s := adminSecret{data: dir, stderr: new(strings.Builder), log: slog.New(slog.NewTextHandler(&log, nil))}
	if err := s.deliver("admin", "s3cret"); err != nil {
		t.Fatal(err)
	}
	if text := log.String(); !strings.Contains(text, filepath.Join(dir, "admin-secret")) || strings.Contains(text, "s3cret") {
		t.Errorf("%s", text)
	}
}
