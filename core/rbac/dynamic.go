package rbac

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bondy/core/wamp"
)

// Caller calls a procedure of the realm; args and result are as in wamp.Dict.
// The call ends with ctx. Implementations are safe for concurrent use.
type Caller interface {
	Call(ctx context.Context, procedure wamp.URI, args []any) (result any, err error)
}

// Dynamic is a procedure that decides about what no grant covers. It is called
// as
//
//	procedure(session, uri, action, options)
//
// where session are the details of the session that asks, action is call,
// publish, register or subscribe, and options has the matching policy as match.
// The result is a bool, or a dict with
//
//	allow      a bool, false if it is not there
//	disclose   true discloses the caller or publisher, which the realm must allow
//	cache      false keeps the answer from being used again
//
// An error, any other result, or none within five seconds denies. It is never
// asked about management, nor about who may register itself.
type Dynamic struct {
	Procedure wamp.URI
	// TTL is how long an answer holds for the session that it is about; 0 for
	// that one request.
	TTL time.Duration
}

func (d *Dynamic) validate() error {
	switch {
	case d.Procedure != "" && !d.Procedure.Valid(wamp.MatchExact, false):
		return fmt.Errorf("procedure: %q is not a valid URI", d.Procedure)
	case d.TTL < 0:
		return fmt.Errorf("ttl: %s is negative", d.TTL)
	}
	return nil
}

// dynamicTimeout bounds a call of the procedure.
const dynamicTimeout = 5 * time.Second

// Answer is what the procedure of a Dynamic said.
type Answer struct {
	Allow bool
	// Disclose says that the caller or publisher is to be disclosed.
	Disclose bool
}

// Answers are those about one session that hold for some time. The zero value
// is empty. It belongs to one goroutine.
type Answers struct {
	of   *Dynamic // others than the realm's present one count for nothing
	kept map[question]keptAnswer
}

type question struct {
	p   Permission
	m   wamp.Match
	uri wamp.URI
}

type keptAnswer struct {
	Answer
	until time.Time
}

// maxAnswers bounds the Answers about one session; with more, all are
// forgotten. Those on longer URIs than cacheURI are not kept.
const maxAnswers = 128

// Dynamic is what decides where no grant does; nil in most realms.
func (a *Authorizer) Dynamic() *Dynamic { return a.policy.Load().dynamic }

// Asks reports whether d may decide this. Call, Publish, Register and Subscribe
// alone are asked about.
func (d *Dynamic) Asks(p Permission, uri wamp.URI, m wamp.Match) bool {
	asked := Resource{uri, m}.canonical()
	switch p {
	case Register:
		if asked.covers(Resource{URI: d.Procedure}) {
			return false
		}
	case Call, Subscribe, Publish:
	default:
		return false
	}
	return !asked.management()
}

// Ask returns what d decides for a session that session describes, from kept,
// which may be nil, or by a call of at most five seconds. The error says why
// there is no answer; it is for the log.
func (d *Dynamic) Ask(
	ctx context.Context, c Caller, kept *Answers, session func() map[string]any, p Permission, uri wamp.URI, m wamp.Match,
) (Answer, error) {
	if !d.Asks(p, uri, m) {
		return Answer{}, nil
	}
	q := question{p, m, uri}
	if a, ok := kept.get(d, q); ok {
		return a, nil
	}
	ctx, cancel := context.WithTimeout(ctx, dynamicTimeout)
	defer cancel()
	result, err := c.Call(ctx, d.Procedure, []any{session(), string(uri), action(p), map[string]any{"match": m.String()}})
	if err != nil {
		return Answer{}, fmt.Errorf("call %s: %w", d.Procedure, err)
	}
	a, cache, err := parseAnswer(result)
	if err != nil {
		return Answer{}, fmt.Errorf("the result of %s: %w", d.Procedure, err)
	}
	if cache {
		kept.put(d, q, a)
	}
	return a, nil
}

func action(p Permission) string {
	switch p {
	case Register:
		return "register"
	case Subscribe:
		return "subscribe"
	case Publish:
		return "publish"
	default:
		return "call"
	}
}

func parseAnswer(result any) (a Answer, cache bool, err error) {
	if allow, ok := result.(bool); ok {
		return Answer{Allow: allow}, true, nil
	}
	fields, ok := result.(map[string]any)
	if !ok {
		return a, false, errors.New(wamp.TypeName(result) + ", want a bool or a dict")
	}
	d := wamp.Dict(fields)
	if a.Allow, err = d.Bool("allow"); err != nil {
		return Answer{}, false, err
	}
	if a.Disclose, err = d.Bool("disclose"); err != nil {
		return Answer{}, false, err
	}
	cache = true
	if d["cache"] != nil {
		if cache, err = d.Bool("cache"); err != nil {
			return Answer{}, false, err
		}
	}
	return a, cache, nil
}

func (k *Answers) get(d *Dynamic, q question) (Answer, bool) {
	if k == nil || k.of != d {
		return Answer{}, false
	}
	a, ok := k.kept[q]
	return a.Answer, ok && time.Now().Before(a.until)
}

func (k *Answers) put(d *Dynamic, q question, a Answer) {
	if k == nil || d.TTL <= 0 || len(q.uri) > cacheURI {
		return
	}
	if k.of != d || len(k.kept) >= maxAnswers {
		k.of, k.kept = d, make(map[question]keptAnswer)
	}
	k.kept[q] = keptAnswer{a, time.Now().Add(d.TTL)}
}
