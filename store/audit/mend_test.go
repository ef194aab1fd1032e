package audit_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"bondy/core/audit"
	store "bondy/store/audit"
)

// TestUnfinishedRecordIsCut cuts the last record anywhere, or puts something
// behind it, as a crash may.
func TestUnfinishedRecordIsCut(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, store.Config{})
	l.admin(0)
	l.admin(1)
	l.stop()
	const name = "audit-0000000001.jsonl"
	text := contents(t, dir)[name]
	last := bytes.LastIndexByte(text[:len(text)-1], '\n') + 1
	torn := [][]byte{append(slices.Clone(text), make([]byte, 4096)...), append(slices.Clone(text), "\x00\x00\n{}\n"...)}
	for n := last + 1; n < len(text); n += 7 {
		torn = append(torn, text[:n])
	}
	torn = append(torn, text[:len(text)-1])
	for _, text := range torn {
		write(t, dir, map[string][]byte{name: text})
		l := open(t, dir, store.Config{})
		l.admin(2)
		l.stop()
		verify(t, dir)
		var mended bool
		for _, r := range read(t, dir, store.Query{Kind: audit.Node}) {
			mended = mended || strings.HasSuffix(r.Reason, "bytes of an unfinished record cut")
		}
		got := administered(t, dir)
		if !mended || got[0] != "user 0" || got[len(got)-1] != "user 2" {
			t.Fatalf("mended %v, %v", mended, got)
		}
	}
}

// TestFileThatWasNotBegun is a crash between making a file and its first record.
func TestFileThatWasNotBegun(t *testing.T) {
	for _, text := range []string{"", `{"seq":`} {
		dir := t.TempDir()
		l := open(t, dir, store.Config{})
		l.admin(0)
		l.stop()
		if err := os.WriteFile(filepath.Join(dir, "audit-0000000002.jsonl"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		verify(t, dir)
		l = open(t, dir, store.Config{})
		l.admin(1)
		l.stop()
		if r := verify(t, dir).Administration; r.Files != 1 {
			t.Errorf("%+v", r)
		}
		if got := administered(t, dir); !slices.Equal(got, numbered(0, 2)) {
			t.Error(got)
		}
	}
}

// TestAccessThatWasNotBegun is that crash at the first start of all.
func TestAccessThatWasNotBegun(t *testing.T) {
	for _, text := range []string{"", `{"seq":`} {
		dir := t.TempDir()
		former(t, dir, 1, 5)
		if err := os.WriteFile(filepath.Join(dir, access1), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if r := verify(t, dir); r.Access.Last != 0 {
			t.Errorf("%+v", r)
		}
		for range 2 { // who comes second knows how far the first came
			l := open(t, dir, store.Config{})
			l.Record(audit.Event{Kind: audit.Node, Action: "bondy.node.start"})
			l.stop()
			verify(t, dir)
		}
		write(t, dir, map[string][]byte{change1: contents(t, dir)[change1], access1: []byte(text)})
		if _, err := store.NewFiles(dir).Verify(""); err == nil {
			t.Error("the logins were emptied")
		}
	}
}

// TestOldFileThatStays has the oldest file not be deleted for a while: nothing seems
// to be missing.
func TestOldFileThatStays(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, store.Config{MaxSegment: 2 << 10, MaxBytes: 6 << 10})
	n := 0
	until := func(name string) {
		t.Helper()
		for ; n < 1000; n++ {
			if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
				return
			}
			l.admin(n)
			l.flush()
		}
		t.Fatalf("there is no %s", name)
	}
	until(change2)
	first := contents(t, dir)[change1]
	inTheWay := filepath.Join(dir, change1)
	if err := os.Remove(inTheWay); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(inTheWay, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	until("audit-0000000006.jsonl")
	if err := os.RemoveAll(inTheWay); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(inTheWay, first, 0o600); err != nil {
		t.Fatal(err)
	}
	if r := verify(t, dir).Administration; r.First != 1 || r.Files != 6 {
		t.Errorf("%+v", r)
	}
	until("audit-0000000007.jsonl")
	if r := verify(t, dir).Administration; r.First == 1 || r.Files > 3 {
		t.Errorf("it was not deleted later: %+v", r)
	}
}

// TestDamageIsKept changes a record in the middle: the log goes on in another
// file, and what is wrong stays to be seen.
func TestDamageIsKept(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, store.Config{})
	for i := range 5 {
		l.admin(i)
	}
	l.stop()
	const name = "audit-0000000001.jsonl"
	changed := bytes.Replace(contents(t, dir)[name], []byte("user 2 created"), []byte("user 9 created"), 1)
	write(t, dir, map[string][]byte{name: changed})
	l = open(t, dir, store.Config{})
	l.admin(5)
	l.stop()
	if got := contents(t, dir)[name]; !bytes.Equal(got, changed) {
		t.Error("the damaged file was changed")
	}
	if _, err := store.NewFiles(dir).Verify(""); err == nil || !strings.Contains(err.Error(), name+" line 4, after record 3") {
		t.Errorf("%v", err)
	}
	var damage, records int
	if err := store.NewFiles(dir).Tail(t.Context(), store.Query{}, func(_ *audit.Record, err error) error {
		if records++; err != nil {
			damage++
		}
		return nil
	}); err != nil || damage != 1 || records != 10 {
		t.Errorf("%d of %d, %v", damage, records, err)
	}
}

// TestDiskThatTakesNothing has the next file be in the way for a while.
func TestDiskThatTakesNothing(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, store.Config{MaxSegment: 2 << 10, MaxBytes: 1 << 20})
	inTheWay := filepath.Join(dir, "audit-0000000002.jsonl")
	if err := os.MkdirAll(filepath.Join(inTheWay, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	n := 0
	for l.Stats().Dropped[audit.DropDisk] == 0 {
		l.admin(n)
		if err := l.Flush(t.Context()); err != nil && l.Stats().Dropped[audit.DropDisk] == 0 {
			t.Fatal(err)
		}
		n++
	}
	if err := l.Flush(t.Context()); err == nil {
		t.Error("Flush is content")
	}
	if err := os.RemoveAll(inTheWay); err != nil {
		t.Fatal(err)
	}
	l.admin(n)
	l.flush()
	l.stop()
	got := administered(t, dir)
	if want := append(numbered(0, n-1), numbered(n, n+1)...); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if r := verify(t, dir).Administration; r.Lost != 1 || r.Files != 2 {
		t.Errorf("%+v", r)
	}
}

// TestFollow sees what comes, over the end of a file.
func TestFollow(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, store.Config{MaxSegment: 3 << 10, MaxBytes: 1 << 20})
	l.admin(0)
	l.admin(1)
	l.flush()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var got []string
	err := store.NewFiles(dir).Tail(ctx, store.Query{Last: 1, Follow: true, Kind: audit.Administration}, func(r *audit.Record, err error) error {
		if err != nil {
			return err
		}
		if got = append(got, r.Object); len(got) == 1 {
			for i := 2; i < 30; i++ {
				l.admin(i)
			}
		}
		if r.Object == "user 29" {
			cancel()
		}
		return nil
	})
	if err != nil || !slices.Equal(got, numbered(1, 30)) {
		t.Errorf("%v, %v", got, err)
	}
}

// TestTailIsByTime mixes what goes into the two chains, and cuts both to the newest.
func TestTailIsByTime(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, store.Config{MaxSegment: 2 << 10, MaxBytes: 1 << 20})
	start := time.Now()
	const n = 40
	for i := range n {
		l.Record(audit.Event{
			Time: start.Add(time.Duration(i) * time.Second), Outcome: audit.OK, Realm: "realm1",
			Kind: []audit.Kind{audit.Login, audit.Administration, audit.Administration}[i%3], Object: strconv.Itoa(i),
		})
	}
	l.stop()
	for _, last := range []int{0, 1, 7, 30} {
		got := read(t, dir, store.Query{Realm: "realm1", Last: last})
		from := n - len(got)
		if last > 0 && len(got) != last || last == 0 && from != 0 {
			t.Errorf("%d of the last %d", len(got), last)
		}
		for i, r := range got {
			if r.Object != strconv.Itoa(from+i) {
				t.Errorf("of the last %d, %s is in place %d", last, r.Object, i)
			}
		}
	}
}

