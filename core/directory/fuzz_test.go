package directory_test

import (
	"errors"
	"net/netip"
	"testing"

	"bondy/core/auth"
	"bondy/core/directory"
	"bondy/core/directory/directorytest"
	"bondy/core/id"
	"bondy/core/rbac"
)

// FuzzLoad opens a directory in whose log one row is damaged. That is an error or
// not, but then everything can be looked at, and changed.
func FuzzLoad(f *testing.F) {
	log := new(directorytest.Log)
	d := directorytest.Open(f, log)
	hash, err := d.Snapshot().Hash("com.r", "joe", "secret", auth.KDFPBKDF2)
	if err != nil {
		f.Fatal(err)
	}
	directorytest.Do(f, d, full("com.r"))
	directorytest.Do(f, d, func(tx *directory.Tx) error {
		on, ps := call("com.b")
		return errors.Join(
			tx.UpdateUser("com.r", "joe", directory.UserPatch{Password: hash}), tx.AddGroup("com.r", "top", nil, nil),
			tx.AddParents("com.r", "staff", []string{"top"}), tx.Grant("com.r", groupRole("top"), on, ps),
			tx.CreateRealm("proto", directory.Properties{IsPrototype: true}), tx.CreateRealm("sso", directory.Properties{IsSSORealm: true}),
			tx.CreateRealm("child", directory.Properties{PrototypeURI: "proto", SSORealmURI: "sso"}),
			tx.AddUser("child", directory.UserSpec{Name: "ann", SSO: "sso"}))
	})
	rows := log.Rows()
	for i, r := range rows {
		f.Add(uint16(i), r.Key, r.Value)
		f.Add(uint16(i), r.Key, []byte(`{}`))
		f.Add(uint16(i), "com.r\x00x", r.Value)
		f.Add(uint16(i), r.Key, []byte(`{"of":"`+"0"+`"}`))
	}
	f.Fuzz(func(t *testing.T, i uint16, key string, value []byte) {
		log := new(directorytest.Log)
		for _, r := range rows {
			log.Put(r)
		}
		damaged := rows[int(i)%len(rows)]
		if damaged.Value == nil || value == nil {
			return
		}
		log.Put(directory.Row{Kind: damaged.Kind, Key: key, Value: value})
		d, err := directory.Open(log, id.NewClock(1), directorytest.Salt)
		if err != nil {
			return
		}
		look(t, d)
		for uri := range d.Snapshot().Realms() {
			_ = d.Update(directory.Actor{}, func(tx *directory.Tx) error { return tx.DeleteUser(uri, "joe", true) })
			_ = d.Update(directory.Actor{}, func(tx *directory.Tx) error { return tx.DeleteGroup(uri, "staff") })
			_ = d.Update(directory.Actor{}, func(tx *directory.Tx) error { return tx.AddGroup(uri, "new", []string{"top"}, nil) })
			_ = d.Update(directory.Actor{}, func(tx *directory.Tx) error { return tx.DeleteRealm(uri, true) })
		}
		look(t, d)
	})
}

// TestDamagedKeyIsNone says that a key of another size, with which nothing can be
// verified, does not count.
func TestDamagedKeyIsNone(t *testing.T) {
	log := new(directorytest.Log)
	directorytest.Do(t, directorytest.Open(t, log), full("com.r"))
	for _, r := range log.Rows() {
		if r.Kind == directory.KindKey {
			r.Key = "com.r\x00joe\x00abcd"
			log.Put(r)
		}
	}
	look(t, directorytest.Open(t, log))
}

// look goes through everything that a node looks at.
func look(t *testing.T, d *directory.Directory) {
	t.Helper()
	for uri := range d.Snapshot().Realms() {
		v := view(t, d, uri)
		p := v.Effective()
		cfg := auth.Config{Directory: v, Sources: v.Inherited(), Methods: p.AuthMethods}
		for s := range v.Sources("") {
			cfg.Sources = append(cfg.Sources, s.Source)
		}
		a, err := rbac.New(rbac.Config{Directory: v})
		if err != nil {
			t.Fatal(err)
		}
		for u := range v.Users("") {
			login, _ := v.User(u.Name)
			a.Rights(user(u.Name)).Decide(rbac.Call, "com.a", 0)
			v.Knows(u, "secret")
			for _, k := range login.Keys {
				v.Owners(k)
				if len(k) != 32 {
					t.Fatalf("a key of %d bytes", len(k))
				}
			}
		}
		v.Twin(7)
		if x, err := auth.New(cfg); err == nil {
			x.Explain("joe", netip.Addr{}, false)
		}
		if _, err := v.Export(directory.ExportOptions{Secrets: true}); err != nil {
			continue // of damaged secrets
		}
	}
}
