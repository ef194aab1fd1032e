package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

func outputFlag(cmd *cobra.Command, to *string) {
	*to = "table"
	cmd.Flags().Var(choice{to, []string{"table", "json"}}, "output", "`FORMAT`: table or json")
}

// choice is a flag that takes one of a few words.
type choice struct {
	to    *string
	words []string
}

// Set takes the word.
func (c choice) Set(word string) error {
	if !slices.Contains(c.words, word) {
		return fmt.Errorf("use %s", strings.Join(c.words, " or "))
	}
	*c.to = word
	return nil
}

// String is the word that is set.
func (c choice) String() string {
	if c.to == nil { // pflag asks a zero value
		return ""
	}
	return *c.to
}

// Type is what pflag calls it.
func (choice) Type() string { return "string" }

// printer writes a line of a table.
type printer func(format string, args ...any)

// show prints v as JSON, or as the table that the function writes.
func show(to io.Writer, format string, v any, table func(printer)) error {
	if format == "json" {
		e := json.NewEncoder(to)
		e.SetIndent("", "  ")
		return e.Encode(v)
	}
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	table(func(format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) }) // Flush has the error
	return w.Flush()
}

// detail is what a procedure says of one thing.
type detail map[string]any

// unmarshal decodes JSON and keeps numbers as they are written.
func unmarshal(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	return d.Decode(v)
}

// at is the member at a path such as transport.type, nil when there is none.
func (d detail) at(path string) any {
	name, rest, deeper := strings.Cut(path, ".")
	if !deeper {
		return d[name]
	}
	inner, _ := d[name].(map[string]any)
	return detail(inner).at(rest)
}

// text is the member at a path as people read it; a number of seconds since
// 1970, as which members with names in _at come, is a time.
func (d detail) text(path string) string {
	v := d.at(path)
	if n, ok := v.(json.Number); ok && strings.HasSuffix(path, "_at") {
		if seconds, err := n.Int64(); err == nil {
			return time.Unix(seconds, 0).UTC().Format(time.RFC3339)
		}
	}
	return cell(v)
}

// cell is a value on one line of a table, without what would break it or
// could steer a terminal.
func cell(v any) string {
	switch v := v.(type) {
	case nil:
		return "-"
	case string:
		return dash(printable(v))
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case []any:
		if slices.ContainsFunc(v, isObject) {
			b, err := json.Marshal(v)
			if err != nil {
				return "-"
			}
			return printable(string(b))
		}
		texts := make([]string, len(v))
		for i, member := range v {
			texts[i] = cell(member)
		}
		return dash(strings.Join(texts, ", "))
	case map[string]any:
		b, err := json.Marshal(v)
		if err != nil || len(v) == 0 {
			return "-"
		}
		return printable(string(b))
	default:
		return fmt.Sprint(v)
	}
}

func isObject(v any) bool {
	_, ok := v.(map[string]any)
	return ok
}

func printable(s string) string {
	if strings.IndexFunc(s, unprintable) < 0 {
		return s
	}
	return strconv.Quote(s)
}

func unprintable(r rune) bool { return !strconv.IsPrint(r) }

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// columns say how a table shows a list: TITLE:path of each, with spaces
// between; a title may have "_" for a space.
type columns string

// table writes the list under its titles.
func (c columns) table(line printer, list []detail) {
	specs := strings.Fields(string(c))
	cells := make([]string, len(specs))
	for i, spec := range specs {
		cells[i], _, _ = strings.Cut(spec, ":")
	}
	line("%s", strings.ReplaceAll(strings.Join(cells, "\t"), "_", " "))
	for _, d := range list {
		for i, spec := range specs {
			_, path, _ := strings.Cut(spec, ":")
			cells[i] = d.text(path)
		}
		line("%s", strings.Join(cells, "\t"))
	}
}

// record writes a thing, a line for each member: first what names it.
func (d detail) record(line printer) {
	const first = "uri username name id kid ticket password"
	names := make([]string, 0, len(d))
	for name := range strings.FieldsSeq(first) {
		if _, ok := d[name]; ok {
			names = append(names, name)
		}
	}
	named := len(names)
	for name := range d {
		if !slices.Contains(names[:named], name) {
			names = append(names, name)
		}
	}
	slices.Sort(names[named:])
	for _, name := range names {
		line("%s\t%s", printable(name), d.text(name))
	}
}
