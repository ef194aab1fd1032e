package codec

import "bondy/core/wamp"

// Transcode appends one complete value in another serializer to dst; from one
// serializer to the same it checks and copies. The value may nest 128 deep and
// hold 2^20 values. What the target cannot hold, and a malformed value, is a
// *wamp.Error with wamp.ErrInvalidArgument; dst is then returned as it was.
func Transcode(dst []byte, to, from wamp.Serializer, value []byte) ([]byte, error) {
	out, err := transcode(dst, to, from, value)
	if err != nil {
		return dst, invalid("%s value in %s: %v", from, to, err)
	}
	return out, nil
}

func transcode(dst []byte, to, from wamp.Serializer, value []byte) ([]byte, error) {
	w := writer{serializer: to, dst: dst}
	r := newReader(from, value)
	if start := r.i; to == from {
		r.skip()
		w.dst = append(w.dst, value[start:r.i]...)
	} else {
		w.transcode(&r)
	}
	if w.err != nil && r.err == nil {
		return nil, w.err
	}
	return w.dst, r.end()
}

// transcode copies one value. Its recursion ends at the reader's depth.
func (w *writer) transcode(r *reader) {
	t := r.value()
	if t.kind != kindList && t.kind != kindDict {
		w.scalar(t, r.raw)
		return
	}
	g, s := r.open(t), w.open(t.kind, t.n)
	for r.more(&g) && w.err == nil {
		w.member(&s)
		if g.dict {
			w.key(r.key())
		}
		w.transcode(r)
	}
	w.close(s)
}

// invalid is the error for a value that cannot be converted.
func invalid(format string, args ...any) error {
	return wamp.Errorf(wamp.ErrInvalidArgument, format, args...)
}
