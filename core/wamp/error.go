package wamp

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Error URIs (appendix "URI Reference" of the specification, and one of the
// predecessor's for what it leaves open).
const (
	ErrInvalidURI           URI = "wamp.error.invalid_uri"
	ErrNoSuchProcedure      URI = "wamp.error.no_such_procedure"
	ErrProcedureExists      URI = "wamp.error.procedure_already_exists"
	ErrNoSuchRegistration   URI = "wamp.error.no_such_registration"
	ErrNoSuchSubscription   URI = "wamp.error.no_such_subscription"
	ErrNoSuchSession        URI = "wamp.error.no_such_session"
	ErrInvalidArgument      URI = "wamp.error.invalid_argument"
	ErrProtocolViolation    URI = "wamp.error.protocol_violation"
	ErrNotAuthorized        URI = "wamp.error.not_authorized"
	ErrAuthorizationFailed  URI = "wamp.error.authorization_failed"
	ErrAuthenticationDenied URI = "wamp.error.authentication_denied"
	ErrAuthenticationFailed URI = "wamp.error.authentication_failed"
	ErrNoMatchingAuthMethod URI = "wamp.error.no_matching_auth_method"
	ErrNoSuchRealm          URI = "wamp.error.no_such_realm"
	ErrNoSuchRole           URI = "wamp.error.no_such_role"
	ErrNoSuchPrincipal      URI = "wamp.error.no_such_principal"
	ErrCanceled             URI = "wamp.error.canceled"
	ErrTimeout              URI = "wamp.error.timeout"
	ErrUnavailable          URI = "wamp.error.unavailable"
	ErrNoAvailableCallee    URI = "wamp.error.no_available_callee"
	ErrMaxConcurrency       URI = "wamp.error.max_concurrency_reached"
	ErrFeatureNotSupported  URI = "wamp.error.feature_not_supported"
	ErrOptionNotAllowed     URI = "wamp.error.option_not_allowed"
	ErrDiscloseMeDisallowed URI = "wamp.error.option_disallowed.disclose_me"
	ErrPayloadSizeExceeded  URI = "wamp.error.payload_size_exceeded"
	ErrNetworkFailure       URI = "wamp.error.network_failure"
	ErrInternal             URI = "wamp.error.internal_error"
	ErrTooManyRequests      URI = "bondy.error.too_many_requests"
	CloseNormal             URI = "wamp.close.normal"
	CloseRealm              URI = "wamp.close.close_realm"
	CloseGoodbyeAndOut      URI = "wamp.close.goodbye_and_out"
	CloseSystemShutdown     URI = "wamp.close.system_shutdown"
	CloseKilled             URI = "wamp.close.killed"
)

// Error is a failure that the peer may see: an error URI and a sentence. Any
// other Go error stays inside and becomes ErrInternal at the door.
type Error struct {
	URI     URI
	Message string
	// Kwargs say it to programs, in values that encoding/json writes as WAMP means
	// them; nil where the URI says enough.
	Kwargs Dict
}

// Error implements error.
func (e *Error) Error() string { return string(e.URI) + ": " + e.Message }

// maxMessage bounds the sentence of an Error in bytes: it may quote what a peer
// sent.
const maxMessage = 1000

// Errorf makes an Error. A long sentence is cut.
func Errorf(uri URI, format string, args ...any) *Error {
	text := fmt.Sprintf(format, args...)
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage], "") + " ..."
	}
	return &Error{URI: uri, Message: text}
}

// Violationf makes the Error of a protocol violation (section "Protocol
// Errors"): the session that caused it is aborted.
func Violationf(format string, args ...any) *Error {
	return Errorf(ErrProtocolViolation, format, args...)
}

// Reply is the ERROR that answers the request of type t; the sentence is its
// only argument.
func (e *Error) Reply(t MessageType, request ID) *ErrorMessage {
	p := Payload{Serializer: JSON}
	p.Args, _ = json.Marshal([]string{e.Message}) // strings always marshal
	if e.Kwargs != nil {
		p.Kwargs, _ = json.Marshal(e.Kwargs) // as simple values do
	}
	return &ErrorMessage{RequestType: t, Request: request, Error: e.URI, Payload: p}
}

// Abort is the ABORT that ends a session because of e.
func (e *Error) Abort() *Abort {
	return &Abort{Details: Dict{"message": e.Message}, Reason: e.URI}
}

// AsError is what the peer may see of err: the Error in it, or ErrInternal.
func AsError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return Errorf(ErrInternal, "internal error")
}
