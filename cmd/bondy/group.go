package main

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func groupCommand() *cobra.Command {
	return nest(
		"group", "Show or change the groups of a realm",
		verb{
			use: "list", short: "List the groups", procedure: "bondy.group.list", pages: "groups",
			columns: "NAME:name GROUPS:groups META:meta",
		},
		verb{use: "show NAME", short: "Show a group", procedure: "bondy.group.get"},
		verb{use: "add NAME", short: "Add a group", procedure: "bondy.group.add", prepare: groupAdd},
		verb{use: "update NAME", short: "Change those properties of a group that are given", procedure: "bondy.group.update", prepare: groupUpdate},
		verb{use: "delete NAME", short: "Delete a group, its grants and memberships", procedure: "bondy.group.delete"},
		verb{
			use: "grants NAME", short: "List what a group may do", procedure: "bondy.group.grants",
			columns: "PERMISSIONS:permissions MATCH:resource.match URI:resource.uri",
		},
	)
}

func groupFlags(f *pflag.FlagSet) *object {
	o := &object{flags: f}
	o.list("group", "groups", "`GROUP` that this one is in and has the grants of; may repeat")
	o.json("meta", "meta", "`JSON` object with data about the group")
	return o
}

func groupAdd(f *pflag.FlagSet) filler {
	o := groupFlags(f)
	return func(_ *cobra.Command, q *query, args []string) error {
		q.add(o.members(map[string]any{"name": args[0]}))
		return nil
	}
}

func groupUpdate(f *pflag.FlagSet) filler { return updateWith(groupFlags(f)) }
