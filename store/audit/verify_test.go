package audit_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"bondy/core/audit"
	store "bondy/store/audit"
)

// sample makes a log of a few files in each chain and gives their contents by name.
func sample(t testing.TB) map[string][]byte {
	t.Helper()
	dir := t.TempDir()
	fill(t, dir)
	return contents(t, dir)
}

// fill has a node write to the log in dir from start to stop.
func fill(t testing.TB, dir string) {
	t.Helper()
	l := open(t, dir, store.Config{MaxSegment: 3 << 10, MaxBytes: 1 << 20})
	l.Record(audit.Event{Kind: audit.Node, Action: "bondy.node.started"})
	for i := range 30 {
		l.admin(i)
		l.Record(audit.Event{Kind: audit.Login, AuthID: fmt.Sprint("user ", i), AuthMethod: "wampcra", Agent: "lamp"})
	}
	l.Record(audit.Event{Kind: audit.Node, Action: "bondy.node.stopped"})
	l.stop()
}

func contents(t testing.TB, dir string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	names, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range names {
		if files[filepath.Base(path)], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// TestAnyChangeIsFound does to a log what a clumsy forger may do.
func TestAnyChangeIsFound(t *testing.T) {
	original := sample(t)
	names := names(original)
	if len(names) < 7 {
		t.Fatal(names)
	}
	dir := t.TempDir()
	write(t, dir, original)
	head := verify(t, dir).Head
	last := map[string]string{"audit": filepath.Base(newest(t, dir, "audit")), "access": filepath.Base(newest(t, dir, "access"))}
	rapid.Check(t, func(rt *rapid.T) {
		files := map[string][]byte{}
		for name, text := range original {
			files[name] = slices.Clone(text)
		}
		name := rapid.SampledFrom(names).Draw(rt, "file")
		text := files[name]
		at := rapid.IntRange(0, len(text)-1).Draw(rt, "at")
		lines := bytes.SplitAfter(text, []byte("\n"))
		lines = lines[:len(lines)-1]
		i, j := rapid.IntRange(0, len(lines)-1).Draw(rt, "line"), rapid.IntRange(0, len(lines)-1).Draw(rt, "other")
		switch what := rapid.IntRange(0, 9).Draw(rt, "what"); what {
		case 0:
			text[at] ^= 1 << rapid.IntRange(0, 7).Draw(rt, "bit")
		case 1:
			text = slices.Delete(text, at, at+1)
		case 2:
			text = slices.Insert(text, at, rapid.Byte().Draw(rt, "byte"))
		case 3:
			text = bytes.Join(slices.Delete(slices.Clone(lines), i, i+1), nil)
		case 4:
			text = bytes.Join(slices.Insert(slices.Clone(lines), i, lines[j]), nil)
		case 5:
			if i == j {
				return
			}
			lines[i], lines[j] = lines[j], lines[i]
			text = bytes.Join(lines, nil)
		case 6:
			text = nil
		case 7:
			text = text[:at]
		case 8:
			other := rapid.SampledFrom(names).Draw(rt, "with")
			if other == name {
				return
			}
			text, files[other] = files[other], text
		case 9:
			lines[i] = forged(lines[i])
			text = bytes.Join(lines, nil)
		}
		if files[name] = text; text == nil {
			delete(files, name)
		}
		write(t, dir, files)
		// Of the end, whole records may be missing: that is for the head to find.
		if report, err := store.NewFiles(dir).Verify(head); err == nil && unfinished(report) == 0 {
			rt.Fatalf("a change of %s is not found: %+v", name, report)
		}
		newest := name == last["access"] || name == last["audit"] // which may just have ended earlier
		if report, err := store.NewFiles(dir).Verify(""); err == nil && unfinished(report) == 0 && !newest {
			rt.Fatalf("a change of %s is not found without the head: %+v", name, report)
		}
	})
}

// forged is a record of another time, whose hash is right.
func forged(line []byte) []byte {
	body, _, _ := bytes.Cut(line, []byte(`,"hash":"`))
	body = bytes.Replace(body, []byte(`"time":"2`), []byte(`"time":"3`), 1)
	sum := sha256.Sum256(body)
	return fmt.Appendf(body, ",\"hash\":\"%x\"}\n", sum)
}

// write makes files what is in dir.
func write(t testing.TB, dir string, files map[string][]byte) {
	t.Helper()
	for name := range contents(t, dir) {
		if files[name] == nil {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestHeadThatWasNoted finds it again after the log went on, and misses it when
// the log was written anew or has lost its end.
func TestHeadThatWasNoted(t *testing.T) {
	dir := t.TempDir()
	cfg := store.Config{MaxSegment: 3 << 10, MaxBytes: 1 << 20}
	l := open(t, dir, cfg)
	l.admin(0)
	l.stop()
	noted, early := verify(t, dir).Head, contents(t, dir)
	l = open(t, dir, cfg)
	for i := range 50 {
		l.admin(i)
	}
	l.stop()
	files := store.NewFiles(dir)
	report, err := files.Verify(noted)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := files.Verify(report.Head); err != nil {
		t.Error(err)
	}
	write(t, dir, early)
	_, err = files.Verify(report.Head)
	if damage, ok := errors.AsType[*store.DamageError](err); !ok || !strings.Contains(damage.Error(), report.Head[:64]) {
		t.Errorf("the end is gone: %v", err)
	}
	anew := t.TempDir()
	l = open(t, anew, cfg)
	l.admin(0)
	l.stop()
	if _, err := store.NewFiles(anew).Verify(noted); err == nil {
		t.Error("another log has the head")
	}
	for _, bad := range []string{"x", "00", strings.Repeat("g", 64)} {
		if _, err := files.Verify(bad); err == nil || !strings.Contains(err.Error(), "64 hex digits") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// TestDamageSaysWhere wants the file, the line and the record.
func TestDamageSaysWhere(t *testing.T) {
	dir := t.TempDir()
	files := sample(t)
	const name = "audit-0000000002.jsonl"
	files[name] = bytes.Replace(files[name], []byte("created"), []byte("deleted"), 1)
	write(t, dir, files)
	_, err := store.NewFiles(dir).Verify("")
	damage, ok := errors.AsType[*store.DamageError](err)
	if !ok || filepath.Base(damage.File) != name || damage.Line != 2 || damage.After == 0 || !strings.Contains(damage.Problem, "was changed") {
		t.Errorf("%v", err)
	}
	for _, dir := range []string{t.TempDir(), filepath.Join(dir, "none")} {
		if _, err := store.NewFiles(dir).Verify(""); err == nil || !strings.Contains(err.Error(), "there is no audit log in "+dir) {
			t.Errorf("%v", err)
		}
	}
}

// TestVerifyWhileWriting reads a log that is written and rotated meanwhile.
func TestVerifyWhileWriting(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, store.Config{MaxSegment: 2 << 10, MaxBytes: 8 << 10})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 150 {
			l.admin(i)
			if err := l.Flush(t.Context()); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	for n := 0; ; n++ {
		if _, err := store.NewFiles(dir).Verify(""); err != nil {
			t.Errorf("pass %d: %v", n, err)
		}
		select {
		case <-done:
			return
		default:
		}
	}
}

// FuzzFiles reads whatever may stand in a file, and goes on behind it.
func FuzzFiles(f *testing.F) {
	var h audit.Head
	line := h.Append(nil, &audit.Record{Segment: 1, Oldest: 1, Event: audit.Event{Kind: audit.Node, Object: "audit-0000000001.jsonl"}})
	more := h.Append(slices.Clone(line), &audit.Record{Event: audit.Event{Kind: audit.Login, AuthID: "joe"}})
	f.Add(line)
	f.Add(more)
	f.Add(more[:len(more)-7])
	f.Add(h.Append(slices.Clone(more), &audit.Record{Event: audit.Event{Kind: audit.Node}, Beside: h.Text()}))
	f.Add(append(slices.Clone(line), 0, 0, 0, '\n'))
	f.Add(append([]byte("x\n"), more...))
	f.Fuzz(func(t *testing.T, text []byte) {
		dir := t.TempDir()
		path := filepath.Join(dir, "audit-0000000001.jsonl")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		files := store.NewFiles(dir)
		report, verified := files.Verify("")
		_ = files.Tail(t.Context(), store.Query{}, func(r *audit.Record, err error) error {
			if (r == nil) == (err == nil) {
				t.Errorf("%v, %v", r, err)
			}
			return nil
		})
		l, err := store.Open(dir, store.Config{})
		if err != nil {
			t.Fatal(err)
		}
		l.Record(audit.Event{Kind: audit.Login, AuthID: "after"})
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if again, err := files.Verify(""); verified == nil && (err != nil || again.Access.Last != 3) {
			t.Errorf("%+v, then %+v, %v", report, again, err)
		}
	})
}

func unfinished(r *store.Report) int64 { return r.Administration.Unfinished + r.Access.Unfinished }
