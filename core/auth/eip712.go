package auth

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"bondy/core/wamp"
)

// The types of certificates (section "Certificate Types"), as EIP-712 hashes
// them.
const (
	delegateType  = "EIP712DelegateCertificate"
	authorityType = "EIP712AuthorityCertificate"

	domainFields    = "EIP712Domain(string name,string version)"
	delegateFields  = delegateType + "(uint256 chainId,address verifyingContract,uint256 validFrom,address delegate,bytes32 csPubKey,uint64 bootedAt,string meta)"
	authorityFields = authorityType + "(uint256 chainId,address verifyingContract,uint256 validFrom,address issuer,address subject,address realm,uint64 capabilities,string meta)"

	certDomain, certVersion = "WMP", "1"
)

// chainCert is one certificate of a chain, of either type.
type chainCert struct {
	delegated bool // a delegate certificate

	chain     uint64
	contract  address
	validFrom uint64 // a block number
	subject   address
	// of an authority
	issuer, realm address
	capabilities  uint64
	// of a delegate
	key [32]byte

	signer address // who signed
}

// parseCertificate reads a pair of certificate and signature, and recovers who
// signed it.
func parseCertificate(v any) (*chainCert, error) {
	pair, _ := v.([]any)
	if len(pair) != 2 {
		return nil, errors.New("not a pair of certificate and signature")
	}
	c, digest, err := parseStatement(pair[0])
	if err != nil {
		return nil, err
	}
	signature, err := unhex(pair[1], signerLen)
	if err != nil {
		return nil, fmt.Errorf("signature: %w", err)
	}
	c.signer, err = signer(digest, signature)
	return c, err
}

// parseStatement reads what a certificate says, and hashes it. The types that a
// client lists count for nothing: there are two.
func parseStatement(v any) (c *chainCert, digest []byte, err error) {
	m, _ := v.(map[string]any)
	message, _ := m["message"].(map[string]any)
	domain, _ := m["domain"].(map[string]any)
	if message == nil || domain["name"] != certDomain || domain["version"] != certVersion {
		return nil, nil, fmt.Errorf("not a certificate of the domain %s, version %s", certDomain, certVersion)
	}
	c = &chainCert{}
	f := certFields{message: message}
	var fields string
	switch m["primaryType"] {
	case delegateType:
		fields, c.delegated = delegateFields, true
		c.chain, c.contract, c.validFrom = f.number("chainId"), f.address("verifyingContract"), f.number("validFrom")
		c.subject = f.address("delegate")
		c.key = [32]byte(f.bytes("csPubKey", 32))
		f.number("bootedAt")
	case authorityType:
		fields = authorityFields
		c.chain, c.contract, c.validFrom = f.number("chainId"), f.address("verifyingContract"), f.number("validFrom")
		c.issuer, c.subject, c.realm = f.address("issuer"), f.address("subject"), f.address("realm")
		c.capabilities = f.number("capabilities")
	default:
		return nil, nil, errors.New("a certificate of an unknown type")
	}
	f.text("meta")
	space := keccak(keccak([]byte(domainFields)), keccak([]byte(certDomain)), keccak([]byte(certVersion)))
	body := keccak(keccak([]byte(fields)), slices.Concat(f.words...))
	return c, keccak([]byte{0x19, 0x01}, space, body), f.err
}

// certFields reads the fields of a certificate in the order of its type, and
// gathers the words of which the hash is made. It keeps the first error.
type certFields struct {
	message map[string]any
	words   [][]byte
	err     error
}

func (f *certFields) fail(name string, err error) {
	if f.err == nil {
		f.err = fmt.Errorf("%s: %w", name, err)
	}
}

func (f *certFields) number(name string) uint64 {
	var n uint64
	switch v := f.message[name].(type) {
	case int64:
		if v < 0 {
			f.fail(name, errors.New("negative"))
		}
		n = uint64(v) //nolint:gosec // checked above
	case uint64:
		n = v
	default:
		f.fail(name, fmt.Errorf("%s, want an integer", wamp.TypeName(v)))
	}
	word := make([]byte, 32)
	binary.BigEndian.PutUint64(word[24:], n)
	f.words = append(f.words, word)
	return n
}

func (f *certFields) bytes(name string, n int) []byte {
	b, err := unhex(f.message[name], n)
	if err != nil {
		f.fail(name, err)
		b = make([]byte, n)
	}
	f.words = append(f.words, append(make([]byte, 32-n), b...))
	return b
}

func (f *certFields) address(name string) address { return address(f.bytes(name, len(address{}))) }

func (f *certFields) text(name string) {
	text, ok := f.message[name].(string)
	if !ok {
		f.fail(name, errors.New("want a string"))
	}
	f.words = append(f.words, keccak([]byte(text)))
}

// unhex reads n bytes, as they are or in hex.
func unhex(v any, n int) ([]byte, error) {
	b, ok := v.([]byte)
	if text, isText := v.(string); isText {
		var err error
		b, err = hex.DecodeString(strings.TrimPrefix(text, "0x"))
		ok = err == nil
	}
	if !ok || len(b) != n {
		return nil, fmt.Errorf("not %d bytes in hex", n)
	}
	return b, nil
}
