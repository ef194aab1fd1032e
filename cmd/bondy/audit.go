package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bondy/cmd/internal/node"
	"bondy/core/audit"
)

func auditCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Show or verify the audit log of a node",
		Long: `Show or verify the audit log of a node: who logged in, was refused, was denied
something or changed something. The files are read where they are, so the node
need not run.`,
	}
	cmd.AddCommand(auditTailCommand(), auditVerifyCommand())
	return cmd
}

func auditTailCommand() *cobra.Command {
	var src source
	var q node.AuditQuery
	var output, kind string
	var since time.Duration
	cmd := &cobra.Command{
		Use:   "tail",
		Short: "Show the newest records",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := src.load()
			if err != nil {
				return err
			}
			q.Kind = audit.Kind(kind)
			if since > 0 {
				q.Since = time.Now().Add(-since)
				if !cmd.Flags().Changed("last") {
					q.Last = 0
				}
			}
			return tailAudit(cmd, cfg.DataDir, q, output)
		},
	}
	auditFlags(cmd, &src)
	outputFlag(cmd, &output)
	f := cmd.Flags()
	f.IntVarP(&q.Last, "last", "n", 20, "show so many `RECORDS`; 0 is all, as it is by default with --since")
	f.BoolVarP(&q.Follow, "follow", "f", false, "go on with those to come, until Ctrl-C")
	f.DurationVar(&since, "since", 0, "only those of the last `TIME`, such as 1h")
	f.StringVar((*string)(&q.Realm), "realm", "", "only those of the realm `URI`")
	f.StringVar(&q.AuthID, "authid", "", "only those of the user `AUTHID`")
	kinds := make([]string, 0, len(audit.Kinds()))
	for _, k := range audit.Kinds() {
		kinds = append(kinds, string(k))
	}
	f.Var(choice{&kind, kinds}, "kind", "only those of `KIND`: "+strings.Join(kinds, ", "))
	return cmd
}

func auditFlags(cmd *cobra.Command, src *source) {
	cmd.Flags().StringVar(&src.file, "config", "", "configuration `FILE` of the node; tells where its data is")
	cmd.Flags().StringVar(&src.data, "data", "", "data `DIR` of the node")
}

func tailAudit(cmd *cobra.Command, dataDir string, q node.AuditQuery, output string) error {
	out := cmd.OutOrStdout()
	titled := false
	return node.AuditLog(dataDir).Tail(cmd.Context(), q, func(r *audit.Record, damage error) error {
		switch {
		case damage != nil:
			_, err := fmt.Fprintln(cmd.ErrOrStderr(), printable(damage.Error()))
			return err
		case output == "json":
			return writeAuditJSON(out, r)
		case !titled:
			titled = true
			if _, err := fmt.Fprintf(out, auditLine, "TIME", "KIND", "OUTCOME", "REALM", "AUTHID", "ADDRESS", "WHAT"); err != nil {
				return err
			}
		}
		return writeAuditLine(out, r)
	})
}

// auditLine is a line of the table. It has columns of a fixed width, as lines
// may come one by one.
const auditLine = "%-24s %-14s %-8s %-16s %-16s %-21s %s\n"

func writeAuditLine(out io.Writer, r *audit.Record) error {
	remote := ""
	if r.Remote.IsValid() {
		remote = r.Remote.String()
	}
	method := ""
	if r.AuthMethod != "" {
		method = "by " + r.AuthMethod
	}
	what := []string{r.Action, r.Object, method, r.Reason, strings.Join(r.Changes, ", ")}
	if r.Repeated > 0 {
		what = append(what, fmt.Sprintf("%d times", r.Repeated))
	}
	if r.Lost > 0 {
		what = append(what, fmt.Sprintf("%d events before this were lost", r.Lost))
	}
	said := what[:0]
	for _, text := range what {
		if text != "" {
			said = append(said, printable(text))
		}
	}
	column := func(s string) string { return cmp.Or(printable(s), "-") }
	_, err := fmt.Fprintf(out, auditLine, r.Time.UTC().Format("2006-01-02T15:04:05.000Z"), column(string(r.Kind)), column(string(r.Outcome)),
		column(string(r.Realm)), column(r.AuthID), column(remote), strings.Join(said, ", "))
	return err
}

// writeAuditJSON writes the record as the line of the log.
func writeAuditJSON(out io.Writer, r *audit.Record) error {
	before, err := r.Before()
	if err == nil {
		_, err = out.Write(before.Append(nil, r))
	}
	return err
}

func auditVerifyCommand() *cobra.Command {
	var src source
	var output, head string
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Check that nothing in the audit log was changed",
		Long: `Check that no record of the audit log was changed, added, moved or removed.

Who can write the files could write all of them anew, or cut off the end. To find
that, note the head that is printed, on another machine, and give it with --head
the next time: the log must still have its records.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if head == "" && cmd.Flags().Changed("head") {
				return usage(errors.New("--head is empty: give the head that was noted; was the file that has it read?"))
			}
			cfg, err := src.load()
			if err != nil {
				return err
			}
			return verifyAudit(cmd.OutOrStdout(), cfg.DataDir, head, output)
		},
	}
	auditFlags(cmd, &src)
	outputFlag(cmd, &output)
	cmd.Flags().StringVar(&head, "head", "", "`HEX` that was noted before, which the log must still have")
	return cmd
}

func verifyAudit(out io.Writer, dataDir, head, output string) error {
	report, err := node.AuditLog(dataDir).Verify(strings.ToLower(head))
	if err != nil {
		return err
	}
	return show(out, output, report, func(line printer) {
		line("state\tin order")
		auditChain(line, "administration", &report.Administration)
		if report.Access.Files > 0 {
			auditChain(line, "access", &report.Access)
		}
		line("head\t%s", report.Head)
	})
}

func auditChain(line printer, name string, c *node.AuditChain) {
	line("%s\trecords %d to %d, %s to %s", name, c.First, c.Last, c.From.Format(time.RFC3339), c.To.Format(time.RFC3339))
	line("\t%d files, %d bytes", c.Files, c.Bytes)
	if c.Lost > 0 {
		line("\t%d events are in no record", c.Lost)
	}
	if c.Unfinished > 0 {
		line("\t%d bytes at the end are unfinished: the node is writing, or was killed and mends it when it starts", c.Unfinished)
	}
}
