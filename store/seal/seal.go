// Package seal encrypts secrets before they are stored, with a key that is in a
// file of the node and in no copy of the store. It implements ticket.Sealer.
//
// A sealed value is a version byte, four bytes that tell the key, a nonce of 24
// bytes, and what XChaCha20-Poly1305 makes of the secret.
package seal

import (
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/crypto/chacha20poly1305"
)

// FileName is that of the node key in the data directory.
const FileName = "node.key"

const (
	version  = 1
	idLen    = 4
	header   = 1 + idLen + chacha20poly1305.NonceSizeX
	overhead = header + chacha20poly1305.Overhead
)

// Box seals with one key. Safe for concurrent use.
type Box struct {
	aead cipher.AEAD
	id   [idLen]byte
	path string
}

// KeyError says that the node key of a store is not there.
type KeyError struct{ Path, Problem string }

// Error says what to do, too.
func (e *KeyError) Error() string {
	return fmt.Sprintf("the node key %s %s: restore the file that belongs to this store from where you keep it, or start once with "+
		"--new-node-key, which makes another one and revokes all tickets", e.Path, e.Problem)
}

// Replace puts the file of a node key aside, if there is one, and creates another.
// What was sealed before stays closed.
func Replace(path string) (*Box, error) {
	aside := path + "." + time.Now().UTC().Format("20060102T150405.000000000Z")
	if err := os.Rename(path, aside); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("put the node key aside: %w", err)
	}
	return Create(path)
}

// Create draws a node key and writes it to a file that must not exist, readable
// by its owner alone.
func Create(path string) (*Box, error) {
	key := make([]byte, chacha20poly1305.KeySize)
	_, _ = rand.Read(key) // never fails: crypto/rand ends the process instead
	if err := write(path, []byte(hex.EncodeToString(key)+"\n")); err != nil {
		return nil, fmt.Errorf("write the node key: %w", err)
	}
	return newBox(path, key)
}

// Open reads the node key.
func Open(path string) (*Box, error) {
	text, err := os.ReadFile(path) //nolint:gosec // the operator says where it is
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &KeyError{path, "is missing"}
	}
	if err != nil {
		return nil, fmt.Errorf("read the node key: %w", err)
	}
	if err := private(path); err != nil {
		return nil, err
	}
	key, err := hex.DecodeString(strings.TrimSuffix(string(text), "\n"))
	if err != nil || len(key) != chacha20poly1305.KeySize {
		return nil, &KeyError{path, fmt.Sprintf("is damaged, it has not %d hex digits", 2*chacha20poly1305.KeySize)}
	}
	return newBox(path, key)
}

func newBox(path string, key []byte) (*Box, error) {
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		return nil, fmt.Errorf("the node key %s: %w", path, err)
	}
	sum := sha256.Sum256(append([]byte("bondy node key id"), key...))
	return &Box{aead: aead, id: [idLen]byte(sum[:]), path: path}, nil
}

// Seal encrypts a secret; about is what it belongs to, such as the key of its
// row, without which it does not open.
func (b *Box) Seal(plain []byte, about string) []byte {
	out := make([]byte, header, overhead+len(plain))
	out[0] = version
	copy(out[1:], b.id[:])
	nonce := out[1+idLen : header]
	_, _ = rand.Read(nonce) // never fails: crypto/rand ends the process instead
	return b.aead.Seal(out, nonce, plain, b.data(about))
}

// Open decrypts what Seal made. The error is a *KeyError where the node key is the
// wrong one.
func (b *Box) Open(sealed []byte, about string) ([]byte, error) {
	switch {
	case len(sealed) < overhead:
		return nil, errors.New("a sealed value that is cut short")
	case sealed[0] != version:
		return nil, fmt.Errorf("a sealed value of version %d: this release reads version %d", sealed[0], version)
	case [idLen]byte(sealed[1:]) != b.id:
		return nil, &KeyError{b.path, "is another one than that which sealed what is in the store"}
	}
	plain, err := b.aead.Open(nil, sealed[1+idLen:header], sealed[header:], b.data(about))
	if err != nil {
		return nil, errors.New("a sealed value that is damaged or belongs elsewhere")
	}
	return plain, nil
}

// data is what a sealed value is bound to.
func (b *Box) data(about string) []byte {
	return append(append([]byte{version}, b.id[:]...), about...)
}

// write makes a file with its whole content or none. Whoever has the store open
// is alone in its directory.
func write(path string, text []byte) (err error) {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(fmt.Errorf("%s is there already", path), err)
	}
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, FileName+".*") // for the owner alone
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	d, err := os.Open(dir) //nolint:gosec // the data directory of the node
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
