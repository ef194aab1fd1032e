package bench

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"bondy/core/wamp"
	"bondy/transport/client"
)

// atOnce is how many sessions join or leave at the same time.
const atOnce = 64

// leaveLimit bounds how long a session takes to leave.
const leaveLimit = 5 * time.Second

// intercept takes the messages of a session.
type intercept = func(*client.Session, wamp.Message) bool

// fleet is the sessions of a run.
type fleet struct {
	mu       sync.Mutex
	sessions []*client.Session
}

// join adds n sessions. Each takes the messages that hook(i) takes, and is
// ready when setup has returned; hook and setup may be nil. The sessions are
// returned in order; if one fails the fleet is left as it is.
func (f *fleet) join(
	ctx context.Context, to Target, n int,
	hook func(i int) intercept, setup func(ctx context.Context, i int, s *client.Session) error,
) ([]*client.Session, error) {
	joined := make([]*client.Session, n)
	g, joining := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for i := 0; i < n && joining.Err() == nil; i++ {
		g.Go(func() error {
			cfg := to.Client
			if hook != nil {
				cfg.Intercept = hook(i)
			}
			s, err := client.Dial(joining, to.URL, cfg)
			if err != nil {
				return err
			}
			joined[i] = s
			f.add(s)
			if setup == nil {
				return nil
			}
			return setup(joining, i, s)
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return joined, ctx.Err()
}

func (f *fleet) add(s *client.Session) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sessions = append(f.sessions, s)
}

// ended is how many sessions have ended, and why the first did.
func (f *fleet) ended() (n int64, first error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.sessions {
		select {
		case <-s.Done():
			if n++; first == nil {
				first = fmt.Errorf("a session ended: %w", s.Err())
			}
		default:
		}
	}
	return n, first
}

func (f *fleet) broken() bool {
	n, _ := f.ended()
	return n > 0
}

// leave closes the sessions in order of the protocol, also when ctx has ended.
func (f *fleet) leave(ctx context.Context) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var g errgroup.Group
	g.SetLimit(atOnce)
	for _, s := range f.sessions {
		g.Go(func() error {
			ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), leaveLimit)
			defer stop()
			_ = s.Close(ctx) // there is nobody to tell
			return nil
		})
	}
	_ = g.Wait() // none fails
	f.sessions = nil
}
