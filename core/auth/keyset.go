package auth

import (
	"cmp"
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Bounds of a KeySet.
const (
	// maxKeySet bounds a document in bytes, maxSetKeys the keys in it.
	maxKeySet  = 256 << 10
	maxSetKeys = 100
	// minRSABits bounds RSA keys from below; shorter ones count for nothing.
	minRSABits = 2048
	// fetchTimeout bounds one fetch; another one is not tried before fetchAgain,
	// whoever asks for a key that is not there. Longer than both together no
	// rotation stays unseen, however many tokens of unknown keys strangers show:
	// of those nothing is remembered.
	fetchTimeout = 5 * time.Second
	fetchAgain   = 10 * time.Second

	defaultRefresh = time.Hour
	defaultKeep    = 24 * time.Hour
)

// KeySet are the public keys of a token issuer: a JWKS document (RFC 7517) that
// is fetched when it is first needed, again when it is old or lacks a key, and
// kept while its source is out of reach. It outlives the configuration that
// names it, and is safe for concurrent use.
type KeySet struct {
	fetch         func(ctx context.Context) ([]byte, error)
	refresh, keep time.Duration
	fetching      chan struct{} // holds who fetches

	mu    sync.Mutex
	keys  []jose.JSONWebKey
	got   time.Time // when keys came
	tried time.Time
}

// NewKeySet makes a KeySet. fetch returns the document; it gets a deadline. A
// document older than refresh is fetched again, and used until it is older
// than keep if that fails; 0 means an hour and a day.
func NewKeySet(fetch func(ctx context.Context) ([]byte, error), refresh, keep time.Duration) *KeySet {
	refresh = cmp.Or(refresh, defaultRefresh)
	return &KeySet{
		fetch: fetch, refresh: refresh, keep: max(refresh, cmp.Or(keep, defaultKeep)),
		fetching: make(chan struct{}, 1),
	}
}

// errNoKey says that no key fits a token.
var errNoKey = errors.New("no key of the issuer fits the token")

// find returns the keys that may have signed under an id and an algorithm.
func (s *KeySet) find(ctx context.Context, id, algorithm string) ([]jose.JSONWebKey, error) {
	keys, due := s.lookup(id, algorithm)
	if due {
		if err := s.update(ctx, len(keys) > 0); err != nil && len(keys) == 0 {
			return nil, err
		}
		keys, _ = s.lookup(id, algorithm)
	}
	if len(keys) == 0 {
		return nil, errNoKey
	}
	return keys, nil
}

// lookup returns what is known, and whether it is time to ask again.
func (s *KeySet) lookup(id, algorithm string) (keys []jose.JSONWebKey, due bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	age := now.Sub(s.got)
	if !s.got.IsZero() && age <= s.keep {
		for _, k := range s.keys {
			if (id == "" || k.KeyID == id) && (k.Algorithm == "" || k.Algorithm == algorithm) {
				keys = append(keys, k)
			}
		}
	}
	due = (len(keys) == 0 || age > s.refresh) && (s.tried.IsZero() || now.Sub(s.tried) >= fetchAgain)
	return keys, due
}

// update fetches the document. Who can do without goes on when another one
// fetches already.
func (s *KeySet) update(ctx context.Context, optional bool) error {
	select {
	case s.fetching <- struct{}{}:
	default:
		if optional {
			return nil
		}
		select {
		case s.fetching <- struct{}{}:
		case <-ctx.Done():
			return fmt.Errorf("wait for the issuer's keys: %w", context.Cause(ctx))
		}
	}
	defer func() { <-s.fetching }()
	if !s.begin() { // another one did it while we waited
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout) // it serves others too
	defer cancel()
	text, err := s.fetch(ctx)
	if err != nil {
		return fmt.Errorf("fetch the issuer's keys: %w", err)
	}
	keys, err := parseKeySet(text)
	if err != nil {
		return fmt.Errorf("the issuer's keys: %w", err)
	}
	s.set(keys)
	return nil
}

// begin tells whether it is time for another fetch, which begins.
func (s *KeySet) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if !s.tried.IsZero() && now.Sub(s.tried) < fetchAgain {
		return false
	}
	s.tried = now
	return true
}

func (s *KeySet) set(keys []jose.JSONWebKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys, s.got = keys, time.Now()
}

// CheckKeySet tells what is wrong with a JWKS document.
func CheckKeySet(text []byte) error {
	_, err := parseKeySet(text)
	return err
}

// parseKeySet reads a JWKS document. Keys that are not for signatures, not
// public or of a kind we do not know are left out.
func parseKeySet(text []byte) ([]jose.JSONWebKey, error) {
	if len(text) > maxKeySet {
		return nil, fmt.Errorf("a document of more than %d bytes", maxKeySet)
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, fmt.Errorf("not a JWKS document: %w", err)
	}
	if len(set.Keys) > maxSetKeys {
		return nil, fmt.Errorf("more than %d keys", maxSetKeys)
	}
	var keys []jose.JSONWebKey
	for _, raw := range set.Keys {
		var k jose.JSONWebKey
		if k.UnmarshalJSON(raw) != nil || !k.IsPublic() || k.Use == "enc" {
			continue
		}
		if r, ok := k.Key.(*rsa.PublicKey); !ok || r.N.BitLen() >= minRSABits {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("no public key for signatures")
	}
	return keys, nil
}
