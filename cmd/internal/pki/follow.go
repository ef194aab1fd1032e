package pki

import (
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"
)

// checkInterval is how often, at most, files are looked at.
const checkInterval = time.Second

// follower loads files again when they have changed.
type follower struct {
	paths []string
	load  func() error
	log   *slog.Logger

	mu      sync.Mutex // held while loading; only Reload waits for it
	seen    []version  // nil after a failure: try again
	checked time.Time
	failed  string // the failure that was logged last
}

// version tells one state of a file from the next; that of a missing file is
// zero.
type version struct {
	modified time.Time
	size     int64
}

// Reload loads the files now. On an error what was loaded before stays.
func (f *follower) Reload() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.loadLocked(f.versions())
}

// follow loads the files if they have changed; one caller a second looks, and
// the others do not wait for it.
func (f *follower) follow() {
	if !f.mu.TryLock() {
		return
	}
	defer f.mu.Unlock()
	if time.Since(f.checked) < checkInterval {
		return
	}
	now := f.versions()
	if slices.Equal(now, f.seen) {
		f.checked = time.Now()
		return
	}
	files := slog.Any("files", f.paths)
	if err := f.loadLocked(now); err == nil {
		f.log.Info("certificate files reloaded", files)
	} else if f.failed != err.Error() {
		f.failed = err.Error()
		f.log.Error("changed certificate files are not usable, the old ones stay in force", files, slog.Any("err", err))
	}
}

func (f *follower) loadLocked(now []version) error {
	f.checked, f.seen = time.Now(), nil
	if err := f.load(); err != nil {
		return err
	}
	f.seen, f.failed = now, ""
	return nil
}

func (f *follower) versions() []version {
	out := make([]version, len(f.paths))
	for i, path := range f.paths {
		if info, err := os.Stat(path); err == nil {
			out[i] = version{modified: info.ModTime(), size: info.Size()}
		}
	}
	return out
}
