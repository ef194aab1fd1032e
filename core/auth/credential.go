package auth

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Credential is what a server stores of a password for wamp-scram (section
// "Data Stored on the Server"). The methods password and ticket check against
// it too. It is not equal to the password: who steals it cannot log in with it.
type Credential struct {
	KDF        KDF
	Iterations int
	// Memory is in KiB; 0 for KDFPBKDF2.
	Memory int
	Salt   []byte
	// StoredKey and ServerKey have 32 bytes each.
	StoredKey, ServerKey []byte
	// PrintedStoredKey and PrintedServerKey are those of clients that take the
	// base64 text of the hash for the SaltedPassword, as Autobahn|Python does. They
	// come with KDFArgon2id alone; both may be missing.
	PrintedStoredKey, PrintedServerKey []byte
}

// Bounds of a salt in bytes.
const (
	saltLen    = 16
	minSaltLen = 8
	maxSaltLen = 64
)

// NewCredential makes a Credential under a fresh random salt, at the present
// default cost: tens of milliseconds and CredentialMemory, which whoever serves
// many bounds with Gate.Do. The error says what is wrong with the password.
func NewCredential(password Secret, kdf KDF) (*Credential, error) {
	text, err := prepare(string(password))
	if err != nil {
		return nil, err
	}
	salt := make([]byte, saltLen)
	_, _ = rand.Read(salt) // never fails: crypto/rand ends the process instead
	c := defaultCost(kdf)
	root, err := c.compute(text, salt)
	if err != nil {
		return nil, err
	}
	keys := scramKeysOf(root)
	out := &Credential{
		KDF: c.kdf, Iterations: c.iterations, Memory: c.memory,
		Salt: salt, StoredKey: keys.stored, ServerKey: keys.server,
	}
	if kdf == KDFArgon2id {
		keys = scramKeysOf(printed(root))
		out.PrintedStoredKey, out.PrintedServerKey = keys.stored, keys.server
	}
	return out, nil
}

func (c *Credential) cost() cost {
	return cost{kdf: c.KDF, iterations: c.Iterations, memory: c.Memory}
}

// Validate checks that the parts fit together.
func (c *Credential) Validate() error {
	switch {
	case len(c.Salt) < minSaltLen || len(c.Salt) > maxSaltLen:
		return fmt.Errorf("a salt of %d bytes, want %d to %d", len(c.Salt), minSaltLen, maxSaltLen)
	case len(c.StoredKey) != derivedLen || len(c.ServerKey) != derivedLen:
		return fmt.Errorf("keys of %d and %d bytes, want %d each", len(c.StoredKey), len(c.ServerKey), derivedLen)
	}
	if stored, server := len(c.PrintedStoredKey), len(c.PrintedServerKey); stored != server ||
		stored != 0 && (stored != derivedLen || c.KDF != KDFArgon2id) {
		return fmt.Errorf("a second pair of keys of %d and %d bytes, want none, or with %s %d each", stored, server, KDFArgon2id, derivedLen)
	}
	return c.cost().validate()
}

// same tells whether two are made of the same parts; both may be nil.
func (c *Credential) same(o *Credential) bool {
	return c == o || c != nil && o != nil && c.cost() == o.cost() && bytes.Equal(c.Salt, o.Salt) &&
		bytes.Equal(c.StoredKey, o.StoredKey) && bytes.Equal(c.ServerKey, o.ServerKey) &&
		bytes.Equal(c.PrintedStoredKey, o.PrintedStoredKey) && bytes.Equal(c.PrintedServerKey, o.PrintedServerKey)
}

// String hides the keys.
func (c *Credential) String() string { return redacted }

// MarshalText writes a Credential as pbkdf2$ITERATIONS:SALT$STORED:SERVER or
// argon2id13$ITERATIONS,MEMORY:SALT$STORED:SERVER, with base64 for bytes; the second
// pair of keys follows as $STORED:SERVER.
func (c *Credential) MarshalText() ([]byte, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	memory := ""
	if c.Memory != 0 {
		memory = "," + strconv.Itoa(c.Memory)
	}
	b64 := base64.StdEncoding.EncodeToString
	text := fmt.Appendf(nil, "%s$%d%s:%s$%s:%s", c.KDF, c.Iterations, memory,
		b64(c.Salt), b64(c.StoredKey), b64(c.ServerKey))
	if len(c.PrintedStoredKey) > 0 {
		text = fmt.Appendf(text, "$%s:%s", b64(c.PrintedStoredKey), b64(c.PrintedServerKey))
	}
	return text, nil
}

// maxCredential bounds the text of a Credential in bytes.
const maxCredential = 512

// UnmarshalText reads what MarshalText writes; it accepts one spelling alone.
func (c *Credential) UnmarshalText(text []byte) error {
	var n Credential
	if err := n.read(string(text)); err != nil {
		return fmt.Errorf("credential: %w", err)
	}
	if again, err := n.MarshalText(); err != nil {
		return fmt.Errorf("credential: %w", err)
	} else if !bytes.Equal(again, text) {
		return errors.New("credential: not in its canonical form")
	}
	*c = n
	return nil
}

func (c *Credential) read(text string) error {
	parts := strings.Split(text, "$")
	if len(text) > maxCredential || len(parts) < 3 || len(parts) > 4 {
		return errors.New("want KDF$PARAMETERS:SALT$STORED:SERVER")
	}
	numbers, salt, _ := strings.Cut(parts[1], ":")
	iterations, memory, hasMemory := strings.Cut(numbers, ",")
	stored, server, _ := strings.Cut(parts[2], ":")
	printedStored, printedServer, _ := strings.Cut(strings.Join(parts[3:], ""), ":")
	c.KDF = KDF(parts[0])
	var err error
	if c.Iterations, err = strconv.Atoi(iterations); err != nil {
		return errors.New("the iterations are no number")
	}
	if hasMemory {
		if c.Memory, err = strconv.Atoi(memory); err != nil {
			return errors.New("the memory is no number")
		}
	}
	for _, f := range []struct {
		to   *[]byte
		text string
	}{{&c.Salt, salt}, {&c.StoredKey, stored}, {&c.ServerKey, server}, {&c.PrintedStoredKey, printedStored}, {&c.PrintedServerKey, printedServer}} {
		if *f.to, err = unbase64(f.text); err != nil {
			return fmt.Errorf("base64: %w", err)
		}
	}
	return nil
}

// scramKeys are what a server needs to check a proof and to give its own.
type scramKeys struct{ stored, server []byte }

// scramKeysOf derives them from the SaltedPassword.
func scramKeysOf(root []byte) scramKeys {
	client := hmacSHA256(root, "Client Key")
	stored := sha256.Sum256(client)
	return scramKeys{stored: stored[:], server: hmacSHA256(root, "Server Key")}
}

// opens tells whether root is the SaltedPassword behind the keys.
func (k scramKeys) opens(root []byte) bool {
	return subtle.ConstantTimeCompare(scramKeysOf(root).stored, k.stored) == 1
}

func hmacSHA256[T string | []byte](key []byte, text T) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// unbase64 reads base64 in its canonical form (section "Base64 encoding"); a
// strict decoder alone would skip line breaks.
func unbase64(text string) ([]byte, error) {
	b, err := base64.StdEncoding.DecodeString(text)
	if err == nil && base64.StdEncoding.EncodeToString(b) != text {
		err = errors.New("not canonical")
	}
	return b, err
}
