package pki

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

// usageError is an error of the command line.
type usageError struct{ error }

// ExitStatus is 2.
func (usageError) ExitStatus() int { return 2 }

// Unwrap gives the cause.
func (e usageError) Unwrap() error { return e.error }

func asUsage(err error) error {
	if err == nil {
		return nil
	}
	return usageError{err}
}

// Command is "bondy pki", which writes what it did to out. Errors of the
// command line have a method ExitStatus that says 2.
func Command(out io.Writer) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "pki",
		Short: "Make the certificates of nodes and edges, and keys to log in with",
		Long: `Make, renew and revoke the certificates with which nodes and edges trust one
another. The folder --dir is the authority; keep it, above all ca.key, off the
nodes. A node gets ca.crt, its own NAME.crt and NAME.key, and revoked.crl, which
it reads again when it changes.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return asUsage(fmt.Errorf("unknown command %q for %q", args[0], cmd.CommandPath()))
			}
			return cmd.Help()
		},
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return asUsage(err) })
	cmd.AddCommand(initCommand(out), issueCommand(out), revokeCommand(out), listCommand(out), keyCommand(out))
	return cmd
}

// inDir gives cmd the flag --dir, and what it returns to run it the exit
// statuses.
func inDir(cmd *cobra.Command, run func(dir string, args []string) error) *cobra.Command {
	dir := cmd.Flags().String("dir", "", "`FOLDER` of the authority")
	check := cmd.Args
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return asUsage(err)
		}
		if *dir == "" {
			return asUsage(fmt.Errorf("--dir is missing: %s --dir FOLDER", cmd.CommandPath()))
		}
		return nil
	}
	cmd.RunE = func(_ *cobra.Command, args []string) error { return run(*dir, args) }
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	return cmd
}

func initCommand(out io.Writer) *cobra.Command {
	algorithm, expires := Ed25519, lifetime(authorityLifetime)
	cmd := inDir(&cobra.Command{
		Use:   "init --dir FOLDER",
		Short: "Make an authority",
		Args:  cobra.NoArgs,
	}, func(dir string, _ []string) error {
		a, err := Init(dir, algorithm, time.Duration(expires))
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(out, "%s: made, expires %s; keep %s secret\n",
			a.certificatePath(authorityName), stamp(a.NotAfter()), a.keyPath(authorityName))
		return err
	})
	cmd.Flags().TextVar(&algorithm, "algorithm", algorithm, "`KEY`: ed25519 or p256")
	cmd.Flags().TextVar(&expires, "expires", expires, "`TIME` until the authority expires, such as 3650d or 87600h")
	return cmd
}

func issueCommand(out io.Writer) *cobra.Command {
	r := Request{Role: RoleNode, Algorithm: Ed25519}
	var expires lifetime
	cmd := inDir(&cobra.Command{
		Use:   "issue --dir FOLDER NAME",
		Short: "Issue a certificate",
		Long: `Issue a certificate and its key as NAME.crt and NAME.key. To renew one, issue it
again with --force: the one before stays valid until it expires or is revoked.`,
		Args: cobra.ExactArgs(1),
	}, func(dir string, args []string) error {
		r.Name, r.Lifetime = args[0], time.Duration(expires)
		if _, err := r.withDefaults(); err != nil {
			return asUsage(err)
		}
		if _, err := r.template(); err != nil {
			return asUsage(err)
		}
		a, err := Open(dir)
		if err != nil {
			return err
		}
		c, err := a.Issue(r)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(out, "%s: issued, role %s, serial %s, expires %s\n",
			a.certificatePath(c.Name), c.Role, c.Serial, stamp(c.NotAfter))
		return err
	})
	f := cmd.Flags()
	f.StringArrayVar(&r.Addresses, "address", nil, "`HOST-OR-IP` under which it is dialed; may be given several times")
	f.TextVar(&r.Role, "role", r.Role, "`ROLE`: node or edge; an edge only dials, and never joins a mesh")
	f.TextVar(&r.Algorithm, "algorithm", r.Algorithm, "`KEY`: ed25519 or p256")
	f.TextVar(&expires, "expires", expires, "`TIME` until it expires, such as 30d or 12h (default 365d of a node, 30d of an edge)")
	f.BoolVar(&r.Replace, "force", false, "replace NAME.crt and NAME.key")
	return cmd
}

func revokeCommand(out io.Writer) *cobra.Command {
	var serial string
	cmd := inDir(&cobra.Command{
		Use:   "revoke --dir FOLDER NAME",
		Short: "Revoke the certificates of a name",
		Long: `Put all certificates of NAME, or the one with --serial, on the revocation list
revoked.crl. Copy the list to the nodes: they refuse those certificates from
then on.`,
		Args: cobra.ExactArgs(1),
	}, func(dir string, args []string) error {
		a, err := Open(dir)
		if err != nil {
			return err
		}
		revoked, err := a.Revoke(args[0], serial)
		for _, c := range revoked {
			if _, err := fmt.Fprintf(out, "%s: revoked, serial %s, in %s\n", c.Name, c.Serial, a.listPath()); err != nil {
				return err
			}
		}
		if err == nil && len(revoked) == 0 {
			_, err = fmt.Fprintf(out, "%s: was revoked before\n", args[0])
		}
		return err
	})
	cmd.Flags().StringVar(&serial, "serial", "", "only the certificate with this serial `NUMBER`, in hexadecimal")
	return cmd
}

func listCommand(out io.Writer) *cobra.Command {
	var output string
	cmd := inDir(&cobra.Command{
		Use:   "list --dir FOLDER",
		Short: "List the certificates that were issued",
		Args:  cobra.NoArgs,
	}, func(dir string, _ []string) error {
		show := printTable
		switch output {
		case "table":
		case "json":
			show = printJSON
		default:
			return asUsage(fmt.Errorf("--output is table or json, not %q", output))
		}
		a, err := Open(dir)
		if err != nil {
			return err
		}
		certificates, err := a.List()
		if err := show(out, certificates); err != nil {
			return err
		}
		return err
	})
	cmd.Flags().StringVar(&output, "output", "table", "table or json")
	return cmd
}

func printJSON(out io.Writer, certificates []Certificate) error {
	if certificates == nil {
		certificates = []Certificate{}
	}
	return json.NewEncoder(out).Encode(certificates)
}

func printTable(out io.Writer, certificates []Certificate) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "NAME\tROLE\tSERIAL\tEXPIRES\tSTATE\tADDRESSES") // Flush says what fails
	for _, c := range certificates {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n",
			c.Name, c.Role, c.Serial, stamp(c.NotAfter), c.State, strings.Join(c.Addresses, ","))
	}
	return w.Flush()
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
