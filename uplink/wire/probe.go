package wire

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// ProbeSize is the length of each probe packet in bytes: kind, key id, nonce
// and code.
const ProbeSize = 1 + 8 + 8 + macSize

// macSize is how much of the HMAC-SHA-256 a probe carries.
const macSize = 16

// ProbeKeySize is how many secret bytes NewProbeKey wants.
const ProbeKeySize = 8 + sha256.Size

// ProbeKind is the first byte of a probe. Its two upper bits are 0, which no
// QUIC packet has.
type ProbeKind uint8

// Kinds of probes.
const (
	// ProbeRequest asks whether the path is there.
	ProbeRequest ProbeKind = 1
	// ProbeAnswer says so.
	ProbeAnswer ProbeKind = 2
	// ProbeUnknown echoes a request whose key the listener doesn't know, as
	// after a restart: the path is there, the link is not.
	ProbeUnknown ProbeKind = 3
)

// ProbeID names a key without telling it.
type ProbeID [8]byte

// ProbeKey is what both ends of an established link know and use once it is
// down.
type ProbeKey struct {
	id     ProbeID
	secret [sha256.Size]byte
}

// NewProbeKey makes a key of ProbeKeySize secret bytes.
func NewProbeKey(material []byte) (ProbeKey, error) {
	if len(material) != ProbeKeySize {
		return ProbeKey{}, fmt.Errorf("probe key of %d bytes, want %d", len(material), ProbeKeySize)
	}
	var k ProbeKey
	copy(k.id[:], material)
	copy(k.secret[:], material[len(k.id):])
	return k, nil
}

// ID names the key.
func (k ProbeKey) ID() ProbeID { return k.id }

// Probe is one packet: a request, or its answer with the same nonce.
type Probe [ProbeSize]byte

// Probe makes the packet.
func (k ProbeKey) Probe(kind ProbeKind, nonce uint64) Probe {
	var p Probe
	p[0] = byte(kind)
	copy(p[1:], k.id[:])
	binary.BigEndian.PutUint64(p[9:], nonce)
	mac := hmac.New(sha256.New, k.secret[:])
	mac.Write(p[:ProbeSize-macSize])
	copy(p[ProbeSize-macSize:], mac.Sum(nil))
	return p
}

// Genuine says whether the holder of the key made p.
func (k ProbeKey) Genuine(p Probe) bool {
	want := k.Probe(p.Kind(), p.Nonce())
	return hmac.Equal(p[:], want[:])
}

// Answers says whether p is an answer to a request made with the key: one by
// its other holder, or the echo of someone who doesn't have it.
func (k ProbeKey) Answers(p Probe) bool {
	switch p.Kind() {
	case ProbeAnswer:
		return k.Genuine(p)
	case ProbeUnknown:
		return p == k.Probe(ProbeRequest, p.Nonce()).Unknown()
	case ProbeRequest:
	}
	return false
}

// ParseProbe takes a packet for what it says it is; Genuine checks it.
func ParseProbe(packet []byte) (Probe, error) {
	if len(packet) != ProbeSize {
		return Probe{}, fmt.Errorf("%w probe of %d bytes", ErrMalformed, len(packet))
	}
	p := Probe(packet)
	if k := p.Kind(); k < ProbeRequest || k > ProbeUnknown {
		return Probe{}, fmt.Errorf("%w probe of kind %d", ErrMalformed, k)
	}
	return p, nil
}

// Kind is the kind of the probe.
func (p Probe) Kind() ProbeKind { return ProbeKind(p[0]) }

// ID names the key.
func (p Probe) ID() ProbeID { return ProbeID(p[1:9]) }

// Nonce counts the requests made with one key.
func (p Probe) Nonce() uint64 { return binary.BigEndian.Uint64(p[9:]) }

// Unknown is the echo of a request by someone who doesn't have the key.
func (p Probe) Unknown() Probe {
	p[0] = byte(ProbeUnknown)
	return p
}
