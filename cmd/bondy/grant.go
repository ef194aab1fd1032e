package main

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func grantCommand() *cobra.Command {
	return nest(
		"grant", "Show or change who may do what in a realm",
		verb{
			use: "list", short: "List the grants", procedure: "bondy.realm.grants", pages: "grants", prepare: grantList,
			columns: "ROLES:roles PERMISSIONS:permissions MATCH:resource.match URI:resource.uri",
		},
		verb{use: "add", short: "Grant permissions to roles", procedure: "bondy.grant.create", prepare: grantChange},
		verb{use: "revoke", short: "Take permissions from roles", procedure: "bondy.grant.revoke", prepare: grantChange},
		verb{
			use: "explain", short: "Tell whether and why a user may do something",
			procedure: "bondy.rbac.explain", prepare: grantExplain, table: explained,
		},
	)
}

func grantList(f *pflag.FlagSet) filler {
	role := f.String("role", "", "show only grants to this `ROLE`, such as user/joe, group/staff, all or anonymous")
	return func(_ *cobra.Command, q *query, _ []string) error {
		if *role != "" {
			q.set("role", *role)
		}
		return nil
	}
}

// resourceFlags are a URI and how it matches.
func resourceFlags(f *pflag.FlagSet) (uri, match *string) {
	uri, match = f.String("uri", "", "`URI` of the procedure or topic, or the pattern"), new("exact")
	f.Var(choice{match, []string{"exact", "prefix", "wildcard"}}, "match", "how the URI `MATCHES`: exact, prefix or wildcard")
	return uri, match
}

func grantChange(f *pflag.FlagSet) filler {
	roles := f.StringSlice("role", nil, "`ROLE` such as user/joe, group/staff, all or anonymous; may repeat")
	permissions := f.StringSlice("permission", nil, "`PERMISSION` such as wamp.call; may repeat, or have commas between")
	uri, match := resourceFlags(f)
	return func(_ *cobra.Command, q *query, _ []string) error {
		q.add(map[string]any{
			"roles": *roles, "permissions": *permissions,
			"resources": []any{map[string]any{"uri": *uri, "match": *match}},
		})
		return needs(f, "role", "permission", "uri")
	}
}

func grantExplain(f *pflag.FlagSet) filler {
	user := f.String("user", "", "`NAME` of the user")
	f.Bool("anonymous", false, "ask for anonymous clients")
	permission := f.String("permission", "", "`PERMISSION` such as wamp.call")
	uri, match := resourceFlags(f)
	return func(_ *cobra.Command, q *query, _ []string) error {
		if err := oneOf(f, "user", "anonymous"); err != nil {
			return err
		}
		if *user == "" {
			*user = "anonymous"
		}
		q.add(*user, *permission, *uri, *match)
		return needs(f, "permission", "uri")
	}
}

// explained shows a decision with the grants that led to it, or nearly would
// have.
func explained(line printer, answer detail) {
	line("allowed\t%s", answer.text("allowed"))
	line("reason\t%s", answer.text("reason"))
	var grants []detail
	for _, member := range []string{"grants", "near"} {
		list, _ := answer[member].([]any)
		for _, g := range list {
			grant, _ := g.(map[string]any)
			grants = append(grants, grant)
		}
	}
	if len(grants) > 0 {
		line("")
		columns("ROLE:role PERMISSIONS:permissions MATCH:resource.match URI:resource.uri VIA:via WHY:why").table(line, grants)
	}
}
