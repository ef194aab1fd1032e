package bench_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"bondy/cmd/internal/bench"
)

func TestHistogramIsAccurate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfN(rapid.Int64Range(0, 1<<rapid.IntRange(1, 40).Draw(t, "bits")), 1, 500).Draw(t, "durations")
		var h bench.Histogram
		for _, d := range all {
			h.Record(time.Duration(d))
		}
		slices.Sort(all)
		for _, q := range []float64{0, .5, .9, .99, .999, 1} {
			rank := 0 // the least index at or below which lies the share q
			for float64(rank+1) < q*float64(len(all)) {
				rank++
			}
			got, want := int64(h.Quantile(q)), all[rank]
			if got < want || got > want+want/64 {
				t.Errorf("Quantile(%v) = %d, want %d or up to 1/64 more", q, got, want)
			}
		}
		if h.Count() != uint64(len(all)) || int64(h.Max()) != all[len(all)-1] {
			t.Errorf("Count = %d, Max = %d of %d, most %d", h.Count(), h.Max(), len(all), all[len(all)-1])
		}
		var n uint64
		for i, b := range h.Bars() {
			for _, d := range all {
				if uint64(d) >= b.From && uint64(d) < b.To {
					n++
				}
			}
			if i > 0 && b.From != h.Bars()[i-1].To {
				t.Errorf("bar %d begins at %d, the one before ends at %d", i, b.From, h.Bars()[i-1].To)
			}
		}
		if n != uint64(len(all)) {
			t.Errorf("the bars span %d of %d durations", n, len(all))
		}
	})
}

func TestHistogramEnds(t *testing.T) {
	var h, sum bench.Histogram
	if h.Quantile(.5) != 0 || len(h.Bars()) != 0 {
		t.Errorf("empty: median %v, %d bars", h.Quantile(.5), len(h.Bars()))
	}
	h.Record(-time.Second)
	h.Record(1000 * time.Hour)
	sum.Add(&h)
	sum.Add(&h)
	if sum.Count() != 4 || sum.Quantile(.5) != 0 || sum.Max() != 1000*time.Hour {
		t.Errorf("Count = %d, median %v, Max %v", sum.Count(), sum.Quantile(.5), sum.Max())
	}
}

func BenchmarkHistogram(b *testing.B) {
	var h bench.Histogram
	b.ReportAllocs()
	for d := time.Duration(0); b.Loop(); d += 997 {
		h.Record(d & 0xffffff)
	}
}
