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
				if now.key() || n > rest || uint64(p/2) > rest || open == nesting || depth+open == r.maxDepth {
					break
				}
				outer[open&(nesting-1)], now = now-2, p
				i, left, open = next, left-1, open+1
				continue
			default:
			}
		}
		r.i, r.left, r.depth = i, left, depth+open
		if now.key() {
			r.key()
		} else {
			r.skipRest(r.next())
		}
		if r.err != nil {
			return
		}
		i, left, now = r.i, r.left, now-2
	}
}
