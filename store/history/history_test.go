package history_test

import (
	"context"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"bondy/core/broker"
	"bondy/core/peer"
	"bondy/core/wamp"
	"bondy/store"
	"bondy/store/history"
)

func open(t *testing.T, path string) *store.DB {
	t.Helper()
	db, err := store.Open(path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// running starts s, and stops it with everything written.
func running(t *testing.T, s *history.Store) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func logOf(t *testing.T, s *history.Store, rule broker.HistoryRule) *history.Log {
	t.Helper()
	l, err := s.Open("realm1", rule)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func record(stamp int64, text string) *broker.Record {
	return &broker.Record{
		Position: broker.Position{Stamp: stamp, Publication: wamp.ID(stamp)}, Topic: "com.topic",
		Payload: wamp.Payload{Serializer: wamp.JSON, Args: []byte(`["` + text + `"]`)},
	}
}

func everything() broker.Position { return broker.Position{Stamp: 1<<63 - 1} }

// stamps is what l gives of a range.
func stamps(t testing.TB, l broker.History, from, before int64, reverse bool) []int64 {
	t.Helper()
	var out []int64
	for r, err := range l.Records(broker.Position{Stamp: from}, broker.Position{Stamp: before}, reverse) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, r.Stamp)
	}
	return out
}

func equal[T comparable](t testing.TB, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func TestRecordsOutliveTheProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	rule := broker.HistoryRule{Match: wamp.MatchPrefix, URI: "com"}
	want := &broker.Record{
		Position: broker.Position{Stamp: 77, Publication: 5}, Topic: "com.topic",
		Details: wamp.Dict{"publisher": int64(9), "publisher_authid": "joe"},
		Lists:   wamp.Dict{"eligible_authrole": []any{"boss"}, "exclude_authid": []any{}},
		Payload: wamp.Payload{Serializer: wamp.CBOR, Args: []byte{0x80}, Kwargs: []byte{0xa0}},
	}
	bare := &broker.Record{Position: broker.Position{Stamp: 78, Publication: 6}, Topic: "com", Payload: wamp.Payload{Serializer: wamp.JSON}}
	check := func(what string, l *history.Log) {
		t.Helper()
		var got []*broker.Record
		for r, err := range l.Records(broker.Position{}, everything(), false) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, r)
		}
		if !reflect.DeepEqual(got, []*broker.Record{want, bare}) {
			t.Errorf("%s: %+v", what, got)
		}
		if p, ok, err := l.Find(6); !ok || err != nil || p != bare.Position {
			t.Errorf("%s: found %v, %v, %v", what, p, ok, err)
		}
		if _, ok, err := l.Find(7); ok || err != nil {
			t.Errorf("%s: found what is not there, %v", what, err)
		}
	}
	db := open(t, path)
	s := history.New(db, history.Config{Delay: time.Millisecond})
	stop := running(t, s)
	l := logOf(t, s, rule)
	for _, r := range []*broker.Record{bare, want, want} {
		if !l.Add(r) {
			t.Fatal("not taken")
		}
	}
	check("waiting", l)
	if again := logOf(t, s, rule); again != l {
		t.Error("opened twice")
	}
	stop()
	check("written", l)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s = history.New(open(t, path), history.Config{})
	check("opened again", logOf(t, s, rule))
	other := logOf(t, s, broker.HistoryRule{URI: "com"})
	equal(t, "another rule", stamps(t, other, 0, 1<<62, false), nil)
}

func TestWritesGather(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := open(t, filepath.Join(t.TempDir(), "history.db"))
		s := history.New(db, history.Config{})
		stop := running(t, s)
		l := logOf(t, s, broker.HistoryRule{URI: "com.topic"})
		before := db.Stats().Durable.Commits
		for i := range 500 {
			l.Add(record(int64(i+1), "x"))
			<-time.After(10 * time.Millisecond)
		}
		stop()
		if n := db.Stats().Durable.Commits - before; n < 4 || n > 7 {
			t.Errorf("%d commits in 5 seconds, want about 5", n)
		}
	})
}

func TestBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "history.db")
		db := open(t, path)
		s := history.New(db, history.Config{MaxWaiting: 3000})
		l := logOf(t, s, broker.HistoryRule{URI: "com.topic", MaxEvents: 5})
		rows := func() int {
			t.Helper()
			stop := running(t, s)
			stop()
			var n int
			if err := db.View(func(tx *store.Tx) (err error) {
				n, err = store.NewTable[string]("history", store.Raw()).Len(tx)
				return err
			}); err != nil {
				t.Fatal(err)
			}
			return n
		}
		for i := range 8 {
			l.Add(record(int64(i+1), "x"))
			if i == 3 && rows() != 4 {
				t.Error("not written")
			}
		}
		equal(t, "the last five", stamps(t, l, 0, 1<<62, false), []int64{4, 5, 6, 7, 8})
		if n := rows(); n != 5 {
			t.Errorf("%d rows, want 5", n)
		}
		long := record(9, fmt.Sprintf("%02000d", 0))
		if !l.Add(long) || l.Add(record(10, fmt.Sprintf("%02000d", 0))) {
			t.Error("more than 3000 bytes may wait")
		}
		l.Limit(broker.HistoryRule{MaxEvents: 5, MaxBytes: 1000}.WithDefaults())
		equal(t, "1000 bytes", stamps(t, l, 0, 1<<62, false), nil)
		if l.Add(long) {
			t.Error("an event longer than the bound is taken")
		}
		if n := rows(); n != 0 {
			t.Errorf("%d rows, want none", n)
		}
		l.Limit(broker.HistoryRule{MaxAge: time.Minute}.WithDefaults())
		l.Add(record(time.Now().UnixNano(), "x"))
		<-time.After(time.Minute)
		if n := len(stamps(t, l, 0, 1<<62, false)); n != 1 {
			t.Errorf("%d events after a minute, want 1", n)
		}
		<-time.After(time.Nanosecond)
		if n := len(stamps(t, l, 0, 1<<62, false)); n != 0 || rows() != 0 {
			t.Errorf("%d events after more than a minute", n)
		}
	})
}

func TestFullDiskIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, err := store.Open(filepath.Join(t.TempDir(), "history.db"), store.Options{MaxSize: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		s := history.New(db, history.Config{})
		stop := running(t, s)
		l := logOf(t, s, broker.HistoryRule{URI: "com.topic"})
		text := fmt.Sprintf("%0100000d", 0)
		for i := range 20 {
			l.Add(record(int64(i+1), text))
		}
		<-time.After(3 * time.Second)
		if n := len(stamps(t, l, 0, 1<<62, false)); n != 20 {
			t.Errorf("%d events can be read while the disk is full, want 20", n)
		}
		l.Limit(broker.HistoryRule{MaxEvents: 3}.WithDefaults())
		<-time.After(3 * time.Second)
		stop()
		l = logOf(t, history.New(db, history.Config{}), broker.HistoryRule{URI: "com.topic"})
		equal(t, "written after all", stamps(t, l, 0, 1<<62, false), []int64{18, 19, 20})
	})
}

func TestPruneForgetsOtherRules(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	db := open(t, path)
	s := history.New(db, history.Config{})
	for _, u := range []wamp.URI{"com.a", "com.b"} {
		logOf(t, s, broker.HistoryRule{URI: u}).Add(record(1, "x"))
	}
	running(t, s)()
	s = history.New(db, history.Config{})
	a := logOf(t, s, broker.HistoryRule{URI: "com.a"})
	if err := s.Prune(); err != nil {
		t.Fatal(err)
	}
	equal(t, "kept", stamps(t, a, 0, 1<<62, false), []int64{1})
	equal(t, "pruned", stamps(t, logOf(t, s, broker.HistoryRule{URI: "com.b"}), 0, 1<<62, false), nil)
}

