// Package unit has the text forms of sizes and durations in files and documents.
package unit

import (
	"encoding/json"
	"fmt"
	"time"
)

// Duration is a time.Duration whose text is one such as "1h30m"; none is
// negative.
type Duration time.Duration

// String is the text of time.Duration without what is zero at its end: 1h30m.
func (d Duration) String() string {
	text := time.Duration(d).String()
	for _, zero := range []string{"m0s", "h0m"} {
		if n := len(text) - len(zero); n > 0 && text[n:] == zero {
			text = text[:n+1]
		}
	}
	return text
}

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	n, err := time.ParseDuration(string(text))
	if err != nil || n < 0 {
		return fmt.Errorf(`invalid duration %q: want one such as "500ms", "5s" or "1h30m"`, text)
	}
	*d = Duration(n)
	return nil
}

// UnmarshalJSON reads a size as text, or as a number of bytes.
func (s *Size) UnmarshalJSON(text []byte) error {
	var t string
	if json.Unmarshal(text, &t) == nil {
		return s.UnmarshalText([]byte(t))
	}
	return s.UnmarshalText(append(text, 'B'))
}
