package store_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"bondy/store"
)

// TestMain is also the other process of some tests.
func TestMain(m *testing.M) {
	switch path := os.Getenv("STORE_TEST_PATH"); os.Getenv("STORE_TEST_CHILD") {
	case "":
		os.Exit(m.Run())
	case "open":
		_, err := store.Open(path, store.Options{LockWait: 10 * time.Millisecond})
		fmt.Println(err)
	case "write":
		childWrites(path)
	}
}

// child runs this binary as another process.
func child(t *testing.T, what, path string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "STORE_TEST_CHILD="+what, "STORE_TEST_PATH="+path)
	cmd.Stderr = os.Stderr
	return cmd
}

// childWrites updates until it is killed, and says what was acknowledged.
func childWrites(path string) {
	db, err := store.Open(path, store.Options{RelaxedDelay: time.Millisecond})
	if err != nil {
		fmt.Println(err)
		return
	}
	var out sync.Mutex
	for w := range 4 {
		go func() {
			for i := 0; ; i++ {
				key := fmt.Sprintf("%d/%06d", w, i)
				if err := db.Relaxed(put("relaxed", key, key)); err != nil {
					panic(err)
				}
				if err := db.Update(put("durable", key, strings.Repeat(key, i%40))); err != nil {
					panic(err)
				}
				out.Lock()
				fmt.Println(key)
				out.Unlock()
			}
		}()
	}
	select {}
}

