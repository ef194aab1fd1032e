package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"bondy/cmd/internal/node"
	"bondy/core/directory"
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
			q := &query{realm: masterRealm, procedure: procedurePlan, args: []any{contents(documents)}}
			q.set("prune", d.prune)
			return placed(run(cmd, q), documents)
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
		return errors.Join(p.note(cmd), show(cmd.OutOrStdout(), d.output, p.result, p.table))
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
		if err := errors.Join(show(cmd.ErrOrStderr(), "table", nil, p.table), p.note(cmd)); err != nil {
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
	if d.yes { // else the plan had it
		if err := p.note(cmd); err != nil {
			return err
		}
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
	first   []string // the realms that get their first source
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
	if first, ok := a.kwargs["first"]; ok {
		if err := unmarshal(first, &p.first); err != nil {
			return nil, err
		}
	}
	return p, unmarshal(p.result, p)
}

// note says, where no script reads it, what is surprising about first sources.
func (p *plan) note(cmd *cobra.Command) error {
	for _, realm := range p.first {
		if _, err := fmt.Fprintf(cmd.ErrOrStderr(), "note: %s: %s\n", realm, firstSourceNote); err != nil {
			return err
		}
	}
	return nil
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

// document is a realm as a file has it.
type document struct {
	content map[string]any
	place   string // the file, and which of several in it
}

// contents are the realms of documents.
func contents(documents []document) []map[string]any {
	all := make([]map[string]any, len(documents))
	for i, d := range documents {
		all[i] = d.content
	}
	return all
}

// placed says of an error that begins with the number of a document, as [3].uri, in
// which file it is.
func placed(err error, documents []document) error {
	refused, ok := errors.AsType[*node.CallError](err)
	if !ok {
		return err
	}
	number, rest, ok := strings.Cut(strings.TrimPrefix(refused.Message, "["), "]")
	i, bad := strconv.Atoi(number)
	if !ok || bad != nil || i < 0 || i >= len(documents) {
		return err
	}
	return &node.CallError{URI: refused.URI, Message: documents[i].place + ": " + strings.TrimPrefix(strings.TrimPrefix(rest, "."), ": ")}
}

// readDocuments reads the realms of files and of the *.json files in folders.
func readDocuments(paths []string) ([]document, error) {
	all := []document{}
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
			list, err := readDocument(file)
			if err != nil {
				return nil, fmt.Errorf("%s: %s", file, strings.ReplaceAll(err.Error(), "\n", "\n"+file+": "))
			}
			for i, content := range list {
				place := file
				if len(list) > 1 {
					place = fmt.Sprintf("%s: [%d]", file, i)
				}
				all = append(all, document{content, place})
			}
		}
	}
	return all, nil
}

// readDocument reads the one realm or the array of realms in a file. What the node
// would refuse for its form is refused here, with its line.
func readDocument(file string) ([]map[string]any, error) {
	data, err := os.ReadFile(file) //nolint:gosec // the operator names it
	if err != nil {
		return nil, errors.Unwrap(err)
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if _, err := directory.ParseDocuments(data); err != nil {
		return nil, err
	}
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("[")) {
		var list []map[string]any
		return list, unmarshal(data, &list)
	}
	var one map[string]any
	return []map[string]any{one}, unmarshal(data, &one)
}
