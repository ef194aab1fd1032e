package migrate

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"bondy/core/wamp"
)

// WriteDir writes a file for each document into a folder, which it makes if need
// be, for its owner alone. A file that is there already is an error.
func (r *Result) WriteDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for i := range r.Documents {
		d := &r.Documents[i]
		text, err := json.MarshalIndent(d, "", "  ")
		if err == nil {
			err = create(filepath.Join(dir, fileName(d.URI)), append(text, '\n'))
		}
		if err != nil {
			return fmt.Errorf("realm %s: %w", d.URI, err)
		}
	}
	return nil
}

// create writes a file that is not there yet.
func create(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the operator names the folder
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}

// maxFileName bounds the name of a file in bytes.
const maxFileName = 200

// fileName is a name for the file of a realm that any file system takes.
func fileName(uri wamp.URI) string {
	name := url.PathEscape(string(uri))
	if strings.HasPrefix(name, ".") {
		name = "%2E" + name[1:]
	}
	if len(name) > maxFileName {
		name = fmt.Sprintf("%s-%08x", name[:maxFileName], crc32.ChecksumIEEE([]byte(uri)))
	}
	return name + ".json"
}

// Write writes the documents as an array.
func (r *Result) Write(w io.Writer) error {
	text, err := json.MarshalIndent(r.Documents, "", "  ")
	if err != nil {
		return err
	}
	_, err = w.Write(append(text, '\n'))
	return err
}

// Report writes the notes as a table.
func (r *Result) Report(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, err := fmt.Fprintln(t, "REALM\tWHAT\tLINE\tWHERE\tWHAT TO KNOW")
	for _, n := range r.Notes {
		if err != nil {
			return err
		}
		line := "-"
		if n.Line > 0 {
			line = fmt.Sprint(n.Line)
		}
		_, err = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", cell(string(n.Realm)), n.What, line, cell(n.Path), cell(n.Text))
	}
	return errors.Join(err, t.Flush())
}

// cell is a text that does not break a table.
func cell(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, text)
	if text == "" {
		return "-"
	}
	return text
}
