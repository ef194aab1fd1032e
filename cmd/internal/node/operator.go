package node

import (
	"context"
	"fmt"
	"runtime/debug"

	"bondy/core/audit"
	"bondy/core/codec"
	"bondy/core/mgmt"
	"bondy/core/peer"
	"bondy/core/rbac"
	"bondy/core/wamp"
	"bondy/gateway/admin"
)

type (
	// Call is what a command posts to the admin socket at /call.
	Call = admin.Call
	// Answer is the result.
	Answer = admin.Answer
	// CallError is what comes instead.
	CallError = admin.CallError
)

// MaxCall bounds a Call as it is sent, in bytes.
const MaxCall = admin.MaxCall

// call has a realm's own procedures answer the operator, whom the admin socket
// let in and who may therefore call all of them.
func (n *Node) call(_ context.Context, c Call) (Answer, error) {
	realm, err := n.router.Realm(c.Realm)
	if err != nil {
		return Answer{}, err
	}
	all, err := rbac.New(rbac.Config{SecurityDisabled: true})
	if err != nil {
		return Answer{}, err
	}
	counters, _ := n.router.Peers()
	batch := peer.NewBatch(counters)
	defer batch.Flush()
	req := &mgmt.Request{
		Procedure: c.Procedure.Canonical(wamp.MatchExact), Realm: c.Realm, StrictURIs: realm.Policy().StrictURIs,
		Rights: all.Rights(rbac.Subject{}), Batch: batch, Payload: wamp.Payload{Serializer: wamp.JSON, Args: c.Args, Kwargs: c.Kwargs},
		Guard: guard,
	}
	result, err := realm.Procedures.Call(req)
	if e, ok := req.Event(err); ok {
		audit.Emit(n.audit, e)
	}
	if err != nil {
		return Answer{}, err
	}
	p, err := codec.NewPayload(wamp.JSON, result.Args, result.Kwargs)
	return Answer{Args: p.Args, Kwargs: p.Kwargs}, err
}

// guard runs a change of shared state: a panic in it ends the process, though
// the HTTP server would go on.
func guard(change func() error) error {
	defer func() {
		if v := recover(); v != nil {
			stack := debug.Stack()
			go panic(fmt.Sprintf("%v\n%s", v, stack))
			select {}
		}
	}()
	return change()
}
