package main

import (
	"errors"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func userCommand() *cobra.Command {
	cmd := nest(
		"user", "Show or change the users of a realm",
		verb{
			use: "list", short: "List the users", procedure: "bondy.user.list", pages: "users",
			columns: "USERNAME:username GROUPS:groups ENABLED:enabled PASSWORD:has_password KEYS:has_authorized_keys SSO:sso_realm_uri",
		},
		verb{use: "show NAME", short: "Show a user", procedure: "bondy.user.get"},
		verb{use: "add NAME", short: "Add a user", procedure: "bondy.user.add", prepare: userAdd},
		verb{use: "update NAME", short: "Change those properties of a user that are given", procedure: "bondy.user.update", prepare: userUpdate},
		verb{use: "delete NAME", short: "Delete a user and end their sessions", procedure: "bondy.user.delete", prepare: deletion("even if users of other realms log in with these credentials")},
		verb{use: "enable NAME", short: "Let a user log in again", procedure: "bondy.user.enable"},
		verb{use: "disable NAME", short: "Keep a user out and end their sessions", procedure: "bondy.user.disable"},
		verb{use: "passwd NAME", short: "Give a user another password", procedure: "bondy.user.change_password", prepare: userPasswd},
		verb{
			use: "grants NAME", short: "List what a user may do, also by groups", procedure: "bondy.user.grants",
			columns: "PERMISSIONS:permissions MATCH:resource.match URI:resource.uri",
		},
	)
	cmd.AddCommand(
		nest(
			"alias", "Change the other names of a user",
			verb{use: "add NAME ALIAS", short: "Let a user log in by another name", procedure: "bondy.user.add_alias"},
			verb{use: "remove NAME ALIAS", short: "Take another name from a user", procedure: "bondy.user.remove_alias"},
		),
		nest(
			"group", "Change the groups of a user",
			verb{use: "add NAME GROUP...", short: "Put a user into groups", procedure: "bondy.user.add_groups", prepare: namedList},
			verb{use: "remove NAME GROUP...", short: "Take a user out of groups", procedure: "bondy.user.remove_groups", prepare: namedList},
		),
	)
	return cmd
}

// namedList passes a name, and a list of the arguments that follow it.
func namedList(*pflag.FlagSet) filler {
	return func(_ *cobra.Command, q *query, args []string) error {
		q.add(args[0], args[1:])
		return nil
	}
}

func userFlags(f *pflag.FlagSet) *object {
	o := &object{flags: f}
	o.list("key", "authorized_keys", "`HEX` Ed25519 public key to log in with; may repeat")
	o.list("group", "groups", "`GROUP` of the user; may repeat")
	o.json("meta", "meta", "`JSON` object with data about the user")
	disabled := f.Bool("disabled", false, "keep the user out")
	o.property("disabled", "enabled", func() any { return !*disabled })
	return o
}

func userAdd(f *pflag.FlagSet) filler {
	o := userFlags(f)
	o.uri("sso", "sso_realm_uri", "`URI` of the realm with the user's credentials")
	var p password
	p.flags(f, "password-stdin", "password-file", "generate-password")
	return func(cmd *cobra.Command, q *query, args []string) error {
		user := o.members(map[string]any{"username": args[0]})
		if p.given() {
			text, err := p.read(cmd, q)
			if err != nil {
				return err
			}
			user["password"] = text
		}
		q.add(user)
		return nil
	}
}

func userUpdate(f *pflag.FlagSet) filler { return updateWith(userFlags(f)) }

// updateWith passes a name and what is to change.
func updateWith(o *object) filler {
	return func(_ *cobra.Command, q *query, args []string) error {
		m := o.members(nil)
		if len(m) == 0 {
			return usage(errors.New("nothing to change: give a flag"))
		}
		q.add(args[0], m)
		return nil
	}
}

func userPasswd(f *pflag.FlagSet) filler {
	var p password
	p.flags(f, "stdin", "file", "generate")
	return func(cmd *cobra.Command, q *query, args []string) error {
		if !p.given() && !terminal(cmd.InOrStdin()) {
			return usage(errors.New("give --stdin, --file or --generate"))
		}
		text, err := p.read(cmd, q)
		if err != nil {
			return err
		}
		q.add(args[0], text)
		return nil
	}
}
