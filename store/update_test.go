package store_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bondy/store"
)

// TestShare: concurrent updates share commits, and so the syncs.
func TestShare(t *testing.T) {
	db := open(t, temp(t), store.Options{})
	var ready, done sync.WaitGroup
	ready.Add(100)
	update1 := make(chan struct{})
	done.Go(func() { // keeps the others waiting until all are there
		update(t, db, func(tx *store.Tx) error {
			close(update1)
			ready.Wait()
			return put("t", "first", "v")(tx)
		})
	})
	<-update1
	for i := range 100 {
		done.Go(func() {
			ready.Done()
			update(t, db, put("t", fmt.Sprint(i), "v"))
			if err := db.View(func(tx *store.Tx) error {
				if _, ok, err := raw("t").Get(tx, fmt.Sprint(i)); !ok || err != nil {
					t.Errorf("row %d is not there after Update: %v", i, err)
				}
				return nil
			}); err != nil {
				t.Error(err)
			}
		})
	}
	done.Wait()
	s := db.Stats()
	if s.Durable.Updates != 101 || s.Durable.Rows != 101 || s.Durable.Commits > 10 {
		t.Errorf("%+v; want 101 updates in at most 10 commits", s.Durable)
	}
	t.Logf("101 updates took %d commits and wrote %d bytes", s.Durable.Commits, s.Written)
}

func TestFailureIsAlone(t *testing.T) {
	db := open(t, temp(t), store.Options{})
	update(t, db, put("t", "kept", "old"))
	errNo := errors.New("no")
	var wait sync.WaitGroup
	want := map[string]string{"kept": "old"}
	for i := range 60 {
		key := fmt.Sprintf("%02d", i)
		runs := 0
		fn := func(tx *store.Tx) error {
			runs++
			// What is not taken back would be seen by the others.
			if v, _, err := raw("t").Get(tx, "kept"); string(v) != "old" || err != nil {
				t.Errorf("an update saw %q, %v", v, err)
			}
			if i%3 == 0 {
				return put("t", key, "v")(tx)
			}
			err := errors.Join(put("t", "kept", "new")(tx), put("t", key, "v")(tx), put("t", key, "w")(tx),
				raw("t").Delete(tx, "kept"), put("new"+key, key, "v")(tx))
			if err != nil {
				t.Error(err)
			}
			if i%3 == 1 {
				return errNo
			}
			panic(errNo)
		}
		if i%3 == 0 {
			want[key] = "v"
		}
		wait.Go(func() {
			defer func() {
				cause, _ := recover().(error)
				if i%3 == 2 && !errors.Is(cause, errNo) {
					t.Errorf("the panic became %v", cause)
				}
				if runs != 1 {
					t.Errorf("a function ran %d times", runs)
				}
			}()
			do := db.Update
			if i%2 == 0 {
				do = db.Relaxed
			}
			if err := do(fn); i%3 == 0 && err != nil || i%3 == 1 && !errors.Is(err, errNo) {
				t.Errorf("update %d: %v", i, err)
			}
		})
	}
	wait.Wait()
	if err := db.Flush(); err != nil {
		t.Error(err)
	}
	wantRows(t, db, "t", want)
}

func TestRelaxed(t *testing.T) {
	path := temp(t)
	synctest.Test(t, func(t *testing.T) {
		db := open(t, path, store.Options{RelaxedDelay: 10 * time.Second, BatchSize: 1000})
		relaxed := func(key, value string) {
			t.Helper()
			if err := db.Relaxed(put("t", key, value)); err != nil {
				t.Fatal(err)
			}
		}
		commits := func(want uint64, rows map[string]string) {
			t.Helper()
			synctest.Wait()
			if s := db.Stats(); s.Relaxed.Commits+s.Durable.Commits != want {
				t.Errorf("%+v; want %d commits", s, want)
			}
			wantRows(t, db, "t", rows)
		}
		relaxed("a", "1")
		<-time.After(9 * time.Second)
		relaxed("a", "2") // the delay counts from the first
		commits(0, map[string]string{})
		<-time.After(time.Second)
		commits(1, map[string]string{"a": "2"})

		relaxed("a", "2") // is so already
		<-time.After(time.Minute)
		commits(1, map[string]string{"a": "2"})

		relaxed("b", "1") // goes with the next Update, which sees it
		update(t, db, func(tx *store.Tx) error {
			if v, ok, err := raw("t").Get(tx, "b"); string(v) != "1" || !ok || err != nil {
				t.Errorf("Get b = %q, %t, %v", v, ok, err)
			}
			return put("t", "c", "1")(tx)
		})
		commits(2, map[string]string{"a": "2", "b": "1", "c": "1"})

		large := strings.Repeat("v", 600)
		relaxed("d", large) // two are more than BatchSize
		commits(2, map[string]string{"a": "2", "b": "1", "c": "1"})
		relaxed("e", large)
		commits(3, map[string]string{"a": "2", "b": "1", "c": "1", "d": large, "e": large})

		relaxed("d", "")
		if err := db.Flush(); err != nil {
			t.Error(err)
		}
		commits(4, map[string]string{"a": "2", "b": "1", "c": "1", "d": "", "e": large})
		relaxed("e", "")
		if err := db.Close(); err != nil { // commits, too
			t.Error(err)
		}
		if s := db.Stats(); s.Relaxed.Updates != 7 || s.Relaxed.Rows != 7 || s.Durable.Rows != 1 || s.Lost != 0 {
			t.Errorf("%+v; want 7 relaxed updates of 7 rows", s)
		}
	})
	wantRows(t, open(t, path, store.Options{}), "t", map[string]string{
		"a": "2", "b": "1", "c": "1", "d": "", "e": "",
	})
}

