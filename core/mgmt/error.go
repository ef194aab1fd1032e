package mgmt

import (
	"errors"
	"maps"
	"strings"

	"bondy/core/wamp"
)

// Explained gives an error that a client may see, of a procedure of the router's own,
// the keyword arguments that clients of the predecessor read, beside those that it has:
// the code, which is the URI without bondy.error., and the sentence as message and as
// description. A violation among the arguments is an error of the call: the message
// itself was in order. What other parts of the router find wrong with a member begins
// with the member's path and a colon, which becomes the key. Other errors stay as they
// are.
func Explained(err error) error {
	we, ok := errors.AsType[*wamp.Error](err)
	if !ok {
		return err
	}
	e := *we
	code := strings.TrimPrefix(string(e.URI), "bondy.error.")
	switch e.URI {
	case wamp.ErrProtocolViolation, wamp.ErrInvalidArgument:
		e.URI, code = wamp.ErrInvalidArgument, "invalid_argument"
	default:
	}
	e.Kwargs = maps.Clone(e.Kwargs)
	if e.Kwargs == nil {
		e.Kwargs = make(wamp.Dict, 4)
	}
	if key := pathIn(e.Message); key != "" && e.Kwargs["key"] == nil && (code != string(e.URI) || e.URI == wamp.ErrInvalidURI) {
		e.Kwargs["key"] = key
	}
	e.Kwargs["code"], e.Kwargs["message"], e.Kwargs["description"] = code, e.Message, e.Message
	return &e
}

// pathIn is the path with which a sentence about a member begins, such as
// grants[0].uri of "grants[0]: uri: is missing"; empty where there is none.
func pathIn(text string) string {
	var path []string
	for {
		part, rest, ok := strings.Cut(text, ": ")
		if !ok || part == "" || strings.ContainsAny(part, " \"") {
			return strings.Join(path, ".")
		}
		path, text = append(path, part), rest
	}
}
