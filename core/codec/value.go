package codec

import (
	"maps"
	"slices"

	"bondy/core/wamp"
)

// NewPayload encodes arguments. A nil args or kwargs is absent; with kwargs
// alone, an empty list is written when the message is. Errors as AppendValue.
func NewPayload(s wamp.Serializer, args []any, kwargs map[string]any) (wamp.Payload, error) {
	p := wamp.Payload{Serializer: s}
	var err error
	if args != nil {
		if p.Args, err = AppendValue(nil, s, args); err != nil {
			return wamp.Payload{}, err
		}
	}
	if kwargs != nil {
		if p.Kwargs, err = AppendValue(nil, s, kwargs); err != nil {
			return wamp.Payload{}, err
		}
	}
	return p, nil
}

// DecodeArgs decodes positional arguments, nil if they are absent. Values are
// those of wamp.Dict and share no memory with p. Errors are *wamp.Error with
// wamp.ErrInvalidArgument.
func DecodeArgs(p wamp.Payload) ([]any, error) {
	if p.Args == nil {
		return nil, nil
	}
	v, err := DecodeValue(p.Serializer, p.Args)
	if err != nil {
		return nil, err
	}
	list, ok := v.([]any)
	if !ok {
		return nil, invalid("arguments must be a list, got %s", wamp.TypeName(v))
	}
	return list, nil
}

// DecodeKwargs decodes keyword arguments as DecodeArgs does positional ones.
func DecodeKwargs(p wamp.Payload) (map[string]any, error) {
	if p.Kwargs == nil {
		return nil, nil
	}
	v, err := DecodeValue(p.Serializer, p.Kwargs)
	if err != nil {
		return nil, err
	}
	dict, ok := v.(map[string]any)
	if !ok {
		return nil, invalid("keyword arguments must be a dict, got %s", wamp.TypeName(v))
	}
	return dict, nil
}

// DecodeValue decodes one complete value to one of the types of wamp.Dict. It
// may nest 128 deep and hold 2^20 values; keys of a dict must be unique. Errors
// are *wamp.Error with wamp.ErrInvalidArgument.
func DecodeValue(s wamp.Serializer, b []byte) (any, error) {
	r := newReader(s, b)
	v := r.any()
	if err := r.end(); err != nil {
		return nil, invalid("%s value %v", s, err)
	}
	return v, nil
}

// any reads one value. Its recursion ends at the reader's depth.
func (r *reader) any() any {
	switch t := r.value(); t.kind {
	case kindBool:
		return t.n == 1
	case kindInt:
		return t.int()
	case kindUint:
		return t.n
	case kindFloat:
		return t.float()
	case kindText:
		return string(r.raw)
	case kindBinary:
		return append([]byte{}, r.raw...)
	case kindList:
		return r.list(t)
	case kindDict:
		dict := r.pairs(t)
		if dict == nil {
			dict = map[string]any{}
		}
		return dict
	default:
		return nil
	}
}

func (r *reader) list(t token) []any {
	list := []any{}
	for g := r.open(t); r.more(&g); {
		list = append(list, r.any())
	}
	return list
}

// pairs reads the members of a dict, nil if it has none.
func (r *reader) pairs(t token) map[string]any {
	var dict map[string]any
	for g := r.open(t); r.more(&g); {
		at := r.i
		key := string(r.key())
		if _, ok := dict[key]; ok {
			r.failAt(at, "key %q stands twice", key)
		}
		if dict == nil {
			dict = map[string]any{}
		}
		dict[key] = r.any()
	}
	return dict
}

// AppendValue appends v to dst: nil, bool, every integer and float type,
// string, []byte, []any, []string, map[string]any, wamp.Dict, wamp.ID,
// wamp.URI or []wamp.ID; a nil list or dict is an empty one, a nil []byte empty
// binary. What is of another type, nests deeper than 128 or cannot be held by
// the serializer is a *wamp.Error with wamp.ErrInvalidArgument; dst is then
// returned as it was.
func AppendValue(dst []byte, s wamp.Serializer, v any) ([]byte, error) {
	w := writer{serializer: s, dst: dst}
	w.any(v, 0)
	if w.err != nil {
		return dst, invalid("value in %s: %v", s, w.err)
	}
	return w.dst, nil
}

// any appends a value that stands inside depth lists and dicts.
func (w *writer) any(v any, depth int) {
	switch v := v.(type) {
	case string:
		w.text([]byte(v))
	case wamp.URI:
		w.text([]byte(v))
	case []byte:
		w.scalar(token{kind: kindBinary}, v)
	case []any:
		appendList(w, v, depth)
	case []string:
		appendList(w, v, depth)
	case []wamp.ID:
		appendList(w, v, depth)
	case map[string]any:
		w.dict(v, depth)
	case wamp.Dict:
		w.dict(v, depth)
	default:
		t, ok := scalarToken(v)
		if !ok {
			w.fail("a %T cannot be encoded", v)
		}
		w.scalar(t, nil)
	}
}

// scalarToken converts what is neither string, list nor dict.
func scalarToken(v any) (t token, ok bool) {
	switch v := v.(type) {
	case nil:
		return token{kind: kindNull}, true
	case bool:
		return boolToken(v), true
	case int:
		return intToken(int64(v)), true
	case int8:
		return intToken(int64(v)), true
	case int16:
		return intToken(int64(v)), true
	case int32:
		return intToken(int64(v)), true
	case int64:
		return intToken(v), true
	case uint:
		return uintToken(uint64(v)), true
	case uint8:
		return uintToken(uint64(v)), true
	case uint16:
		return uintToken(uint64(v)), true
	case uint32:
		return uintToken(uint64(v)), true
	case uint64:
		return uintToken(v), true
	case wamp.ID:
		return uintToken(uint64(v)), true
	case float32:
		return floatToken(float64(v)), true
	case float64:
		return floatToken(v), true
	default:
		return token{}, false
	}
}

func appendList[T any](w *writer, members []T, depth int) {
	if !w.descend(depth) {
		return
	}
	s := w.open(kindList, uint64(len(members)))
	for _, m := range members {
		w.member(&s)
		w.any(m, depth+1)
	}
	w.close(s)
}

// dict appends a dict.
func (w *writer) dict(pairs map[string]any, depth int) {
	if !w.descend(depth) {
		return
	}
	s := w.open(kindDict, uint64(len(pairs)))
	w.pairs(&s, pairs, depth)
	w.close(s)
}

// pairs appends members of s in the order of their keys.
func (w *writer) pairs(s *span, pairs map[string]any, depth int) {
	var room [8]string
	keys := slices.AppendSeq(room[:0], maps.Keys(pairs))
	slices.Sort(keys)
	for _, k := range keys {
		w.member(s)
		w.key([]byte(k))
		w.any(pairs[k], depth+1)
	}
}

// descend refuses what a reader would: also a value that contains itself.
func (w *writer) descend(depth int) bool {
	if depth >= maxDepth {
		w.fail("nested deeper than %d", maxDepth)
	}
	return w.err == nil
}
