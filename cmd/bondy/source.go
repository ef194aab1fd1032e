package main

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func sourceCommand() *cobra.Command {
	return nest(
		"source", "Show or change who may log in from where, and how",
		verb{
			use: "list", short: "List the sources", procedure: "bondy.source.list", pages: "sources",
			columns: "ID:id SUBJECTS:usernames METHODS:authmethods ADDRESSES:cidrs DENY:deny",
		},
		verb{use: "add", short: "Allow or deny methods to users from addresses", procedure: "bondy.source.add", prepare: sourceAdd, note: firstSource},
		verb{use: "delete ID", short: "Delete a source", procedure: "bondy.source.delete"},
		verb{
			use: "explain NAME ADDRESS", short: "Tell which methods a user has from an address, and why",
			procedure: "bondy.source.explain", columns: "METHOD:method ALLOWED:allowed SOURCE:source REASON:reason",
		},
	)
}

// firstSource warns of what is surprising about the first source of a realm.
func firstSource(a *answer) string {
	if string(a.kwargs["first"]) != "true" {
		return ""
	}
	return "note: " + firstSourceNote
}

const firstSourceNote = "this is the first source of the realm: whom no source matches cannot log in any more"

func sourceAdd(f *pflag.FlagSet) filler {
	o := &object{flags: f}
	o.list("subject", "usernames", "`SUBJECT`: a user, a group, all or anonymous; may repeat")
	o.list("method", "authmethods", "authentication `METHOD`; may repeat; without it all that the realm offers, but trust")
	o.list("cidr", "cidrs", "`PREFIX` of addresses such as 10.0.0.0/8; may repeat; without it all addresses")
	o.bool("deny", "deny", "deny instead of allowing")
	o.json("meta", "meta", "`JSON` object with data about the source")
	return func(_ *cobra.Command, q *query, _ []string) error {
		q.add(o.members(nil))
		return needs(f, "subject")
	}
}
