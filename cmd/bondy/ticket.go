package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func ticketCommand() *cobra.Command {
	return nest(
		"ticket", "Show, issue or revoke the tickets of a realm",
		verb{
			use: "list", short: "List the tickets", procedure: "bondy.ticket.list", pages: "tickets", prepare: ticketList,
			columns: "ID:id USER:authid METHOD:authmethod REALM:scope.realm CLIENT:scope.client_id DEVICE:scope.device_id ISSUED:issued_at EXPIRES:expires_at",
		},
		verb{use: "show ID", short: "Show a ticket, but not its text", procedure: "bondy.ticket.get"},
		verb{use: "issue", short: "Issue a ticket, which its user can log in with", procedure: "bondy.ticket.issue", prepare: ticketIssue},
		verb{use: "revoke ID", short: "Revoke a ticket and end its sessions", procedure: "bondy.ticket.revoke"},
		verb{use: "revoke-all", short: "Revoke the tickets of a user, or all of the realm", procedure: "bondy.ticket.revoke_all", prepare: ticketRevokeAll},
	)
}

func ticketList(f *pflag.FlagSet) filler {
	user := f.String("user", "", "show only tickets of this `NAME`")
	return func(_ *cobra.Command, q *query, _ []string) error {
		if *user != "" {
			q.set("authid", *user)
		}
		return nil
	}
}

func ticketIssue(f *pflag.FlagSet) filler {
	user := f.String("user", "", "`NAME` of the user")
	expiry := f.Duration("expiry", 0, "how long it is valid; by default as long as the realm says")
	scope := new("local")
	f.Var(choice{scope, []string{"local", "sso"}}, "scope", "`SCOPE`: local is this realm, sso all with the same SSO realm")
	client := f.String("client-id", "", "`NAME` of the client it is for: the ticket says so, and who accepts it checks")
	device := f.String("device-id", "", "`NAME` of the device it is for, in the same way")
	return func(_ *cobra.Command, q *query, _ []string) error {
		if err := needs(f, "user"); err != nil {
			return err
		}
		q.add(*user)
		q.set("allow_sso", *scope == "sso")
		if f.Changed("expiry") {
			if *expiry < time.Second {
				return usage(fmt.Errorf("--expiry %s: give at least 1s", *expiry))
			}
			q.set("expiry_time_secs", int64(*expiry/time.Second))
		}
		if *client != "" {
			q.set("client_id", *client)
		}
		if *device != "" {
			q.set("device_id", *device)
		}
		return nil
	}
}

func ticketRevokeAll(f *pflag.FlagSet) filler {
	user := f.String("user", "", "revoke those of this `NAME`")
	f.Bool("all", false, "revoke those of all users of the realm")
	return func(_ *cobra.Command, q *query, _ []string) error {
		if *user != "" {
			q.add(*user)
		}
		return oneOf(f, "user", "all")
	}
}
