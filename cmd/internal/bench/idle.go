package bench

import (
	"cmp"
	"context"
	"time"
)

// Idle has sessions that join and then do nothing.
type Idle struct {
	// Sessions is how many; a process may hold as many as it may have open
	// files.
	Sessions int `json:"sessions"`
	// Hold is how long they stay.
	Hold time.Duration `json:"hold_ns"`
}

// Name implements Scenario.
func (Idle) Name() string { return "idle" }

// Validate implements Scenario.
func (s Idle) Validate() error {
	return cmp.Or(within("sessions", s.Sessions, 1, maxSessions), lasting("hold", s.Hold, time.Millisecond))
}

// String implements Scenario.
func (s Idle) String() string { return many(s.Sessions, "session") + " for " + s.Hold.String() }

func (s Idle) run(ctx context.Context, r *runner) (*sample, error) {
	t := newTraffic()
	defer r.leave(ctx, t)
	opening, stop := r.opening(ctx)
	defer stop()
	to := r.Target
	to.Client.IOBuffer = 512
	empty, before := r.process.memory(), r.usage(0)
	sessions, err := t.fleet.join(opening, to, s.Sessions, nil, nil)
	if err != nil {
		return nil, err
	}
	joined := r.usage(int64(len(sessions)))
	r.during(ctx, t, "holding", s.Hold)
	held := r.usage(joined.done)
	opened, idle := joined.since(before), held.since(joined)
	n := float64(s.Sessions)
	values := []value{{"joined", "1/s", opened.perSecond()}}
	if r.process > 0 {
		values = append(values,
			value{"router memory per session", "KiB", (r.process.memory() - empty) / n},
			value{"router CPU per joining", "ms", opened.router / n * 1e3},
			value{"router cores while idle", "", ratio(idle.router, idle.seconds)},
		)
	}
	return &sample{values: append(values, value{"client CPU per joining", "ms", opened.client / n * 1e3}), done: n}, nil
}
