package audit_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"bondy/core/audit"
	"bondy/core/wamp"
)

func events() *rapid.Generator[audit.Event] {
	return rapid.Custom(func(t *rapid.T) audit.Event {
		text := rapid.String()
		e := audit.Event{
			Time:    time.Unix(0, rapid.Int64Range(0, 4e18).Draw(t, "time")).UTC(),
			Kind:    rapid.SampledFrom(audit.Kinds()).Draw(t, "kind"),
			Outcome: rapid.SampledFrom([]audit.Outcome{"", audit.OK, audit.Refused, audit.Failed}).Draw(t, "outcome"),
			Realm:   wamp.URI(text.Draw(t, "realm")), AuthID: text.Draw(t, "authid"), AuthMethod: text.Draw(t, "authmethod"),
			Session: wamp.ID(rapid.Uint64().Draw(t, "session")), Agent: text.Draw(t, "agent"), Action: text.Draw(t, "action"),
			Object: text.Draw(t, "object"), Reason: text.Draw(t, "reason"),
		}
		if rapid.Bool().Draw(t, "remote") {
			e.Remote = netip.AddrPortFrom(netip.MustParseAddr("2001:db8::1"), rapid.Uint16().Draw(t, "port"))
		}
		if changes := rapid.SliceOfN(text, 0, 3).Draw(t, "changes"); len(changes) > 0 {
			e.Changes = changes
		}
		return e
	})
}

// TestRecordIsWhatWasAppended reads lines back, with whatever is in them.
func TestRecordIsWhatWasAppended(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var writer, reader audit.Head
		for range 3 {
			before := writer
			want := audit.Record{Event: events().Draw(t, "event"), Repeated: rapid.Uint64().Draw(t, "repeated"), Lost: rapid.Uint64().Draw(t, "lost"), Beside: before.Text()}
			line := writer.Append(nil, &want)
			got, err := audit.ParseRecord(line)
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			want.Seq, want.Prev, want.Hash = writer.Seq, before.String(), writer.String()
			if !reflect.DeepEqual(*got, want) {
				t.Fatalf("%s\n= %+v\nwant %+v", line, *got, want)
			}
			for _, c := range strings.TrimSuffix(string(line), "\n") {
				if !unicode.IsPrint(c) {
					t.Fatalf("%q has %q", line, c)
				}
			}
			if err := reader.Follow(got); err != nil || reader != writer || got.Head() != writer {
				t.Fatalf("Follow: %v, %v", err, reader)
			}
			if h, err := got.Before(); err != nil || h != before {
				t.Fatalf("Before() = %v, %v", h, err)
			}
		}
	})
}

// TestChangedLineIsNoRecord changes each bit of a line.
func TestChangedLineIsNoRecord(t *testing.T) {
	var h audit.Head
	line := h.Append(nil, &audit.Record{Event: audit.Event{Time: time.Unix(1, 5), Kind: audit.Login, AuthID: "joe", Changes: []string{"a", "b"}}})
	for i := range len(line) - 1 {
		for bit := range 8 {
			changed := append([]byte{}, line...)
			changed[i] ^= 1 << bit
			if r, err := audit.ParseRecord(changed); err == nil {
				t.Errorf("%s = %+v", changed, r)
			}
		}
	}
}

func TestFollowWantsTheNext(t *testing.T) {
	var h audit.Head
	var records []*audit.Record
	for i := range 3 {
		r, err := audit.ParseRecord(h.Append(nil, &audit.Record{Event: audit.Event{Kind: audit.Login, AuthID: fmt.Sprint(i)}}))
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, r)
	}
	var other audit.Head
	stranger, err := audit.ParseRecord(other.Append(nil, &audit.Record{Event: audit.Event{Kind: audit.Logout}}))
	if err != nil {
		t.Fatal(err)
	}
	at := stranger.Head()
	for name, tc := range map[string]struct {
		head audit.Head
		next *audit.Record
	}{
		"the same":       {records[0].Head(), records[0]},
		"the one before": {records[1].Head(), records[0]},
		"one too far":    {records[0].Head(), records[2]},
		"other chain":    {at, records[1]},
	} {
		if err := tc.head.Follow(tc.next); err == nil {
			t.Errorf("%s: followed", name)
		}
	}
}

