package auth_test

import (
	"fmt"
	"testing"

	"bondy/core/auth"
)

// BenchmarkNew is the start of a realm with 100,000 users.
func BenchmarkNew(b *testing.B) {
	verifier, err := auth.NewVerifier(make([]byte, auth.KeySize), "x", "s3cret")
	if err != nil {
		b.Fatal(err)
	}
	cfg := auth.Config{Methods: []string{auth.MethodSCRAM}}
	for i := range 100_000 {
		cfg.Users = append(cfg.Users, auth.User{Name: fmt.Sprint("user", i), Verifier: verifier, Groups: []string{"user"}})
	}
	b.ReportAllocs()
	for b.Loop() {
		newAuth(b, cfg)
	}
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
