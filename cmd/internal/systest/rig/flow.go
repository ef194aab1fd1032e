//go:build linux

package rig

import (
	"container/heap"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// mostUnderWay bounds the bytes on one direction of a link, whatever its delay
// and rate; packets beyond it are dropped.
const mostUnderWay = 64 << 20

// flow is one direction of a link: run takes packets from one device and brings
// each to the other when its time has come.
type flow struct {
	from io.Reader
	to   io.Writer

	down                    atomic.Bool
	packets, bytes, dropped atomic.Uint64

	mu       sync.Mutex
	params   Params
	random   *rand.Rand
	lineFree time.Time // when the line has taken all that came before
	underWay int       // bytes in packets
	waiting  flight
	alarm    alarm // set to the first of waiting, if there is one
}

func newFlow(from, to *os.File, seed uint64, p Params) (*flow, error) {
	a, err := newAlarm()
	if err != nil {
		return nil, err
	}
	//nolint:gosec // a test wants the same losses in every run
	random := rand.New(rand.NewPCG(seed, 0))
	return &flow{from: from, to: to, params: p, random: random, alarm: a}, nil
}

// set changes the parameters for packets to come; those under way keep their
// time.
func (f *flow) set(p Params) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.params = p
	f.lineFree = time.Time{}
}

// take reads packets until the device is closed.
func (f *flow) take() error {
	buf := make([]byte, mtu)
	for {
		n, err := f.from.Read(buf)
		if err != nil {
			return unlessClosed(err)
		}
		if err := f.admit(time.Now(), buf[:n]); err != nil {
			return unlessClosed(err)
		}
	}
}

// admit decides on the fate of a packet that arrived now.
func (f *flow) admit(now time.Time, data []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.params
	lost := f.random.Float64() < p.Loss
	if f.down.Load() || lost || f.underWay+len(data) > mostUnderWay {
		f.dropped.Add(1)
		return nil
	}
	start := now
	if f.lineFree.After(now) {
		start = f.lineFree
	}
	sent := start.Add(p.onLine(len(data)))
	if start != now && sent.Sub(now) > p.onLine(p.queue()) {
		f.dropped.Add(1)
		return nil
	}
	f.lineFree = sent
	due := sent.Add(p.Delay)
	if p.Jitter > 0 {
		due = due.Add(time.Duration(f.random.Int64N(int64(p.Jitter))))
	}
	f.underWay += len(data)
	return f.launch(now, packet{due: due, data: append([]byte(nil), data...)})
}

func (f *flow) launch(now time.Time, p packet) error {
	p.number = f.waiting.launched
	f.waiting.launched++
	heap.Push(&f.waiting, p)
	if f.waiting.packets[0].number != p.number {
		return nil
	}
	return f.alarm.set(p.due.Sub(now))
}

// bring writes packets when they are due, until the alarm is closed.
func (f *flow) bring() error {
	var landed []packet
	for {
		if err := f.alarm.wait(); err != nil {
			return unlessClosed(err)
		}
		var err error
		if landed, err = f.land(landed[:0], time.Now()); err != nil {
			return unlessClosed(err)
		}
		for _, p := range landed {
			f.deliver(p.data)
		}
		clear(landed)
	}
}

// land appends the packets that are due, and sets the alarm to the next.
func (f *flow) land(landed []packet, now time.Time) ([]packet, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.waiting.Len() > 0 {
		first := f.waiting.packets[0]
		if wait := first.due.Sub(now); wait > 0 {
			return landed, f.alarm.set(wait)
		}
		heap.Pop(&f.waiting)
		f.underWay -= len(first.data)
		landed = append(landed, first)
	}
	return landed, nil
}

// deliver writes a packet, which a device refuses while it is down.
func (f *flow) deliver(data []byte) {
	if f.down.Load() {
		f.dropped.Add(1)
		return
	}
	if _, err := f.to.Write(data); err != nil {
		f.dropped.Add(1)
		return
	}
	f.packets.Add(1)
	f.bytes.Add(uint64(len(data)))
}

func unlessClosed(err error) error {
	if errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}

// packet is one under way.
type packet struct {
	due    time.Time
	number uint64 // in order of launch; the first of those due together lands first
	data   []byte
}

// flight is a heap of packets, the first due on top.
type flight struct {
	packets  []packet
	launched uint64
}

// Len implements heap.Interface.
func (f *flight) Len() int { return len(f.packets) }

// Less implements heap.Interface.
func (f *flight) Less(i, j int) bool {
	a, b := &f.packets[i], &f.packets[j]
	if a.due.Equal(b.due) {
		return a.number < b.number
	}
	return a.due.Before(b.due)
}

// Swap implements heap.Interface.
func (f *flight) Swap(i, j int) { f.packets[i], f.packets[j] = f.packets[j], f.packets[i] }

// Push implements heap.Interface.
func (f *flight) Push(p any) { f.packets = append(f.packets, p.(packet)) }

// Pop implements heap.Interface.
func (f *flight) Pop() any {
	last := len(f.packets) - 1
	p := f.packets[last]
	f.packets[last] = packet{}
	f.packets = f.packets[:last]
	return p
}
