package auth

import (
	"cmp"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"bondy/core/wamp"
)

// Place is where a name is on the ring of Directory.Twin, for the Config.Key of
// the realm: a secret hash. An HMAC would make realms of many users start
// slowly.
func Place(key []byte, name string) uint64 {
	return binary.BigEndian.Uint64(keyed("twin", key, name))
}

// keyed is a secret hash that nobody is shown: one who was could hash on.
func keyed(purpose string, key []byte, name string) []byte {
	text := make([]byte, 0, 2*sha256.BlockSize)
	sum := sha256.Sum256(append(append(append(text, purpose...), key...), name...))
	return sum[:]
}

// static is a Directory of users that do not change.
type static struct {
	users map[string]*User
	keys  map[string][]string // names by public key
	ring  []seat
}

// seat is a user at its place on the ring.
type seat struct {
	at   uint64
	user *User
}

// Static makes a Directory of users that do not change, and takes time for each
// of them. key is that of Config. The error names the key of what is wrong.
func Static(key []byte, users []User) (Directory, error) {
	if err := validateUsers(users); err != nil {
		return nil, err
	}
	return newStatic(key, users), nil
}

func newStatic(key []byte, users []User) *static {
	s := &static{users: make(map[string]*User, len(users)), keys: make(map[string][]string)}
	var others []seat
	users = slices.Clone(users)
	for i := range users {
		u := &users[i]
		u.Groups = slices.Clone(u.Groups)
		s.users[u.Name] = u
		for _, k := range u.Keys {
			if owners := s.keys[string(k)]; !u.Disabled && len(owners) < 2 {
				s.keys[string(k)] = append(owners, u.Name)
			}
		}
		at := seat{at: Place(key, u.Name), user: u}
		if u.hasPassword() {
			s.ring = append(s.ring, at)
		} else {
			others = append(others, at)
		}
	}
	if len(s.ring) == 0 {
		s.ring = others
	}
	slices.SortFunc(s.ring, func(a, b seat) int { return cmp.Compare(a.at, b.at) })
	return s
}

// User implements Directory.
func (s *static) User(name string) (User, bool) {
	u, ok := s.users[name]
	if !ok {
		return User{}, false
	}
	return *u, true
}

// Account implements Directory.
func (s *static) Account(name string, place uint64) (wamp.URI, string) {
	if u, ok := s.users[name]; ok {
		return u.AuthRealm, u.Name
	}
	twin, _ := s.Twin(place)
	return twin.AuthRealm, name
}

// Key implements Directory.
func (*static) Key(wamp.URI) []byte { return nil }

// Owners implements Directory.
func (s *static) Owners(key ed25519.PublicKey) []string { return s.keys[string(key)] }

// Twin implements Directory.
func (s *static) Twin(place uint64) (User, bool) {
	if len(s.ring) == 0 {
		return User{}, false
	}
	i, _ := slices.BinarySearchFunc(s.ring, place, func(e seat, at uint64) int { return cmp.Compare(e.at, at) })
	return *s.ring[i%len(s.ring)].user, true
}
