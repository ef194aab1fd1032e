package ticket

import (
	"bytes"
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"

	"bondy/core/wamp"
)

// Sealer encrypts what must not lie about in the open. Safe for concurrent use.
type Sealer interface {
	// Seal encrypts; about is bound to the result, and must be said to open it.
	Seal(plain []byte, about string) []byte
	// Open decrypts what Seal made. The error says which key is missing or wrong.
	Open(sealed []byte, about string) ([]byte, error)
}

// State is what a key is used for.
type State string

// The states.
const (
	// Active keys sign. There is one, and for a moment two where two nodes rotate.
	Active State = "active"
	// Next keys are published and sign after the next rotation.
	Next State = "next"
	// Retired keys verify what they signed.
	Retired State = "retired"
)

// Key is a signing key of a realm's ring. It never changes; a change makes
// another. In JSON, as which it is kept, the private part is sealed.
type Key struct {
	Realm   wamp.URI  `json:"realm"`
	ID      string    `json:"kid"`
	State   State     `json:"state"`
	Created time.Time `json:"created"`
	// Retired is when it ceased to sign; zero before.
	Retired time.Time `json:"retired,omitzero"`
	// Public is the point of the public key, uncompressed.
	Public []byte `json:"public"`
	Sealed []byte `json:"sealed"`

	public *ecdsa.PublicKey
}

// newKey draws one.
func newKey(s Sealer, realm wamp.URI, state State) (*Key, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("draw a signing key: %w", err)
	}
	raw, err := private.Bytes()
	if err != nil {
		return nil, fmt.Errorf("write a signing key: %w", err)
	}
	point, err := private.PublicKey.Bytes()
	if err != nil {
		return nil, fmt.Errorf("write a signing key: %w", err)
	}
	k := &Key{
		Realm: realm, ID: rand.Text(), State: state, Created: time.Now().UTC().Truncate(time.Microsecond),
		Public: point, public: &private.PublicKey,
	}
	k.Sealed = s.Seal(raw, k.about())
	return k, nil
}

// about is what the private part is bound to.
func (k *Key) about() string { return fmt.Sprintf("signing key %q %q", k.Realm, k.ID) }

// open returns the private key.
func (k *Key) open(s Sealer) (*ecdsa.PrivateKey, error) {
	raw, err := s.Open(k.Sealed, k.about())
	if err != nil {
		return nil, fmt.Errorf("the signing key %s of the realm %s: %w", k.ID, k.Realm, err)
	}
	private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), raw)
	if err != nil {
		return nil, fmt.Errorf("the signing key %s of the realm %s: %w", k.ID, k.Realm, err)
	}
	if !private.PublicKey.Equal(k.public) {
		return nil, fmt.Errorf("the signing key %s of the realm %s: its halves do not belong together", k.ID, k.Realm)
	}
	return private, nil
}

// Opens returns what keeps s from opening the private part; nil if nothing does.
func (k *Key) Opens(s Sealer) error {
	_, err := k.open(s)
	return err
}

// UnmarshalJSON reads a key as it is kept.
func (k *Key) UnmarshalJSON(text []byte) error {
	type plain Key
	var p plain
	if err := json.Unmarshal(text, &p); err != nil {
		return fmt.Errorf("signing key: %w", err)
	}
	switch {
	case p.Realm == "" || p.ID == "":
		return fmt.Errorf("signing key: without realm or kid")
	case p.State != Active && p.State != Next && p.State != Retired:
		return fmt.Errorf("signing key %q: unknown state %q", p.ID, p.State)
	case (p.State == Retired) == p.Retired.IsZero():
		return fmt.Errorf("signing key %q: the state %s does not go with the time of its retirement", p.ID, p.State)
	}
	var err error
	if p.public, err = ecdsa.ParseUncompressedPublicKey(elliptic.P256(), p.Public); err != nil {
		return fmt.Errorf("signing key %q: %w", p.ID, err)
	}
	*k = Key(p)
	return nil
}

