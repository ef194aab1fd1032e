package wire_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"bondy/uplink/wire"
)

func TestFramesComeBack(t *testing.T) {
	var buffers wire.Buffers
	rapid.Check(t, func(t *rapid.T) {
		sizes := rapid.SliceOf(rapid.OneOf(rapid.IntRange(0, 600), rapid.IntRange(0, 100_000))).Draw(t, "sizes")
		var stream []byte
		for i, size := range sizes {
			stream = wire.Append(stream, uint8(i), bytes.Repeat([]byte{byte(i)}, size))
		}
		src := io.Reader(bytes.NewReader(stream))
		switch rapid.IntRange(0, 2).Draw(t, "reads") {
		case 0:
			src = iotest.HalfReader(src)
		case 1:
			src = iotest.DataErrReader(src)
		}
		r := wire.NewReader(src, 100_000, &buffers)
		defer r.Close()
		for i, size := range sizes {
			kind, body, err := r.Next()
			if err != nil || kind != uint8(i) || !bytes.Equal(body, bytes.Repeat([]byte{byte(i)}, size)) {
				t.Fatalf("frame %d of %d bytes: kind %d, %d bytes, %v", i, size, kind, len(body), err)
			}
		}
		if _, _, err := r.Next(); !errors.Is(err, io.EOF) {
			t.Fatalf("at the end: %v", err)
		}
	})
}