func TestQuery(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, store.Config{MaxSegment: 2 << 10, MaxBytes: 1 << 20})
	start := time.Now()
	for i := range 40 {
		l.Record(audit.Event{
			Time: start.Add(time.Duration(i-40) * time.Minute), Kind: []audit.Kind{audit.Login, audit.Logout}[i%2],
			Realm: "realm1", AuthID: []string{"joe", "mary"}[i/2%2],
		})
	}
	l.Record(audit.Event{Kind: audit.Login, Realm: "realm2", AuthID: "joe"})
	l.stop()
	for name, tc := range map[string]struct {
		q    store.Query
		want int
	}{
		"kind":     {store.Query{Kind: audit.Login}, 21},
		"realm":    {store.Query{Realm: "realm1"}, 40},
		"authid":   {store.Query{AuthID: "joe"}, 21},
		"together": {store.Query{AuthID: "joe", Kind: audit.Logout, Realm: "realm1"}, 10},
		"last":     {store.Query{AuthID: "mary", Last: 7}, 7},
		"since":    {store.Query{AuthID: "mary", Since: start.Add(-20*time.Minute - time.Second)}, 10},
		"none":     {store.Query{AuthID: "nobody"}, 0},
	} {
		if got := read(t, dir, tc.q); len(got) != tc.want {
			t.Errorf("%s: %d records", name, len(got))
		}
	}
	if got := read(t, dir, store.Query{Last: 1, Kind: audit.Login}); len(got) != 1 || got[0].Realm != "realm2" {
		t.Errorf("%+v", got)
	}
}
