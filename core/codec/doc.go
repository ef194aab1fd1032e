// Package codec turns the bytes of a serializer (JSON, MessagePack, CBOR) into
// wamp messages and back. A Decoder reads the messages of a connection, Append
// writes one, Transcode carries a value from one serializer to another.
//
// Payloads pass through: arguments are checked in the one pass that finds their
// end, and stay bytes until somebody asks for DecodeArgs or DecodeKwargs.
//
// How it is cut: a reader gives a serializer's values as tokens, a writer takes
// them (one file per serializer and direction); everything else (the layout of
// the messages in elements.go, skipping, decoding, transcoding) stands once
// above them. Recursion ends at depth 128, and a length that the input
// announces is compared with the bytes that are left before anything else.
package codec