func TestLost(t *testing.T) {
	var lost []error
	db := open(t, temp(t), store.Options{MaxSize: 1 << 20, OnLost: func(rows int, err error) {
		if rows != 1 {
			t.Errorf("lost %d rows, want 1", rows)
		}
		lost = append(lost, err)
	}})
	update(t, db, put("t", "k", "v"))
	if err := db.Relaxed(put("t", "long", strings.Repeat("v", 2<<20))); err != nil {
		t.Error(err) // the commit follows at once, and fails
	}
	if len(lost) != 1 || !errors.Is(lost[0], store.ErrFull) {
		t.Errorf("OnLost was told %v, want ErrFull", lost)
	}
	if s := db.Stats(); s.Lost != 1 {
		t.Errorf("Lost = %d, want 1", s.Lost)
	}
	wantRows(t, db, "t", map[string]string{"k": "v"})
}

// TestLongView: a View sees one state and holds nobody up.
func TestLongView(t *testing.T) {
	db := open(t, temp(t), store.Options{MaxSize: 64 << 20})
	update(t, db, put("t", "k", "old"))
	if err := db.View(func(tx *store.Tx) error {
		for i := range 200 { // the file grows many times its first size
			update(t, db, put("t", fmt.Sprint(i), strings.Repeat("v", 20<<10)))
		}
		update(t, db, put("t", "k", "new"))
		if v, _, err := raw("t").Get(tx, "k"); string(v) != "old" || err != nil {
			t.Errorf("Get = %q, %v, want what was there when the View began", v, err)
		}
		if n, err := raw("t").Len(tx); n != 1 || err != nil {
			t.Errorf("Len = %d, %v, want 1", n, err)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// TestConcurrent is for the race detector.
func TestConcurrent(t *testing.T) {
	db := open(t, temp(t), store.Options{RelaxedDelay: time.Millisecond, BatchSize: 4 << 10})
	var wait sync.WaitGroup
	for w := range 6 {
		wait.Go(func() {
			for i := range 60 {
				key := fmt.Sprintf("%d/%d", w, i%20)
				do := db.Update
				if w%2 == 0 {
					do = db.Relaxed
				}
				err := do(put("t", key, fmt.Sprint(i)))
				if i%7 == 0 {
					err = errors.Join(err, db.Flush())
				}
				_, err2 := contents(db, "t")
				_ = db.Stats()
				if err := errors.Join(err, err2); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

func BenchmarkUpdate(b *testing.B) {
	value := strings.Repeat("v", 200)
	b.Run("alone", func(b *testing.B) {
		db := open(b, temp(b), store.Options{})
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			update(b, db, put("t", fmt.Sprint(i%10000), value+fmt.Sprint(i)))
		}
		report(b, db)
	})
	b.Run("concurrent-100", func(b *testing.B) {
		db := open(b, temp(b), store.Options{})
		b.ReportAllocs()
		b.SetParallelism(50) // times GOMAXPROCS
		b.RunParallel(func(pb *testing.PB) {
			for i := 0; pb.Next(); i++ {
				update(b, db, put("t", fmt.Sprintf("%p/%d", pb, i%100), value+fmt.Sprint(i)))
			}
		})
		report(b, db)
	})
	b.Run("relaxed", func(b *testing.B) {
		db := open(b, temp(b), store.Options{})
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if err := db.Relaxed(put("t", fmt.Sprint(i%10000), value+fmt.Sprint(i))); err != nil {
				b.Fatal(err)
			}
		}
		report(b, db)
	})
}

// report adds what the flash memory sees of an update.
func report(b *testing.B, db *store.DB) {
	b.Helper()
	if err := db.Flush(); err != nil {
		b.Fatal(err)
	}
	s := db.Stats()
	b.ReportMetric(float64(s.Durable.Commits+s.Relaxed.Commits)/float64(b.N), "commits/op")
	b.ReportMetric(float64(s.Written)/float64(b.N), "written-B/op")
}

// BenchmarkOpen reads and verifies a file of 32 MiB.
func BenchmarkOpen(b *testing.B) {
	path := temp(b)
	db := open(b, path, store.Options{})
	for i := range 160 {
		update(b, db, func(tx *store.Tx) error {
			for k := range 1000 {
				if err := put("t", fmt.Sprintf("%04d/%04d", i, k), strings.Repeat("v", 150))(tx); err != nil {
					return err
				}
			}
			return nil
		})
	}
	b.SetBytes(db.Stats().Size)
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		db, err := store.Open(path, store.Options{})
		if err != nil {
			b.Fatal(err)
		}
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGet(b *testing.B) {
	db := open(b, temp(b), store.Options{})
	update(b, db, func(tx *store.Tx) error {
		for i := range 10000 {
			if err := users().Put(tx, fmt.Sprintf("user%05d", i), user{"x", i}); err != nil {
				return err
			}
		}
		return nil
	})
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if err := db.View(func(tx *store.Tx) error {
			_, _, err := users().Get(tx, fmt.Sprintf("user%05d", i%10000))
			return err
		}); err != nil {
			b.Fatal(err)
		}
	}
}
