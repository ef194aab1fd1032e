package uplink

import (
	"sync/atomic"
	"time"
)

// LaneStats counts frames of users, without those of the link itself.
type LaneStats struct {
	FramesIn, FramesOut uint64
	// BytesIn and BytesOut are those of the bodies.
	BytesIn, BytesOut uint64
	// Refused counts the frames that Send did not take.
	Refused uint64
}

// Traffic counts what crossed a link, or all links of a Dialer or Listener.
type Traffic struct {
	Control, Data             LaneStats
	DatagramsIn, DatagramsOut uint64
	DatagramsDropped          uint64
}

// LinkStats describes a link.
type LinkStats struct {
	Traffic
	// Since is when the connection was made.
	Since time.Time
	// RTT is the smoothed round-trip time.
	RTT time.Duration
	// Queued is how many bytes wait to be sent.
	Queued int
	// Busy is the count that AddBusy keeps.
	Busy int
}

// Stats describes the link. It may be called at any time.
func (l *Link) Stats() LinkStats {
	s := LinkStats{
		Traffic: l.counters.traffic(), Since: l.pulse.began, RTT: l.RTT(), Busy: int(l.pulse.busy.Load()),
	}
	for _, lane := range l.lanes {
		s.Queued += lane.queued()
	}
	return s
}

// State is what a Dialer does.
type State string

// States of a Dialer.
const (
	StateWaiting State = "waiting" // for the next dial
	StateDialing State = "dialing"
	StateUp      State = "up"
)

// DialerStats describes a Dialer.
type DialerStats struct {
	State State
	Since time.Time
	// Err is why there is no link, nil while one is up.
	Err error
	// Dials counts the tries and Links those that brought a link up.
	Dials, Links uint64
	// ProbesSent and ProbesAnswered count the probes while the link was down.
	ProbesSent, ProbesAnswered uint64
	// Traffic is that of all links so far.
	Traffic Traffic
}

// Stats describes the dialer. It may be called at any time.
func (d *Dialer) Stats() DialerStats {
	d.mu.Lock()
	defer d.mu.Unlock()
	return DialerStats{
		State: d.state, Since: d.since, Err: d.err,
		Dials: d.dials.Load(), Links: d.links.Load(),
		ProbesSent: d.probes.Load(), ProbesAnswered: d.answers.Load(),
		Traffic: d.shared.traffic(),
	}
}

// laneCounters count one direction of a kind of lane.
type laneCounters struct{ frames, bytes, refused atomic.Uint64 }

// counters count what crosses a link: the control lane, then the data lanes.
type counters struct {
	ins, outs                                [2]laneCounters
	datagramsIn, datagramsOut, datagramsFull atomic.Uint64
}

func (c *counters) in(lane int) *laneCounters  { return &c.ins[min(lane, 1)] }
func (c *counters) out(lane int) *laneCounters { return &c.outs[min(lane, 1)] }

func (c *counters) traffic() Traffic {
	lanes := func(n int) LaneStats {
		in, out := &c.ins[n], &c.outs[n]
		return LaneStats{
			FramesIn: in.frames.Load(), BytesIn: in.bytes.Load(),
			FramesOut: out.frames.Load(), BytesOut: out.bytes.Load(), Refused: out.refused.Load(),
		}
	}
	return Traffic{
		Control: lanes(0), Data: lanes(1),
		DatagramsIn: c.datagramsIn.Load(), DatagramsOut: c.datagramsOut.Load(),
		DatagramsDropped: c.datagramsFull.Load(),
	}
}

// plus adds two counts.
func (t Traffic) plus(o Traffic) Traffic {
	t.Control, t.Data = t.Control.plus(o.Control), t.Data.plus(o.Data)
	t.DatagramsIn += o.DatagramsIn
	t.DatagramsOut += o.DatagramsOut
	t.DatagramsDropped += o.DatagramsDropped
	return t
}

func (s LaneStats) plus(o LaneStats) LaneStats {
	s.FramesIn += o.FramesIn
	s.FramesOut += o.FramesOut
	s.BytesIn += o.BytesIn
	s.BytesOut += o.BytesOut
	s.Refused += o.Refused
	return s
}
