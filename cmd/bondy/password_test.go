package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestPasswords: a password comes from a stream or a file without the end of
// its line, and what cannot be one is refused before anything is called.
func TestPasswords(t *testing.T) {
	s := newSocket(t)
	for text, want := range map[string]string{
		"a":                              `"a"`,
		"a\r\n":                          `"a"`,
		" \u00e9:; ":                     "\" \u00e9:; \"",
		strings.Repeat("x", 4096) + "\n": `"` + strings.Repeat("x", 4096) + `"`,
		"":                               "is empty",
		"\n":                             "is empty",
		"a\nb\n":                         "more than one line",
		"\xff":                           "is not UTF-8",
		strings.Repeat("x", 4097):        "more than 4096 bytes",
	} {
		path := filepath.Join(t.TempDir(), "p")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"--stdin"}, {"--file", path}} {
			o := s.run(t.Context(), strings.NewReader(text), nil, append([]string{"user", "passwd", "joe"}, args...)...)
			switch {
			case o.failure != nil:
				if !strings.Contains(o.failure.Error(), want) || len(o.calls) > 0 {
					t.Errorf("%.20q is refused with %v, want %.20q", text, o.failure, want)
				}
			case len(o.calls) != 1 || o.calls[0] != `bondy: bondy.user.change_password ["realm1","joe",`+want+`]`:
				t.Errorf("%.20q: called %.100q", text, o.calls)
			}
		}
	}
}

// TestGeneratedPasswords: one is drawn each time, and shown with the result.
func TestGeneratedPasswords(t *testing.T) {
	s := newSocket(t)
	seen := make(map[string]bool)
	for line, answer := range map[string]string{
		"user passwd joe --generate":                     `{}`,
		"user passwd joe --generate --output json":       `{}`,
		"user add joe --generate-password":               `{"args":[{"username":"joe","enabled":true}]}`,
		"user add joe --generate-password --output json": `{"args":[{"username":"joe","enabled":true}]}`,
	} {
		o := s.run(t.Context(), strings.NewReader(""), []string{answer}, strings.Fields(line)...)
		var secret string
		if strings.Contains(line, "json") {
			var shown struct{ Password string }
			if err := json.Unmarshal([]byte(o.out), &shown); err != nil {
				t.Errorf("%s printed %q: %v", line, o.out, err)
			}
			secret = shown.Password
		} else if m := regexp.MustCompile(`(?m)^password +(\S+)$`).FindStringSubmatch(o.out); m != nil {
			secret = m[1]
		}
		if o.failure != nil || len(secret) < 20 || seen[secret] || len(o.calls) != 1 || !strings.Contains(o.calls[0], `"`+secret+`"`) {
			t.Errorf("%s called %q and printed, with %v,\n%s", line, o.calls, o.failure, o.out)
		}
		seen[secret] = true
	}
	o := s.run(t.Context(), nil, []string{`{"error":"bondy.error.already_exists","message":"there is a user joe"}`}, "user", "add", "joe", "--generate-password")
	if o.failure == nil || o.out != "" {
		t.Errorf("a password that was not taken is shown: %q, %v", o.out, o.failure)
	}
}
