//go:build linux

package rig_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"bondy/cmd/internal/systest/rig"
)

// TestNeed has a machine without the commands, with and without CI.
func TestNeed(t *testing.T) {
	for _, tt := range []struct{ ci, want string }{{"", "skipped: "}, {"true", "failed: "}} {
		t.Setenv("PATH", "")
		t.Setenv("CI", tt.ci)
		got := verdict(rig.Need)
		if !strings.HasPrefix(got, tt.want) || !strings.Contains(got, `"ip"`) {
			t.Errorf("with CI=%q the test %s, want %q for want of ip", tt.ci, got, tt.want)
		}
	}
}

// verdict is how a test ends that runs fn.
func verdict(fn func(testing.TB)) string {
	r := &recorder{end: make(chan string, 1)}
	go func() {
		defer close(r.end)
		fn(r)
	}()
	return <-r.end
}

// recorder is a test that only ends.
type recorder struct {
	testing.TB
	end chan string
}

func (r *recorder) Helper() {}

func (r *recorder) Skipf(format string, args ...any) {
	r.end <- "skipped: " + fmt.Sprintf(format, args...)
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.end <- "failed: " + fmt.Sprintf(format, args...)
}

func TestValidate(t *testing.T) {
	for _, p := range []rig.Params{
		{},
		{Delay: time.Second, Jitter: time.Second, Loss: 1, RateBytesPerSec: 1, QueueBytes: 1},
	} {
		if err := p.Validate(); err != nil {
			t.Errorf("%+v: %v", p, err)
		}
	}
	for key, p := range map[string]rig.Params{
		"Delay":           {Delay: -1},
		"Jitter":          {Jitter: -1},
		"Loss":            {Loss: 1.01},
		"RateBytesPerSec": {RateBytesPerSec: -1},
		"QueueBytes":      {QueueBytes: -1},
	} {
		if err := p.Validate(); err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%+v: %v, want an error about %s", p, err, key)
		}
	}
}
