package unit

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Size is a number of bytes, written as "512B", "64KiB", "16MiB" or "1GiB".
type Size int64

// The units of a Size.
const (
	Byte Size = 1
	KiB       = Byte << 10
	MiB       = KiB << 10
	GiB       = MiB << 10
)

// sizeUnits are the units and their names, the largest first.
func sizeUnits() [4]struct {
	name string
	size Size
} {
	return [...]struct {
		name string
		size Size
	}{{"GiB", GiB}, {"MiB", MiB}, {"KiB", KiB}, {"B", Byte}}
}

// String is the size in its largest unit that leaves no fraction.
func (s Size) String() string {
	for _, u := range sizeUnits() {
		if s >= u.size && s%u.size == 0 {
			return strconv.FormatInt(int64(s/u.size), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10) + "B"
}

// UnmarshalText implements encoding.TextUnmarshaler: a whole number and a
// unit. What an int cannot hold on this machine is refused.
func (s *Size) UnmarshalText(text []byte) error {
	for _, u := range sizeUnits() {
		digits, ok := strings.CutSuffix(string(text), u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(digits, 10, 31)
		size := Size(n) * u.size
		if err != nil || size > math.MaxInt {
			break
		}
		*s = size
		return nil
	}
	return fmt.Errorf(`invalid size %q: want a whole number and a unit, such as "64MiB" (B, KiB, MiB, GiB)`, text)
}

// MarshalText implements encoding.TextMarshaler.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
