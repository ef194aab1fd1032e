//go:build linux

package audit_test

import (
	"os"
	"os/signal"
	"slices"
	"syscall"
	"testing"

	"bondy/core/audit"
	store "bondy/store/audit"
)

// TestDiskThatTakesHalf has the system take a part of a write and refuse the
// rest, as a full disk does.
func TestDiskThatTakesHalf(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, store.Config{})
	l.admin(0)
	l.flush()
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(newest(t, dir, "audit"))
	if err != nil {
		t.Fatal(err)
	}
	limit := syscall.Rlimit{Cur: uint64(info.Size()) + 100, Max: old.Max}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Skip(err)
	}
	l.admin(1)
	err = l.Flush(t.Context())
	if restored := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old); restored != nil {
		t.Fatal(restored)
	}
	if err == nil || l.Stats().Dropped[audit.DropDisk] != 1 {
		t.Errorf("%v, %+v", err, l.Stats())
	}
	verify(t, dir)
	l.admin(2)
	l.flush()
	if got := administered(t, dir); !slices.Equal(got, []string{"user 0", "user 2"}) {
		t.Error(got)
	}
	if r := verify(t, dir); r.Administration.Lost != 1 {
		t.Errorf("%+v", r)
	}
}
