package client

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"bondy/core/wamp"
)

// The pauses of Run between two attempts.
const (
	minPause = time.Second
	maxPause = 30 * time.Second
)

// Run keeps a session at a router until ctx ends: it dials, calls setup, which
// registers and subscribes, and when the session ends begins again after a
// pause of 1 s, doubled up to 30 s while attempts fail, each shortened by a
// random part up to a half.
//
// Run returns nil when ctx has ended and the session is closed. It returns an
// error when the settings are wrong, or when the first setup could not be
// done for a reason that trying again does not cure: the router refused the
// session, or setup failed in a session that lasts. After the first success
// every failure is logged and tried again, as the router may be restarting.
func Run(ctx context.Context, url string, cfg Config, setup func(context.Context, *Session) error) error {
	if _, err := parseURL(url); err != nil {
		return err
	}
	if err := cfg.Validate(); err != nil {
		return err
	}
	k := keeper{url: url, cfg: cfg.withDefaults(), setup: setup}
	pause := minPause
	for ctx.Err() == nil {
		stood, err := k.attempt(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // what ends with the context is no failure
		}
		if k.final(err) {
			return err
		}
		if stood {
			pause = minPause
		}
		wait := pause - rand.N(pause/2) //nolint:gosec // jitter needs no secrecy
		k.cfg.Logger.Warn("no session, trying again", slog.Any("err", err), slog.Duration("pause", wait))
		pause = min(2*pause, maxPause)
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
		}
	}
	return nil
}

// keeper is what Run remembers over attempts.
type keeper struct {
	url   string
	cfg   Config
	setup func(context.Context, *Session) error
	stood bool // once a setup has succeeded
}

// setupError marks what failed while the session lasted.
type setupError struct{ error }

func (e setupError) Unwrap() error { return e.error }

// attempt runs one session to its end and reports whether it stood.
func (k *keeper) attempt(ctx context.Context) (stood bool, err error) {
	s, err := Dial(ctx, k.url, k.cfg)
	if err != nil {
		return false, err
	}
	defer func() {
		bound, stop := context.WithTimeout(context.WithoutCancel(ctx), k.cfg.CloseTimeout+2*farewell)
		defer stop()
		_ = s.Close(bound)
	}()
	if err := k.setup(ctx, s); err != nil {
		if s.Err() == nil {
			err = setupError{err}
		}
		return false, err
	}
	k.stood = true
	select {
	case <-s.Done():
	case <-ctx.Done():
	}
	return true, s.Err()
}

// final reports whether err is one that trying again does not cure.
func (k *keeper) final(err error) bool {
	if k.stood {
		return false
	}
	if _, ok := errors.AsType[setupError](err); ok {
		return true
	}
	we, ok := errors.AsType[*wamp.Error](err)
	return ok && we.URI != wamp.ErrUnavailable && we.URI != wamp.CloseSystemShutdown
}
