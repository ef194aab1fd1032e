package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"bondy/store"
)

const pageSize = 4096

// sample makes a file with branch, leaf, long, inline and free pages, and returns
// its rows by table.
func sample(tb testing.TB, path string) map[string]map[string]string {
	tb.Helper()
	rows := map[string]map[string]string{"many": {}, "few": {}, "long": {}, "other": {}}
	for i := range 400 {
		rows["many"][fmt.Sprintf("com.example.device.%04d.%s", i, strings.Repeat("x", i%50))] = strings.Repeat("v", i%90)
	}
	for i := range 5 {
		rows["few"][fmt.Sprint(i)] = "few"
		rows["long"][fmt.Sprint(i)] = strings.Repeat("long", 500*i)
	}
	for i := range 60 {
		rows["other"][fmt.Sprintf("key%03d", i)] = strings.Repeat("o", 20)
	}
	db := open(tb, path, store.Options{})
	for _, value := range []string{"", "again"} { // twice, so that pages become free
		for name, table := range rows {
			update(tb, db, func(tx *store.Tx) error {
				for k, v := range table {
					if value != "" {
						table[k] = v + value
					}
					if err := raw(name).Put(tx, k, []byte(table[k])); err != nil {
						return err
					}
				}
				return nil
			})
		}
	}
	if err := db.Close(); err != nil {
		tb.Fatal(err)
	}
	return rows
}

// check opens the file, reads everything, and says what is wrong unless the
// rows are these or the error is ErrDamaged.
func check(path string, want map[string]map[string]string) (found bool, err error) {
	db, err := store.Open(path, store.Options{})
	if errors.Is(err, store.ErrDamaged) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	for name, rows := range want {
		got, err := contents(db, name)
		if errors.Is(err, store.ErrDamaged) {
			return true, db.Close()
		}
		if err != nil || !maps.Equal(got, rows) {
			return false, errors.Join(fmt.Errorf("table %s is wrong: %w", name, err), db.Close())
		}
	}
	return false, db.Close()
}

// TestBitFlips changes single bits on every page.
func TestBitFlips(t *testing.T) {
	t.Parallel()
	path := temp(t)
	want := sample(t, path)
	original, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	random := rand.New(rand.NewPCG(1, 2))
	inUse, detected, harmless := 0, 0, 0
	for at := 0; at < len(original); at += pageSize {
		if bytes.Count(original[at:at+pageSize], []byte{0}) == pageSize {
			continue // beyond what was ever used
		}
		inUse++
		bits := map[int]bool{}
		step := 1
		if testing.Short() || raceEnabled {
			step = 30
		}
		for bit := 0; bit < 128; bit += step { // the header
			bits[bit] = true
		}
		for bit := 128; bit < 128+64*8 && at < 2*pageSize; bit++ { // the commit records
			bits[bit] = true
		}
		for range 60 / step { // item entries and rows
			bits[128+random.IntN(8*256)] = true
			bits[128+random.IntN(8*(pageSize-16))] = true
		}
		for bit := range bits {
			offset := int64(at + bit/8)
			changed := original[offset] ^ 1<<(bit%8)
			if _, err := f.WriteAt([]byte{changed}, offset); err != nil {
				t.Fatal(err)
			}
			found, err := check(path, want)
			if err != nil {
				t.Errorf("page %d, bit %d: %v", at/pageSize, bit, err)
			}
			if found {
				detected++
			} else {
				harmless++
			}
			var now [1]byte
			if _, err := f.ReadAt(now[:], offset); err != nil || now[0] != changed {
				t.Fatalf("page %d, bit %d: the file was changed, %v", at/pageSize, bit, err)
			}
			if _, err := f.WriteAt(original[offset:offset+1], offset); err != nil {
				t.Fatal(err)
			}
		}
	}
	if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, original) {
		t.Errorf("opening changed the file, %v", err)
	}
	t.Logf("%d pages: %d changed bits were detected, %d are harmless", inUse, detected, harmless)
}

