package node

import (
	"crypto/rand"
	"fmt"
	"log/slog"

	"bondy/core/auth"
	"bondy/core/directory"
	"bondy/core/rbac"
	"bondy/core/wamp"
)

// Administrator is the user that the first start makes in the master realm.
const Administrator = "admin"

// bootstrap makes the master realm with its one administrator, unless it is
// there. The secret goes to Options.Secret and nowhere else.
func (n *Node) bootstrap() error {
	if _, err := n.directory.View(directory.Master); err == nil {
		return nil
	}
	secret := rand.Text()
	password, err := n.directory.Snapshot().Hash(directory.Master, Administrator, auth.Secret(secret), auth.KDFPBKDF2) // of 130 random bits
	if err != nil {
		return err
	}
	if n.opts.Secret == nil {
		password = nil // nobody could know it: the admin socket lets the operator set one
	} else if err := n.opts.Secret(Administrator, secret); err != nil {
		return fmt.Errorf("the administrator's secret: %w", err)
	}
	n.log.Info("the master realm was made", slog.String("realm", string(directory.Master)), slog.String("user", Administrator))
	n.born, err = n.directory.Apply(directory.Actor{}, func(tx *directory.Tx) error {
		err := tx.CreateRealm(directory.Master, directory.Properties{
			Description: "Administration of the node",
			AuthMethods: []string{auth.MethodCryptosign, auth.MethodSCRAM, auth.MethodWAMPCRA, auth.MethodPassword, auth.MethodTicket},
			Settings:    directory.DefaultSettings(),
		})
		if err == nil {
			err = tx.AddGroup(directory.Master, directory.Administrators, nil, nil)
		}
		if err == nil {
			err = tx.AddUser(directory.Master, directory.UserSpec{Name: Administrator, Password: password, Groups: []string{directory.Administrators}})
		}
		for _, g := range administration() {
			if err == nil {
				err = tx.Grant(directory.Master, rbac.Role{Kind: rbac.RoleGroup, Name: directory.Administrators}, g.Resource, g.Permissions)
			}
		}
		return err
	})
	return err
}

// administration is what administrators may do: call and hear everything of the
// router's own, and nothing else.
func administration() []rbac.RoleGrant {
	ps := rbac.Set(rbac.Call, rbac.Cancel, rbac.Subscribe, rbac.Unsubscribe)
	var out []rbac.RoleGrant
	for _, r := range []rbac.Resource{
		{URI: "bondy.", Match: wamp.MatchPrefix},
		{URI: "wamp.", Match: wamp.MatchPrefix},
		{URI: "wamp.session.kill", Match: wamp.MatchPrefix},
		{URI: "wamp.session.modify_details"},
		{URI: "wamp.registration.remove_callee"},
		{URI: "wamp.subscription.remove_subscriber"},
	} {
		out = append(out, rbac.RoleGrant{Permissions: ps, Resource: r})
	}
	return append(out, rbac.RoleGrant{
		Permissions: rbac.Set(rbac.Issue), Resource: rbac.Resource{URI: "bondy.ticket.scope.", Match: wamp.MatchPrefix},
	})
}
