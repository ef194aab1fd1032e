package audit_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bondy/core/audit"
	"bondy/core/wamp"
	store "bondy/store/audit"
)

// running is a log that is being written.
type running struct {
	*store.Log
	t    testing.TB
	stop func()
}

// open opens the log in dir and runs it until close, or the end of the test.
func open(t testing.TB, dir string, cfg store.Config) *running {
	t.Helper()
	l, err := store.Open(dir, cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	r := &running{Log: l, t: t}
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := errors.Join(<-ended, l.Close()); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(r.stop)
	return r
}

// admin records a change that n numbers.
func (r *running) admin(n int) {
	r.Record(audit.Event{
		Kind: audit.Administration, Outcome: audit.OK, AuthID: "admin", Action: "bondy.user.add",
		Object: fmt.Sprintf("user %d", n), Changes: []string{fmt.Sprintf("user %d created", n)},
	})
}

func (r *running) flush() {
	r.t.Helper()
	if err := r.Flush(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
}

func refusal(from string) audit.Event {
	return audit.Event{
		Kind: audit.Refusal, Outcome: audit.Refused, Realm: "realm1", AuthID: "joe", Action: "wamp.error.authentication_denied",
		Remote: netip.MustParseAddrPort(from),
	}
}

func verify(t testing.TB, dir string) *store.Report {
	t.Helper()
	report, err := store.NewFiles(dir).Verify("")
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// read gives the records that q wants.
func read(t testing.TB, dir string, q store.Query) []*audit.Record {
	t.Helper()
	var all []*audit.Record
	if err := store.NewFiles(dir).Tail(t.Context(), q, func(r *audit.Record, err error) error {
		all = append(all, r)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// administered gives the objects of the administration that was recorded.
func administered(t testing.TB, dir string) []string {
	t.Helper()
	var all []string
	for _, r := range read(t, dir, store.Query{Kind: audit.Administration}) {
		all = append(all, r.Object)
	}
	return all
}

func numbered(from, to int) []string {
	var all []string
	for n := from; n < to; n++ {
		all = append(all, fmt.Sprintf("user %d", n))
	}
	return all
}

func TestLogIsKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "audit")
	for i := range 3 { // each goes on where the one before ended
		l := open(t, dir, store.Config{})
		for n := range 10 {
			l.admin(10*i + n)
		}
		l.flush()
		l.Record(audit.Event{Kind: audit.Login, Outcome: audit.OK, AuthID: "joe"})
		l.stop()
	}
	if got, want := administered(t, dir), numbered(0, 30); !slices.Equal(got, want) {
		t.Errorf("recorded %v", got)
	}
	report := verify(t, dir)
	if c := report.Administration; c.First != 1 || c.Last != 31 || c.Files != 1 || c.Lost != 0 || c.Unfinished != 0 {
		t.Errorf("%+v", c)
	}
	if c := report.Access; c.First != 1 || c.Last != 7 || c.Files != 1 || c.Lost != 0 || c.Unfinished != 0 {
		t.Errorf("%+v", report)
	}
	for path, want := range map[string]os.FileMode{dir: 0o700, oldest(t, dir): 0o600, newest(t, dir, "access"): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
}

func TestAnonymousSessionsAreRecordedWhenAsked(t *testing.T) {
	for _, asked := range []bool{false, true} {
		dir := t.TempDir()
		l := open(t, dir, store.Config{Anonymous: asked})
		for _, k := range []audit.Kind{audit.Login, audit.Denial, audit.Logout} {
			l.Record(audit.Event{Kind: k, AuthMethod: "anonymous"})
		}
		l.stop()
		var kinds []audit.Kind
		for _, r := range read(t, dir, store.Query{}) {
			if r.Kind != audit.Node {
				kinds = append(kinds, r.Kind)
			}
		}
		want := []audit.Kind{audit.Denial}
		if asked {
			want = []audit.Kind{audit.Login, audit.Denial, audit.Logout}
		}
		if !slices.Equal(kinds, want) {
			t.Errorf("anonymous = %v: %v", asked, kinds)
		}
	}
}

func TestRotation(t *testing.T) {
	dir := t.TempDir()
	cfg := store.Config{MaxSegment: 4 << 10, MaxBytes: 16 << 10}
	l := open(t, dir, cfg)
	const n = 300
	for i := range n {
		if l.admin(i); i%5 == 0 {
			l.flush()
		}
		if s := l.Stats(); s.Bytes > cfg.MaxBytes+1<<10 { // of the beginning of the other chain
			t.Fatalf("%d bytes after %d records", s.Bytes, i)
		}
	}
	l.stop()
	report := verify(t, dir).Administration
	if report.First == 1 || report.Files > 4 || report.Files < 3 || report.Lost != 0 {
		t.Errorf("%+v", report)
	}
	got := administered(t, dir)
	if want := numbered(n-len(got), n); len(got) < 20 || !slices.Equal(got, want) {
		t.Errorf("kept %v", got)
	}
	// A smaller bound counts at the next start, one file more is not a gap.
	l = open(t, dir, store.Config{MaxSegment: 4 << 10, MaxBytes: 8 << 10})
	l.stop()
	if report := verify(t, dir).Administration; report.Bytes > 8<<10 {
		t.Errorf("%+v", report)
	}
	if err := os.Remove(oldest(t, dir)); err != nil {
		t.Fatal(err)
	}
	if _, err := store.NewFiles(dir).Verify(""); err == nil {
		t.Error("the oldest file was removed by somebody else, and Verify is content")
	}
}

// of gives the files of a series, the oldest first.
func of(t testing.TB, dir, series string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, series+"-*.jsonl"))
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	return names
}

func oldest(t testing.TB, dir string) string {
	t.Helper()
	return of(t, dir, "audit")[0]
}

func newest(t testing.TB, dir, series string) string {
	t.Helper()
	names := of(t, dir, series)
	return names[len(names)-1]
}

// TestManyRecordAtOnce wants each event of each of many to be recorded once, in
// order, and Flush to mean it.
func TestManyRecordAtOnce(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, store.Config{MaxSegment: 64 << 10, MaxBytes: 16 << 20})
	var g sync.WaitGroup
	const writers, each = 8, 200
	for w := range writers {
		g.Go(func() {
			for i := range each {
				l.Record(audit.Event{Kind: audit.Administration, AuthID: fmt.Sprint(w), Object: fmt.Sprint(i)})
				if i%50 == 0 {
					if err := l.Flush(t.Context()); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	g.Wait()
	l.flush()
	next := map[string]int{}
	for _, r := range read(t, dir, store.Query{Kind: audit.Administration}) {
		if r.Object != fmt.Sprint(next[r.AuthID]) {
			t.Fatalf("of %s comes %s after %d", r.AuthID, r.Object, next[r.AuthID]-1)
		}
		next[r.AuthID]++
	}
	for w := range writers {
		if next[fmt.Sprint(w)] != each {
			t.Errorf("%d events of %d", next[fmt.Sprint(w)], w)
		}
	}
	if r := verify(t, dir).Administration; r.Files < 2 {
		t.Errorf("%+v", r)
	}
}

func TestFlushEnds(t *testing.T) {
	l, err := store.Open(t.TempDir(), store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Flush(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("without Run: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := l.Flush(t.Context()); !errors.Is(err, store.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	l.Record(audit.Event{Kind: audit.Node})
	if s := l.Stats(); s.Dropped[audit.DropQueue] != 1 {
		t.Errorf("%+v", s)
	}
}

// TestFloodOfOne counts what one client causes into few records.
func TestFloodOfOne(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		l := open(t, dir, store.Config{})
		const n = 100_000
		for i := range n {
			e := refusal(fmt.Sprintf("[2001:db8::%x:%x]:1", i>>8, i&0xff)) // all of one site
			e.AuthID = fmt.Sprint(i)
			l.Record(e)
			if i%1000 == 0 {
				time.Sleep(100 * time.Millisecond) // virtual
			}
		}
		time.Sleep(2 * time.Minute)
		s := l.Stats()
		if s.Records > 10 || s.Repeated != n-1 || s.Dropped != [audit.NumDrops]uint64{} {
			t.Errorf("%+v", s)
		}
		l.Record(refusal("[2001:db8::1]:1")) // it was silent: recorded at once
		l.flush()
		if got := l.Stats(); got.Records != s.Records+1 {
			t.Errorf("%+v", got)
		}
		l.stop()
	})
	if got := told(t, dir); got != 100_001 {
		t.Errorf("the records stand for %d refusals", got)
	}
}

// told is how many refusals and denials the records stand for.
func told(t testing.TB, dir string) (sum uint64) {
	t.Helper()
	for _, r := range read(t, dir, store.Query{}) {
		if r.Kind == audit.Refusal || r.Kind == audit.Denial {
			sum += max(r.Repeated, 1)
		}
	}
	return sum
}

// TestFloodOfMany has clients everywhere fill the log; what administrators do is
// recorded all the same, and everything is accounted for.
func TestFloodOfMany(t *testing.T) {
	dir := t.TempDir()
	var dropped uint64
	const rounds, clients = 20, 5000
	synctest.Test(t, func(t *testing.T) {
		l := open(t, dir, store.Config{})
		for i := range rounds {
			for j := range clients {
				l.Record(refusal(fmt.Sprintf("10.%d.%d.1:5", j/250, j%250)))
				e := audit.Event{Kind: audit.Denial, AuthID: fmt.Sprint("user", j), AuthMethod: "wampcra", Action: "wamp.call"}
				e.Object = string(wamp.URI(fmt.Sprint("com.example.", i)))
				l.Record(e)
			}
			l.admin(i)
			time.Sleep(time.Second)
		}
		l.stop()
		s := l.Stats()
		if dropped = s.Dropped[audit.DropRate]; s.Records > 1000+rounds*25+1100 || dropped == 0 {
			t.Errorf("%+v", s)
		}
	})
	if got := administered(t, dir); !slices.Equal(got, numbered(0, rounds)) {
		t.Errorf("administration: %v", got)
	}
	if got := told(t, dir) + dropped; got != 2*rounds*clients {
		t.Errorf("%d events in records or counted as dropped, want %d", got, 2*rounds*clients)
	}
	if lost := verify(t, dir).Access.Lost; lost == 0 || lost > dropped {
		t.Errorf("the records tell of %d lost events, %d were dropped", lost, dropped)
	}
}

// TestFloodOfAnAccount has one account log in and out, and try what it gets wrong,
// as fast as it can: the log tells that, and keeps what was there before.
func TestFloodOfAnAccount(t *testing.T) {
	dir := t.TempDir()
	const rounds, each = 200, 100
	synctest.Test(t, func(t *testing.T) {
		l := open(t, dir, store.Config{MaxSegment: 256 << 10, MaxBytes: 1 << 20})
		l.admin(0)
		for i := range rounds {
			for j := range each {
				for _, e := range []audit.Event{
					{Kind: audit.Login, Outcome: audit.OK, Realm: "realm1"},
					{Kind: audit.Logout, Outcome: audit.OK, Realm: "realm1"},
					{Kind: audit.Administration, Outcome: audit.Refused, Realm: wamp.URI(fmt.Sprint("made.up.", i, ".", j)), Action: "bondy.user.add"},
				} {
					e.AuthID, e.AuthMethod = "joe", "wampcra"
					l.Record(e)
				}
			}
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(2 * time.Minute)
		s := l.Stats()
		if s.Records > 500 || s.Dropped != [audit.NumDrops]uint64{} {
			t.Errorf("%+v", s)
		}
		l.Record(audit.Event{Kind: audit.Login, Realm: "realm1", AuthID: "jane", AuthMethod: "wampcra"}) // somebody else
		l.flush()
		if got := l.Stats(); got.Records != s.Records+1 {
			t.Errorf("%+v", got)
		}
		l.stop()
	})
	sums := make(map[audit.Kind]uint64)
	for _, r := range read(t, dir, store.Query{}) {
		sums[r.Kind] += max(r.Repeated, 1)
	}
	if n := uint64(rounds * each); sums[audit.Login] != n+1 || sums[audit.Logout] != n || sums[audit.Administration] != n+1 {
		t.Errorf("the records stand for %v", sums)
	}
	if got := administered(t, dir); len(got) == 0 || got[0] != "user 0" {
		t.Errorf("what was there before was pushed out: %v", got)
	}
}

// TestQueueIsBounded records without anybody who writes.
func TestQueueIsBounded(t *testing.T) {
	dir := t.TempDir()
	l, err := store.Open(dir, store.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 6000 {
		l.Record(audit.Event{Kind: audit.Login, AuthID: fmt.Sprint(i)})
	}
	s := l.Stats()
	logins := 6000 - int(s.Dropped[audit.DropQueue])
	for i := range 6000 {
		l.Record(audit.Event{Kind: audit.Administration, AuthID: fmt.Sprint(i)})
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	s = l.Stats()
	if s.Records != 4097 || logins != 3072 || s.Dropped[audit.DropQueue] != 12000-4096 {
		t.Errorf("%d logins, %+v", logins, s)
	}
	if r := verify(t, dir); r.Administration.Lost+r.Access.Lost != s.Dropped[audit.DropQueue] {
		t.Errorf("%+v", r)
	}
}

func TestSyncedWithinASecond(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		l := open(t, dir, store.Config{})
		l.Record(audit.Event{Kind: audit.Login, AuthID: "joe"})
		time.Sleep(1100 * time.Millisecond)
		if s := l.Stats(); s.Records != 1 {
			t.Errorf("%+v", s)
		}
		l.stop()
	})
}

func TestConfigIsChecked(t *testing.T) {
	for _, cfg := range []store.Config{{MaxSegment: -1}, {MaxBytes: 1}, {MaxSegment: 1 << 20, MaxBytes: 1<<21 - 1}} {
		if _, err := store.Open(t.TempDir(), cfg); err == nil || !strings.Contains(err.Error(), "Max") {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(file, store.Config{}); err == nil {
		t.Error("opened a file as a directory")
	}
}
