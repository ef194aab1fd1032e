package uplink

import (
	"errors"
	"fmt"

	"bondy/uplink/wire"
)

// Errors of a Link.
var (
	// ErrFull means that the lane's queue has no room for the frame.
	ErrFull = errors.New("lane queue full")
	// ErrDown means that the link is down.
	ErrDown = errors.New("link down")
	// ErrTooLong means that the frame or datagram is longer than the link
	// carries.
	ErrTooLong = errors.New("frame too long for the link")
	// ErrKind means that the kind belongs to the link itself.
	ErrKind = errors.New("frame kind is reserved")
	// ErrNoDatagrams means that the peer takes no datagrams.
	ErrNoDatagrams = errors.New("peer takes no datagrams")
)

// Code is the reason of a close as the other side gets it.
type Code uint64

// Codes of a close.
const (
	// CodeClosed is a close in order, such as a shutdown.
	CodeClosed Code = iota
	// CodeProtocol means that the peer broke the protocol.
	CodeProtocol
	// CodeVersion means that the two versions have no protocol in common.
	CodeVersion
	// CodeRefused means that the peer may not have a link.
	CodeRefused
	// CodeReplaced means that a newer link of the same identity came.
	CodeReplaced
	// CodeSilent means that the peer did not answer in time.
	CodeSilent
	// CodeFull means that there are too many links.
	CodeFull
	// CodeInternal is a fault of the side that closes.
	CodeInternal
)

// CloseError is why a link, or a try to make one, ended when one of the two
// sides said so.
type CloseError struct {
	Code   Code
	Reason string
	// Remote says that the peer closed.
	Remote bool
}

// Error says who closed and why.
func (e *CloseError) Error() string {
	if e.Remote {
		return fmt.Sprintf("peer closed the link: %q", e.Reason)
	}
	return "link closed: " + e.Reason
}

// blame makes a fault in what the peer sent a close of ours.
func blame(err error) error {
	if errors.Is(err, wire.ErrMalformed) || errors.Is(err, wire.ErrTooLong) {
		return &CloseError{Code: CodeProtocol, Reason: err.Error()}
	}
	return err
}

// maxReason bounds the reason that is sent, in bytes.
const maxReason = 256

// told is what the peer is told of an error.
func told(err error) (Code, string) {
	ce, ok := errors.AsType[*CloseError](err)
	if !ok {
		return CodeInternal, "internal error"
	}
	return ce.Code, ce.Reason[:min(len(ce.Reason), maxReason)]
}
