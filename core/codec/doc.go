// Package codec turns the bytes of a serializer (JSON, MessagePack, CBOR) into
// wamp messages and back. A Decoder reads the messages of a connection, Append
// writes one, Transcode carries a value from one serializer to another.
//
// Payloads pass through: arguments are checked in the one pass that finds their
// end, and stay bytes until somebody asks for DecodeArgs or DecodeKwargs.
//
// How it is cut: a reader gives a serializer's values as tokens, a writer takes
// them (one file per serializer and direction); everything else (the layout of
// the messages in elements.go, decoding, transcoding) stands once above them.
// Recursion ends at depth 128, and a length that the input announces is compared
// with the bytes that are left before anything else.
//
// Before this general path stands a quick one for what nearly all traffic is:
// messages with a payload whose head has the form that encoders give it.
//
//   - quick_read.go cuts such a head straight out of the bytes, quick_write.go
//     appends it without options; slots.go is the layout of both. If anything is
//     unusual, or wrong, they give up without an error and the general path
//     starts from the first byte.
//   - skip.go and skip_json.go are loops that check payloads by the forms of
//     first bytes in forms.go. A value that they do not know, or that is wrong,
//     they leave to the general reader at its place and go on behind it.
//   - shape.go passes the members of a list that have the form of one which was
//     checked: it compares words with that one. The first that differs in more
//     than the lengths of a few values goes back to those loops.
//   - uris.go keeps recent URIs, text.go looks at strings eight bytes at a time.
//
// So the general path alone says what a message is and makes every error; the
// quick one may only agree, which paths_test.go checks on damaged input.
package codec
