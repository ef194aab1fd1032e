package main_test

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	plots "bondy/scripts/plots"
)

// root is the root of the repository.
const root = "../.."

func TestPageAndPlotsAreUpToDate(t *testing.T) {
	files, err := plots.Make(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 4 {
		t.Errorf("%d files, want the page and three plots", len(files))
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("%s is out of date; run: go run ./scripts/plots", name)
		}
	}
}

func TestMake(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "docs/plots/figures.json", `[
{"plot": "cpu", "name": "a < b", "unit": "times", "bar": 3, "entries": [{"who": "bondy", "value": 2.5, "low": 2, "high": 3}, {"who": "R&D", "value": 40}]},
{"plot": "cpu", "name": "c", "unit": "times", "entries": [{"who": "bondy", "value": 1}]},
{"plot": "memory", "name": "idle", "unit": "KiB", "entries": [{"who": "bondy", "value": 0.8}]}]`)
	page := "# Page\n"
	for _, name := range []string{"cpu", "memory", "latency"} {
		page += "<!-- figures:" + name + " -->\nold\n<!-- /figures:" + name + " -->\nbetween\n"
	}
	write(t, dir, "docs/performance.md", page)
	files, err := plots.Make(dir)
	if err != nil {
		t.Fatal(err)
	}
	text := string(files["docs/performance.md"])
	for _, want := range []string{
		"|  | unit | bondy | R&D | goal |\n", "| a < b | times | 2.5 (2..3) | 40 | 3 |\n", "| c | times | 1 |  |  |\n",
		"|  | unit | bondy |\n", "| idle | KiB | 0.8 |\n", "between\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page has no %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "old") {
		t.Errorf("the page still has the old table:\n%s", text)
	}
	if plot := string(files["docs/plots/cpu.svg"]); strings.Contains(plot, "%!") {
		t.Errorf("cpu.svg has a bad verb:\n%s", plot)
	}
	d := xml.NewDecoder(strings.NewReader(string(files["docs/plots/cpu.svg"])))
	for err == nil {
		_, err = d.Token()
	}
	if !errors.Is(err, io.EOF) {
		t.Errorf("cpu.svg: %v", err)
	}
}

func TestMakeRefuses(t *testing.T) {
	for name, test := range map[string]struct{ figures, page, want string }{
		"no JSON":       {`[`, "", "unexpected EOF"},
		"unknown key":   {`[{"color": "red"}]`, "", "color"},
		"unknown plot":  {`[{"plot": "x", "name": "a", "entries": [{"who": "b", "value": 1}]}]`, "", `"a"`},
		"no entry":      {`[{"plot": "cpu", "name": "a"}]`, "", "entries"},
		"no value":      {`[{"plot": "cpu", "name": "a", "entries": [{"who": "b"}]}]`, "", "value"},
		"outside range": {`[{"plot": "cpu", "name": "a", "entries": [{"who": "b", "value": 5, "low": 1, "high": 4}]}]`, "", "low to high"},
		"no marker":     {`[]`, "# Page\n", "figures:cpu"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, "docs/plots/figures.json", test.figures)
			write(t, dir, "docs/performance.md", test.page)
			if _, err := plots.Make(dir); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Make = %v, want an error with %q", err, test.want)
			}
		})
	}
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
