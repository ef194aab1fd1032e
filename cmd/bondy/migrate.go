package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"bondy/cmd/internal/migrate"
)

func migrateCommand() *cobra.Command {
	var security, output string
	cmd := &cobra.Command{
		Use:   "migrate --security FILE [--output DIR]",
		Short: "Turn the predecessor's security document into realm documents",
		Long: `Turn the predecessor's security document, a JSON array of realms with their users,
groups, sources and grants, into documents that bondy realm apply and the key
realms_dir read: one file for each realm in DIR, or all of them on the standard
output. A report says what was taken, what is different, and what has no
counterpart. Hashes of passwords go on to work.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if security == "" {
				return usage(errors.New("name the document with --security"))
			}
			return migrateSecurity(cmd, security, output)
		},
	}
	cmd.Flags().StringVar(&security, "security", "", "the security `FILE` of the predecessor")
	cmd.Flags().StringVar(&output, "output", "", "the folder `DIR` for the documents, which has none of them yet")
	return cmd
}

func migrateSecurity(cmd *cobra.Command, security, output string) error {
	text, err := readBounded(security, migrate.MaxSize)
	if err != nil {
		return err
	}
	result, err := migrate.Convert(text)
	if err != nil {
		lines := strings.Split(err.Error(), "\n")
		for i, line := range lines {
			lines[i] = security + ": " + line
		}
		return errors.New(strings.Join(lines, "\n"))
	}
	report := cmd.OutOrStdout()
	if output == "" {
		report = cmd.ErrOrStderr()
		err = result.Write(cmd.OutOrStdout())
	} else {
		err = result.WriteDir(output)
	}
	if err != nil {
		return err
	}
	return result.Report(report)
}

// readBounded reads a file that has at most n bytes.
func readBounded(path string, n int64) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the operator names it
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(f, n+1))
	if err == nil && int64(len(text)) > n {
		err = fmt.Errorf("%s: longer than %d bytes", path, n)
	}
	return text, err
}
