package auth_test

import (
	"bytes"
	"testing"

	"bondy/core/auth"
)

func TestExplicitVerifierIsGoodAnywhere(t *testing.T) {
	here, there := bytes.Repeat([]byte{1}, auth.KeySize), bytes.Repeat([]byte{2}, auth.KeySize)
	v, err := auth.NewVerifier(here, "joe", "s3cret")
	if err != nil {
		t.Fatal(err)
	}
	if !auth.Opens(here, "joe", v, nil, "s3cret") || auth.Opens(there, "joe", v, nil, "s3cret") || auth.Opens(here, "ann", v, nil, "s3cret") {
		t.Error("a verifier is not good for its user and realm alone")
	}
	explicit, err := auth.ExplicitVerifier(here, "joe", v)
	if err != nil {
		t.Fatal(err)
	}
	if !auth.Opens(there, "ann", explicit, nil, "s3cret") || auth.Opens(there, "ann", explicit, nil, "wrong") {
		t.Error("an explicit verifier depends on where it is, or takes any password")
	}
	if again, err := auth.ExplicitVerifier(there, "ann", explicit); err != nil || !bytes.Equal(again, explicit) {
		t.Errorf("made explicit again it is %s, %v", again, err)
	}
	if _, err := auth.ExplicitVerifier(here, "joe", []byte("pbkdf2$1:x$y")); err == nil {
		t.Error("no error of what is no verifier")
	}
}

func TestOpensCredential(t *testing.T) {
	c, err := auth.NewCredential("s3cret", auth.KDFArgon2id)
	if err != nil {
		t.Fatal(err)
	}
	if !auth.Opens(nil, "joe", nil, c, "s3cret") || auth.Opens(nil, "joe", nil, c, "wrong") || auth.Opens(nil, "joe", nil, nil, "") {
		t.Error("a credential does not open for its password alone")
	}
}
