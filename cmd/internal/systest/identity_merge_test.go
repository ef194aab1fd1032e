package systest_test

import (
	"crypto/ed25519"
	"encoding/json"
	"reflect"
	"testing"

	"bondy/core/directory"
	"bondy/core/directory/directorytest"
	"bondy/core/id"
)

// replica is a directory of one node of several.
type replica struct {
	t   *testing.T
	log *directorytest.Log
	dir *directory.Directory
}

// newReplica opens one on the rows of another.
func newReplica(t *testing.T, node id.NodeID, from *directorytest.Log) *replica {
	t.Helper()
	r := &replica{t: t, log: new(directorytest.Log)}
	if from != nil {
		for _, row := range from.Rows() {
			r.log.Put(row)
		}
	}
	var err error
	if r.dir, err = directory.Open(r.log, id.NewClock(node), directorytest.Salt); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *replica) do(change func(tx *directory.Tx) error) {
	r.t.Helper()
	directorytest.Do(r.t, r.dir, change)
}

// take takes over what another wrote later, row by row.
func (r *replica) take(o *replica) {
	own := make(map[[2]string]id.Stamp)
	for _, row := range r.log.Rows() {
		own[[2]string{string(row.Kind), row.Key}] = row.Stamp
	}
	for _, row := range o.log.Rows() {
		if row.Stamp.Compare(own[[2]string{string(row.Kind), row.Key}]) > 0 {
			r.log.Put(row)
		}
	}
}

func (r *replica) user() *directory.User {
	r.t.Helper()
	v, err := r.dir.View("app")
	if err != nil {
		r.t.Fatal(err)
	}
	u, err := v.FindUser("joe")
	if err != nil {
		r.t.Fatal(err)
	}
	return u
}

func publicKeys(user string) []ed25519.PublicKey {
	return []ed25519.PublicKey{keyOf(user).Public().(ed25519.PublicKey)}
}

// TestConcurrentAdministrators has administrators on three nodes change one user at
// the same time, each something else: the rows of all merged have all of it.
func TestConcurrentAdministrators(t *testing.T) {
	base := newReplica(t, 1, nil)
	base.do(func(tx *directory.Tx) error {
		if err := tx.CreateRealm("app", directory.Properties{}); err != nil {
			return err
		}
		for _, g := range []string{"staff", "crew"} {
			if err := tx.AddGroup("app", g, nil, nil); err != nil {
				return err
			}
		}
		return tx.AddUser("app", directory.UserSpec{Name: "joe", Groups: []string{"staff"}})
	})
	changes := []func(tx *directory.Tx) error{
		func(tx *directory.Tx) error { return tx.AddToGroups("app", []string{"joe"}, []string{"crew"}) },
		func(tx *directory.Tx) error { return tx.RemoveFromGroups("app", []string{"joe"}, []string{"staff"}) },
		func(tx *directory.Tx) error {
			meta := json.RawMessage(`{"phone":"123"}`)
			return tx.UpdateUser("app", "joe", directory.UserPatch{Meta: &meta})
		},
		func(tx *directory.Tx) error {
			keys := publicKeys("joe")
			return tx.UpdateUser("app", "joe", directory.UserPatch{Keys: &keys})
		},
		func(tx *directory.Tx) error { return tx.AddAlias("app", "joe", "joseph") },
		func(tx *directory.Tx) error {
			yes := true
			return tx.UpdateUser("app", "joe", directory.UserPatch{Disabled: &yes})
		},
	}
	merged := newReplica(t, 1, base.log)
	for i, change := range changes {
		r := newReplica(t, id.NodeID(i+2), base.log)
		r.do(change)
		merged.take(r)
	}
	u := newReplica(t, 1, merged.log).user()
	want := directory.User{
		Name: "joe", Incarnation: u.Incarnation, Disabled: true, Keys: publicKeys("joe"), Aliases: []string{"joseph"}, Groups: []string{"crew"},
		Meta: json.RawMessage(`{"phone":"123"}`),
	}
	if !reflect.DeepEqual(*u, want) {
		t.Errorf("got %+v\nwant %+v", *u, want)
	}
}
