package step

import "time"

// RedialConfig has the times of a Redial.
type RedialConfig struct {
	// MinBackoff and MaxBackoff bound the wait between dials.
	MinBackoff, MaxBackoff time.Duration
	// Probe is the time between probes.
	Probe time.Duration
	// Stable is how long a link lives to count as one that works.
	Stable time.Duration
}

// Phase is what a dialer does.
type Phase uint8

// Phases of a Redial.
const (
	Waiting Phase = iota
	Dialing
	Up
)

// RedialKind tells events apart.
type RedialKind uint8

// Events of Redial.
const (
	// Tick means that the time named by Wake has come; the first one starts.
	Tick RedialKind = iota
	// Established means that the dial brought a link up.
	Established
	// Lost means that the link is down.
	Lost
	// Failed means that the dial brought nothing.
	Failed
	// Answered means that a probe came back.
	Answered
)

// RedialEvent is something that happened to a dialer.
type RedialEvent struct {
	Kind RedialKind
	// Reached, of Lost and Failed, says that the peer itself said no: it is
	// there, so there is nothing to probe for.
	Reached bool
}

// RedialEffect is what a step of Redial asks for.
type RedialEffect uint8

// Effects of Redial.
const (
	// Dial asks for a new dial; one in progress is given up.
	Dial RedialEffect = iota
	// Probe asks for one probe.
	Probe
)

// Redial decides when to dial and when to probe.
type Redial struct {
	cfg      RedialConfig
	random   func() float64
	phase    Phase
	failures int
	since    time.Time // of the phase
	retry    time.Time // while waiting
	known    bool      // a link was up, so there is a key to probe with
	probing  bool
	probe    time.Time // the next one
	hinted   bool      // the dial in progress follows an answered probe
}

// NewRedial starts waiting for its first Tick. The random function gives
// numbers in [0, 1).
func NewRedial(cfg RedialConfig, random func() float64) *Redial {
	return &Redial{cfg: cfg, random: random}
}

// Phase is what the dialer does now.
func (r *Redial) Phase() Phase { return r.phase }

// Wake is when the next Tick is due; the zero time when none is.
func (r *Redial) Wake() time.Time {
	switch {
	case r.phase == Waiting && r.probing:
		return earlier(r.retry, r.probe)
	case r.phase == Waiting:
		return r.retry
	case r.probing:
		return r.probe
	}
	return time.Time{}
}

// Step takes an event at the time now.
func (r *Redial) Step(now time.Time, e RedialEvent) []RedialEffect {
	switch e.Kind {
	case Tick:
		return r.tick(now)
	case Established:
		r.phase, r.since, r.known, r.probing = Up, now, true, false
	case Lost:
		return r.lost(now, e.Reached)
	case Failed:
		// After a dial that a probe asked for, more probes would only
		// repeat what did not help: a path that carries them and no more.
		r.wait(now, !e.Reached && !r.hinted)
	case Answered:
		return r.answered(now)
	}
	return nil
}

func (r *Redial) tick(now time.Time) []RedialEffect {
	var effects []RedialEffect
	if r.probing && !now.Before(r.probe) {
		r.probe = now.Add(r.cfg.Probe)
		effects = append(effects, Probe)
	}
	if r.phase == Waiting && !now.Before(r.retry) {
		effects = append(effects, r.dial(now, false))
	}
	return effects
}

// lost dials at once when the link had worked; one that falls again and again
// backs off like a dial that fails.
func (r *Redial) lost(now time.Time, reached bool) []RedialEffect {
	if now.Sub(r.since) < r.cfg.Stable {
		r.wait(now, !reached)
		return nil
	}
	r.failures = 0
	r.probing, r.probe = !reached, now.Add(r.cfg.Probe)
	return []RedialEffect{r.dial(now, false)}
}

// answered trusts the first answer: a dial that began while packets were lost
// may wait long for its next try, a young one is left alone.
func (r *Redial) answered(now time.Time) []RedialEffect {
	if !r.probing {
		return nil
	}
	r.probing = false
	if r.phase == Dialing && now.Sub(r.since) < r.cfg.Probe {
		r.hinted = true
		return nil
	}
	return []RedialEffect{r.dial(now, true)}
}

func (r *Redial) dial(now time.Time, hinted bool) RedialEffect {
	r.phase, r.since, r.hinted = Dialing, now, hinted
	return Dial
}

// wait backs off: 1 s to 2 s, 2 s to 4 s, and so on with the default bounds.
func (r *Redial) wait(now time.Time, probe bool) {
	r.failures++
	high := r.cfg.MaxBackoff
	if shift := min(r.failures, 16); r.cfg.MinBackoff < high>>shift {
		high = r.cfg.MinBackoff << shift
	}
	low := max(r.cfg.MinBackoff, high/2)
	r.phase, r.since = Waiting, now
	r.retry = now.Add(low + time.Duration(r.random()*float64(high-low)))
	if !r.probing {
		r.probe = now.Add(r.cfg.Probe)
	}
	r.probing = probe && r.known
}
