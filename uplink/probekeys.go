package uplink

import (
	"context"
	"sync"
	"time"

	"github.com/quic-go/quic-go"

	"bondy/uplink/wire"
)

// probeKeys has the key of the last link of each identity, for as many as
// there is room, and the rate at which probes are answered.
type probeKeys struct {
	max, rate int

	mu     sync.Mutex
	byID   map[wire.ProbeID]*probeEntry
	byPeer map[Identity]wire.ProbeID
	second time.Time // the answers are counted from
	count  int
}

type probeEntry struct {
	peer  Identity
	key   wire.ProbeKey
	nonce uint64 // the highest that was answered
}

func newProbeKeys(limit, rate int) probeKeys {
	return probeKeys{
		max: limit, rate: rate,
		byID: make(map[wire.ProbeID]*probeEntry), byPeer: make(map[Identity]wire.ProbeID),
	}
}

// put takes the place of the peer's last key, or of any when all is full.
func (k *probeKeys) put(peer Identity, key wire.ProbeKey) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.dropLocked(peer)
	if len(k.byPeer) >= k.max {
		for victim := range k.byPeer {
			k.dropLocked(victim)
			break
		}
	}
	k.byPeer[peer] = key.ID()
	k.byID[key.ID()] = &probeEntry{peer: peer, key: key}
}

func (k *probeKeys) dropLocked(peer Identity) {
	if id, ok := k.byPeer[peer]; ok {
		delete(k.byPeer, peer)
		delete(k.byID, id)
	}
}

// answer is what a request deserves, if anything: it is as long, and each
// request is answered once.
func (k *probeKeys) answer(p wire.Probe, now time.Time) (wire.Probe, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if now.Sub(k.second) >= time.Second {
		k.second, k.count = now, 0
	}
	if p.Kind() != wire.ProbeRequest || k.count >= k.rate {
		return wire.Probe{}, false
	}
	k.count++
	e, ok := k.byID[p.ID()]
	switch {
	case !ok:
		return p.Unknown(), true
	case p.Nonce() <= e.nonce || !e.key.Genuine(p):
		return wire.Probe{}, false
	}
	e.nonce = p.Nonce()
	return e.key.Probe(wire.ProbeAnswer, e.nonce), true
}

// answerProbes serves probes until ctx ends or the transport is closed.
func (l *Listener) answerProbes(ctx context.Context, transport *quic.Transport) {
	buf := make([]byte, wire.ProbeSize+1)
	for {
		n, from, err := transport.ReadNonQUICPacket(ctx, buf)
		if err != nil {
			return
		}
		p, err := wire.ParseProbe(buf[:n])
		if err != nil {
			continue
		}
		answer, ok := l.probes.answer(p, time.Now())
		if !ok {
			continue
		}
		if answer.Kind() == wire.ProbeAnswer {
			l.answers.Add(1)
		} else {
			l.echo.Add(1)
		}
		// Lost on the way or here is the same: the peer asks again.
		_, _ = transport.WriteTo(answer[:], from)
	}
}
