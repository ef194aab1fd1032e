package uplink

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"

	"bondy/uplink/internal/step"
)

// DialerConfig describes a Dialer.
type DialerConfig struct {
	Config
	// Endpoints are the addresses of the peer, host:port, tried in turn.
	Endpoints []string
	// MinBackoff and MaxBackoff bound the wait between dials that fail.
	MinBackoff, MaxBackoff time.Duration
	// ProbeInterval is the time between probes while the link is down.
	ProbeInterval time.Duration
}

// Validate names the field that is wrong.
func (c DialerConfig) Validate() error {
	if err := c.Config.Validate(); err != nil {
		return err
	}
	switch {
	case len(c.Endpoints) == 0:
		return errors.New("uplink: endpoints is empty")
	case min(c.MinBackoff, c.MaxBackoff, c.ProbeInterval) < 0:
		return errors.New("uplink: a time is negative")
	}
	for _, endpoint := range c.Endpoints {
		if _, _, err := net.SplitHostPort(endpoint); err != nil {
			return fmt.Errorf("uplink: endpoints: %w", err)
		}
	}
	return nil
}

func (c DialerConfig) withDefaults() DialerConfig {
	c.Config = c.Config.withDefaults()
	fill(&c.MinBackoff, DefaultMinBackoff)
	fill(&c.MaxBackoff, max(DefaultMaxBackoff, c.MinBackoff))
	fill(&c.ProbeInterval, DefaultProbeInterval)
	return c
}

func (c DialerConfig) redial() step.RedialConfig {
	return step.RedialConfig{
		MinBackoff: c.MinBackoff, MaxBackoff: c.MaxBackoff, Probe: c.ProbeInterval, Stable: c.MaxBackoff,
	}
}

// Dialer keeps one link up. Its methods are safe for concurrent use.
type Dialer struct {
	cfg    DialerConfig
	tls    *tls.Config
	quic   *quic.Config
	shared shared

	dials, links, probes, answers atomic.Uint64

	mu    sync.Mutex
	link  *Link // nil while none is up
	state State
	since time.Time // of the state
	err   error     // why there is no link
}

// NewDialer makes a Dialer that does nothing before Run.
func NewDialer(cfg DialerConfig) (*Dialer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	cfg.Log = cfg.Log.With(slog.String("part", "uplink"))
	return &Dialer{
		cfg: cfg, tls: tlsFor(cfg.TLS), quic: quicConfig(cfg.Config), state: StateWaiting, since: time.Now(),
	}, nil
}

// Run keeps a link up until ctx ends, and then returns nil when all is closed.
// It may be called once.
func (d *Dialer) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	r := &redialer{Dialer: d, redial: step.NewRedial(d.cfg.redial(), rand.Float64), events: make(chan dialEvent)}
	defer r.tasks.Wait()
	defer r.setState(StateWaiting, nil, ErrDown)
	defer r.stopProbing()
	defer cancel()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
			r.step(ctx, step.RedialEvent{Kind: step.Tick})
		case e := <-r.events:
			r.handle(ctx, e)
		}
		if wake := r.redial.Wake(); !wake.IsZero() {
			timer.Reset(time.Until(wake))
		}
	}
}

// Link is the link that is up, or nil.
func (d *Dialer) Link() *Link {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.link
}

// Recheck takes the link down if the peer's identity is refused by now.
func (d *Dialer) Recheck() {
	if l := d.Link(); l != nil {
		l.recheck()
	}
}

// setState notes what the dialer does; a new state must not hide why there is
// no link, so err may be nil to keep the last reason.
func (d *Dialer) setState(s State, l *Link, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.state != s {
		d.state, d.since = s, time.Now()
	}
	d.link = l
	if err != nil || l != nil {
		d.err = err
	}
}
