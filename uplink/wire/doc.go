// Package wire is the format of a link between nodes: frames on ordered lanes,
// the hello and the pings that the link says itself, and the probes that are
// sent outside of any connection. It never knows what others put in a frame.
//
// A lane starts with one byte, its number, and goes on with frames: a kind of
// one byte, the length of the body as a varint, the body.
package wire
