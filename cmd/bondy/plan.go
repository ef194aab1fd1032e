package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"bondy/core/wamp"
)

const (
	procedurePlan  wamp.URI = "bondy.realm.plan"
	procedureApply wamp.URI = "bondy.realm.apply"
)

// deployment is a command that compares the realms of a node with documents.
type deployment struct {
	realmCommand
	prune, yes bool
}

func (d *deployment) command(use, short string, run func(*cobra.Command, *query) error) *cobra.Command {
	cmd := &cobra.Command{
		Use: use + " FILE|DIR...", Short: short, Args: cobra.MinimumNArgs(1),
		Long: short + `.

A file has a realm as a JSON object, or several in an array, as export prints
them. Of a folder the files *.json are read, in the order of their names.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			documents, err := readDocuments(args)
			if err != nil {
				return err
			}
			q := &query{realm: masterRealm, procedure: procedurePlan, args: []any{documents}}
			q.set("prune", d.prune)
			return run(cmd, q)
		},
	}
	d.socket.flags(cmd)
	outputFlag(cmd, &d.output)
	cmd.Flags().BoolVar(&d.prune, "prune", false, "delete what is in these realms and not in the documents")
	return cmd
}

func planCommand() *cobra.Command {
	var d deployment
	return d.command("plan", "Show what apply would change", func(cmd *cobra.Command, q *query) error {
		p, err := d.changes(cmd, q)
		if err != nil {
			return err
		}
		return show(cmd.OutOrStdout(), d.output, p.result, p.table)
	})
}

func applyCommand() *cobra.Command {
	var d deployment
	cmd := d.command("apply", "Make realms what documents say, whole or not at all", d.apply)
	cmd.Flags().BoolVar(&d.yes, "yes", false, "do not ask before")
	return cmd
}

// apply shows the plan and asks, unless that is not wanted, and has it done.
func (d *deployment) apply(cmd *cobra.Command, q *query) error {
	if !d.yes {
		if !terminal(cmd.InOrStdin()) {
			return usage(errors.New("give --yes to apply without being asked, or see plan first"))
		}
		p, err := d.changes(cmd, q)
		if err != nil {
			return err
		}
		if len(p.Changes) == 0 {
			return show(cmd.OutOrStdout(), d.output, p.result, p.table)
		}
		if err := show(cmd.ErrOrStderr(), "table", nil, p.table); err != nil {
			return err
		}
		if err := confirm(cmd, "Apply this?"); err != nil {
			return err
		}
	}
	q.procedure = procedureApply
	p, err := d.changes(cmd, q)
	if err != nil {
		return err
	}
	return show(cmd.OutOrStdout(), d.output, p.result, func(line printer) {
		if d.yes {
			p.table(line)
		}
		if p.Applied && len(p.Changes) > 0 {
			line("applied")
		}
	})
}

// plan is what plan and apply answer.
type plan struct {
	Changes []change `json:"changes"`
	Applied bool     `json:"applied"`
	result  json.RawMessage
}

// change is one thing that is not as the documents say.
type change struct {
	Realm  string `json:"realm"`
	Kind   string `json:"kind"`
	Key    string `json:"key"`
	Verb   string `json:"verb"`
	Fields any    `json:"fields"`
}

func (d *deployment) changes(cmd *cobra.Command, q *query) (*plan, error) {
	a, err := d.ask(cmd.Context(), q)
	if err != nil {
		return nil, err
	}
	if len(a.args) == 0 {
		return nil, fmt.Errorf("%s answered nothing", q.procedure)
	}
	p := &plan{result: a.args[0]}
	return p, unmarshal(p.result, p)
}

// table shows the changes as one shows differences, and how many there are.
func (p *plan) table(line printer) {
	if len(p.Changes) == 0 {
		line("nothing to change")
		return
	}
	counts := make(map[string]int)
	for _, c := range p.Changes {
		counts[c.Verb]++
		sign, ok := map[string]string{"created": "+", "updated": "~", "deleted": "-"}[c.Verb]
		if !ok {
			sign = c.Verb
		}
		text := fmt.Sprintf("%s\t%s\t%s\t%s", sign, cell(c.Realm), cell(c.Kind), cell(c.Key))
		if c.Verb == "updated" {
			text += "\t" + cell(c.Fields)
		}
		line("%s", text)
	}
	line("create %d, update %d, delete %d", counts["created"], counts["updated"], counts["deleted"])
}

// readDocuments reads the realms of files and of the *.json files in folders.
func readDocuments(paths []string) ([]map[string]any, error) {
	all := []map[string]any{}
	for _, path := range paths {
		files := []string{path}
		if info, err := os.Stat(path); err != nil {
			return nil, err
		} else if info.IsDir() {
			entries, err := os.ReadDir(path) // sorted by name
			if err != nil {
				return nil, err
			}
			files = files[:0]
			for _, e := range entries {
				if !e.IsDir() && filepath.Ext(e.Name()) == ".json" {
					files = append(files, filepath.Join(path, e.Name()))
				}
			}
			if len(files) == 0 {
				return nil, fmt.Errorf("%s: has no *.json files", path)
			}
		}
		for _, file := range files {
			documents, err := readDocument(file)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			all = append(all, documents...)
		}
	}
	return all, nil
}

// readDocument reads the one realm or the array of realms in a file.
func readDocument(file string) ([]map[string]any, error) {
	data, err := os.ReadFile(file) //nolint:gosec // the operator names it
	if err != nil {
		return nil, errors.Unwrap(err)
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	err = d.Decode(&v)
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("more follows the first JSON value: put several realms into an array")
		}
	}
	if err != nil {
		at := d.InputOffset()
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			at = syntax.Offset
		} else if errors.Is(err, io.ErrUnexpectedEOF) {
			at = int64(len(data))
		}
		return nil, fmt.Errorf("line %d: %w", 1+bytes.Count(data[:min(int(at), len(data))], []byte("\n")), err)
	}
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	documents := make([]map[string]any, len(list))
	for i, member := range list {
		if documents[i], ok = member.(map[string]any); !ok {
			return nil, errors.New("must have a realm as a JSON object, or an array of such")
		}
	}
	return documents, nil
}
