package bench

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"bondy/core/wamp"
	"bondy/transport/client"
)

// The bounds of what may be asked for.
const (
	maxSessions = 1_000_000
	maxWindow   = 100_000
	maxSize     = 16<<20 - 1<<10 // a message has more than its payload
	maxUnderWay = 256 << 20
	maxPatterns = 1_000_000
	maxRuns     = 100
	maxRate     = 1_000_000
	maxTime     = time.Hour
)

// ErrFailed is the error of a measurement in which things went wrong.
const ErrFailed wamp.URI = "bondy.error.bench_failed"

// setupLimit bounds the time until a run has joined its sessions and made its
// subscriptions and registrations.
const setupLimit = 5 * time.Minute

// Target is the router to measure, and how to join it.
type Target struct {
	URL    string
	Client client.Config
}

// Options are what all scenarios have.
type Options struct {
	// Runs is how often the scenario runs; the figures are medians over them.
	Runs int
	// Warmup goes before each measurement, which lasts Duration.
	Warmup, Duration time.Duration
	// Rate is how many operations a second begin, whether the router keeps up
	// or not; their latency counts from when they were due. 0 begins one when
	// another has ended.
	Rate float64
	// PID is the process id of the router, whose CPU time and memory are
	// measured; if it is 0 the process is looked for on this machine.
	PID int
	// Progress, if not nil, is a terminal that is told what goes on.
	Progress io.Writer
}

// Validate names the first option that can't be used.
func (o Options) Validate() error {
	if !(o.Rate >= 0 && o.Rate <= maxRate) {
		return fmt.Errorf("rate must be from 0 to %d a second", maxRate)
	}
	return cmp.Or(
		within("runs", o.Runs, 1, maxRuns), within("pid", o.PID, 0, 1<<31-1),
		lasting("warmup", o.Warmup, 0), lasting("duration", o.Duration, time.Millisecond),
	)
}

// Scenario is something to measure: RPC, PubSub, Idle or Patterns.
type Scenario interface {
	fmt.Stringer
	// Name is the scenario's name on the command line.
	Name() string
	// Validate names the first setting that can't be used.
	Validate() error
	// run does it once.
	run(ctx context.Context, r *runner) (*sample, error)
}

// sample is what one run found.
type sample struct {
	values  []value
	latency *Histogram // nil if there is none
	done    float64    // how much was measured; nothing makes no sample
}

// value is one figure of a run.
type value struct {
	name, unit string
	value      float64
}

// runner runs a scenario and counts what went wrong over all runs.
type runner struct {
	Target
	Options

	process              process // 0 if it cannot be seen
	number               int     // of this run, from 1
	refused, ended, lost int64
	unsent               int64
	first                error // what went wrong first
}

// Run runs the scenario and reports what it measured. When ctx ends it leaves
// in order and reports what was measured until then. With an error there may be
// a report of the runs before.
func Run(ctx context.Context, to Target, s Scenario, o Options) (*Report, error) {
	if err := cmp.Or(o.Validate(), s.Validate()); err != nil {
		return nil, err
	}
	p, err := routerProcess(ctx, o.PID, to.URL)
	if err != nil {
		return nil, err
	}
	to.Client.KeepAlive = -1 // the router's own pings are part of what is measured
	r := &runner{Target: to, Options: o, process: p}
	var samples []*sample
	for r.number = 1; r.number <= o.Runs && ctx.Err() == nil && err == nil; r.number++ {
		var one *sample
		if one, err = s.run(ctx, r); err == nil && one.done > 0 {
			samples = append(samples, one)
		}
	}
	r.hush()
	interrupted := ctx.Err() != nil
	switch {
	case interrupted && len(samples) == 0:
		return nil, wamp.Errorf(wamp.ErrCanceled, "interrupted before anything was measured")
	case interrupted:
		err = nil
	case err == nil && len(samples) == 0 && r.first != nil:
		err = wamp.Errorf(ErrFailed, "nothing was answered: %v", r.first)
	case err == nil && len(samples) == 0:
		err = wamp.Errorf(ErrFailed, "nothing was answered; does the realm allow what the scenario does, and is a duration too short?")
	}
	if len(samples) == 0 {
		return nil, err
	}
	rep := r.report(s, samples)
	rep.Interrupted = interrupted
	return rep, err
}

// opening bounds the set-up of a run.
func (r *runner) opening(ctx context.Context) (context.Context, context.CancelFunc) {
	r.say("joining")
	return context.WithTimeoutCause(ctx, setupLimit, wamp.Errorf(wamp.ErrTimeout, "the sessions were not ready in %s", setupLimit))
}

// leave takes the counts of a run and ends its sessions.
func (r *runner) leave(ctx context.Context, t *traffic) {
	n, err := t.fleet.ended()
	r.ended += n
	r.refused += t.refused.Load()
	for _, err := range []error{t.first(), err} {
		if r.first == nil {
			r.first = err
		}
	}
	t.fleet.leave(ctx)
}

// told is when progress was told last, and what had been done then.
type told struct {
	at   time.Time
	done int64
}

// tell tells of progress, not more often than every half second.
func (r *runner) tell(what string, last told, done int64) told {
	since := time.Since(last.at)
	if since < time.Second/2 {
		return last
	}
	if done > 0 {
		what = fmt.Sprintf("%s, %s/s", what, short(float64(done-last.done)/since.Seconds()))
	}
	r.say(what)
	return told{time.Now(), done}
}

func (r *runner) say(text string) {
	if r.Progress != nil {
		_, _ = fmt.Fprintf(r.Progress, "\r\x1b[Krun %d of %d: %s", r.number, r.Runs, text)
	}
}

// hush clears the line of progress.
func (r *runner) hush() {
	if r.Progress != nil {
		_, _ = fmt.Fprint(r.Progress, "\r\x1b[K")
	}
}

// refusal is what an ERROR says.
func refusal(m *wamp.ErrorMessage) error {
	return fmt.Errorf("%s refused: %s", m.RequestType, m.Error)
}

// fresh is a URI below base that no other run uses.
func fresh(base wamp.URI) wamp.URI {
	return wamp.URI(fmt.Sprintf("%s.r%08x", base, rand.Uint32())) //nolint:gosec // no secret
}

func within(name string, v, least, most int) error {
	if v < least || v > most {
		return fmt.Errorf("%s must be from %d to %d, got %d", name, least, most, v)
	}
	return nil
}

func lasting(name string, d, least time.Duration) error {
	if d < least || d > maxTime {
		return fmt.Errorf("%s must be from %s to %s, got %s", name, least, maxTime, d)
	}
	return nil
}

func underWay(window, size int) error {
	if size > 0 && window > maxUnderWay/size {
		return fmt.Errorf("%d payloads of %d bytes under way are more than %d MiB; use fewer or smaller ones", window, size, maxUnderWay>>20)
	}
	return nil
}

func oneOf(name, v string, allowed ...string) error {
	if !slices.Contains(allowed, v) {
		return fmt.Errorf("%s must be one of %s, got %q", name, strings.Join(allowed, ", "), v)
	}
	return nil
}

func prefix(name string, u wamp.URI) error {
	if !u.Valid(wamp.MatchExact, false) {
		return fmt.Errorf("%s %q is not a URI", name, u)
	}
	return nil
}

// many is a number of things.
func many(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + one + "s"
}

func describeSize(size int, structured bool) string {
	if structured {
		return fmt.Sprintf("%d bytes of lists and dicts", size)
	}
	return fmt.Sprintf("%d bytes", size)
}
