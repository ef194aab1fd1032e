package dealer

import (
	"fmt"

	"bondy/core/peer"
)

// FeaturePolicy says what sessions may do that they did not announce.
type FeaturePolicy uint8

const (
	// Used takes the use of a feature for its announcement: clients often
	// announce less than they do. Only what would surprise a client is sent to
	// none that did not announce it: INTERRUPT, UNREGISTERED for a revoked
	// registration, and timeouts to watch.
	Used FeaturePolicy = iota
	// Announced enforces the specification's word.
	Announced
)

// MarshalText is the policy's name: used or announced.
func (p FeaturePolicy) MarshalText() ([]byte, error) {
	if p == Announced {
		return []byte("announced"), nil
	}
	return []byte("used"), nil
}

// UnmarshalText reads the policy's name.
func (p *FeaturePolicy) UnmarshalText(text []byte) error {
	switch string(text) {
	case "used", "":
		*p = Used
	case "announced":
		*p = Announced
	default:
		return fmt.Errorf("features are %q: they must be used or announced", text)
	}
	return nil
}

// takesProgress reports whether h may be asked for progressive results.
func (h *callee) takesProgress(cfg *Config) bool {
	return cfg.Features == Used || h.sess.peer.Features.Has(peer.CalleeProgressiveResults|peer.CalleeCanceling)
}

// takesPieces reports whether h may be sent a call in pieces.
func (h *callee) takesPieces(cfg *Config) bool {
	return cfg.Features == Used || h.sess.peer.Features.Has(peer.CalleeProgressiveInvocations|peer.CalleeCanceling)
}

// takesPassthru reports whether p may be sent a payload in passthru mode, if
// that has to be announced as want.
func (cfg *Config) takesPassthru(p *peer.Peer, want peer.Features) bool {
	return cfg.Features == Used || p.Features.Has(want)
}

// reroutes reports whether h's error unavailable sends the call to another
// callee. A router behind a bridge has done so itself.
func (h *callee) reroutes(cfg *Config) bool {
	p := h.sess.peer
	return p.Via == nil && (cfg.Features == Used || p.Features.Has(peer.CalleeRerouting))
}