// TestHarmlessStaysSo: what was harmless must stay so after the next updates.
func TestHarmlessStaysSo(t *testing.T) {
	t.Parallel()
	path := temp(t)
	want := sample(t, path)
	original, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(3, 4))
	rounds, survived := 300, 0
	if testing.Short() || raceEnabled {
		rounds = 60
	}
	for round := range rounds {
		changed := bytes.Clone(original)
		at := 0
		for branch := round%2 == 0; changed[at] == 0 || branch && changed[at/pageSize*pageSize+8] != 1; {
			at = random.IntN(len(changed)) // each second time on a branch page
		}
		changed[at] ^= 1 << random.IntN(8)
		if err := os.WriteFile(path, changed, 0o600); err != nil {
			t.Fatal(err)
		}
		db, err := store.Open(path, store.Options{})
		if errors.Is(err, store.ErrDamaged) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		survived++
		for _, prefix := range []string{"new ", ""} {
			update(t, db, func(tx *store.Tx) error {
				for key, value := range want["many"] {
					if err := put("many", key, prefix+value)(tx); err != nil {
						return err
					}
				}
				return nil
			})
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if found, err := check(path, want); found || err != nil {
			t.Fatalf("damaged = %t, %v after an update", found, err)
		}
	}
	t.Logf("%d of %d opened", survived, rounds)
}

// TestDamageWhileOpen changes the file below an open store.
func TestDamageWhileOpen(t *testing.T) {
	read := func(db *store.DB, want map[string]map[string]string) (damaged int) {
		t.Helper()
		for name, rows := range want {
			got, err := contents(db, name)
			if errors.Is(err, store.ErrDamaged) {
				damaged++
			} else if err != nil || !maps.Equal(got, rows) {
				t.Errorf("table %s: %d rows, %v", name, len(got), err)
			}
		}
		return damaged
	}
	t.Run("value", func(t *testing.T) {
		path := temp(t)
		want := sample(t, path)
		db := open(t, path, store.Options{})
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for at := range b {
			if bytes.HasPrefix(b[at:], []byte("longlong")) {
				b[at] ^= 1
			}
		}
		if err := os.WriteFile(path, b, 0); err != nil {
			t.Fatal(err)
		}
		if n := read(db, want); n != 1 {
			t.Errorf("%d tables are damaged, want 1", n)
		}
		if err := db.Update(put("long", "3", "new")); !errors.Is(err, store.ErrDamaged) {
			t.Errorf("Update of a damaged row: %v, want ErrDamaged", err)
		}
		update(t, db, put("few", "3", "new")) // others are not affected
	})
	t.Run("gone", func(t *testing.T) {
		path := temp(t)
		want := sample(t, path)
		db, err := store.Open(path, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, 2*pageSize); err != nil {
			t.Fatal(err)
		}
		if n := read(db, want); n != len(want) {
			t.Errorf("%d tables are damaged, want all", n)
		}
		for range 2 {
			if err := db.Update(put("many", "x", "y")); !errors.Is(err, store.ErrDamaged) {
				t.Errorf("Update: %v, want ErrDamaged", err)
			}
		}
		if err := db.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
}

func TestNoStore(t *testing.T) {
	path := temp(t)
	want := sample(t, path)
	original, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{
		"empty":     nil,
		"text":      []byte("mode = \"edge\"\n"),
		"zeros":     make([]byte, 64<<10),
		"truncated": original[:len(original)/3],
		"two pages": original[:2*pageSize],
	} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if found, err := check(path, want); !found || err != nil {
			t.Errorf("%s: damaged = %t, %v", name, found, err)
		}
		if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, b) {
			t.Errorf("%s: the file was changed, %v", name, err)
		}
	}
}

// FuzzOpen opens any bytes. Checksums are mended on demand, because few inputs
// would get past them.
func FuzzOpen(f *testing.F) {
	v1, err := os.ReadFile("testdata/v1.db")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(v1, false)
	db := open(f, temp(f), store.Options{})
	update(f, db, put("t", "k", "v"))
	var small bytes.Buffer
	if _, err := db.WriteTo(&small); err != nil {
		f.Fatal(err)
	}
	f.Add(small.Bytes(), true)
	f.Add([]byte{}, false)
	f.Fuzz(func(t *testing.T, b []byte, mend bool) {
		if len(b) > 1<<20 {
			return
		}
		b = bytes.Clone(b)
		if mend {
			mendSums(b)
		}
		path := temp(t)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		db, err := store.Open(path, store.Options{})
		if errors.Is(err, store.ErrDamaged) || errors.Is(err, store.ErrNewer) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		// What opens is whole, and can be written to.
		before, err := contents(db, "t")
		if err != nil {
			t.Fatal(err)
		}
		update(t, db, put("t", "new", "row"))
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		before["new"] = "row"
		if found, err := check(path, map[string]map[string]string{"t": before}); found || err != nil {
			t.Fatalf("after an update: damaged = %t, %v", found, err)
		}
	})
}
