package rate_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"bondy/core/rate"
)

// taken is how often take succeeds in n attempts.
func taken(n int, take func() bool) (count int) {
	for range n {
		if take() {
			count++
		}
	}
	return count
}

func TestBucket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tc := range []struct{ rate, atOnce, inSecond int }{{5, 10, 5}, {1, 2, 1}, {1000, 2000, 1000}} {
			b := rate.New(tc.rate)
			if n := taken(3*tc.atOnce, b.Take); n != tc.atOnce {
				t.Errorf("%d a second: %d at once, want %d", tc.rate, n, tc.atOnce)
			}
			time.Sleep(time.Second)
			if n := taken(3*tc.atOnce, b.Take); n != tc.inSecond {
				t.Errorf("%d a second: %d in a second, want %d", tc.rate, n, tc.inSecond)
			}
			time.Sleep(time.Hour)
			if n := taken(3*tc.atOnce, b.Take); n != tc.atOnce {
				t.Errorf("%d a second: %d after a pause, want %d", tc.rate, n, tc.atOnce)
			}
		}
	})
}

func TestBucketChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := rate.New(1)
		taken(2, b.Take)
		b.Set(0)
		if n := taken(100, b.Take); n != 100 {
			t.Errorf("%d of 100 without a bound", n)
		}
		time.Sleep(2 * time.Second)
		b.Set(10)
		if n := taken(100, b.Take); n != 20 {
			t.Errorf("%d at once, want 20", n)
		}
		if n := taken(10, rate.New(0).Take); n != 10 {
			t.Errorf("%d of 10 without a bucket", n)
		}
	})
}

func TestBucketIsExactUnderContention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // where no time passes meanwhile
		b := rate.New(1000)
		var wg sync.WaitGroup
		var n atomic.Int64
		for range 8 {
			wg.Go(func() { n.Add(int64(taken(1000, b.Take))) })
		}
		wg.Wait()
		if n.Load() != 2000 {
			t.Errorf("%d at once, want 2000", n.Load())
		}
	})
}

func TestTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tab := rate.NewTable[string](2)
		for _, key := range []string{"a", "b"} {
			if n := taken(10, func() bool { return tab.Take(key) }); n != 4 {
				t.Errorf("%s: %d at once, want 4", key, n)
			}
		}
		time.Sleep(time.Second)
		if n := taken(10, func() bool { return tab.Take("a") }); n != 2 {
			t.Errorf("%d in a second, want 2", n)
		}
		if n := taken(10, func() bool { return rate.NewTable[string](0).Take("a") }); n != 10 {
			t.Errorf("%d of 10 without a table", n)
		}
	})
}

// A flood of keys takes no more memory than there is for them, and who asks too
// often stays refused for as long as others did less.
func TestTableIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tab := rate.NewTable[int](10)
		taken(100, func() bool { return tab.Take(-1) })
		for i := range 4 * rate.MaxKeys {
			tab.Take(i)
		}
		if n := tab.Len(); n != rate.MaxKeys {
			t.Errorf("%d keys, want %d", n, rate.MaxKeys)
		}
		if n := tab.Evicted(); n != 3*rate.MaxKeys+1 {
			t.Errorf("%d evicted, want %d", n, 3*rate.MaxKeys+1)
		}
		if tab.Take(-1) {
			t.Error("the flood made room for who asked too often")
		}
		time.Sleep(rate.Burst)
		before := tab.Evicted()
		for i := range 100 {
			tab.Take(-2 - i)
		}
		if n := tab.Evicted(); n != before {
			t.Errorf("%d evicted of those that had nothing to pay", n-before)
		}
	})
}

func BenchmarkBucket(b *testing.B) {
	bucket := rate.New(1 << 30)
	b.Run("one", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			bucket.Take()
		}
	})
	b.Run("all processors", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				bucket.Take()
			}
		})
	})
}

func BenchmarkTable(b *testing.B) {
	tab := rate.NewTable[int](1 << 20)
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		n++
		tab.Take(n)
	}
}
