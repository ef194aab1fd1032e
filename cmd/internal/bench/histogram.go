package bench

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// The buckets of a Histogram: exact up to 64 ns, then 64 in each power of two,
// up to 2^41 ns, which is 36 minutes.
const (
	subBits  = 6
	octaves  = 35
	nBuckets = (octaves + 1) << subBits
)

// Histogram counts durations in buckets of which none is wider than 1/64 of
// what it holds. Longer ones than 36 minutes count as that. Its size is fixed,
// and it is safe for concurrent use. The zero value is empty.
type Histogram struct {
	counts [nBuckets]atomic.Uint64
	max    atomic.Int64
}

// Record counts one duration; a negative one counts as 0.
func (h *Histogram) Record(d time.Duration) {
	d = max(d, 0)
	h.counts[bucketOf(uint64(d))].Add(1)
	for {
		most := h.max.Load()
		if int64(d) <= most || h.max.CompareAndSwap(most, int64(d)) {
			return
		}
	}
}

// Count is how many durations were recorded.
func (h *Histogram) Count() uint64 {
	var n uint64
	for i := range h.counts {
		n += h.counts[i].Load()
	}
	return n
}

// Max is the longest duration that was recorded.
func (h *Histogram) Max() time.Duration { return time.Duration(h.max.Load()) }

// Quantile is the duration that the share q, from 0 to 1, of those recorded
// does not exceed: the upper end of the bucket where it lies, at most Max.
// It is 0 when nothing was recorded.
func (h *Histogram) Quantile(q float64) time.Duration {
	n := h.Count()
	if n == 0 {
		return 0
	}
	rank := uint64(q * float64(n))
	if float64(rank) < q*float64(n) || rank == 0 {
		rank++
	}
	var seen uint64
	for i := range h.counts {
		if seen += h.counts[i].Load(); seen >= rank {
			return min(time.Duration(upper(i)), h.Max()) //nolint:gosec // at most 2^41
		}
	}
	return h.Max()
}

// Add counts what another histogram holds, too.
func (h *Histogram) Add(other *Histogram) {
	for i := range h.counts {
		h.counts[i].Add(other.counts[i].Load())
	}
	h.max.Store(max(h.max.Load(), other.max.Load()))
}

// Bar is a run of neighboring buckets.
type Bar struct {
	// From and To bound the durations, in nanoseconds; To is not reached.
	From uint64 `json:"from_ns"`
	To   uint64 `json:"to_ns"`
	// Count is how many durations are between.
	Count uint64 `json:"count"`
}

// Bars are the counts of each quarter of a power of two, from the first to the
// last that is not empty.
func (h *Histogram) Bars() []Bar {
	const wide = 1 << subBits / 4
	var bars []Bar
	last := 0
	for i := 0; i < nBuckets; i += wide {
		b := Bar{From: lower(i), To: upper(i+wide-1) + 1}
		for j := i; j < i+wide; j++ {
			b.Count += h.counts[j].Load()
		}
		if b.Count == 0 && len(bars) == 0 {
			continue
		}
		if bars = append(bars, b); b.Count > 0 {
			last = len(bars)
		}
	}
	return bars[:last]
}

func bucketOf(v uint64) int {
	shift := max(bits.Len64(v)-subBits-1, 0)
	return min(shift<<subBits+int(v>>shift), nBuckets-1) //nolint:gosec // at most 2^7 after the shift
}

// lower is the least value in bucket i, upper the greatest.
func lower(i int) uint64 {
	if i < 2<<subBits {
		return uint64(i) //nolint:gosec // not negative
	}
	shift := i>>subBits - 1
	return uint64(i-shift<<subBits) << shift //nolint:gosec // not negative
}

func upper(i int) uint64 { return lower(i+1) - 1 }