// String hides the private part.
func (k *Key) String() string { return fmt.Sprintf("%s (%s)", k.ID, k.State) }

// in is the key in another state.
func (k *Key) in(state State) *Key {
	out := *k
	out.State = state
	if state == Retired {
		out.Retired = time.Now().UTC().Truncate(time.Microsecond)
	}
	return &out
}

// Over tells whether a key is retired for so long that all tickets that it
// signed have expired: it verifies nothing, and can be deleted.
func (k *Key) Over(now time.Time) bool {
	return k.State == Retired && now.After(k.Retired.Add(MaxLifetime+2*Leeway))
}

// MaxRetired is how many retired keys a ring has at most.
const MaxRetired = 64

// Spent are the keys of a ring that can be deleted: those that are over, and the
// retired ones beyond the latest MaxRetired, whose tickets then hold no more.
func Spent(ring []*Key, now time.Time) []*Key {
	var out, retired []*Key
	for _, k := range ring {
		switch {
		case k.Over(now):
			out = append(out, k)
		case k.State == Retired:
			retired = append(retired, k)
		}
	}
	slices.SortFunc(retired, func(a, b *Key) int {
		return cmp.Or(b.Retired.Compare(a.Retired), b.Created.Compare(a.Created), cmp.Compare(a.ID, b.ID))
	})
	return append(out, retired[min(len(retired), MaxRetired):]...)
}

// Rotate returns the keys of a ring that are new or changed, by id, to be kept in
// place of what there was: the next key becomes active, the active one retires,
// and another next one is drawn. For an empty ring these are its first two keys. It
// fails when s does not open a key that signs or is to sign: the ring was made with
// another node key.
func Rotate(s Sealer, realm wamp.URI, ring []*Key) ([]*Key, error) {
	var changed []*Key
	next := latest(ring, Next)
	for _, k := range ring {
		if k.State != Retired && k.Opens(s) != nil {
			return nil, wamp.Errorf(wamp.ErrUnavailable, "the key %s of the realm %q does not open with the node key of this node: "+
				"have the operator restore that, or start the node with --new-node-key", k.ID, realm)
		}
		if k.State == Active || k.State == Next && k != next {
			changed = append(changed, k.in(Retired))
		}
	}
	var err error
	if next == nil {
		if next, err = newKey(s, realm, Active); err != nil {
			return nil, err
		}
	}
	following, err := newKey(s, realm, Next)
	if err != nil {
		return nil, err
	}
	return append(changed, next.in(Active), following), nil
}

// latest is the youngest key in a state, the same one wherever it is asked for;
// nil if there is none.
func latest(ring []*Key, state State) *Key {
	var best *Key
	for _, k := range ring {
		if k.State == state && (best == nil || cmp.Or(k.Created.Compare(best.Created), cmp.Compare(k.ID, best.ID)) > 0) {
			best = k
		}
	}
	return best
}

// active is the key that signs; nil if there is none.
func active(ring []*Key) *Key { return latest(ring, Active) }

// find is the key of an id that still verifies; nil if there is none.
func find(ring []*Key, kid string, now time.Time) *Key {
	i := slices.IndexFunc(ring, func(k *Key) bool { return k.ID == kid && !k.Over(now) })
	if i < 0 {
		return nil
	}
	return ring[i]
}

// JWKS is the public half of a ring as a JWKS document (RFC 7517), for those who
// verify tickets elsewhere.
func JWKS(ring []*Key) ([]byte, error) {
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	now := time.Now()
	for _, k := range slices.SortedFunc(slices.Values(ring), func(a, b *Key) int { return cmp.Compare(a.ID, b.ID) }) {
		if !k.Over(now) {
			set.Keys = append(set.Keys, jose.JSONWebKey{Key: k.public, KeyID: k.ID, Algorithm: string(jose.ES256), Use: "sig"})
		}
	}
	text, err := json.Marshal(set)
	if err != nil {
		return nil, fmt.Errorf("write a JWKS document: %w", err)
	}
	return bytes.TrimSpace(text), nil
}
