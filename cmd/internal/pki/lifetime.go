package pki

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// lifetime is a flag: whole days as "30d", or what time.ParseDuration takes.
type lifetime time.Duration

// maxDays keeps a lifetime within what a time.Duration holds.
const maxDays = 36500

// MarshalText implements encoding.TextMarshaler, for the help of a flag: the
// zero lifetime is nothing to show.
func (l lifetime) MarshalText() ([]byte, error) {
	switch d := time.Duration(l); {
	case d == 0:
		return nil, nil
	case d%day == 0:
		return []byte(strconv.FormatInt(int64(d/day), 10) + "d"), nil
	default:
		return []byte(d.String()), nil
	}
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *lifetime) UnmarshalText(text []byte) error {
	var d time.Duration
	digits, days := strings.CutSuffix(string(text), "d")
	n, err := strconv.ParseUint(digits, 10, 32)
	switch {
	case days && err == nil && n <= maxDays:
		d = time.Duration(n) * day
	case !days:
		d, err = time.ParseDuration(digits)
	default:
		err = strconv.ErrRange
	}
	if err != nil || d < time.Second {
		return fmt.Errorf(`want a time of at least a second, such as "30d" or "12h", not %q`, text)
	}
	*l = lifetime(d)
	return nil
}
