package core_test

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"testing"
	"time"

	"bondy/core/wamp"
)

const (
	// scramNonce is a client's part of the nonce of wamp-scram.
	scramNonce = "egVDf3DMJh0egVDf3DMJ"
	// issuerSecret is what an issuer of tokens shares with the router.
	issuerSecret = "0123456789abcdef0123456789abcdef"
)

// prove answers joe's challenge of wamp-scram.
func prove(t *testing.T, c *wamp.Challenge) string {
	t.Helper()
	salt, _ := c.Extra["salt"].(string)
	iterations, _ := c.Extra["iterations"].(int64)
	raw, err := base64.StdEncoding.DecodeString(salt)
	if err != nil {
		t.Fatal(err)
	}
	root, err := pbkdf2.Key(sha256.New, "s3cret", raw, int(iterations), sha256.Size)
	if err != nil {
		t.Fatal(err)
	}
	proof := keyed(root, "Client Key")
	stored := sha256.Sum256(proof)
	message := fmt.Sprintf("n=joe,r=%s,r=%s,s=%s,i=%d,c=%s,r=%[2]s",
		scramNonce, c.Extra["nonce"], salt, iterations, base64.StdEncoding.EncodeToString([]byte("n,,")))
	for i, b := range keyed(stored[:], message) {
		proof[i] ^= b
	}
	return base64.StdEncoding.EncodeToString(proof)
}

// bearer is a token of somebody who is no user of the realm.
func bearer() string { return bearerOf("id") }

func bearerOf(issuer string) string {
	b64 := base64.RawURLEncoding.EncodeToString
	claims := fmt.Sprintf(`{"iss":%q,"aud":"bondy","sub":"visitor","exp":%d}`, issuer, time.Now().Add(time.Hour).Unix())
	text := b64([]byte(`{"alg":"HS256"}`)) + "." + b64([]byte(claims))
	return text + "." + b64(keyed([]byte(issuerSecret), text))
}

func keyed(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}
