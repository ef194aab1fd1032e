package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func keyCommand() *cobra.Command {
	const ring columns = "KID:kid STATE:state ALGORITHM:algorithm CREATED:created RETIRED:retired"
	cmd := nest(
		"key", "Show or rotate the keys that sign the tickets of a realm",
		verb{use: "list", short: "List the keys", procedure: "bondy.key.list", columns: ring},
		verb{use: "rotate", short: "Sign with the next key from now on", procedure: "bondy.key.rotate", columns: ring},
	)
	cmd.AddCommand(keyShowCommand())
	return cmd
}

func keyShowCommand() *cobra.Command {
	v := verb{use: "show KID", short: "Show a public key as a JSON Web Key", procedure: "bondy.key.jwks"}
	var r realmCommand
	cmd := &cobra.Command{
		Use: v.use, Short: v.short, Args: arity(v.use),
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := r.ask(cmd.Context(), &query{realm: masterRealm, procedure: v.procedure, args: []any{r.realm}})
			if err != nil {
				return err
			}
			var set struct{ Keys []detail }
			if len(a.args) > 0 {
				if err := unmarshal(a.args[0], &set); err != nil {
					return err
				}
			}
			for _, k := range set.Keys {
				if k["kid"] == args[0] {
					return show(cmd.OutOrStdout(), r.output, k, k.record)
				}
			}
			return fmt.Errorf("realm %s has no key %s: give one that list shows", r.realm, args[0])
		},
	}
	r.flags(cmd)
	return cmd
}
