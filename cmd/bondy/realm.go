package main

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"bondy/core/wamp"
)

func realmsCommand() *cobra.Command {
	cmd := nest(
		"realm", "Show or change realms",
		verb{
			use: "list", short: "List the realms", procedure: "bondy.realm.list", pages: "realms", global: true,
			columns: "URI:uri SECURITY:security_status CONNECTIONS:effective.allow_connections AUTHMETHODS:effective.authmethods PROTOTYPE:prototype_uri SSO:effective.sso_realm_uri DESCRIPTION:description",
		},
		verb{use: "show URI", short: "Show a realm", procedure: "bondy.realm.get", global: true},
		verb{use: "create URI", short: "Create a realm", procedure: "bondy.realm.create", prepare: realmCreate, global: true},
		verb{
			use: "update URI", short: "Change those properties of a realm that are given",
			procedure: "bondy.realm.update", prepare: realmUpdate, global: true,
		},
		verb{use: "delete URI", short: "Delete a realm with all that is in it", procedure: "bondy.realm.delete", prepare: deletion("even if it has users"), global: true},
		verb{use: "security URI on|off|status", short: "Switch the security of a realm on or off, or show it", prepare: realmSecurity, global: true},
		verb{
			use: "export URI", short: "Print a realm as a document that plan and apply read",
			procedure: "bondy.realm.export", prepare: realmExport, document: true, global: true,
		},
	)
	cmd.AddCommand(planCommand(), applyCommand())
	return cmd
}

// realmFlags are the properties of a realm; what is not among them comes from
// the file that is returned.
func realmFlags(f *pflag.FlagSet) (o *object, file *string) {
	o = &object{flags: f}
	o.text("description", "description", "`TEXT` that says what the realm is for")
	o.uri("prototype", "prototype_uri", "`URI` of the realm to inherit from")
	o.uri("sso", "sso_realm_uri", "`URI` of the realm with the users' credentials; empty for none")
	o.list("authmethods", "authmethods", "authentication `METHODS`, with commas between")
	o.bool("security", "security_enabled", "whether users authenticate and are authorized")
	o.bool("allow-connections", "allow_connections", "whether clients may join")
	o.bool("is-prototype", "is_prototype", "make it a realm to inherit from")
	o.bool("is-sso", "is_sso_realm", "make it a realm with the credentials of others' users")
	return o, f.String("file", "", "JSON `FILE` with more properties; flags override it")
}

// realmObject is what the flags say of the realm with that URI.
func realmObject(o *object, file, uri string) (map[string]any, error) {
	var base map[string]any
	if file != "" {
		documents, err := readDocuments([]string{file})
		if err != nil {
			return nil, err
		}
		if len(documents) != 1 {
			return nil, fmt.Errorf("%s: has %d realms; give a file with one, or use apply", file, len(documents))
		}
		base = documents[0].content
		if other := detail(base)["uri"]; other != nil && other != uri {
			return nil, fmt.Errorf("%s: is about the realm %v, not %s", file, other, uri)
		}
	}
	return o.members(base), nil
}

func realmCreate(f *pflag.FlagSet) filler {
	o, file := realmFlags(f)
	return func(_ *cobra.Command, q *query, args []string) error {
		m, err := realmObject(o, *file, args[0])
		if err != nil {
			return err
		}
		m["uri"] = args[0]
		q.add(m)
		return nil
	}
}

func realmUpdate(f *pflag.FlagSet) filler {
	o, file := realmFlags(f)
	return func(_ *cobra.Command, q *query, args []string) error {
		m, err := realmObject(o, *file, args[0])
		if err != nil {
			return err
		}
		delete(m, "uri")
		if len(m) == 0 {
			return usage(fmt.Errorf("nothing to change: give a flag or --file"))
		}
		q.add(args[0], m)
		return nil
	}
}

func realmSecurity(*pflag.FlagSet) filler {
	return func(_ *cobra.Command, q *query, args []string) error {
		procedure, ok := map[string]wamp.URI{
			"on": "bondy.realm.security.enable", "off": "bondy.realm.security.disable", "status": "bondy.realm.security.status",
		}[args[1]]
		if !ok {
			return usage(fmt.Errorf("%q is not on, off or status: give the URI of the realm, then one of these", args[1]))
		}
		q.procedure = procedure
		q.add(args[0])
		return nil
	}
}

func realmExport(f *pflag.FlagSet) filler {
	secrets := f.Bool("secrets", false, "with what passwords are checked against: keep it as safe as these")
	return func(_ *cobra.Command, q *query, args []string) error {
		q.add(args[0])
		q.set("secrets", *secrets)
		return nil
	}
}
