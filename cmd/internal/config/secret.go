package config

import (
	"fmt"
	"io"
	"log/slog"
)

// redacted is what a Secret shows.
const redacted = "[redacted]"

// Secret is a string that no formatting, logging or encoding prints.
type Secret struct{ value string }

// NewSecret makes a Secret.
func NewSecret(value string) Secret { return Secret{value} }

// Reveal is the secret itself.
func (s Secret) Reveal() string { return s.value }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Secret) UnmarshalText(text []byte) error {
	s.value = string(text)
	return nil
}

// MarshalText implements encoding.TextMarshaler; it does not reveal s.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Format implements fmt.Formatter for every verb; it does not reveal s.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue implements slog.LogValuer; it does not reveal s.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }
