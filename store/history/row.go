package history

import (
	"encoding/binary"
	"fmt"

	"bondy/core/broker"
	"bondy/core/codec"
	"bondy/core/wamp"
	"bondy/store"
)

// A row's key is the name of its log and the position, 16 bytes; its value is a
// MessagePack list: topic, serializer, arguments, keyword arguments, details,
// lists.

const positionSize = 16

// rowSize is what a row takes, in bytes.
func rowSize(name string, row []byte) int64 { return int64(len(name) + positionSize + len(row)) }

// appendPosition keeps the order of positions.
func appendPosition(dst []byte, p broker.Position) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(p.Stamp)) //nolint:gosec // stamps are not negative
	return binary.BigEndian.AppendUint64(dst, uint64(p.Publication))
}

func parsePosition(s string) (broker.Position, error) {
	if len(s) != positionSize {
		return broker.Position{}, fmt.Errorf("%w: a position of %d bytes in the history", store.ErrDamaged, len(s))
	}
	return broker.Position{
		Stamp:       int64(binary.BigEndian.Uint64([]byte(s))), //nolint:gosec // as appendPosition wrote it
		Publication: wamp.ID(binary.BigEndian.Uint64([]byte(s[8:]))),
	}, nil
}

func encode(r *broker.Record) ([]byte, error) {
	bytes := func(b []byte) any { // nil is an absent element
		if b == nil {
			return nil
		}
		return b
	}
	return codec.AppendValue(nil, wamp.MessagePack, []any{
		r.Topic, int(r.Payload.Serializer), bytes(r.Payload.Args), bytes(r.Payload.Kwargs), r.Details, r.Lists,
	})
}

// decode is the record of a row but for its position.
func decode(row []byte) (*broker.Record, error) {
	v, err := codec.DecodeValue(wamp.MessagePack, row)
	if err != nil {
		return nil, fmt.Errorf("%w: an event of the history: %w", store.ErrDamaged, err)
	}
	list, _ := v.([]any)
	if len(list) != 6 {
		return nil, fmt.Errorf("%w: an event of the history is no list of 6", store.ErrDamaged)
	}
	topic, ok1 := list[0].(string)
	serializer, ok2 := list[1].(int64)
	args, ok3 := element(list[2])
	kwargs, ok4 := element(list[3])
	details, ok5 := dict(list[4])
	lists, ok6 := dict(list[5])
	good := ok1 && ok2 && ok3 && ok4 && ok5 && ok6 && serializer >= 0 && serializer < wamp.NumSerializers
	if !good {
		return nil, fmt.Errorf("%w: an event of the history has fields of other types", store.ErrDamaged)
	}
	return &broker.Record{
		Topic: wamp.URI(topic), Details: details, Lists: lists,
		Payload: wamp.Payload{Serializer: wamp.Serializer(serializer), Args: args, Kwargs: kwargs}, //nolint:gosec // checked above
	}, nil
}

func element(v any) ([]byte, bool) {
	if v == nil {
		return nil, true
	}
	b, ok := v.([]byte)
	return b, ok
}

// dict is nil when there is nothing in it.
func dict(v any) (wamp.Dict, bool) {
	d, ok := v.(map[string]any)
	if len(d) == 0 {
		return nil, ok
	}
	return d, ok
}