func TestKill(t *testing.T) {
	t.Parallel()
	path := temp(t)
	rounds := 12
	if testing.Short() {
		rounds = 3
	}
	for round := range rounds {
		_ = os.Remove(path)
		cmd := child(t, "write", path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		acknowledged := bufio.NewScanner(out)
		var keys []string
		for acknowledged.Scan() {
			if keys = append(keys, acknowledged.Text()); len(keys) == 1+round*37 {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = cmd.Wait() // killed
		db := open(t, path, store.Options{})
		durable, err1 := contents(db, "durable")
		relaxed, err2 := contents(db, "relaxed")
		if err := errors.Join(err1, err2, db.Close()); err != nil {
			t.Fatal(err)
		}
		for _, key := range keys {
			if _, ok := durable[key]; !ok || relaxed[key] != key {
				t.Errorf("round %d: row %s was acknowledged, and is lost", round, key)
			}
		}
	}
}

func TestHeld(t *testing.T) {
	path := temp(t)
	db := open(t, path, store.Options{})
	start := time.Now()
	_, err := store.Open(path, store.Options{LockWait: 20 * time.Millisecond})
	if !errors.Is(err, store.ErrHeld) || !strings.Contains(fmt.Sprint(err), path) || !strings.Contains(fmt.Sprint(err), "another node") {
		t.Errorf("second Open: %v, want ErrHeld and the file", err)
	}
	if waited := time.Since(start); waited > 10*time.Second {
		t.Errorf("waited %v", waited)
	}
	if out, err := child(t, "open", path).Output(); err != nil || !strings.Contains(string(out), store.ErrHeld.Error()) {
		t.Errorf("Open in another process: %s, %v; want ErrHeld", out, err)
	}
	update(t, db, put("t", "k", "v"))

	// Whoever waits long enough gets it.
	closed := make(chan error, 1)
	time.AfterFunc(50*time.Millisecond, func() { closed <- db.Close() })
	again := open(t, path, store.Options{LockWait: time.Minute})
	wantRows(t, again, "t", map[string]string{"k": "v"})
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

func TestCreateAtOnce(t *testing.T) {
	path := temp(t)
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			db, err := store.Open(path, store.Options{LockWait: time.Minute})
			if err != nil {
				t.Error(err)
				return
			}
			update(t, db, func(tx *store.Tx) error {
				n, err := raw("t").Len(tx)
				return errors.Join(err, put("t", fmt.Sprint(n), "v")(tx))
			})
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if rows, err := contents(open(t, path, store.Options{}), "t"); len(rows) != 8 || err != nil {
		t.Errorf("%d rows, %v; want 8", len(rows), err)
	}
	if names, err := filepath.Glob(path + "*"); len(names) != 1 || err != nil {
		t.Errorf("files %q, %v; want one", names, err)
	}
}

// version1 is what testdata/v1.db holds, a file of the first release. It must
// open for ever, and is never made again.
func version1() map[string]map[string]string {
	users, routes := map[string]string{}, map[string]string{}
	for i := range 3 {
		users[fmt.Sprintf("realm1/user%d", i)] = fmt.Sprintf(`{"name":"user%d","groups":%d}`, i, i)
	}
	for i := range 100 {
		routes[fmt.Sprintf("com.example.device.%03d", i)] = strings.Repeat(fmt.Sprint(i), 20)
	}
	return map[string]map[string]string{"users": users, "routes": routes}
}

func TestVersion1(t *testing.T) {
	b, err := os.ReadFile("testdata/v1.db")
	if err != nil {
		t.Fatal(err)
	}
	path := temp(t)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	db := open(t, path, store.Options{})
	for name, rows := range version1() {
		wantRows(t, db, name, rows)
	}
	update(t, db, put("users", "realm1/user3", "{}"))
}

func TestMigrate(t *testing.T) {
	b, err := os.ReadFile("testdata/v1.db")
	if err != nil {
		t.Fatal(err)
	}
	path := temp(t)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	errNo := errors.New("no")
	rename := func(tx *store.Tx) error {
		for row, err := range raw("users").Rows(tx, "", "") {
			if err := errors.Join(err, raw("people").Put(tx, row.Key, row.Value), raw("users").Delete(tx, row.Key)); err != nil {
				return err
			}
		}
		return nil
	}
	count := func(tx *store.Tx) error {
		n, err := raw("people").Len(tx)
		return errors.Join(err, put("facts", "people", fmt.Sprint(n))(tx))
	}
	fails := func(tx *store.Tx) error { return errors.Join(count(tx), errNo) }
	panics := func(*store.Tx) error { panic(errNo) }

	for name, last := range map[string]store.Migration{"error": fails, "panic": panics} {
		err := func() (err error) {
			defer func() {
				if cause := recover(); cause != nil {
					err = cause.(error)
				}
			}()
			_, err = store.Open(path, store.Options{Migrations: []store.Migration{rename, last}})
			return err
		}()
		if !errors.Is(err, errNo) {
			t.Errorf("%s: %v, want the migration's", name, err)
		}
		if now, err := os.ReadFile(path); err != nil || string(now) != string(b) {
			t.Errorf("%s: the file was changed, %v", name, err)
		}
	}

	o := store.Options{Migrations: []store.Migration{rename, count}}
	for range 2 { // the second time there is nothing to do
		db := open(t, path, o)
		wantRows(t, db, "people", version1()["users"])
		wantRows(t, db, "users", map[string]string{})
		wantRows(t, db, "facts", map[string]string{"people": "3"})
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if names, err := filepath.Glob(path + "*"); len(names) != 2 || err != nil {
		t.Errorf("files %q, %v; want the store and its copy", names, err)
	}
	old := open(t, path+".v1", store.Options{})
	for name, rows := range version1() {
		wantRows(t, old, name, rows)
	}

	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = store.Open(path, store.Options{Migrations: o.Migrations[:1]})
	if !errors.Is(err, store.ErrNewer) || !strings.Contains(fmt.Sprint(err), path) {
		t.Errorf("Open by an older release: %v, want ErrNewer and the file", err)
	}
	if now, err := os.ReadFile(path); err != nil || string(now) != string(before) {
		t.Errorf("an older release changed the file, %v", err)
	}
	fresh := open(t, temp(t), o) // begins at the last version
	wantRows(t, fresh, "facts", map[string]string{})
}

func writeCopy(db *store.DB, path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = db.WriteTo(f)
	return errors.Join(err, f.Close())
}

func TestBackupFails(t *testing.T) {
	db := open(t, temp(t), store.Options{})
	update(t, db, put("t", "k", "v"))
	r, w := io.Pipe()
	_ = r.CloseWithError(io.ErrClosedPipe)
	if n, err := db.WriteTo(w); n != 0 || err == nil {
		t.Errorf("WriteTo a closed pipe = %d, %v", n, err)
	}
}
