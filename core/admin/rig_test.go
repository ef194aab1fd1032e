package admin_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"

	"bondy/core/admin"
	"bondy/core/audit"
	"bondy/core/auth"
	"bondy/core/codec"
	"bondy/core/directory"
	"bondy/core/directory/directorytest"
	"bondy/core/meta"
	"bondy/core/mgmt"
	"bondy/core/peer"
	"bondy/core/rbac"
	"bondy/core/realm"
	"bondy/core/ticket"
	"bondy/core/ticket/book"
	"bondy/core/wamp"
)

type (
	list = []any
	dict = map[string]any
)

// rig is a directory with its procedures.
type rig struct {
	t      testing.TB
	log    *directorytest.Log
	dir    *directory.Directory
	book   *book.Book
	table  mgmt.Table
	events recorder
	pace   *admin.Pace
	quota  directory.Quota // of realm1
}

// newRig makes one with the realms bondy, realm1 and realm2.
func newRig(t testing.TB) *rig {
	t.Helper()
	return newRigAt(t, nil)
}

// newRigAt bounds how fast changes are made.
func newRigAt(t testing.TB, pace *admin.Pace) *rig {
	t.Helper()
	r := &rig{t: t, log: new(directorytest.Log), pace: pace}
	r.dir = directorytest.Open(t, r.log)
	r.dir.Bound(func(uri wamp.URI) directory.Quota {
		if uri == "realm1" {
			return r.quota
		}
		return directory.Quota{}
	})
	r.book = book.New(r.dir)
	admin.Register(&r.table, admin.Config{
		Directory: r.dir, Realm: r.realm, Gate: auth.NewGate(2), Guard: auth.NewGuard(), Context: t.Context(), Audit: &r.events, Pace: r.pace,
		Tickets: ticket.New(r.book, plain{}, r.book), Book: r.book, Sealer: plain{},
	})
	directorytest.Do(t, r.dir, func(tx *directory.Tx) error {
		return errors.Join(tx.CreateRealm("bondy", directory.Properties{}), tx.CreateRealm("realm1", directory.Properties{}),
			tx.CreateRealm("realm2", directory.Properties{}))
	})
	return r
}

// realm opens a realm as it is now.
func (r *rig) realm(uri wamp.URI) (*realm.Realm, error) {
	v, err := r.dir.View(uri)
	if err != nil {
		return nil, err
	}
	p := v.Effective()
	cfg := realm.Config{URI: uri, Auth: auth.Config{Directory: v, Methods: p.AuthMethods}, Access: rbac.Config{Directory: v}}
	for s := range v.Sources("") {
		cfg.Auth.Sources = append(cfg.Auth.Sources, s.Source)
	}
	return realm.New(cfg, make([]byte, 32), new(peer.Counters))
}

// plain seals nothing.
type plain struct{}

func (plain) Seal(b []byte, _ string) []byte          { return b }
func (plain) Open(b []byte, _ string) ([]byte, error) { return b, nil }

// recorder keeps the events of an audit log.
type recorder struct {
	mu      sync.Mutex
	list    []audit.Event
	flushed int
	broken  error // what Flush answers
}

func (r *recorder) Record(e audit.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, e)
}

// last is the latest event.
// Flush is what audit.Flush calls: it notes how much is on the disk.
func (r *recorder) Flush(context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.flushed = len(r.list)
	return r.broken
}

func (r *recorder) last() audit.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.list) == 0 {
		return audit.Event{}
	}
	return r.list[len(r.list)-1]
}

// conn is the connection of a session that is only asked where it is.
type conn struct{ meta.Conn }

func (conn) Transport() meta.Transport { return meta.Transport{} }

// session makes the side of the router of a session.
func (r *rig) session(realm wamp.URI, authid, method string) *peer.Peer {
	r.t.Helper()
	s := &meta.Session{AuthMethod: method, Conn: conn{}}
	if v, err := r.dir.View(realm); err == nil {
		if u, ok := v.User(authid); ok {
			s.Principal = &auth.Principal{AuthRealm: u.AuthRealm, Name: u.Name, Incarnation: u.Incarnation}
		}
	}
	return &peer.Peer{Session: 42, AuthID: authid, About: s}
}

// caller is who calls; the zero value is the operator.
type caller struct {
	realm  wamp.URI
	peer   *peer.Peer
	rights *rbac.Rights
}

// as is a session of a user of a realm who may do everything there.
func (r *rig) as(realm wamp.URI, authid string) caller {
	r.t.Helper()
	open, err := rbac.New(rbac.Config{SecurityDisabled: true})
	if err != nil {
		r.t.Fatal(err)
	}
	return caller{realm, r.session(realm, authid, auth.MethodWAMPCRA), open.Rights(rbac.Subject{User: authid})}
}

// try calls a procedure.
func (r *rig) try(c caller, procedure wamp.URI, kwargs dict, args ...any) (mgmt.Result, error) {
	r.t.Helper()
	p, err := codec.NewPayload(wamp.JSON, args, kwargs)
	if err != nil {
		r.t.Fatal(err)
	}
	res, err := r.table.Call(&mgmt.Request{Procedure: procedure, Realm: c.realm, Caller: c.peer, Rights: c.rights, Payload: p})
	if err != nil {
		return res, err
	}
	p, err = codec.NewPayload(wamp.JSON, res.Args, res.Kwargs) // as it goes over the wire
	if err != nil {
		r.t.Fatalf("%s: %v", procedure, err)
	}
	if res.Args, err = codec.DecodeArgs(p); err == nil {
		res.Kwargs, err = codec.DecodeKwargs(p)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return res, nil
}

// do calls a procedure as the operator and returns its result, nil if it has none.
func (r *rig) do(procedure wamp.URI, args ...any) any {
	r.t.Helper()
	return r.doAs(caller{}, procedure, args...)
}

func (r *rig) doAs(c caller, procedure wamp.URI, args ...any) any {
	r.t.Helper()
	res, err := r.try(c, procedure, nil, args...)
	if err != nil {
		r.t.Fatalf("%s%v: %v", procedure, args, err)
	}
	if len(res.Args) == 0 {
		return nil
	}
	return res.Args[0]
}

// refused demands an error.
func (r *rig) refused(c caller, want wamp.URI, procedure wamp.URI, args ...any) *wamp.Error {
	r.t.Helper()
	res, err := r.try(c, procedure, nil, args...)
	we, ok := errors.AsType[*wamp.Error](err)
	if !ok || we.URI != want {
		r.t.Errorf("%s%v = %v, %v, want %s", procedure, args, res.Args, err, want)
		return &wamp.Error{}
	}
	return we
}

// has demands that a result has these members.
func has(t testing.TB, got any, want dict) {
	t.Helper()
	m, _ := got.(dict)
	for key, v := range want {
		if !reflect.DeepEqual(m[key], v) {
			t.Errorf("%s is %#v, want %#v, in %v", key, m[key], v, got)
		}
	}
}

func equal(t testing.TB, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %#v, want %#v", got, want)
	}
}

func contains(text, part string) bool { return strings.Contains(text, part) }
