package auth_test

import (
	"fmt"
	"testing"

	"bondy/core/auth"
)

// BenchmarkNew is the start of a realm with 100,000 users.
func BenchmarkNew(b *testing.B) {
	d, err := auth.Static(nil, many(b))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		newAuth(b, auth.Config{Methods: []string{auth.MethodSCRAM}, Directory: d})
	}
}

// BenchmarkStatic makes a directory of 100,000 users.
func BenchmarkStatic(b *testing.B) {
	users := many(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := auth.Static(nil, users); err != nil {
			b.Fatal(err)
		}
	}
}

func many(b *testing.B) (users []auth.User) {
	b.Helper()
	verifier, err := auth.NewVerifier(make([]byte, auth.KeySize), "x", "s3cret")
	if err != nil {
		b.Fatal(err)
	}
	for i := range 100_000 {
		users = append(users, auth.User{Name: fmt.Sprint("user", i), Verifier: verifier, Groups: []string{"user"}})
	}
	return users
}

// BenchmarkSCRAM is a login that fails.
func BenchmarkSCRAM(b *testing.B) {
	a := newAuth(b, scramConfig(b))
	b.ReportAllocs()
	for b.Loop() {
		x := begin(b, a, scramRequest("susan"))
		signature, extra := forged(x)
		if _, err := x.Finish(b.Context(), signature, extra); err == nil {
			b.Fatal("accepted")
		}
	}
}

// BenchmarkArgon2id is what one password costs.
func BenchmarkArgon2id(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := auth.NewCredential("s3cret", auth.KDFArgon2id); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCertificate is one certificate of a chain.
func BenchmarkCertificate(b *testing.B) {
	root, device := auth.CertSigner{Secret: 11}, auth.CertSigner{Secret: 13}
	pair := root.Sign(authorityFor(root, device, 4))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := auth.ParseCertificate(pair); err != nil {
			b.Fatal(err)
		}
	}
}
