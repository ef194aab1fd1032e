package mgmt_test

import (
	"errors"
	"fmt"
	"testing"

	"bondy/core/codec"
	"bondy/core/mgmt"
	"bondy/core/wamp"
)

func Example() {
	var t mgmt.Table
	t.Add("bondy.greet", func(r *mgmt.Request) (mgmt.Result, error) {
		a := r.Args()
		name := a.At(0, "name").String()
		if a.Err() != nil {
			return mgmt.Result{}, a.Err()
		}
		return mgmt.Value("hello " + name), nil
	})

	p, _ := codec.NewPayload(wamp.JSON, []any{"joe"}, nil)
	res, err := t.Call(&mgmt.Request{Procedure: "bondy.greet", Payload: p})
	fmt.Println(res.Args, err)
	_, err = t.Call(&mgmt.Request{Procedure: "bondy.greet"})
	fmt.Println(err)
	// Output:
	// [hello joe] <nil>
	// wamp.error.invalid_argument: argument 1, name, is missing
}

func TestTable(t *testing.T) {
	var table mgmt.Table
	if _, err := table.Call(&mgmt.Request{Procedure: "bondy.x"}); wamp.AsError(err).URI != wamp.ErrNoSuchProcedure {
		t.Errorf("unknown procedure: %v", err)
	}
	failed := errors.New("failed")
	table.Add("bondy.x", func(r *mgmt.Request) (mgmt.Result, error) {
		return mgmt.Result{}, r.Change(func() error { return failed })
	})
	guarded := 0
	guard := func(f func() error) error {
		guarded++
		return f()
	}
	for _, g := range []func(func() error) error{nil, guard} {
		r := &mgmt.Request{Procedure: "bondy.x", Guard: g}
		if _, err := table.Call(r); !errors.Is(err, failed) || r.Session() != 0 {
			t.Errorf("got %v of session %d", err, r.Session())
		}
	}
	if guarded != 1 {
		t.Errorf("guarded %d times, want once", guarded)
	}
	defer func() {
		if recover() == nil {
			t.Error("two handlers of one procedure")
		}
	}()
	table.Add("bondy.x", nil)
}
