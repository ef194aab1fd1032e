package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bondy/store"
)

type user struct {
	Name   string `json:"name"`
	Groups int    `json:"groups"`
}

func users() store.Table[string, user] { return store.NewTable[string]("users", store.JSON[user]()) }

func raw(name string) store.Table[string, []byte] {
	return store.NewTable[string](name, store.Raw())
}

func open(tb testing.TB, path string, o store.Options) *store.DB {
	tb.Helper()
	db, err := store.Open(path, o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := db.Close(); err != nil {
			tb.Errorf("Close: %v", err)
		}
	})
	return db
}

func temp(tb testing.TB) string {
	tb.Helper()
	return filepath.Join(tb.TempDir(), "node.db")
}

func update(tb testing.TB, db *store.DB, fn func(*store.Tx) error) {
	tb.Helper()
	if err := db.Update(fn); err != nil {
		tb.Fatal(err)
	}
}

// put returns an update that writes one row.
func put(table, key, value string) func(*store.Tx) error {
	return func(tx *store.Tx) error { return raw(table).Put(tx, key, []byte(value)) }
}

// contents returns all rows of a table.
func contents(db *store.DB, table string) (map[string]string, error) {
	rows := map[string]string{}
	err := db.View(func(tx *store.Tx) error {
		for row, err := range raw(table).Rows(tx, "", "") {
			if err != nil {
				return err
			}
			rows[row.Key] = string(row.Value)
		}
		if n, err := raw(table).Len(tx); err != nil || n != len(rows) {
			return fmt.Errorf("Len = %d, %w; want %d", n, err, len(rows))
		}
		return nil
	})
	return rows, err
}

func wantRows(tb testing.TB, db *store.DB, table string, want map[string]string) {
	tb.Helper()
	if got, err := contents(db, table); err != nil || !maps.Equal(got, want) {
		tb.Errorf("rows of %s = %q, %v; want %q", table, got, err, want)
	}
}

