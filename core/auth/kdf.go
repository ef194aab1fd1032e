package auth

import (
	"cmp"
	"context"
	"crypto/pbkdf2"
	"crypto/sha256"
	"fmt"

	"golang.org/x/crypto/argon2"
)

// KDF names a function that derives a key from a password (section "Key
// Derivation Functions").
type KDF string

// The key derivation functions, as CHALLENGE.Extra.kdf names them.
const (
	// KDFPBKDF2 is PBKDF2-HMAC-SHA-256.
	KDFPBKDF2 KDF = "pbkdf2"
	// KDFArgon2id is Argon2id, version 1.3, with parallelism 1.
	KDFArgon2id KDF = "argon2id13"
)

// Bounds and defaults of what a derivation costs.
const (
	// DefaultIterations is the default of Config.Iterations.
	DefaultIterations = 10_000

	minIterations = 1_000
	maxIterations = 1_000_000

	// pbkdf2Iterations is for credentials of which no client asks less.
	pbkdf2Iterations = 100_000

	// CredentialMemory is what NewCredential uses, in bytes.
	CredentialMemory = argonMemory << 10

	argonIterations    = 2
	maxArgonIterations = 64
	// Memory in KiB; the smallest is what Argon2 needs for one lane.
	argonMemory    = 19 << 10
	minArgonMemory = 8
	maxArgonMemory = gateMemory >> 10
)

// derivedLen is the length in bytes of every derived key.
const derivedLen = 32

// cost is how a password becomes a key, but for the salt.
type cost struct {
	kdf        KDF
	iterations int
	memory     int // in KiB, 0 for PBKDF2
}

// defaultCost is what new credentials get.
func defaultCost(kdf KDF) cost {
	if kdf == KDFPBKDF2 {
		return cost{kdf: kdf, iterations: pbkdf2Iterations}
	}
	return cost{kdf: KDFArgon2id, iterations: argonIterations, memory: argonMemory}
}

func (c cost) validate() error {
	low, high := minIterations, maxIterations
	switch c.kdf {
	case KDFPBKDF2:
		if c.memory != 0 {
			return fmt.Errorf("%s takes no memory parameter", c.kdf)
		}
	case KDFArgon2id:
		low, high = 1, maxArgonIterations
		if c.memory < minArgonMemory || c.memory > maxArgonMemory {
			return fmt.Errorf("a memory of %d KiB is not in %d..%d", c.memory, minArgonMemory, maxArgonMemory)
		}
	default:
		return fmt.Errorf("unknown key derivation function %q: use %s or %s", c.kdf, KDFArgon2id, KDFPBKDF2)
	}
	if c.iterations < low || c.iterations > high {
		return fmt.Errorf("%d iterations are not in %d..%d", c.iterations, low, high)
	}
	return nil
}

// derive computes a key once the gate lets it.
func (c cost) derive(ctx context.Context, gate *Gate, secret string, salt []byte) (key []byte, err error) {
	entered := gate.Do(ctx, int64(c.memory)<<10, func() { key, err = c.compute(secret, salt) })
	return key, cmp.Or(entered, err)
}

func (c cost) compute(secret string, salt []byte) ([]byte, error) {
	if c.kdf == KDFArgon2id {
		//nolint:gosec // validate bounds both
		return argon2.IDKey([]byte(secret), salt, uint32(c.iterations), uint32(c.memory), 1, derivedLen), nil
	}
	key, err := pbkdf2.Key(sha256.New, secret, salt, c.iterations, derivedLen)
	if err != nil {
		return nil, fmt.Errorf("derive a key: %w", err)
	}
	return key, nil
}
