package auth

import (
	"encoding/json"
	"errors"
	"fmt"
)

// maxImport bounds a password object in bytes.
const maxImport = 4096

// foreignPassword is the predecessor's password object.
type foreignPassword struct {
	Type     string `json:"type"`
	Version  string `json:"version"`
	Protocol string `json:"protocol"`
	Params   struct {
		KDF          KDF    `json:"kdf"`
		Iterations   int    `json:"iterations"`
		HashFunction string `json:"hash_function"`
		HashLength   int    `json:"hash_length"`
	} `json:"params"`
	Data struct {
		Salt           string `json:"salt"`
		SaltedPassword string `json:"salted_password"`
		StoredKey      string `json:"stored_key"`
		ServerKey      string `json:"server_key"`
	} `json:"data"`
}

// ImportPassword reads a password as the predecessor stored it: version 1.2 of
// its password objects, in JSON, with the protocol cra or scram. Of cra it makes
// a User.Verifier, of scram a User.Credential; users log in with them as before.
// The error says what has no counterpart.
func ImportPassword(text []byte) (verifier []byte, c *Credential, err error) {
	if len(text) > maxImport {
		return nil, nil, fmt.Errorf("a password object of more than %d bytes", maxImport)
	}
	var p foreignPassword
	if err := json.Unmarshal(text, &p); err != nil {
		return nil, nil, fmt.Errorf("password object: %w", err)
	}
	if err := p.known(); err != nil {
		return nil, nil, fmt.Errorf("password object: %w", err)
	}
	if p.Protocol == "cra" {
		verifier, err = p.verifier()
	} else {
		c, err = p.credential()
	}
	if err != nil {
		return nil, nil, fmt.Errorf("password object: %w", err)
	}
	return verifier, c, nil
}

// known checks that the object is of a kind that there is here, too.
func (p *foreignPassword) known() error {
	switch {
	case p.Type != "" && p.Type != "password":
		return fmt.Errorf("type: %q is not password", p.Type)
	case p.Version != "1.2":
		return fmt.Errorf("version: %q is not 1.2, which the predecessor makes of it when the user logs in", p.Version)
	case p.Protocol != "cra" && p.Protocol != "scram":
		return fmt.Errorf("protocol: %q is neither cra nor scram", p.Protocol)
	case p.Params.KDF != KDFPBKDF2:
		return fmt.Errorf("params.kdf: %q is not pbkdf2", p.Params.KDF)
	case p.Params.HashFunction != "" && p.Params.HashFunction != "sha256":
		return fmt.Errorf("params.hash_function: %q is not sha256", p.Params.HashFunction)
	case p.Params.HashLength != 0 && p.Params.HashLength != derivedLen:
		return fmt.Errorf("params.hash_length: %d is not %d", p.Params.HashLength, derivedLen)
	}
	return nil
}

// verifier is that of the protocol cra, where the salt is the text as it stands,
// also if it is base64.
func (p *foreignPassword) verifier() ([]byte, error) {
	key, err := unbase64(p.Data.SaltedPassword)
	if err != nil {
		return nil, errors.New("data.salted_password: not base64")
	}
	return ImportVerifier(p.Data.Salt, p.Params.Iterations, key)
}

// credential is that of the protocol scram, with its keys or with what they
// derive from.
func (p *foreignPassword) credential() (*Credential, error) {
	c := &Credential{KDF: KDFPBKDF2, Iterations: p.Params.Iterations}
	var root []byte
	for _, f := range []struct {
		name, text string
		to         *[]byte
	}{
		{"salt", p.Data.Salt, &c.Salt},
		{"stored_key", p.Data.StoredKey, &c.StoredKey},
		{"server_key", p.Data.ServerKey, &c.ServerKey},
		{"salted_password", p.Data.SaltedPassword, &root},
	} {
		var err error
		if *f.to, err = unbase64(f.text); err != nil {
			return nil, fmt.Errorf("data.%s: not base64", f.name)
		}
	}
	if len(c.StoredKey)+len(c.ServerKey) == 0 && len(root) == derivedLen {
		keys := scramKeysOf(root)
		c.StoredKey, c.ServerKey = keys.stored, keys.server
	}
	return c, c.Validate()
}
