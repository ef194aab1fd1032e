//go:build linux

package rig

import (
	"errors"
	"fmt"
	"time"
)

// Params are the properties of a link, the same in both directions. The zero
// value is a link that delivers at once all it is given.
type Params struct {
	// Delay is the time a packet travels, one way.
	Delay time.Duration
	// Jitter is the most that is added to Delay, evenly distributed, for each
	// packet by itself: packets overtake one another.
	Jitter time.Duration
	// Loss is the share of packets that are lost, from 0 to 1, each decided by
	// itself. Which ones is the same in every run.
	Loss float64
	// RateBytesPerSec is how fast the line takes packets; 0 means at once.
	RateBytesPerSec int
	// QueueBytes may wait for the line; what comes on top is dropped. 0 means
	// a tenth of a second's worth, at least ten full packets.
	QueueBytes int
}

// Validate reports all that is out of range.
func (p Params) Validate() error {
	var wrong []error
	check := func(key string, value any, ok bool) {
		if !ok {
			wrong = append(wrong, fmt.Errorf("%s of a link cannot be %v", key, value))
		}
	}
	check("Delay", p.Delay, p.Delay >= 0)
	check("Jitter", p.Jitter, p.Jitter >= 0)
	check("Loss", p.Loss, p.Loss >= 0 && p.Loss <= 1)
	check("RateBytesPerSec", p.RateBytesPerSec, p.RateBytesPerSec >= 0)
	check("QueueBytes", p.QueueBytes, p.QueueBytes >= 0)
	return errors.Join(wrong...)
}

// onLine is how long the line is busy with so many bytes.
func (p Params) onLine(bytes int) time.Duration {
	if p.RateBytesPerSec == 0 {
		return 0
	}
	return time.Duration(float64(bytes) / float64(p.RateBytesPerSec) * float64(time.Second))
}

// queue is how many bytes may wait for the line.
func (p Params) queue() int {
	if p.QueueBytes > 0 {
		return p.QueueBytes
	}
	return max(p.RateBytesPerSec/10, 10*mtu)
}
