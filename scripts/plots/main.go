// Command plots makes the tables and the plots of docs/performance.md from
// docs/plots/figures.json. Run it at the root of the repository after a change
// of the figures: go run ./scripts/plots. It writes only what has changed.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

func main() {
	if err := run("."); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:forbidigo // the command's own main
	}
}

// run brings what is made from the figures up to date below root.
func run(root string) error {
	files, err := Make(root)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		path := filepath.Join(root, name)
		old, err := os.ReadFile(path) //nolint:gosec // one of our own
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if bytes.Equal(old, files[name]) {
			continue
		}
		if err := os.WriteFile(path, files[name], 0o644); err != nil { //nolint:gosec // documentation for all to read
			return err
		}
	}
	return nil
}

// Make returns what belongs into the files below root, by their names: the page
// with its tables, and a plot for each group of figures.
func Make(root string) (map[string][]byte, error) {
	text, err := os.ReadFile(filepath.Join(root, "docs/plots/figures.json")) //nolint:gosec // one of our own
	if err != nil {
		return nil, err
	}
	figures, err := Parse(text)
	if err != nil {
		return nil, err
	}
	const page = "docs/performance.md"
	content, err := os.ReadFile(filepath.Join(root, page)) //nolint:gosec // one of our own
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for _, p := range plots() {
		group := figures.of(p.name)
		files["docs/plots/"+p.name+".svg"] = p.svg(group)
		if content, err = replace(content, p.name, table(group)); err != nil {
			return nil, fmt.Errorf("%s: %w", page, err)
		}
	}
	files[page] = content
	return files, nil
}
