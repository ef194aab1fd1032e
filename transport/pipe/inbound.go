package pipe

// inbound is the read buffer of a connection. It has memory only while it
// holds bytes or a read is under way. One goroutine uses it.
type inbound struct {
	shared *Shared
	buf    []byte // nil while idle
	r, w   int    // buf[r:w] was read and not consumed
	want   int    // the size of buffer that the peer fills
}

// maxWant bounds what is read at a time when no longer message is known to come.
const maxWant = 4 * largeSize

// minSpace is how many bytes a read must have room for.
const minSpace = 1 << 10

func (b *inbound) len() int { return b.w - b.r }

func (b *inbound) bytes() []byte { return b.buf[b.r:b.w] }

// space returns room to read into, behind what is buffered. need is the size
// of the frame that is being read, if known: the buffer doubles on its way
// there, so that memory follows what was received and not what was announced.
func (b *inbound) space(need int) []byte {
	if b.r == b.w {
		n := max(b.want, smallSize)
		if len(b.buf) < n {
			b.drop()
			b.buf = b.shared.get(n)
		}
		b.r, b.w = 0, 0
		return b.buf
	}
	room := len(b.buf) - b.w
	switch {
	case room >= minSpace, room > 0 && room >= need-b.len() && b.len() > len(b.buf)/2:
		// No need to move anything.
	case b.r >= minSpace && len(b.buf) >= b.want:
		b.w = copy(b.buf, b.bytes())
		b.r = 0
	default:
		b.grow(need)
	}
	return b.buf[b.w:]
}

func (b *inbound) grow(need int) {
	n := max(2*len(b.buf), largeSize)
	if need > b.len() {
		n = min(n, max(need, b.len()+minSpace))
	}
	next := b.shared.get(n)
	b.w = copy(next, b.bytes())
	b.r = 0
	b.shared.put(b.buf)
	b.buf = next
}

// filled records that n bytes were read into what space returned.
func (b *inbound) filled(n int) {
	switch {
	case n == len(b.buf)-b.w:
		b.want = min(max(2*len(b.buf), largeSize), maxWant)
	case n < b.want/8:
		b.want /= 2
	}
	b.w += n
}

// take moves buffered bytes to dst.
func (b *inbound) take(dst []byte) int {
	n := copy(dst, b.bytes())
	b.r += n
	return n
}

// put appends bytes that were read elsewhere.
func (b *inbound) put(p []byte) {
	for len(p) > 0 {
		n := copy(b.space(0), p)
		b.w += n
		p = p[n:]
	}
}

// release gives the memory back if nothing is buffered.
func (b *inbound) release() {
	if b.buf != nil && b.r == b.w {
		b.drop()
	}
}

// drop gives the memory back and forgets what is buffered.
func (b *inbound) drop() {
	if b.buf != nil {
		b.shared.put(b.buf)
	}
	b.buf, b.r, b.w = nil, 0, 0
}
