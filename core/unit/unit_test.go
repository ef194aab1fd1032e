package unit_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"bondy/core/unit"
)

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 90 * time.Second: "1m30s", time.Hour: "1h", 90 * time.Minute: "1h30m", time.Hour + time.Second: "1h0m1s",
		10 * time.Second: "10s", 10 * time.Minute: "10m", 250 * time.Millisecond: "250ms", 100 * time.Hour: "100h",
	} {
		text := unit.Duration(d).String()
		var back unit.Duration
		if err := back.UnmarshalText([]byte(text)); err != nil || text != want || time.Duration(back) != d {
			t.Errorf("%v is %q and read as %v, %v; want %q", d, text, time.Duration(back), err, want)
		}
	}
	for _, text := range []string{"", "5", "-5s", "5 s"} {
		if new(unit.Duration).UnmarshalText([]byte(text)) == nil {
			t.Errorf("%q is taken for a duration", text)
		}
	}
}

func TestSizeInJSON(t *testing.T) {
	for text, want := range map[string]unit.Size{`"64MiB"`: 64 * unit.MiB, `512`: 512, `0`: 0, `"0B"`: 0} {
		var s unit.Size
		if err := json.Unmarshal([]byte(text), &s); err != nil || s != want {
			t.Errorf("%s is %d, %v; want %d", text, s, err, want)
		}
	}
	for _, text := range []string{`-1`, `1.5`, `"64"`, `"64MB"`, `true`, `{}`} {
		if json.Unmarshal([]byte(text), new(unit.Size)) == nil {
			t.Errorf("%s is taken for a size", text)
		}
	}
}

func Example() {
	fmt.Println(64*unit.MiB, unit.Duration(90*time.Minute))
	// Output: 64MiB 1h30m
}
