package auth

import (
	"errors"
	"unicode/utf8"

	"github.com/xdg-go/stringprep"
	"golang.org/x/text/secure/precis"
)

// prepare brings a password into the one form in which it is derived: SASLprep
// as wamp-scram demands (section "Username/Password String Normalization"),
// and for what SASLprep refuses, such as mixed directions, its successor, the
// PRECIS profile OpaqueString (RFC 8265).
func prepare(password string) (string, error) {
	if printable(password) {
		return password, nil
	}
	if !utf8.ValidString(password) {
		return "", errors.New("the password is not valid UTF-8")
	}
	if text, err := stringprep.SASLprep.Prepare(password); err == nil && text != "" {
		return text, nil
	}
	text, err := precis.OpaqueString.String(password)
	if err != nil {
		return "", errors.New("the password holds control characters or nothing at all")
	}
	return text, nil
}

// Prepare brings a password into the form from which wamp-scram derives its keys,
// as clients do it, too.
func Prepare(password Secret) (string, error) { return prepare(string(password)) }

// printable tells whether both profiles leave a password as it is.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return s != ""
}
