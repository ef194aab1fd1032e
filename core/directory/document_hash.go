package directory

import (
	"bytes"
	"errors"
	"strings"

	"bondy/core/auth"
)

// PasswordHash is what stands for a password and is good on any node: its text
// has pbkdf2$ITERATIONS:SALT$KEY, which serves all methods with a password, or
// KDF$PARAMETERS:SALT$STORED:SERVER, which serves all but wampcra, or both with a
// space between.
type PasswordHash struct {
	Verifier   []byte
	Credential *auth.Credential
}

// String hides it.
func (PasswordHash) String() string { return "***" }

// GoString hides it.
func (PasswordHash) GoString() string { return "***" }

// MarshalText implements encoding.TextMarshaler.
func (h PasswordHash) MarshalText() ([]byte, error) {
	text := bytes.Clone(h.Verifier)
	if h.Credential == nil {
		return text, nil
	}
	if len(text) > 0 {
		text = append(text, ' ')
	}
	c, err := h.Credential.MarshalText()
	return append(text, c...), err
}

// UnmarshalText implements encoding.TextUnmarshaler. The error does not quote the
// text.
func (h *PasswordHash) UnmarshalText(text []byte) error {
	var n PasswordHash
	const want = "want pbkdf2$ITERATIONS:SALT$KEY or KDF$PARAMETERS:SALT$STORED:SERVER, or both with a space between"
	words := strings.Fields(string(text))
	if len(words) == 0 || len(words) > 2 {
		return errors.New(want)
	}
	for _, word := range words {
		keys := word[strings.LastIndexByte(word, '$')+1:]
		switch {
		case strings.Contains(keys, ":") && n.Credential == nil:
			n.Credential = new(auth.Credential)
			if err := n.Credential.UnmarshalText([]byte(word)); err != nil {
				return err
			}
		case strings.HasPrefix(word, "pbkdf2$") && n.Verifier == nil:
			var err error
			if n.Verifier, err = auth.ExplicitVerifier(nil, "", []byte(word)); err != nil {
				return err
			}
		default:
			return errors.New(want)
		}
	}
	*h = n
	return nil
}

// hash is what is stored of a password of a user of a realm, good on any node.
func (s *Snapshot) hash(st *state, user string, p *Password) (PasswordHash, error) {
	h := PasswordHash{Credential: p.Credential}
	var err error
	if len(p.Verifier) > 0 {
		h.Verifier, err = auth.ExplicitVerifier(s.salt(st.realm.URI), user, p.Verifier)
	}
	return h, err
}
