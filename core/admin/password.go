package admin

import (
	"cmp"
	"context"
	"time"

	"bondy/core/auth"
	"bondy/core/directory"
	"bondy/core/mgmt"
	"bondy/core/wamp"
)

// hashTimeout bounds the wait for the gate.
const hashTimeout = 10 * time.Second

// hash makes what is kept of a password, which opts may say.
func (c *call) hash(realm wamp.URI, user string, password, opts mgmt.Arg) (*directory.Password, error) {
	text := password.String()
	if err := auth.CheckPassword(auth.Secret(text)); err != nil {
		password.Refuse("%v", err)
	}
	kdf := kdfOf(opts)
	if err := c.args.Err(); err != nil {
		return nil, err
	}
	snapshot := c.Directory.Snapshot()
	var out *directory.Password
	var err error
	entered := c.gated(func() { out, err = snapshot.Hash(realm, user, auth.Secret(text), kdf) })
	return out, cmp.Or(entered, err)
}

// gated runs what takes time when there is room for it.
func (c *call) gated(f func()) error {
	ctx, cancel := context.WithTimeout(c.Context, hashTimeout)
	defer cancel()
	return c.Gate.Do(ctx, auth.CredentialMemory, f)
}

// kdfOf reads the predecessor's password_opts: with the protocol cra passwords stay
// as wampcra needs them, with scram they become stronger at once, and without
// either when they are used. What it says of costs is checked and not followed: those are
// the node's, so that what is shown of users who do not exist is like the rest.
func kdfOf(v mgmt.Arg) auth.KDF {
	if !v.Set() {
		return ""
	}
	o := v.Object("protocol", "params")
	params := o.Key("params").Object("kdf", "iterations", "memory", "salt", "hash_function", "hash_length", "salt_length")
	for _, figure := range []string{"iterations", "memory", "hash_length", "salt_length"} {
		params.Key(figure).Positive()
	}
	for _, text := range []string{"salt", "hash_function"} {
		_ = params.Key(text).String()
	}
	switch kdf := params.Key("kdf"); auth.KDF(kdf.String()) {
	case auth.KDFArgon2id:
		return auth.KDFArgon2id
	case auth.KDFPBKDF2:
		return auth.KDFPBKDF2
	case "":
	default:
		kdf.Refuse("must be %s or %s", auth.KDFArgon2id, auth.KDFPBKDF2)
	}
	switch protocol := o.Key("protocol"); protocol.String() {
	case "cra":
		return auth.KDFPBKDF2
	case "scram":
		return auth.KDFArgon2id
	case "":
	default:
		protocol.Refuse("must be cra or scram")
	}
	return ""
}

func changePassword(c *call) (mgmt.Result, error) {
	v, u, err := c.user()
	if err != nil {
		return mgmt.Result{}, err
	}
	if old := c.args.Optional(2, "old"); old.Set() {
		if right, err := c.knows(v, u, old.String()); err != nil || !right {
			return mgmt.Result{}, cmp.Or(err, wrongPassword(u))
		}
	}
	return mgmt.Result{}, c.setPassword(u)
}

// setPassword gives a user the password that the second argument is.
func (c *call) setPassword(u *directory.User) error {
	p, err := c.hash(c.home(u), u.Name, c.args.At(1, "new"), c.args.Key("password_opts"))
	if err != nil {
		return err
	}
	return c.change(func(tx *directory.Tx) error {
		return tx.UpdateUser(c.realm, u.Name, directory.UserPatch{Password: p})
	})
}

// knows tells whether a password is the user's present one.
func (c *call) knows(v *directory.View, u *directory.User, password string) (right bool, err error) {
	err = c.gated(func() { right = v.Knows(u, auth.Secret(password)) })
	return right, err
}

func wrongPassword(u *directory.User) error {
	return wamp.Errorf(directory.ErrBadSignature, "the old password is not that of %q", u.Name)
}
