package rows_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bondy/core/directory"
	"bondy/core/id"
	"bondy/core/wamp"
	"bondy/store"
	"bondy/store/rows"
)

func open(t *testing.T, path string) (*store.DB, *rows.Log) {
	t.Helper()
	db, err := store.Open(path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return db, rows.New(db)
}

func path(t *testing.T) string { t.Helper(); return filepath.Join(t.TempDir(), "test.db") }

// load is what the log has of a kind, one line for each row.
func load(t *testing.T, l *rows.Log, kind directory.Kind) string {
	t.Helper()
	var out []string
	err := l.Load(kind, func(r directory.Row) error {
		if r.Kind != kind {
			t.Errorf("a row of %s among those of %s", r.Kind, kind)
		}
		out = append(out, fmt.Sprintf("%q=%s@%d", r.Key, r.Value, r.Stamp.Time))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(out, " ")
}

func row(kind directory.Kind, key, value string, time uint64) directory.Row {
	r := directory.Row{Kind: kind, Key: key, Stamp: id.Stamp{Time: time, Node: 7}}
	if value != "" {
		r.Value = []byte(value)
	}
	return r
}

func commit(t *testing.T, l *rows.Log, list ...directory.Row) {
	t.Helper()
	if err := l.Commit(list); err != nil {
		t.Fatal(err)
	}
}

// TestRowsSurvive keeps rows as they are, by kind and in the order of their keys,
// without those that were deleted.
func TestRowsSurvive(t *testing.T) {
	at := path(t)
	db, l := open(t, at)
	commit(t, l, row("user", "b", "2", 1), row("user", "a\x00x", "1", 1), row("user", "a", "0", 1), row("user2", "c", "other", 1), row("key", "user\x00a", "x", 1))
	commit(t, l, row("user", "b", "3", 5), row("user", "a", "", 6), row("user", "never", "", 6))
	want := `"a\x00x"=1@1 "b"=3@5`
	if got := load(t, l, "user"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db, l = open(t, at)
	defer db.Close()
	if got := load(t, l, "user"); got != want {
		t.Errorf("opened again, got %s, want %s", got, want)
	}
	if got := load(t, l, "user2") + load(t, l, "key") + load(t, l, "none"); got != `"c"=other@1"user\x00a"=x@1` {
		t.Errorf("of other kinds there is %s", got)
	}
	commit(t, l, row("user", "a", "again", 9))
	if got := load(t, l, "user"); !strings.HasPrefix(got, `"a"=again@9 `) {
		t.Errorf("after its deletion got %s", got)
	}
	failed := errors.New("failed")
	if err := l.Load("user", func(directory.Row) error { return failed }); !errors.Is(err, failed) {
		t.Errorf("got %v, want what the function said", err)
	}
}

// TestEmptyValueIsThere tells an empty value from none.
func TestEmptyValueIsThere(t *testing.T) {
	db, l := open(t, path(t))
	defer db.Close()
	commit(t, l, directory.Row{Kind: "user", Key: "a", Value: []byte{}})
	if got := load(t, l, "user"); got != `"a"=@0` {
		t.Errorf("got %s", got)
	}
}

// TestClosedLogTakesNothing says that a commit that cannot be written fails.
func TestClosedLogTakesNothing(t *testing.T) {
	db, l := open(t, path(t))
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.Commit([]directory.Row{row("user", "a", "1", 1)}); err == nil {
		t.Error("a closed log took a row")
	}
}

// TestPruneForgetsWhatWasDeletedLongAgo keeps what others may not have heard of,
// and everything that is there.
func TestPruneForgetsWhatWasDeletedLongAgo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := id.NewClock(1)
		db, l := open(t, path(t))
		defer db.Close()
		old := clock.Now()
		commit(t, l, directory.Row{Kind: "user", Key: "kept", Stamp: old, Value: []byte("1")}, directory.Row{Kind: "user", Key: "gone", Stamp: old})
		time.Sleep(29 * 24 * time.Hour)
		commit(t, l, directory.Row{Kind: "user", Key: "new", Stamp: clock.Now()})
		for _, step := range []struct {
			after time.Duration
			want  int
		}{{0, 0}, {2 * 24 * time.Hour, 1}, {0, 0}, {30 * 24 * time.Hour, 1}} {
			time.Sleep(step.after)
			if n, err := l.Prune(); err != nil || n != step.want {
				t.Errorf("pruned %d, %v, want %d", n, err, step.want)
			}
		}
		if got := load(t, l, "user"); !strings.HasPrefix(got, `"kept"=1@`) {
			t.Errorf("there is %s", got)
		}
	})
}

// TestDirectoryOnDisk opens a directory again, from what it wrote.
func TestDirectoryOnDisk(t *testing.T) {
	at := path(t)
	db, l := open(t, at)
	salt := func(wamp.URI) []byte { return make([]byte, 32) }
	d, err := directory.Open(l, id.NewClock(1), salt)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"joe", "ann"} {
		if err := d.Update(directory.Actor{}, func(tx *directory.Tx) error {
			if name == "joe" {
				if err := tx.CreateRealm("com.r", directory.Properties{}); err != nil {
					return err
				}
			}
			return tx.AddUser("com.r", directory.UserSpec{Name: name})
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Update(directory.Actor{}, func(tx *directory.Tx) error { return tx.DeleteUser("com.r", "joe", false) }); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db, l = open(t, at)
	defer db.Close()
	clock := id.NewClock(1)
	if d, err = directory.Open(l, clock, salt); err != nil {
		t.Fatal(err)
	}
	v, err := d.View("com.r")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for u := range v.Users("") {
		names = append(names, u.Name)
	}
	if !slices.Equal(names, []string{"ann"}) {
		t.Errorf("there are %v", names)
	}
}
