package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"bondy/core/directory"
	"bondy/core/wamp"
)

// MaxCall bounds the body of a call in bytes; the documents of realms are long.
const MaxCall = 64 << 20

// Call is a call of one of the router's own procedures by the node's operator.
type Call struct {
	Realm     wamp.URI        `json:"realm"`
	Procedure wamp.URI        `json:"procedure"`
	Args      json.RawMessage `json:"args,omitempty"`
	Kwargs    json.RawMessage `json:"kwargs,omitempty"`
}

// Answer is what the procedure returns; absent parts are left out.
type Answer struct {
	Args   json.RawMessage `json:"args,omitempty"`
	Kwargs json.RawMessage `json:"kwargs,omitempty"`
}

// CallError is the body of an answer with a status of 400 or above to a call.
type CallError struct {
	URI     wamp.URI `json:"error"`
	Message string   `json:"message"`
}

// Error is the line that the operator reads.
func (r *CallError) Error() string { return fmt.Sprintf("%s: %s", r.URI, r.Message) }

// serveCall answers POST /call: a Call as JSON, answered with an Answer or a
// CallError.
func serveCall(call func(context.Context, Call) (Answer, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var c Call
		d := json.NewDecoder(http.MaxBytesReader(w, r.Body, MaxCall))
		d.DisallowUnknownFields()
		if err := d.Decode(&c); err != nil {
			if _, long := errors.AsType[*http.MaxBytesError](err); long {
				text := fmt.Sprintf("a call has at most %d MiB: send it in several", MaxCall>>20)
				reply(w, http.StatusRequestEntityTooLarge, &CallError{wamp.ErrPayloadSizeExceeded, text})
				return
			}
			reply(w, http.StatusBadRequest, &CallError{wamp.ErrInvalidArgument, "the call is not as it should be: " + err.Error()})
			return
		}
		answer, err := call(r.Context(), c)
		if err == nil {
			reply(w, http.StatusOK, answer)
			return
		}
		we, ok := errors.AsType[*wamp.Error](err)
		if !ok {
			reply(w, http.StatusInternalServerError, &CallError{wamp.ErrInternal, err.Error()})
			return
		}
		status := http.StatusBadRequest
		switch we.URI {
		case wamp.ErrNoSuchProcedure, wamp.ErrNoSuchRealm, wamp.ErrNoSuchPrincipal, wamp.ErrNoSuchSession, directory.ErrNotFound, directory.ErrUnknownGroup:
			status = http.StatusNotFound
		default:
		}
		reply(w, status, &CallError{we.URI, we.Message})
	}
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client may be gone
}
