package auth

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"bondy/core/wamp"
)

// ProviderTrustroot is the authprovider of who was let in by a Trustroot.
const ProviderTrustroot = "trustroot"

// Trustroot is one whose certificates let clients in by cryptosign (section
// "Trustroots and Certificates"): the client brings the chain from its key up
// to the root, which signed itself. Its authid is then the address of whoever
// signed for its key. Chains that are stored on a blockchain are not looked up.
type Trustroot struct {
	// Address is the root's, 0x and 40 hex digits.
	Address string
	// ChainID, Contract and Realm are what all certificates must say; the last
	// two are addresses.
	ChainID         uint64
	Contract, Realm string
	// Block is the height of the chain that the router knows of; certificates
	// that are valid from a later block are refused. 0 takes all.
	Block uint64
	// Groups are the roles of who comes with its certificates.
	Groups []string
}

// Capabilities of authorities (section "Capabilities").
const (
	capabilityRootCA         = 1 << 0
	capabilityIntermediateCA = 1 << 1
)

// maxChain bounds the certificates in a chain, each of which costs some
// milliseconds.
const maxChain = 6

func (r *Trustroot) validate() error {
	for name, text := range map[string]string{"address": r.Address, "contract": r.Contract, "realm": r.Realm} {
		if _, err := parseAddress(text); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if len(r.Groups) == 0 {
		return errors.New("groups: want at least one")
	}
	for i, g := range r.Groups {
		if err := ValidName(g); err != nil {
			return fmt.Errorf("groups[%d]: %w", i, err)
		}
	}
	return nil
}

func parseAddress(text string) (a address, err error) {
	b, err := unhex(text, len(a))
	if err != nil {
		return a, errors.New("want 0x and 40 hex digits")
	}
	return address(b), nil
}

// chained finds clients by the certificates that they bring, and all others
// elsewhere.
type chained struct {
	*people
	roots []Trustroot
	gate  *Gate
}

func (d *chained) find(ctx context.Context, req *Request, authid, method string, lacks func(*User) string) (*candidate, error) {
	if req.Extra["trustroot"] == nil {
		return d.people.find(ctx, req, authid, method, lacks)
	}
	from := req.from()
	if !d.policy.possible(method, from) {
		return nil, barred("no source allows " + method + " from this address")
	}
	key, _ := publicKey(req.Extra)
	var root *Trustroot
	var who string
	var flaw error
	if err := d.gate.Do(ctx, 0, func() { root, who, flaw = d.judge(req.Extra, key) }); err != nil {
		return nil, err
	}
	roles := []string{MethodCryptosign}
	if flaw == nil {
		roles = root.Groups
		decision := d.policy.decide(who, roles, method, from)
		switch {
		case !decision.Allowed:
			flaw = errors.New(decision.Reason)
		case d.has(who):
			flaw = errors.New("the certificate names a user of the realm")
		case req.AuthID != "" && !strings.EqualFold(req.AuthID, who):
			flaw = errors.New("the certificate is somebody else's")
		}
	}
	c := d.candidate(req, Identity{AuthID: who, AuthMethod: method, AuthProvider: ProviderTrustroot, Groups: roles}, roles)
	if flaw != nil {
		c.flaw = flaw.Error()
	}
	return c, nil
}

// judge returns the root of a client's chain and the address that its key is
// for.
func (d *chained) judge(extra wamp.Dict, key ed25519.PublicKey) (*Trustroot, string, error) {
	text, _ := extra["trustroot"].(string)
	at, err := parseAddress(text)
	if err != nil {
		return nil, "", fmt.Errorf("authextra.trustroot: %w", err)
	}
	i := slices.IndexFunc(d.roots, func(r Trustroot) bool { a, _ := parseAddress(r.Address); return a == at })
	if i < 0 {
		return nil, "", errors.New("an unknown trustroot")
	}
	list, _ := extra["certificates"].([]any)
	if len(list) < 2 || len(list) > maxChain {
		return nil, "", fmt.Errorf("a chain of %d certificates, want 2 to %d", len(list), maxChain)
	}
	chain := make([]*chainCert, len(list))
	for n, v := range list {
		if chain[n], err = parseCertificate(v); err != nil {
			return nil, "", fmt.Errorf("certificates[%d]: %w", n, err)
		}
	}
	if err := d.roots[i].verify(chain, at); err != nil {
		return nil, "", err
	}
	if !key.Equal(ed25519.PublicKey(chain[0].key[:])) {
		return nil, "", errors.New("the certificate is for another key")
	}
	return &d.roots[i], "0x" + hex.EncodeToString(chain[0].subject[:]), nil
}

// verify checks a chain by the rules of section "Certificate Chain
// Verification". The signer of each was recovered, so that comparing it
// verifies the signature.
func (r *Trustroot) verify(chain []*chainCert, root address) error {
	contract, _ := parseAddress(r.Contract)
	realm, _ := parseAddress(r.Realm)
	for n, c := range chain {
		switch {
		case c.delegated != (n == 0):
			return fmt.Errorf("certificates[%d]: of the wrong type for its place", n)
		case c.chain != r.ChainID || c.contract != contract:
			return fmt.Errorf("certificates[%d]: of another chain or contract", n)
		case r.Block != 0 && c.validFrom > r.Block:
			return fmt.Errorf("certificates[%d]: not valid yet", n)
		case !c.delegated && c.realm != realm:
			return fmt.Errorf("certificates[%d]: of another realm", n)
		case n > 0 && c.validFrom > chain[n-1].validFrom:
			return fmt.Errorf("certificates[%d]: younger than what it signed", n)
		}
	}
	delegate, last := chain[0], chain[len(chain)-1]
	switch {
	case last.issuer != root || last.subject != root || last.signer != root || last.capabilities&capabilityRootCA == 0:
		return errors.New("the last certificate is not the root's own")
	case delegate.signer != delegate.subject || chain[1].subject != delegate.subject:
		return errors.New("the first certificate is not signed by whom the second one is for")
	}
	for n := 1; n < len(chain)-1; n++ {
		c, above := chain[n], chain[n+1]
		switch {
		case c.signer != c.issuer || c.issuer != above.subject:
			return fmt.Errorf("certificates[%d]: not signed by whom the next one is for", n)
		case c.capabilities&^above.capabilities != 0:
			return fmt.Errorf("certificates[%d]: more capable than the next one", n)
		case above != last && above.capabilities&capabilityIntermediateCA == 0:
			return fmt.Errorf("certificates[%d]: signed by one who is no authority", n)
		}
	}
	return nil
}
