package auth_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"bondy/core/auth"
)

// foreign is a password object of the predecessor's.
func foreign(protocol, data string) string {
	return fmt.Sprintf(`{"type":"password","version":"1.2","protocol":%q,"params":{"kdf":"pbkdf2","iterations":4096,`+
		`"hash_function":"sha256","hash_length":32,"salt_length":16},"data":{%s}}`, protocol, data)
}

func foreignCRA(t testing.TB) string {
	t.Helper()
	salt := "c2FsdHNhbHRzYWx0c2FsdA==" // the text is the salt, not what it decodes to
	key := salted(t, auth.KDFPBKDF2, "old s3cret", []byte(salt), 4096, 0)
	return foreign("cra", fmt.Sprintf(`"salt":%q,"salted_password":%q`, salt, base64.StdEncoding.EncodeToString(key)))
}

func foreignSCRAM(t testing.TB, keys bool) string {
	t.Helper()
	b64 := base64.StdEncoding.EncodeToString
	c := cheap(t, "old s3cret", auth.KDFPBKDF2)
	data := fmt.Sprintf(`"salt":%q,"stored_key":%q,"server_key":%q`, b64(c.Salt), b64(c.StoredKey), b64(c.ServerKey))
	if !keys {
		data = fmt.Sprintf(`"salt":%q,"salted_password":%q`, b64(c.Salt), b64(salted(t, auth.KDFPBKDF2, "old s3cret", c.Salt, 4096, 0)))
	}
	return foreign("scram", data)
}

// Users of the predecessor log in as before.
func TestImportPassword(t *testing.T) {
	for text, methods := range map[string]string{
		foreignCRA(t):          "wampcra wamp-scram password ticket",
		foreignSCRAM(t, true):  "wamp-scram password ticket",
		foreignSCRAM(t, false): "wamp-scram password ticket",
	} {
		verifier, credential, err := auth.ImportPassword([]byte(text))
		if err != nil || (verifier != nil) == (credential != nil) {
			t.Fatalf("%s: %v, %v, %v", text, verifier, credential, err)
		}
		a := newAuth(t, auth.Config{
			Methods: strings.Fields("wampcra wamp-scram password ticket"),
			Users:   []auth.User{{Name: "old", Verifier: verifier, Credential: credential}},
		})
		for method := range strings.FieldsSeq("wampcra wamp-scram password ticket") {
			for _, secret := range []string{"old s3cret", "wrong"} {
				req := scramRequest("old")
				req.Methods = []string{method}
				x := begin(t, a, req)
				signature, extra := secret, map[string]any(nil)
				switch method {
				case "wampcra":
					signature = sign(t, secret, x.Challenge)
				case "wamp-scram":
					signature, extra, _ = scramAnswer(t, "old", secret, x.Challenge, "", nil)
				}
				_, err := x.Finish(t.Context(), signature, extra)
				if want := secret != "wrong" && strings.Contains(methods, method); (err == nil) != want {
					t.Errorf("%s by %s with %s: %v", text, method, secret, err)
				}
			}
		}
	}
}

func TestImportPasswordRefuses(t *testing.T) {
	good := foreignCRA(t)
	for want, text := range map[string]string{
		"":                          "{",
		"version":                   strings.Replace(good, `"1.2"`, `"1.1"`, 1),
		"type":                      strings.Replace(good, `"password"`, `"user"`, 1),
		"protocol":                  strings.Replace(good, `"cra"`, `"md5"`, 1),
		"params.kdf":                strings.Replace(good, "pbkdf2", "argon2id13", 1),
		"params.hash_function":      strings.Replace(good, "sha256", "sha512", 1),
		"params.hash_length":        strings.Replace(good, `"hash_length":32`, `"hash_length":64`, 1),
		"data.salted_password":      strings.Replace(good, `"salted_password":"`, `"salted_password":"!`, 1),
		"1 iterations":              strings.Replace(good, "4096", "1", 1),
		"the key is not":            strings.Replace(good, `"salted_password":"`, `"salted_password":"AAAA","x":"`, 1),
		"keys of 0 and 0":           foreign("scram", `"salt":"c2FsdHNhbHRzYWx0c2FsdA=="`),
		"a salt of 0":               foreign("scram", ""),
		"data.stored_key":           foreign("scram", `"salt":"c2FsdHNhbHRzYWx0c2FsdA==","stored_key":"x"`),
		"object of more than 4096 ": good + strings.Repeat(" ", 4096),
	} {
		if v, c, err := auth.ImportPassword([]byte(text)); err == nil || v != nil || c != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func FuzzImportPassword(f *testing.F) {
	f.Add([]byte(foreignCRA(f)))
	f.Add([]byte(foreignSCRAM(f, true)))
	f.Add([]byte(foreignSCRAM(f, false)))
	f.Fuzz(func(t *testing.T, text []byte) {
		verifier, credential, err := auth.ImportPassword(text)
		if err != nil {
			return
		}
		cfg := auth.Config{Users: []auth.User{{Name: "u", Verifier: verifier, Credential: credential}}}
		if err := cfg.Validate(); err != nil || (verifier == nil) == (credential == nil) {
			t.Fatalf("%q: %v", text, err)
		}
	})
}