// TestBoundedFitsALine wants the longest event to fit, whatever it says.
func TestBoundedFitsALine(t *testing.T) {
	long := strings.Repeat("\x01\u202e", 100_000)
	changes := make([]string, 1000)
	for i := range changes {
		changes[i] = long
	}
	e := audit.Event{
		Time: time.Unix(1, 1), Kind: audit.Kind(long), Outcome: audit.Outcome(long), Realm: wamp.URI(long), AuthID: long, AuthMethod: long,
		Session: 1 << 53, Remote: netip.MustParseAddrPort("[fe80::1%eth0]:65535"), Agent: long, Action: long, Object: long, Reason: long, Changes: changes,
	}.Bounded()
	var h audit.Head
	line := h.Append(nil, &audit.Record{Event: e, Repeated: 1 << 60, Lost: 1 << 60})
	if len(line) > audit.MaxLine {
		t.Fatalf("%d bytes", len(line))
	}
	r, err := audit.ParseRecord(line)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(r.AuthID, "...") || r.Changes[len(r.Changes)-1] != "968 more..." {
		t.Errorf("%+v", r)
	}
	short := audit.Event{Kind: audit.Login, AuthID: "joe", Changes: []string{"user joe created"}}
	if got := short.Bounded(); !reflect.DeepEqual(got, short) {
		t.Errorf("%+v became %+v", short, got)
	}
}

// TestRefusalIsShort wants what strangers cause to take little room, whatever they
// call themselves.
func TestRefusalIsShort(t *testing.T) {
	for _, char := range []string{"x", "\u20ac", "\x00", "\xff", "\U0001f512", "\U000e0001", "\\", `"`} {
		long := strings.Repeat(char, 10_000)
		e := audit.Event{
			Time: time.Unix(1, 1), Kind: audit.Refusal, Outcome: audit.Refused, Realm: wamp.URI(long), AuthID: long, AuthMethod: long,
			Remote: netip.MustParseAddrPort("[2001:db8:1111:2222:3333:4444:5555:6666]:65535"), Agent: long,
			Action: string(wamp.ErrAuthenticationDenied), Reason: long,
		}.Bounded()
		var h audit.Head
		line := h.Append(nil, &audit.Record{Event: e, Repeated: 1 << 60, Lost: 1 << 60})
		if len(line) > 1536 || !utf8.Valid(line) {
			t.Errorf("%q: %d bytes", char, len(line))
		}
		r, err := audit.ParseRecord(line)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{string(r.Realm), r.AuthID, r.AuthMethod, r.Agent, r.Reason} {
			if !strings.HasSuffix(text, "...") || len(text) < 9 {
				t.Errorf("%q is not what was cut", text)
			}
		}
	}
	for _, tc := range []struct{ n, want int }{{255, 255}, {256, 256}, {257, 256}, {1000, 256}} {
		if got := (audit.Event{AuthID: strings.Repeat("x", tc.n)}).Bounded().AuthID; len(got) != tc.want || (tc.n > 256) != strings.HasSuffix(got, "...") {
			t.Errorf("%d bytes became %d", tc.n, len(got))
		}
	}
}

// TestCutKeepsCharacters cuts between characters of several bytes.
func TestCutKeepsCharacters(t *testing.T) {
	for n := range 4 {
		e := audit.Event{Reason: strings.Repeat("x", n) + strings.Repeat("\u20ac", 1000)}.Bounded()
		if strings.ToValidUTF8(e.Reason, "?") != e.Reason || !strings.HasSuffix(e.Reason, "\u20ac...") {
			t.Errorf("%q", e.Reason)
		}
	}
}

func TestHeadAsText(t *testing.T) {
	var h audit.Head
	if h.Text() != "" {
		t.Errorf("%q", h.Text())
	}
	h.Append(nil, &audit.Record{})
	if got, err := audit.ParseHead(h.Text()); err != nil || got != h {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"", "1", ":", "1:00", "0" + h.Text(), strings.ToUpper(h.Text()), h.Text() + "00", "-" + h.Text()} {
		if got, err := audit.ParseHead(bad); err == nil {
			t.Errorf("%q = %v", bad, got)
		}
	}
}