// The log is as a sorted list, whatever of it is written.
func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		path := filepath.Join(t.TempDir(), "history.db")
		db := open(t, path)
		s := history.New(db, history.Config{Delay: time.Microsecond})
		rule := broker.HistoryRule{URI: "com.topic", MaxEvents: 10}
		l := logOf(t, s, rule)
		var model []int64
		rt.Repeat(map[string]func(*rapid.T){
			"add": func(rt *rapid.T) {
				stamp := rapid.Int64Range(1, 100).Draw(rt, "stamp")
				if !l.Add(record(stamp, "x")) {
					rt.Error("not taken")
				}
				if i, found := slices.BinarySearch(model, stamp); !found {
					model = slices.Insert(model, i, stamp)
					model = model[max(0, len(model)-10):]
				}
			},
			"write": func(*rapid.T) { running(t, s)() },
			"reopen": func(*rapid.T) {
				running(t, s)()
				s = history.New(db, history.Config{Delay: time.Microsecond})
				l = logOf(t, s, rule)
			},
			"": func(rt *rapid.T) {
				from, before := rapid.Int64Range(0, 101).Draw(rt, "from"), rapid.Int64Range(0, 101).Draw(rt, "before")
				reverse := rapid.Bool().Draw(rt, "reverse")
				var want []int64
				for _, stamp := range model {
					if stamp >= from && stamp < before {
						want = append(want, stamp)
					}
				}
				if reverse {
					slices.Reverse(want)
				}
				if got := stamps(t, l, from, before, reverse); !slices.Equal(got, want) {
					rt.Errorf("from %d before %d, reverse %v: %v, want %v", from, before, reverse, got, want)
				}
			},
		})
		_ = db.Close()
	})
}

func TestBehindABroker(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	for run := range 3 {
		db := open(t, path)
		s := history.New(db, history.Config{Delay: time.Millisecond})
		stop := running(t, s)
		br := broker.New(broker.Config{
			ID:      func(wamp.Match, wamp.URI) wamp.ID { return 7 },
			History: []broker.HistoryRule{{Match: wamp.MatchPrefix, URI: "com", Disk: true}},
			OpenHistory: func(rule broker.HistoryRule) broker.History {
				return logOf(t, s, rule)
			},
		})
		var publishers sync.WaitGroup
		for range 4 {
			publishers.Go(func() {
				var counters peer.Counters
				b, p := peer.NewBatch(&counters), br.Join(&peer.Peer{})
				for range 50 {
					m := &wamp.Publish{Topic: "com.topic", Payload: wamp.Payload{Serializer: wamp.JSON, Args: []byte("[1]")}}
					if err := p.Publish(b, m); err != nil {
						t.Error(err)
					}
				}
			})
		}
		publishers.Wait()
		events, more, err := br.Events(7, broker.HistoryQuery{}, nil)
		if err != nil || more || len(events) != 200*(run+1) {
			t.Fatalf("run %d: %d events, more %v, %v", run, len(events), more, err)
		}
		for i := 1; i < len(events); i++ {
			if !events[i-1].Time.Before(events[i].Time) {
				t.Fatalf("run %d: event %d at %v after %v", run, i, events[i].Time, events[i-1].Time)
			}
		}
		stop()
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDamageIsSaid(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "history.db"))
	rows := store.NewTable[string]("history", store.Raw())
	put := func(key string) {
		t.Helper()
		if err := db.Update(func(tx *store.Tx) error { return rows.Put(tx, key, []byte{0xc1}) }); err != nil {
			t.Fatal(err)
		}
	}
	const name = "realm1\x00exact\x00com.topic\x00"
	put(name + "0123456789abcdef")
	s := history.New(db, history.Config{})
	for _, err := range logOf(t, s, broker.HistoryRule{URI: "com.topic"}).Records(broker.Position{}, everything(), false) {
		if err == nil {
			t.Error("a row that is no event was read")
		}
	}
	put(name + "short")
	if _, err := history.New(db, history.Config{}).Open("realm1", broker.HistoryRule{URI: "com.topic"}); err == nil {
		t.Error("a key that is no position was read")
	}
}

func BenchmarkAdd(b *testing.B) {
	db, err := store.Open(filepath.Join(b.TempDir(), "history.db"), store.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	s := history.New(db, history.Config{MaxWaiting: 1 << 40})
	l, err := s.Open("realm1", broker.HistoryRule{URI: "com.topic", MaxEvents: 1000})
	if err != nil {
		b.Fatal(err)
	}
	r := record(1, "0123456789abcdef")
	b.ReportAllocs()
	for b.Loop() {
		r.Stamp++
		l.Add(r)
	}
}