func TestRows(t *testing.T) {
	path := temp(t)
	db := open(t, path, store.Options{})
	update(t, db, func(tx *store.Tx) error {
		for i, name := range []string{"b/2", "a/1", "c/1", "b/1", "b/3"} {
			if err := users().Put(tx, name, user{name, i}); err != nil {
				return err
			}
		}
		return users().Delete(tx, "c/1")
	})
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}

	db = open(t, path, store.Options{})
	err := db.View(func(tx *store.Tx) error {
		if u, ok, err := users().Get(tx, "b/1"); !ok || err != nil || u != (user{"b/1", 3}) {
			t.Errorf("Get b/1 = %v, %t, %v", u, ok, err)
		}
		if u, ok, err := users().Get(tx, "c/1"); ok || err != nil {
			t.Errorf("Get of a deleted row = %v, %t, %v", u, ok, err)
		}
		if _, ok, err := raw("none").Get(tx, "x"); ok || err != nil {
			t.Errorf("Get from no table = %t, %v", ok, err)
		}
		if n, err := users().Len(tx); n != 4 || err != nil {
			t.Errorf("Len = %d, %v; want 4", n, err)
		}
		for _, test := range []struct{ prefix, from, want string }{
			{"", "", "a/1 b/1 b/2 b/3"},
			{"b/", "", "b/1 b/2 b/3"},
			{"b/", "b/2", "b/2 b/3"},
			{"b/", "a", "b/1 b/2 b/3"},
			{"", "b/3", "b/3"},
			{"b/", "c", ""},
			{"d", "", ""},
		} {
			var got []string
			for row, err := range users().Rows(tx, test.prefix, test.from) {
				if err != nil || row.Value.Name != row.Key {
					t.Errorf("row %v, %v", row, err)
				}
				got = append(got, row.Key)
			}
			if got := strings.Join(got, " "); got != test.want {
				t.Errorf("Rows(%q, %q) = %q, want %q", test.prefix, test.from, got, test.want)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestChangeWhileRanging(t *testing.T) {
	db := open(t, temp(t), store.Options{})
	want := map[string]string{}
	for _, round := range []string{"fill", "change"} {
		update(t, db, func(tx *store.Tx) error {
			if round == "fill" {
				for i := range 2000 {
					if err := raw("t").Put(tx, fmt.Sprintf("%05d", i), []byte("old")); err != nil {
						return err
					}
				}
			}
			seen := 0
			for row, err := range raw("t").Rows(tx, "", "") {
				if err != nil {
					return err
				}
				seen++
				if seen%3 > 0 {
					err = raw("t").Delete(tx, row.Key)
					delete(want, row.Key)
				} else {
					want[row.Key] = round
					err = raw("t").Put(tx, row.Key, []byte(round))
				}
				if err != nil {
					return err
				}
			}
			if all := map[string]int{"fill": 2000, "change": 666}[round]; seen != all {
				t.Errorf("met %d rows, want %d", seen, all)
			}
			return nil
		})
		wantRows(t, db, "t", want)
	}
}

func TestLimits(t *testing.T) {
	db := open(t, temp(t), store.Options{})
	for name, fn := range map[string]func(*store.Tx) error{
		"no key":     put("t", "", "v"),
		"long key":   put("t", strings.Repeat("k", store.MaxKey+1), "v"),
		"long value": put("t", "k", strings.Repeat("v", store.MaxValue+1)),
	} {
		if err := db.Update(fn); !errors.Is(err, store.ErrTooLong) {
			t.Errorf("%s: %v, want ErrTooLong", name, err)
		}
	}
	for _, name := range []string{"", "_store", "T", "9", "a b", "a\x00", strings.Repeat("a", 65)} {
		if err := db.Update(put(name, "k", "v")); err == nil {
			t.Errorf("a table %q was made", name)
		}
	}
	key, value := strings.Repeat("k", store.MaxKey), strings.Repeat("v", store.MaxValue)
	for i := range 4 { // bbolt may leave them in one page
		update(t, db, put("t", fmt.Sprint(i)+key[1:], value))
	}
	update(t, db, put("t", "empty", ""))
	var copied bytes.Buffer
	if _, err := db.WriteTo(&copied); err != nil {
		t.Fatal(err)
	}
	path := temp(t)
	if err := os.WriteFile(path, copied.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	rows, err := contents(open(t, path, store.Options{}), "t")
	if empty, ok := rows["empty"]; len(rows) != 5 || rows["3"+key[1:]] != value || !ok || empty != "" || err != nil {
		t.Errorf("%d rows, %v; want 5", len(rows), err)
	}
}

func TestFull(t *testing.T) {
	path := temp(t)
	o := store.Options{MaxSize: 2 << 20}
	db := open(t, path, o)
	value := strings.Repeat("v", 1000)
	written := map[string]string{}
	var err error
	for i := 0; err == nil && i < 300; i++ {
		err = db.Update(func(tx *store.Tx) error {
			for k := range 10 {
				if err := put("t", fmt.Sprintf("%03d/%d", i, k), value)(tx); err != nil {
					return err
				}
			}
			return nil
		})
		for k := 0; err == nil && k < 10; k++ {
			written[fmt.Sprintf("%03d/%d", i, k)] = value
		}
	}
	if !errors.Is(err, store.ErrFull) || len(written) < 500 {
		t.Fatalf("after %d rows: %v, want ErrFull", len(written), err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() > o.MaxSize {
		t.Errorf("the file has %d bytes, %v; want at most %d", info.Size(), err, o.MaxSize)
	}
	wantRows(t, db, "t", written)
	for i := range 20 { // the failure has not ended writing
		key := fmt.Sprintf("%03d/0", i)
		update(t, db, func(tx *store.Tx) error { return raw("t").Delete(tx, key) })
		delete(written, key)
	}
	update(t, db, put("t", "again", value))
	written["again"] = value
	wantRows(t, db, "t", written)
}

func TestMisuse(t *testing.T) {
	path := temp(t)
	db := open(t, path, store.Options{})
	var kept *store.Tx
	update(t, db, func(tx *store.Tx) error { kept = tx; return put("t", "k", "v")(tx) })
	if err := put("t", "k", "w")(kept); !errors.Is(err, store.ErrTxDone) {
		t.Errorf("Put after the update: %v, want ErrTxDone", err)
	}
	if err := db.View(put("t", "k", "w")); !errors.Is(err, store.ErrReadOnly) {
		t.Errorf("Put in a View: %v, want ErrReadOnly", err)
	}
	if err := db.View(func(tx *store.Tx) error { kept = tx; return nil }); err != nil {
		t.Error(err)
	}
	if _, _, err := raw("t").Get(kept, "k"); !errors.Is(err, store.ErrTxDone) {
		t.Errorf("Get after the View: %v, want ErrTxDone", err)
	}
	if err := db.View(func(tx *store.Tx) error { _, _, err := users().Get(tx, "k"); return err }); err != nil {
		t.Error(err)
	}
	bad := store.NewTable[string]("t", store.JSON[user]())
	if err := db.View(func(tx *store.Tx) error { _, _, err := bad.Get(tx, "k"); return err }); err == nil {
		t.Error("a row that is not JSON was decoded")
	}
	wantRows(t, db, "t", map[string]string{"k": "v"})
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{
		"Update": db.Update(put("t", "k", "w")), "Relaxed": db.Relaxed(put("t", "k", "w")), "Flush": db.Flush(),
		"View": db.View(func(*store.Tx) error { return nil }),
	} {
		if !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s after Close: %v, want ErrClosed", name, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	for _, o := range []store.Options{{LockWait: -1}, {MaxSize: 1}, {RelaxedDelay: -1}, {BatchSize: -1}} {
		if _, err := store.Open(path, o); err == nil {
			t.Errorf("opened with %+v", o)
		}
	}
	if _, err := store.Open(filepath.Join(path, "none", "x"), store.Options{}); err == nil {
		t.Error("opened below a file")
	}
	if _, err := store.Open(filepath.Dir(path), store.Options{}); err == nil {
		t.Error("opened a directory")
	}
}
