package step_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"bondy/uplink/internal/step"
)

func live(now time.Time) *step.Live {
	return step.NewLive(step.LiveConfig{Busy: 500 * time.Millisecond, Idle: 15 * time.Second, Timeout: 1500 * time.Millisecond}, now)
}

func TestLive(t *testing.T) {
	now := time.Unix(1000, 0)
	l := live(now)
	at := func(after time.Duration, s step.Sign, want step.LiveEffect) {
		t.Helper()
		if got := l.Step(now.Add(after), s); got != want {
			t.Errorf("after %v: effect %d, want %d", after, got, want)
		}
	}
	at(14*time.Second, step.Sign{}, step.Stay)
	at(15*time.Second, step.Sign{Heard: now.Add(10 * time.Second)}, step.Stay)
	at(25*time.Second, step.Sign{Heard: now.Add(10 * time.Second)}, step.Ping)
	l.Pong(l.Seq())
	at(25100*time.Millisecond, step.Sign{Active: true}, step.Stay)
	at(25500*time.Millisecond, step.Sign{Active: true}, step.Ping)
	l.Pong(l.Seq() - 1) // of a ping before: no answer to this one
	at(26900*time.Millisecond, step.Sign{Active: true}, step.Stay)
	at(27*time.Second, step.Sign{Active: true, RTT: time.Second}, step.Stay)
	at(27*time.Second, step.Sign{Active: true, Heard: now.Add(26 * time.Second)}, step.Stay)
	at(27*time.Second, step.Sign{Active: true}, step.Dead)
}

// A peer that talks but never answers a ping is dead in the end.
func TestLiveBabble(t *testing.T) {
	now := time.Unix(1000, 0)
	l, began := live(now), now
	for now.Sub(began) < time.Hour {
		s := step.Sign{Active: true, Heard: now}
		if l.Step(now, s) == step.Dead {
			if took := now.Sub(began); took > 7*time.Second {
				t.Errorf("dead after %v", took)
			}
			return
		}
		now = now.Add(100 * time.Millisecond)
	}
	t.Error("never dead")
}

// world simulates what is around a Redial: round trips of 100 ms, dials that
// repeat their packet after ever longer times and fail after five seconds.
type world struct {
	redial *step.Redial
	now    time.Time
	up     func(time.Time) bool
	refuse bool
	blind  bool // probes pass, dials don't

	dialed  time.Time // zero when none is in progress
	result  time.Time
	ok      bool
	answers []time.Time
	dials   []time.Time
	probes  int
	upAt    time.Time
}

func newWorld(up func(time.Time) bool) *world {
	w := &world{
		redial: step.NewRedial(step.RedialConfig{
			MinBackoff: time.Second, MaxBackoff: 30 * time.Second, Probe: time.Second, Stable: 30 * time.Second,
		}, func() float64 { return 0.5 }),
		now: time.Unix(1000, 0), up: up,
	}
	w.step(step.RedialEvent{Kind: step.Tick})
	return w
}

func (w *world) step(e step.RedialEvent) {
	for _, effect := range w.redial.Step(w.now, e) {
		switch effect {
		case step.Dial:
			w.dials = append(w.dials, w.now)
			w.dialed = w.now
			w.ok, w.result = false, w.now.Add(5*time.Second)
			for _, ms := range []int{3000, 1400, 600, 200, 0} {
				if at := w.now.Add(time.Duration(ms) * time.Millisecond); w.up(at) && !w.blind {
					w.ok, w.result = true, at.Add(100*time.Millisecond)
				}
			}
		case step.Probe:
			w.probes++
			if w.up(w.now) {
				w.answers = append(w.answers, w.now.Add(100*time.Millisecond))
			}
		}
	}
}

