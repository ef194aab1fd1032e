package id_test

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"bondy/core/id"
)

func TestClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // in which time stands still
		a, b := id.NewClock(1), id.NewClock(2)
		last := a.Now()
		if !last.When().Equal(time.Now().Truncate(time.Millisecond)) {
			t.Errorf("a stamp of %s, now is %s", last.When(), time.Now())
		}
		for range 1000 {
			s := a.Now()
			if s.Compare(last) <= 0 {
				t.Fatalf("%v after %v", s, last)
			}
			last = s
		}
		if b.Now().Compare(last) >= 0 {
			t.Error("another clock is ahead though it saw nothing")
		}
		b.Saw(last)
		if s := b.Now(); s.Compare(last) <= 0 {
			t.Errorf("%v after %v was seen", s, last)
		}
		x, y := id.Stamp{Time: 7, Node: 1}, id.Stamp{Time: 7, Node: 2}
		if x.Compare(y) >= 0 || y.Compare(x) <= 0 || x.Compare(x) != 0 {
			t.Error("stamps of one time are not in the order of their nodes")
		}
	})
}

func TestStampBytes(t *testing.T) {
	stamps := []id.Stamp{{}, {Time: 1, Node: 2}, {Time: 255, Node: 1 << 63}, {Time: 256}, {Time: 1 << 63, Node: 1}}
	var last []byte
	for _, s := range stamps {
		b := s.Append(nil)
		if len(b) != id.StampSize || last != nil && bytes.Compare(last, b) >= 0 {
			t.Errorf("%v is % x, after % x", s, b, last)
		}
		if got, err := id.ReadStamp(append(b, 1)); err != nil || got != s {
			t.Errorf("%v comes back as %v, %v", s, got, err)
		}
		if _, err := id.ReadStamp(b[:len(b)-1]); err == nil {
			t.Error("a stamp that is cut short was read")
		}
		last = b
	}
}

func TestIncarnationText(t *testing.T) {
	for _, i := range []id.Incarnation{0, 1, 1 << 63, id.NewIncarnation()} {
		text, _ := i.MarshalText()
		var got id.Incarnation
		if err := got.UnmarshalText(text); err != nil || got != i {
			t.Errorf("%s comes back as %v, %v", text, got, err)
		}
	}
	var i id.Incarnation
	for _, bad := range []string{"", "1", "00000000000000001", "000000000000000g"} {
		if i.UnmarshalText([]byte(bad)) == nil {
			t.Errorf("%q was read", bad)
		}
	}
}
