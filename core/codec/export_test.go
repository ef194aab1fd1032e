package codec

import "bondy/core/wamp"

// NewGeneralDecoder makes a decoder without the quick path: it reads token by
// token.
func NewGeneralDecoder(s wamp.Serializer, l Limits) *Decoder {
	d := NewDecoder(s, l)
	d.r.forms = nil
	return d
}

// AppendGeneral is Append without the quick path.
func AppendGeneral(dst []byte, s wamp.Serializer, m wamp.Message) ([]byte, error) {
	return appendGeneral(dst, s, m)
}