// run goes on to the next thing that happens, until the time is over or until
// says so.
func (w *world) run(d time.Duration, until func() bool) {
	for end := w.now.Add(d); w.now.Before(end) && !until(); w.now = w.now.Add(10 * time.Millisecond) {
		if wake := w.redial.Wake(); !wake.IsZero() && !w.now.Before(wake) {
			w.step(step.RedialEvent{Kind: step.Tick})
		}
		if len(w.answers) > 0 && !w.now.Before(w.answers[0]) {
			w.answers = w.answers[1:]
			w.step(step.RedialEvent{Kind: step.Answered})
		}
		if !w.dialed.IsZero() && !w.now.Before(w.result) {
			w.dialed = time.Time{}
			switch {
			case w.ok && w.refuse:
				w.step(step.RedialEvent{Kind: step.Failed, Reached: true})
			case w.ok:
				w.upAt = w.now
				w.step(step.RedialEvent{Kind: step.Established})
			default:
				w.step(step.RedialEvent{Kind: step.Failed})
			}
		}
	}
}

func (w *world) isUp() bool { return w.redial.Phase() == step.Up }
func never() bool           { return false }

// However long the outage, the link is back within the time of a probe and a
// dial, with whatever luck of the clock.
func TestRedialAfterOutage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lived := time.Duration(rapid.IntRange(0, 100_000).Draw(t, "lived")) * time.Millisecond
		outage := time.Duration(rapid.IntRange(0, 200_000).Draw(t, "outage")) * time.Millisecond
		var end time.Time
		w := newWorld(func(now time.Time) bool { return !now.Before(end) })
		w.run(time.Minute, w.isUp)
		w.run(lived, never)
		end = w.now.Add(outage)
		w.step(step.RedialEvent{Kind: step.Lost})
		w.run(time.Hour, w.isUp)
		if took := w.upAt.Sub(end); took > 2100*time.Millisecond {
			t.Fatalf("lived %v, outage %v: up %v after its end", lived, outage, took)
		}
	})
}

// Without a first link there is no key to probe with.
func TestRedialBackoff(t *testing.T) {
	w := newWorld(func(time.Time) bool { return false })
	w.run(10*time.Minute, never)
	var waits []time.Duration
	for i := 1; i < len(w.dials); i++ {
		waits = append(waits, (w.dials[i].Sub(w.dials[i-1]) - 5*time.Second).Round(100*time.Millisecond))
	}
	want := []time.Duration{1500 * time.Millisecond, 3 * time.Second, 6 * time.Second, 12 * time.Second, 22500 * time.Millisecond, 22500 * time.Millisecond}
	if len(waits) < len(want) || !slices.Equal(waits[:len(want)], want) {
		t.Errorf("waits %v, want %v", waits, want)
	}
	if w.probes != 0 {
		t.Errorf("%d probes without a key", w.probes)
	}
}

// A peer that says no is not probed and not hammered.
func TestRedialRefused(t *testing.T) {
	w := newWorld(func(time.Time) bool { return true })
	w.run(time.Minute, w.isUp)
	w.refuse = true
	w.step(step.RedialEvent{Kind: step.Lost, Reached: true})
	w.run(10*time.Minute, never)
	if w.probes != 0 || len(w.dials) > 40 {
		t.Errorf("%d probes, %d dials", w.probes, len(w.dials))
	}
}

// A path that carries probes and no dials doesn't make it dial all the time.
func TestRedialBlindPath(t *testing.T) {
	w := newWorld(func(time.Time) bool { return true })
	w.run(time.Minute, w.isUp)
	w.run(time.Minute, never)
	w.blind = true
	w.step(step.RedialEvent{Kind: step.Lost})
	w.run(10*time.Minute, never)
	if len(w.dials) > 60 {
		t.Errorf("%d dials in ten minutes", len(w.dials))
	}
}

// A link that falls right away backs off, however often it comes up.
func TestRedialFlapping(t *testing.T) {
	w := newWorld(func(time.Time) bool { return true })
	for w.now.Before(time.Unix(1000+600, 0)) {
		w.run(time.Minute, w.isUp)
		w.run(100*time.Millisecond, never)
		w.step(step.RedialEvent{Kind: step.Lost, Reached: true})
	}
	if len(w.dials) > 40 {
		t.Errorf("%d dials in ten minutes", len(w.dials))
	}
}
