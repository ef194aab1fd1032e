package codec

import "bondy/core/wamp"

// skip checks one value and moves behind it. Loops that know the usual forms do
// it; what they do not know, and all that is wrong, they leave to the general
// functions. Recursion ends at the reader's depth.
func (r *reader) skip() {
	switch {
	case r.forms == nil || r.err != nil:
		r.skipRest(r.next())
	case r.serializer == wamp.JSON:
		r.skipJSON()
	default:
		r.skipBinary()
	}
}

// skipRest moves behind the value whose head is t.
func (r *reader) skipRest(t token) {
	if t.kind != kindList && t.kind != kindDict {
		return
	}
	for g := r.open(t); r.more(&g); {
		if g.dict {
			r.key()
		}
		r.skip()
	}
}

// pending says what is still to come of a list or dict of known size: twice the
// number of values and keys, and 1 more for a dict.
type pending uint64

func pendingOf(n uint64, dict bool) pending {
	if dict {
		return pending(4*n | 1)
	}
	return pending(2 * n)
}

// done reports whether nothing is to come.
func (p pending) done() bool { return p < 2 }

// several reports whether it is a list of which more than one member is to come.
func (p pending) several() bool { return p&1 == 0 && p > 2 }

// key reports whether a key comes next.
func (p pending) key() bool { return p&3 == 1 }

// skipBinary is skip for MessagePack and CBOR.
func (r *reader) skipBinary() {
	const nesting = 8 // what is deeper gets a loop of its own
	var outer [nesting]pending
	open, now := 0, pendingOf(1, false)
	b, i, left, forms, depth := r.b, r.i, r.left, r.forms, r.depth
	for {
		for now.done() {
			if open == 0 {
				r.i, r.left, r.depth = i, left, depth
				return
			}
			open--
			now = outer[open&(nesting-1)]
		}
		if i < len(b) && left > 0 {
			f := forms[b[i]]
			next, n := i+1, uint64(b[i]&0x1f) // f.n of a string, and sooner known
			if f.width > 0 {
				if next += int(f.width); next > len(b) {
					f.class = classOther
				} else if f.class > classFixed {
					n = bigEndian(b[i+1 : next])
				}
			}
			rest := uint64(len(b) - next) //nolint:gosec // negative only for classOther
			switch f.class {
			case classText:
				if n <= 8 && rest >= 8 && word(b[next:])<<(64-8*n)&highs == 0 ||
					n <= rest && validText(b[next:next+int(n)]) {
					i, left, now = next+int(n), left-1, now-2
					continue
				}
			case classUint, classFixed:
				if !now.key() {
					i, left, now = next, left-1, now-2
					continue
				}
			case classBinary:
				if n <= rest && !now.key() {
					i, left, now = next+int(n), left-1, now-2
					continue
				}
			case classList, classDict:
				if f.width == 0 {
					n = uint64(f.n)
				}
				p := pendingOf(n, f.class == classDict)
				if now.key() || n > rest || uint64(p/2) > rest || open == nesting || depth+open == r.maxDepth ||
					now.several() && rest > leastAlike && r.patience > 0 {
					break
				}
				outer[open&(nesting-1)], now = now-2, p
				i, left, open = next, left-1, open+1
				continue
			default:
			}
		}
		r.i, r.left, r.depth = i, left, depth+open
		switch {
		case now.key():
			r.key()
		case now.several() && r.alike(i):
			now = pendingOf(r.skipAlike(uint64(now/2))+1, false)
		default:
			r.skipRest(r.next())
		}
		if r.err != nil {
			return
		}
		i, left, now = r.i, r.left, now-2
	}
}

// skipAlike is for lists which so many bytes of the input stand behind, and
// which do not nest deeper, because it recurses.
const (
	leastAlike   = 128
	deepestAlike = 8
)

// skipAlike moves behind members of a list: the one at r.i, which is a list or
// dict, and those that follow, up to the first which is neither. Of the n that
// the list has it returns how many are left. It looks for the same shape in
// them, as long as that pays.
func (r *reader) skipAlike(n uint64) uint64 {
	next := r.i
	for first := true; ; first = false {
		from, left := r.i, r.left
		r.i = next
		if r.skip(); r.err != nil {
			return n
		}
		n--
		if !first { // in JSON there was no comma before that
			n -= r.skipSame(from, left-r.left, n)
		}
		if next = r.nextAlike(); n == 0 || !r.alike(next) {
			return n
		}
	}
}

// alike reports whether skipAlike is for the value at i.
func (r *reader) alike(i int) bool {
	if len(r.b)-i <= leastAlike || r.depth > deepestAlike || r.patience <= 0 {
		return false
	}
	c := r.forms[r.b[i]].class
	return c == classList || c == classDict
}

// nextAlike returns the index of the next member of a list, or the end of the
// input if in JSON there is none.
func (r *reader) nextAlike() int {
	if r.serializer != wamp.JSON {
		return r.i
	}
	i := spaceJSON(r.b, r.i)
	if i == len(r.b) || r.b[i] != ',' {
		return len(r.b)
	}
	return spaceJSON(r.b, i+1)
}

// skipSame moves behind values, n at most, that have the shape of the one which
// began at from and ends here, and holds count values and keys. It returns how
// many they are.
func (r *reader) skipSame(from, count int, n uint64) uint64 {
	size := r.i - from
	if size > maxShape || len(r.b)-r.i < 4*size {
		return 0
	}
	if r.shape == nil {
		r.shape = &shape{forms: r.forms, json: r.serializer == wamp.JSON}
	}
	r.patience -= 3 * size
	if !r.shape.learn(r.b[from:r.i]) {
		return 0
	}
	end, found := r.shape.pass(r.b, r.i, int(min(n, uint64(r.left/count)))) //nolint:gosec // not above left
	r.i, r.left, r.patience = end, r.left-found*count, r.patience+found*size/4
	return uint64(found) //nolint:gosec // not negative
}
