package auth

import (
	"fmt"
	"io"
	"log/slog"
)

// Secret is a password. It prints, logs and marshals as asterisks; only the
// conversion to string gives it away.
type Secret string

const redacted = "***"

// Format implements fmt.Formatter for every verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue implements slog.LogValuer.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText implements encoding.TextMarshaler.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
