package pki

import (
	"crypto/x509"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Why a certificate is refused; for errors.Is.
var (
	// ErrUnknownCA says that no trusted authority issued it.
	ErrUnknownCA = errors.New("certificate is not from a trusted authority")
	// ErrExpired says that it is no longer, or not yet, valid.
	ErrExpired = errors.New("certificate is outside its time of validity")
	// ErrRevoked says that it is on the revocation list.
	ErrRevoked = errors.New("certificate is revoked")
	// ErrRole says that it is for another role than the one wanted, or none.
	ErrRole = errors.New("certificate is for another role")
	// ErrInvalid says that it is no certificate for a link at all.
	ErrInvalid = errors.New("certificate is not valid for a link")
)

// Role is what the holder of a certificate may be.
type Role string

// The roles. The zero Role is none of them, and nothing passes for it.
const (
	// RoleNode is a core node: it listens and dials.
	RoleNode Role = "node"
	// RoleEdge is an edge: it only dials, and never joins a mesh.
	RoleEdge Role = "edge"
)

// rolePrefix begins the URI in a certificate that says its role.
const rolePrefix = "bondy:role:"

// MarshalText implements encoding.TextMarshaler.
func (r Role) MarshalText() ([]byte, error) { return []byte(r), nil }

// UnmarshalText implements encoding.TextUnmarshaler; it takes the roles alone.
func (r *Role) UnmarshalText(text []byte) error {
	switch role := Role(text); role {
	case RoleNode, RoleEdge:
		*r = role
		return nil
	default:
		return fmt.Errorf("a role is node or edge, not %q", text)
	}
}

// Identity is who holds a certificate.
type Identity struct {
	Name string `json:"name"`
	Role Role   `json:"role"`
	// Serial is the serial number in lower-case hexadecimal.
	Serial string `json:"serial"`
	// NotAfter is when it expires.
	NotAfter time.Time `json:"not_after"`
}

// identify reads who holds c. It does not say whether to believe it.
func identify(c *x509.Certificate) (Identity, error) {
	id := Identity{Name: c.Subject.CommonName, Serial: c.SerialNumber.Text(16), NotAfter: c.NotAfter}
	if err := checkName(id.Name); err != nil {
		return Identity{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	var roles []string
	for _, uri := range c.URIs {
		if role, ok := strings.CutPrefix(uri.String(), rolePrefix); ok {
			roles = append(roles, role)
		}
	}
	if len(roles) != 1 {
		return Identity{}, fmt.Errorf("%w: %s names %d roles, want one", ErrRole, id.Name, len(roles))
	}
	if err := id.Role.UnmarshalText([]byte(roles[0])); err != nil {
		return Identity{}, fmt.Errorf("%w: %s: %w", ErrRole, id.Name, err)
	}
	return id, nil
}

// maxName bounds the length of a name, which is also that of a DNS label.
const maxName = 63

// checkName refuses what can't be a name, and so a file name and a subject.
func checkName(name string) error {
	if len(name) > maxName {
		return fmt.Errorf("a name has at most %d characters, not %d", maxName, len(name))
	}
	for i, c := range []byte(name) {
		alphanumeric := 'a' <= c && c <= 'z' || '0' <= c && c <= '9'
		if !alphanumeric && (i == 0 || c != '.' && c != '-') {
			return fmt.Errorf("name %q: a name is of a-z, 0-9, '.' and '-', and begins with a letter or digit", name)
		}
	}
	if name == "" {
		return errors.New("the name is empty")
	}
	return nil
}

// isHost says whether s can be a host name in a certificate.
func isHost(s string) bool {
	const label = `[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?`
	return len(s) <= 253 && regexp.MustCompile(`^`+label+`(\.`+label+`)*$`).MatchString(s)
}
