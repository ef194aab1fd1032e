package ledger_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bondy/cmd/internal/systest/ledger"
)

// TestVerdicts deals events to a subscriber in many ways.
func TestVerdicts(t *testing.T) {
	for _, tt := range []struct {
		name  string
		deals []int // sequences out of ten, in order of arrival
		want  string
	}{
		{"all", []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, "10 10 0 0 0"},
		{"none", nil, "10 0 10 (0, 1, 2, 3, 4, ...) 0 0"},
		{"first and last lost", []int{1, 2, 3, 4, 5, 6, 7, 8}, "10 8 2 (0, 9) 0 0"},
		{"doubled", []int{0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0}, "10 10 0 2 (1, 0) 0"},
		{"reordered", []int{0, 3, 1, 2, 4, 5, 6, 7, 8, 9}, "10 10 0 0 2 (1 after 3, 2 after 3)"},
		{"all at once", []int{2, 1, 1, 9}, "10 3 7 (0, 3, 4, 5, 6, ...) 1 (1) 1 (1 after 2)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := ledger.New(8)
			l.Expect("sub", "pub")
			events := take(l, "pub", 10)
			for _, i := range tt.deals {
				l.Seen("sub", events[i])
			}
			r := l.Report()
			row := r.Rows[0]
			if got := fmt.Sprint(row.Expected, row.Arrived, " ", row.Lost, row.Doubled, row.Reordered); got != tt.want {
				t.Errorf("expected, arrived, lost, doubled, reordered = %s, want %s", got, tt.want)
			}
			if got, want := r.Clean(), tt.name == "all"; got != want {
				t.Errorf("Clean = %t, want %t", got, want)
			}
		})
	}
}

// TestPairs keeps subscribers and publishers apart, and counts for a late
// subscriber only what was published since.
func TestPairs(t *testing.T) {
	l := ledger.New(0)
	l.Expect("early", "p", "q")
	before := take(l, "p", 100)
	l.Expect("late", "p")
	after, other := take(l, "p", 100), take(l, "q", 3)
	for _, e := range append(append(before, other...), after...) {
		l.Seen("early", e)
	}
	for _, e := range after {
		l.Seen("late", e)
	}
	r := l.Report()
	if !r.Clean() || len(r.Rows) != 3 {
		t.Errorf("report is not clean:\n%s", r)
	}
	for i, want := range []int{200, 3, 100} {
		if got := r.Rows[i].Arrived; got != want {
			t.Errorf("%s saw %d of %s, want %d", r.Rows[i].Subscriber, got, r.Rows[i].Publisher, want)
		}
	}
}

func TestForeign(t *testing.T) {
	l := ledger.New(2)
	old := l.Next("p")
	l.Expect("s", "p")
	l.Next("p")
	for _, args := range [][]any{
		nil,
		{1},
		old,
		{"p", 2, "xx"},
		{"p", -1, "xx"},
		{"p", 1.5, "xx"},
		{"p", "1", "xx"},
		{"q", 1, "xx"},
		{"p", 1, "x"},
		{"p", 1, []any{"xx"}},
		{"p", uint64(1 << 63), "xx"},
		{[]any{}, 1, "xx"},
	} {
		before := l.Report().Foreign.Count
		l.Seen("s", args)
		if got := l.Report().Foreign.Count; got != before+1 {
			t.Errorf("%v is not foreign", args)
		}
	}
	l.Seen("stranger", []any{"p", 1, "xx"})
	r := l.Report()
	if r.Foreign.Count != 13 || len(r.Foreign.First) != 5 || r.Lost() != 1 || r.Clean() {
		t.Errorf("unexpected report:\n%s", r)
	}
	if text := r.String(); !strings.Contains(text, "lost") || !strings.Contains(text, "1 (1)") || !strings.Contains(text, "foreign: 13 (s got []") {
		t.Errorf("report reads:\n%s", text)
	}
}

// TestSerialized takes the arguments through serializers' types.
func TestSerialized(t *testing.T) {
	l := ledger.New(3)
	l.Expect("s", "p")
	text, err := json.Marshal(l.Next("p"))
	if err != nil {
		t.Fatal(err)
	}
	var args []any
	if err := json.Unmarshal(text, &args); err != nil {
		t.Fatal(err)
	}
	l.Seen("s", args)
	l.Next("p")
	l.Seen("s", []any{"p", int64(1), "xxx"})
	l.Next("p")
	l.Seen("s", []any{"p", uint64(2), "xxx"})
	if r := l.Report(); !r.Clean() || r.Rows[0].Arrived != 3 {
		t.Errorf("report is not clean:\n%s", r)
	}
}

func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := ledger.New(0)
		if err := l.Wait(t.Context()); err != nil {
			t.Errorf("Wait without events: %v", err)
		}
		l.Expect("a", "p")
		l.Expect("b", "p")
		event := l.Next("p")
		l.Seen("a", event)
		l.Seen("a", event)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := l.Wait(ctx); err == nil || !strings.Contains(err.Error(), "subscriber") {
			t.Errorf("Wait for a lost event = %v, want an error with the table", err)
		}
		done := make(chan error, 1)
		go func() { done <- l.Wait(t.Context()) }()
		synctest.Wait()
		select {
		case err := <-done:
			t.Errorf("Wait returned early: %v", err)
		default:
		}
		l.Seen("b", event)
		if err := <-done; err != nil {
			t.Errorf("Wait for what arrived: %v", err)
		}
	})
}

// TestConcurrent has many publishers and subscribers at once.
func TestConcurrent(t *testing.T) {
	const publishers, subscribers, events = 4, 4, 1000
	l := ledger.New(16)
	var all [subscribers]chan []any
	for s := range all {
		all[s] = make(chan []any, publishers*events)
		for p := range publishers {
			l.Expect(fmt.Sprint("s", s), fmt.Sprint("p", p))
		}
	}
	var publishing, running sync.WaitGroup
	for p := range publishers {
		publishing.Go(func() {
			for range events {
				args := l.Next(fmt.Sprint("p", p))
				for _, c := range all {
					c <- args
				}
			}
		})
	}
	for s, c := range all {
		running.Go(func() {
			for args := range c {
				l.Seen(fmt.Sprint("s", s), args)
			}
		})
	}
	publishing.Wait()
	for _, c := range all {
		close(c)
	}
	running.Wait()
	if err := l.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	if r := l.Report(); !r.Clean() || len(r.Rows) != publishers*subscribers {
		t.Errorf("report is not clean:\n%s", r)
	}
}

func Example() {
	l := ledger.New(4)
	l.Expect("display", "sensor")
	for range 3 {
		l.Next("sensor")
	}
	l.Seen("display", []any{"sensor", 1, "xxxx"})
	l.Seen("display", []any{"sensor", 0, "xxxx"})
	fmt.Print(l.Report())
	// Output:
	// subscriber  publisher  expected  arrived  lost   doubled  reordered
	// display     sensor     3         2        1 (2)  0        1 (0 after 1)
}

func take(l *ledger.Ledger, publisher string, n int) [][]any {
	events := make([][]any, n)
	for i := range events {
		events[i] = l.Next(publisher)
	}
	return events
}