func TestRefuse(t *testing.T) {
	denied := wamp.Errorf(wamp.ErrAuthenticationDenied, "go away")
	for name, tc := range map[string]struct {
		err    error
		reason string
	}{
		"alone":        {denied, "go away"},
		"with a cause": {fmt.Errorf("wrong credential: %w", denied), "wrong credential"},
	} {
		if e, ok := audit.Refuse(tc.err); !ok || e.Kind != audit.Refusal || e.Outcome != audit.Refused ||
			e.Action != string(wamp.ErrAuthenticationDenied) || e.Reason != tc.reason {
			t.Errorf("%s: %+v, %v", name, e, ok)
		}
	}
	for _, err := range []error{errors.New("gone"), wamp.Violationf("nonsense")} {
		if e, ok := audit.Refuse(err); ok {
			t.Errorf("%v: %+v", err, e)
		}
	}
}

type recorder []audit.Event

// Record implements audit.Recorder.
func (r *recorder) Record(e audit.Event) { *r = append(*r, e) }

func TestEmit(t *testing.T) {
	audit.Emit(nil, audit.Event{Kind: audit.Login})
	var r recorder
	audit.Emit(&r, audit.Event{Kind: audit.Logout})
	if len(r) != 1 || r[0].Kind != audit.Logout {
		t.Errorf("%+v", r)
	}
}

// disk is a recorder that has one.
type disk struct {
	recorder
	flushed int
}

// Flush is what audit.Flush calls.
func (d *disk) Flush(context.Context) error {
	d.flushed++
	return errors.ErrUnsupported
}

func TestFlush(t *testing.T) {
	var r recorder
	if err := errors.Join(audit.Flush(t.Context(), nil), audit.Flush(t.Context(), &r)); err != nil {
		t.Error(err)
	}
	var d disk
	if err := audit.Flush(t.Context(), &d); !errors.Is(err, errors.ErrUnsupported) || d.flushed != 1 {
		t.Errorf("%v, flushed %d times", err, d.flushed)
	}
}

func TestDropsHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for d := range audit.Drop(audit.NumDrops) {
		if seen[d.String()] || d.String() == "" {
			t.Errorf("%d: %q", d, d)
		}
		seen[d.String()] = true
	}
}

func FuzzParseRecord(f *testing.F) {
	var h audit.Head
	f.Add(h.Append(nil, &audit.Record{Event: audit.Event{Time: time.Unix(1, 0), Kind: audit.Refusal, AuthID: "joe\x1b[2J", Remote: netip.MustParseAddrPort("127.0.0.1:1")}}))
	f.Add(h.Append(nil, &audit.Record{Segment: 2, Oldest: 1}))
	f.Add(h.Append(nil, &audit.Record{Segment: 1, Oldest: 1, Beside: h.Text()}))
	f.Add([]byte(`{"seq":1,"hash":"00"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		_, _ = audit.ParseRecord(body) // most are none
		if h, err := audit.ParseHead(string(body)); err == nil && h.Text() != string(body) {
			t.Errorf("%q = %v", body, h)
		}
		var r audit.Record
		if json.Unmarshal(body, &r) != nil || r.Time.Year() < 0 || r.Time.Year() > 9999 {
			return
		}
		at := audit.Head{Seq: r.Seq}
		line := at.Append(nil, &r)
		got, err := audit.ParseRecord(line)
		if len(line) > audit.MaxLine {
			return
		}
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if again := (&audit.Head{Seq: r.Seq}).Append(nil, got); string(again) != string(line) {
			t.Errorf("%s\nbecame\n%s", line, again)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	r := audit.Record{Event: audit.Event{
		Time: time.Unix(1e9, 123456), Kind: audit.Refusal, Outcome: audit.Refused, Realm: "com.example.realm", AuthID: "joe", AuthMethod: "wampcra",
		Session: 123456789, Remote: netip.MustParseAddrPort("192.0.2.1:12345"), Action: "wamp.error.authentication_denied", Reason: "wrong credential",
	}}
	var h audit.Head
	var line []byte
	b.ReportAllocs()
	for b.Loop() {
		line = h.Append(line[:0], &r)
	}
	b.SetBytes(int64(len(line)))
}
