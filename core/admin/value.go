package admin

import (
	"encoding/json"

	"bondy/core/codec"
	"bondy/core/mgmt"
	"bondy/core/strict"
	"bondy/core/wamp"
)

// jsonOf is a value in JSON.
func jsonOf(v mgmt.Arg, value any) json.RawMessage {
	text, err := codec.AppendValue(nil, wamp.JSON, value)
	v.Check(err)
	return text
}

// decode reads an argument as documents have it; the error names what in it does
// not fit.
func decode(v mgmt.Arg, to any) error {
	text := jsonOf(v, v.Dict())
	if err := v.Err(); err != nil {
		return err
	}
	return strict.Decoder{}.Decode(text, to)
}

// valueOf is a value of JSON as results have it.
func valueOf(text json.RawMessage) any {
	v, err := codec.DecodeValue(wamp.JSON, text)
	if err != nil { // kept by a release that knows more
		return nil
	}
	return v
}

// shownMeta is meta as it is returned.
func shownMeta(meta json.RawMessage) any {
	if m := valueOf(meta); len(meta) > 0 && m != nil {
		return m
	}
	return map[string]any{}
}

// texts is a list of strings as results have it.
func texts[S ~string](list []S) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = string(s)
	}
	return out
}

// orNull is null for what is empty.
func orNull[S ~string](s S) any {
	if s == "" {
		return nil
	}
	return string(s)
}
