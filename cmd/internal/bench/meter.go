package bench

import (
	"context"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// meter counts what becomes of operations. It is safe for concurrent use.
type meter struct {
	clock   clock
	latency Histogram
	// from and to are when the measurement began and ended: latencies are
	// recorded of what ended after the one and was due before the other.
	from, to atomic.Int64
	done     atomic.Int64 // calls answered, or events received
	refused  atomic.Int64 // requests that the router answered with an ERROR
	acked    atomic.Int64 // publications acknowledged

	mu  sync.Mutex
	err error // the first refusal, or end of a session
}

func newMeter() *meter {
	m := &meter{clock: clock{time.Now()}}
	m.from.Store(math.MaxInt64)
	m.to.Store(math.MaxInt64)
	return m
}

// finish counts the good end of an operation that was due at a time.
func (m *meter) finish(due time.Duration) {
	m.done.Add(1)
	now := m.clock.now()
	if int64(now) >= m.from.Load() && int64(due) < m.to.Load() {
		m.latency.Record(now - due)
	}
}

// refuse counts a refusal.
func (m *meter) refuse(err error) {
	m.refused.Add(1)
	m.note(err)
}

// note keeps the first error, as an example.
func (m *meter) note(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err == nil {
		m.err = err
	}
}

func (m *meter) first() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}

// usage is what has been used and done up to a moment.
type usage struct {
	at             time.Time
	client, router float64 // CPU seconds
	done           int64
}

func (r *runner) usage(done int64) usage {
	return usage{at: time.Now(), client: ownCPU(), router: r.process.cpu(), done: done}
}

// spent is the difference of two usages.
type spent struct {
	seconds, client, router float64
	done                    float64
}

func (u usage) since(from usage) spent {
	return spent{
		seconds: u.at.Sub(from.at).Seconds(),
		client:  u.client - from.client, router: u.router - from.router,
		done: float64(u.done - from.done),
	}
}

// perSecond is the rate of what was done.
func (s spent) perSecond() float64 { return ratio(s.done, s.seconds) }

// cpu are the figures of what each side used for a million of what was done.
func (s spent) cpu(router bool, what string) []value {
	unit := "s/M " + what
	out := []value{{"client CPU", unit, ratio(s.client, s.done) * 1e6}, {"client cores", "", ratio(s.client, s.seconds)}}
	if !router {
		return out
	}
	return append([]value{
		{"router CPU", unit, ratio(s.router, s.done) * 1e6}, {"router cores", "", ratio(s.router, s.seconds)},
	}, append(out, value{"client share of CPU", "%", 100 * ratio(s.client, s.client+s.router)})...)
}

func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// traffic is a scenario that is set up.
type traffic struct {
	*meter

	fleet *fleet
	pumps []*pump
	// stalled, if set, is called when nothing has come for a second: it gives
	// up what is under way, so that the loop goes on.
	stalled func()
	// missing is how many answers and events should have come and did not.
	missing func() int64
}

func newTraffic() *traffic { return &traffic{meter: newMeter(), fleet: &fleet{}} }

// drainLimit bounds how long what is due may begin when a run ends, stallLimit
// how long nothing may come of what is under way.
const (
	drainLimit = 2 * time.Second
	stallLimit = time.Second
)

// measure runs the traffic: it warms up, measures, and lets what is under way
// come to its end. What was measured is less when ctx or a session ends.
func (r *runner) measure(ctx context.Context, t *traffic) spent {
	pacing, stop := context.WithCancel(ctx)
	defer stop()
	var group sync.WaitGroup
	if r.Rate > 0 {
		group.Go(func() { pace(pacing, t.clock, t.pumps, r.Rate) })
	} else {
		for _, p := range t.pumps {
			p.start(nil)
		}
	}
	ok := r.during(ctx, t, "warming up", r.Warmup)
	before := r.usage(t.done.Load())
	t.from.Store(int64(t.clock.now()))
	if ok {
		r.during(ctx, t, "measuring", r.Duration)
	}
	after := r.usage(t.done.Load())
	t.to.Store(int64(t.clock.now()))
	stop()
	group.Wait()
	r.drain(ctx, t)
	return after.since(before)
}

// during waits for d, gives up what has stalled and tells of progress. It ends
// early, with false, when ctx or a session has ended.
func (r *runner) during(ctx context.Context, t *traffic, what string, d time.Duration) bool {
	const often = 100 * time.Millisecond
	tick := time.NewTicker(often)
	defer tick.Stop()
	end := time.NewTimer(d)
	defer end.Stop()
	last, since := t.done.Load(), time.Now()
	told := told{at: since, done: last}
	for {
		select {
		case <-end.C:
			return true
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
		if t.fleet.broken() {
			return false
		}
		now := t.done.Load()
		switch {
		case now != last:
			last, since = now, time.Now()
		case time.Since(since) > stallLimit && t.stalled != nil:
			t.stalled()
			since = time.Now()
		}
		told = r.tell(what, told, now)
	}
}

// drain waits until nothing is under way, and counts what is left.
func (r *runner) drain(ctx context.Context, t *traffic) {
	for _, p := range t.pumps {
		p.enough()
	}
	begin := time.Now()
	t.await(func() bool {
		return ctx.Err() != nil || time.Since(begin) > drainLimit || !slices.ContainsFunc(t.pumps, (*pump).late)
	})
	for _, p := range t.pumps {
		r.unsent += p.stop()
	}
	t.await(func() bool { return t.missing() == 0 })
	r.lost += t.missing()
}

// await waits until done is true, nothing comes any more, or a session ends.
func (t *traffic) await(done func() bool) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	last, since := t.done.Load(), time.Now()
	for !done() && time.Since(since) < stallLimit && !t.fleet.broken() {
		<-tick.C
		if now := t.done.Load(); now != last {
			last, since = now, time.Now()
		}
	}
}
