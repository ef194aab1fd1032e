package codec

import "bondy/core/wamp"

// quick reads a message of the hot path whose head has the form that encoders
// give it. For any other, and for all that is wrong, it returns nil: message
// then starts again from the first byte.
func (d *Decoder) quick() wamp.Message {
	r := &d.r
	if r.forms == nil || len(r.b) == 0 || r.maxDepth < 2 {
		return nil
	}
	var s scan
	s.b, s.forms, s.json = r.b, r.forms, r.serializer == wamp.JSON
	size, code, i := s.open()
	m := d.hot.message(code)
	var e slots
	e.of(m)
	if e.payload == nil {
		return nil
	}
	var n uint64
	head := 3 // type, id, dict
	if e.request != nil {
		head++
		n, i = s.uint(i)
		if *e.request = requestType(n); *e.request == 0 {
			return nil
		}
	}
	n, i = s.uint(i)
	if *e.first = wamp.ID(n); !e.first.Valid() {
		return nil
	}
	if e.second != nil {
		head++
		n, i = s.uint(i)
		if *e.second = wamp.ID(n); !e.second.Valid() {
			return nil
		}
	}
	r.depth = 1
	*e.dict, i = d.quickDict(&s, i)
	if e.uri != nil {
		head++
		var text []byte
		var valid bool
		text, i = s.text(i)
		if *e.uri, valid = d.hot.uris.intern(text); !valid {
			return nil
		}
	}
	r.i, r.left = i, r.left-1-head
	if i == 0 || r.left < 0 || !s.json && size < head || !d.quickPayload(&s, e.payload, size-head) {
		return nil
	}
	return m
}

// quickDict returns the dict at i and the index behind it.
func (d *Decoder) quickDict(s *scan, i int) (wamp.Dict, int) {
	if end := s.emptyDict(i); end > 0 {
		return nil, end
	}
	if d.r.i = s.next(i); d.r.i == 0 {
		return nil, 0
	}
	d.r.left++ // the caller counts the dict
	dict := d.openDict()
	if d.r.err != nil {
		return nil, 0
	}
	return dict, d.r.i
}

// quickPayload reads what stands behind the head: size elements, except in JSON
// where the brackets say it.
func (d *Decoder) quickPayload(s *scan, p *wamp.Payload, size int) bool {
	r := &d.r
	*p = wamp.Payload{Serializer: r.serializer}
	d.hot.payload = p
	if s.follows(r.i, &size) {
		if p.Args = d.part(s, classList); p.Args == nil {
			return false
		}
		if s.follows(r.i, &size) {
			if p.Kwargs = d.part(s, classDict); p.Kwargs == nil {
				return false
			}
		}
	}
	return s.close(r.i, size)
}

// part checks and returns a list or dict, nil if it is something else.
func (d *Decoder) part(s *scan, c class) []byte {
	r := &d.r
	start := s.next(r.i)
	if start == len(s.b) || s.forms[s.b[start]].class != c {
		return nil
	}
	r.i = start
	if r.skip(); r.err != nil {
		return nil
	}
	return s.b[start:r.i:r.i]
}

// scan finds the elements of a message. Its methods take the index behind one
// element and return that behind the next, or 0 if that is anything else than
// expected; they may be given that 0, where nothing but the list itself stands.
type scan struct {
	b     []byte
	forms *forms
	json  bool
}

// open finds the list, its size if it is told, and the type.
func (s *scan) open() (size int, code uint64, end int) {
	f := s.forms[s.b[0]]
	switch {
	case f.class != classList || int(f.n) >= len(s.b):
		return 0, 0, 0
	case s.json:
		code, end = uintJSON(s.b, 1)
		return 0, code, end
	case f.width > 0:
		return 0, 0, 0
	}
	code, end = s.uint(1)
	return int(f.n), code, end
}

// next finds the start of an element.
func (s *scan) next(i int) int {
	switch {
	case !s.json:
		return i
	case i == len(s.b) || s.b[i] != ',':
		return 0
	}
	return spaceJSON(s.b, i+1)
}

// uint finds an integer that is not negative.
func (s *scan) uint(i int) (n uint64, end int) {
	if s.json {
		return uintJSON(s.b, s.next(i))
	}
	if i == len(s.b) {
		return 0, 0
	}
	f := s.forms[s.b[i]]
	end = i + 1 + int(f.width)
	switch {
	case f.class != classUint || end > len(s.b):
		return 0, 0
	case f.width == 0:
		return uint64(f.n), end
	default:
		return bigEndian(s.b[i+1 : end]), end
	}
}

// emptyDict finds a dict without pairs.
func (s *scan) emptyDict(i int) (end int) {
	if i = s.next(i); i == len(s.b) {
		return 0
	}
	f := s.forms[s.b[i]]
	switch {
	case f.class != classDict:
		return 0
	case !s.json:
		if f.n|f.width == 0 {
			return i + 1
		}
	case i+1 < len(s.b) && s.b[i+1] == '}':
		return i + 2
	}
	return 0
}

// text finds a string that stands as it is; that it is UTF-8 is not checked.
func (s *scan) text(i int) (text []byte, end int) {
	if i = s.next(i); i == len(s.b) {
		return nil, 0
	}
	f := s.forms[s.b[i]]
	start := i + 1 + int(f.width)
	switch {
	case f.class != classText || start > len(s.b):
		return nil, 0
	case s.json:
		end, _ = plain(s.b, start)
		if end == len(s.b) || s.b[end] != '"' {
			return nil, 0
		}
		return s.b[start:end], end + 1
	}
	n := uint64(f.n)
	if f.width > 0 {
		n = bigEndian(s.b[i+1 : start])
	}
	if n > uint64(len(s.b)-start) { //nolint:gosec // never negative
		return nil, 0
	}
	end = start + int(n) //nolint:gosec // not above the length of a slice
	return s.b[start:end], end
}

// follows reports whether an element of the payload follows, and takes it off
// what is left of the message's size.
func (s *scan) follows(i int, size *int) bool {
	if s.json {
		return i < len(s.b) && s.b[i] == ','
	}
	*size--
	return *size >= 0
}

// close reports whether the message ends at i.
func (s *scan) close(i, size int) bool {
	if s.json {
		return i+1 == len(s.b) && s.b[i] == ']'
	}
	return i == len(s.b) && size <= 0
}

// uintJSON finds an integer of at most as many digits as an id has, and not 0.
func uintJSON(b []byte, i int) (n uint64, end int) {
	const most = 16
	b = b[:min(len(b), i+most+1)]
	for end = i; end < len(b) && isDigit(b[end]); end++ {
		n = n*10 + uint64(b[end]-'0')
	}
	if end == len(b) || end == i || b[i] == '0' {
		return 0, 0
	}
	switch b[end] {
	case ',', ']':
		return n, end
	default:
		return 0, 0
	}
}
