//go:build !linux

package pipe

import (
	"errors"
	"time"
)

// watch exists on Linux alone: elsewhere connections stay awake.
type watch struct{}

func newWatch(*Shared) (*watch, error) { return nil, errors.ErrUnsupported }

func (w *watch) dup(s *socket) (int, bool) { return s.dup() }

func (w *watch) add(int, *Pipe, time.Duration) bool { return false }

func (w *watch) remove(int) {}

func (w *watch) run() {}

func (w *watch) close() {}
