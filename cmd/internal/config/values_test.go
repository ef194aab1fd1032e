package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"bondy/cmd/internal/config"
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
