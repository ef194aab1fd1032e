package audit_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"

	"bondy/core/audit"
	store "bondy/store/audit"
)

// logDir names the directory in which the test binary is to write a log.
const logDir = "BONDY_TEST_AUDIT_LOG"

func TestMain(m *testing.M) {
	if dir := os.Getenv(logDir); dir != "" {
		writeForEver(dir)
		return
	}
	os.Exit(m.Run())
}

// writeForEver records changes, and logins between them, and prints the number
// of each change that is on disk.
func writeForEver(dir string) {
	l, err := store.Open(dir, store.Config{MaxSegment: 64 << 10, MaxBytes: 16 << 20})
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	go func() { _ = l.Run(ctx) }()
	from, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	for n := from; ; n++ {
		l.Record(audit.Event{Kind: audit.Administration, Action: "bondy.user.add", Object: fmt.Sprintf("user %d", n)})
		for i := range 20 {
			l.Record(audit.Event{Kind: audit.Login, AuthID: fmt.Sprint(i)})
		}
		if err := l.Flush(ctx); err != nil {
			panic(err)
		}
		fmt.Println(n)
	}
}

// TestKill kills a process that records, again and again: what it knew to be on
// disk is there, and the chain holds before and after the log is mended.
func TestKill(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	next := 0
	for round := range 5 {
		cmd := exec.CommandContext(t.Context(), exe, strconv.Itoa(next))
		cmd.Env = append(os.Environ(), logDir+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for i := 0; i < 20+13*round && lines.Scan(); i++ {
			if next, err = strconv.Atoi(lines.Text()); err != nil {
				t.Fatal(err)
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() { // what it printed until then
			if next, err = strconv.Atoi(lines.Text()); err != nil {
				t.Fatal(err)
			}
		}
		_ = cmd.Wait() // it was killed
		next++
		verify(t, dir)
		got := administered(t, dir)
		if len(got) == next+1 { // one that it did not come to print
			next++
		}
		if !slices.Equal(got, numbered(0, next)) {
			t.Fatalf("round %d: %d changes, want %d", round, len(got), next)
		}
	}
	l := open(t, dir, store.Config{MaxSegment: 64 << 10, MaxBytes: 16 << 20})
	l.stop()
	if r := verify(t, dir); r.Administration.Unfinished != 0 || r.Administration.Lost != 0 || r.Access.Unfinished != 0 || r.Access.Lost != 0 {
		t.Errorf("%+v", r)
	}
}

func BenchmarkRecord(b *testing.B) {
	l := open(b, b.TempDir(), store.Config{})
	e := refusal("192.0.2.1:5")
	b.Run("repeated", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			l.Record(e)
		}
	})
	b.Run("recorded", func(b *testing.B) {
		b.ReportAllocs()
		e := audit.Event{Kind: audit.Administration, Realm: "realm1", AuthID: "admin", Action: "bondy.user.add", Object: "user joe"}
		n := 0
		for b.Loop() {
			if l.Record(e); n%250 == 249 { // lest the queue grows
				b.StopTimer()
				if err := l.Flush(b.Context()); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
			n++
		}
	})
}

// BenchmarkWrite measures records on their way to the disk, 1000 at a time.
func BenchmarkWrite(b *testing.B) {
	l := open(b, b.TempDir(), store.Config{})
	e := audit.Event{Kind: audit.Administration, Realm: "realm1", AuthID: "admin", Action: "bondy.user.add", Object: "user joe"}
	for b.Loop() {
		for range 1000 {
			l.Record(e)
		}
		if err := l.Flush(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*1000/b.Elapsed().Seconds(), "records/s")
}
