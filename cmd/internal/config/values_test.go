package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"bondy/cmd/internal/config"
	"bondy/core/wamp"
)

func TestSecretNeverPrints(t *testing.T) {
	user := config.User{Username: "joe", Password: config.NewSecret("s3cret")}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T"} {
		fmt.Fprintf(&out, verb+" "+verb+"\n", user, user.Password)
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", slog.Any("a", user), slog.Any("b", user.Password))
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", slog.Any("a", user), slog.Any("b", user.Password))
	if err := json.NewEncoder(&out).Encode(user); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); strings.Contains(text, "s3cret") || strings.Contains(text, "733363726574") {
		t.Errorf("the secret shows:\n%s", text)
	}
	if got := user.Password.Reveal(); got != "s3cret" {
		t.Errorf("Reveal = %q", got)
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]config.Size{
		"0B": 0, "512B": 512, "1KiB": 1 << 10, "1536B": 1536, "16MiB": 16 << 20, "3GiB": 3 << 30,
	} {
		var got config.Size
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%s = %d, %v, want %d", text, got, err, want)
		}
		if got.String() != text {
			t.Errorf("String of %s = %s", text, got)
		}
	}
	for _, text := range []string{"", "1", "KiB", "-1B", "+1B", "1.5MiB", "1 MiB", "1kib", "1TiB", "9223372036854775807KiB"} {
		var got config.Size
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q = %d, want an error", text, got)
		}
	}
}

// A realm has the bounds of all realms where it has none of its own.
func TestLimitsOfRealms(t *testing.T) {
	cfg, err := config.Parse([]byte(`
[limits]
max_rows_per_realm = 10
[[limits.realm]]
uri = "a"
max_rows = 0
[[limits.realm]]
uri = "b"
max_bytes = "1GiB"
[[limits.realm]]
uri = "com.leapsight.bondy"
max_rows = 5
`), "bondy.toml")
	if err != nil {
		t.Fatal(err)
	}
	for uri, want := range map[wamp.URI]struct {
		rows  int
		bytes config.Size
	}{"a": {0, 512 * config.MiB}, "b": {10, 1024 * config.MiB}, "c": {10, 512 * config.MiB}, "bondy": {5, 512 * config.MiB}} {
		if rows, bytes := cfg.Limits.Realm(uri); rows != want.rows || bytes != want.bytes {
			t.Errorf("%s: %d rows, %d bytes, want %+v", uri, rows, bytes, want)
		}
	}
}