func TestReaderErrors(t *testing.T) {
	for name, c := range map[string]struct {
		stream []byte
		want   error
	}{
		"end":            {nil, io.EOF},
		"end in a head":  {[]byte{1}, io.ErrUnexpectedEOF},
		"end in a body":  {[]byte{1, 5, 1, 2}, io.ErrUnexpectedEOF},
		"longer":         {[]byte{1, 101}, wire.ErrTooLong},
		"huge":           {[]byte{1, 0xff, 0xff, 0xff, 0xff, 0x0f}, wire.ErrTooLong},
		"endless varint": {[]byte{1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, wire.ErrMalformed},
	} {
		r := wire.NewReader(bytes.NewReader(c.stream), 100, new(wire.Buffers))
		if _, _, err := r.Next(); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// A frame gets memory as it arrives, not as its header promises.
func TestReaderMemory(t *testing.T) {
	stream := append([]byte{1, 0xff, 0xff, 0xff, 0x07}, make([]byte, 10)...)
	got := testing.AllocsPerRun(1, func() {
		r := wire.NewReader(bytes.NewReader(stream), 16<<20, new(wire.Buffers))
		if _, _, err := r.Next(); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("Next: %v", err)
		}
	})
	if got > 5 {
		t.Errorf("%v allocations", got)
	}
}

func TestHello(t *testing.T) {
	h := wire.Hello{
		MinVersion: 1, Version: 3, Features: 5, Lanes: 8, MaxFrame: 16 << 20,
		Incarnation: 1 << 63, Serial: 9, Node: "node",
	}
	_, body, _, err := wire.Next(h.Append(nil), wire.MaxHello)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := wire.ParseHello(append(body, "later"...)); err != nil || got != h {
		t.Errorf("got %+v, %v, want %+v", got, err, h)
	}
	for n := range len(body) {
		if _, err := wire.ParseHello(body[:n]); !errors.Is(err, wire.ErrMalformed) {
			t.Errorf("the first %d bytes: %v", n, err)
		}
	}
	for what, bad := range map[string]func(*wire.Hello){
		"lanes":      func(h *wire.Hello) { h.Lanes = 65 },
		"frames":     func(h *wire.Hello) { h.MaxFrame = 0 },
		"node name":  func(h *wire.Hello) { h.Node = strings.Repeat("x", 256) },
		"node name ": func(h *wire.Hello) { h.Node = "\xff" },
	} {
		h := h
		bad(&h)
		_, body, _, _ := wire.Next(h.Append(nil), wire.MaxHello)
		if _, err := wire.ParseHello(body); !errors.Is(err, wire.ErrMalformed) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestCompatible(t *testing.T) {
	ours := wire.Hello{MinVersion: 2, Version: 4}
	for _, c := range []struct {
		low, high uint64
		want      string
	}{{2, 4, ""}, {1, 2, ""}, {4, 9, ""}, {1, 1, "too old"}, {5, 9, "too new"}} {
		err := ours.Compatible(wire.Hello{MinVersion: c.low, Version: c.high})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%d to %d: %v, want %q", c.low, c.high, err, c.want)
		}
	}
}

func key(tb testing.TB, fill byte) wire.ProbeKey {
	tb.Helper()
	k, err := wire.NewProbeKey(bytes.Repeat([]byte{fill}, wire.ProbeKeySize))
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

func TestProbe(t *testing.T) {
	mine, other := key(t, 1), key(t, 2)
	request := mine.Probe(wire.ProbeRequest, 7)
	if p, err := wire.ParseProbe(request[:]); err != nil || p.ID() != mine.ID() || p.Nonce() != 7 || !mine.Genuine(p) || other.Genuine(p) {
		t.Errorf("request: %v, %v", p, err)
	}
	if request[0]&0xc0 != 0 {
		t.Error("looks like QUIC")
	}
	for name, c := range map[string]struct {
		p    wire.Probe
		want bool
	}{
		"answer":          {mine.Probe(wire.ProbeAnswer, 7), true},
		"echo":            {request.Unknown(), true},
		"request":         {request, false},
		"of another":      {other.Probe(wire.ProbeAnswer, 7), false},
		"echo of another": {other.Probe(wire.ProbeRequest, 7).Unknown(), false},
	} {
		if got := mine.Answers(c.p); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	if _, err := wire.NewProbeKey(nil); err == nil {
		t.Error("a key of nothing")
	}
}

func FuzzReader(f *testing.F) {
	f.Add(wire.Append(wire.Append(nil, 1, []byte("body")), 200, nil), uint16(3))
	f.Add([]byte{1, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, uint16(1))
	f.Fuzz(func(t *testing.T, stream []byte, chunk uint16) {
		r := wire.NewReader(&chunks{stream, int(chunk)%600 + 1}, 1<<20, new(wire.Buffers))
		defer r.Close()
		rest := stream
		for {
			kind, body, err := r.Next()
			k, b, n, wireErr := wire.Next(rest, 1<<20)
			switch {
			case err == nil && (n == 0 || k != kind || !bytes.Equal(b, body)):
				t.Fatalf("Reader has frame %d %x, Next %d %x, %v", kind, body, k, b, wireErr)
			case err != nil && n > 0:
				t.Fatalf("Reader: %v, Next has a frame of %d bytes", err, n)
			case err != nil:
				return
			}
			again, _, _, err := wire.Next(wire.Append(nil, kind, body), 1<<20)
			if err != nil || again != kind {
				t.Fatalf("frame does not come back: %v", err)
			}
			rest = rest[n:]
		}
	})
}

// chunks reads so many bytes at a time.
type chunks struct {
	rest []byte
	size int
}

func (c *chunks) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), c.size)], c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

func FuzzHello(f *testing.F) {
	_, body, _, _ := wire.Next(wire.Hello{Version: 1, Lanes: 8, MaxFrame: 1, Node: "x"}.Append(nil), wire.MaxHello)
	f.Add(body)
	f.Fuzz(func(t *testing.T, body []byte) {
		h, err := wire.ParseHello(body)
		if err != nil {
			return
		}
		_, again, _, err := wire.Next(h.Append(nil), wire.MaxHello)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := wire.ParseHello(again); err != nil || got != h {
			t.Fatalf("got %+v, %v, want %+v", got, err, h)
		}
	})
}

func FuzzProbe(f *testing.F) {
	k := key(f, 1)
	p := k.Probe(wire.ProbeRequest, 1)
	f.Add(p[:])
	f.Fuzz(func(t *testing.T, packet []byte) {
		p, err := wire.ParseProbe(packet)
		if err == nil && !bytes.Equal(p[:], packet) {
			t.Fatalf("%x became %x", packet, p)
		}
		if err == nil && k.Answers(p) && p.Kind() == wire.ProbeRequest {
			t.Fatal("a request is no answer")
		}
	})
}
