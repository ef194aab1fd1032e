package codec_test

import (
	"fmt"

	"bondy/core/codec"
	"bondy/core/wamp"
)

func Example() {
	p, err := codec.NewPayload(wamp.MessagePack, []any{"hello", []byte{1, 2}}, nil)
	if err != nil {
		fmt.Println(err)
	}
	// The receiver speaks JSON: the payload is converted on the way.
	b, err := codec.Append(nil, wamp.JSON, &wamp.Publish{Request: 1, Topic: "com.example", Payload: p})
	fmt.Println(string(b), err)

	d := codec.NewDecoder(wamp.JSON, codec.Limits{})
	m, err := d.Decode(b)
	fmt.Println(m.Type(), string(m.(*wamp.Publish).Args), err)
	_, err = d.Decode([]byte(`[48, 1.0, {}, "com.example"]`))
	fmt.Println(err)
	// Output:
	// [16,1,{},"com.example",["hello","\u0000AQI="]] <nil>
	// PUBLISH ["hello","\u0000AQI="] <nil>
	// wamp.error.protocol_violation: CALL: Request at byte 5: must be an integer from 1 to 2^53, got a float
}
