package systest_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestWeaknessesAreAnswered checks that docs/security.md has a row for each
// weakness of the predecessor, and that the tests which it names exist.
func TestWeaknessesAreAnswered(t *testing.T) {
	root := filepath.Join("..", "..", "..")
	tests := testNames(t, root)
	text, err := os.ReadFile(filepath.Join(root, "docs", "security.md"))
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile(`(?m)^\| W(\d+) \| ([^|]+) \| ([^|]+) \|$`)
	name := regexp.MustCompile("`(Test\\w+)`")
	next, open := 1, 0
	for _, m := range row.FindAllStringSubmatch(string(text), -1) {
		if m[1] != strconv.Itoa(next) {
			t.Fatalf("the row after W%d is W%s", next-1, m[1])
		}
		next++
		if rest, ok := strings.CutPrefix(m[3], "not applicable: "); ok {
			if open++; strings.TrimSpace(rest) == "" {
				t.Errorf("W%s: no reason", m[1])
			}
			continue
		}
		named := name.FindAllStringSubmatch(m[3], -1)
		if len(named) == 0 {
			t.Errorf("W%s: names no test", m[1])
		}
		for _, n := range named {
			if !tests[n[1]] {
				t.Errorf("W%s: there is no %s", m[1], n[1])
			}
		}
	}
	if next != 65 {
		t.Errorf("%d rows, want 64", next-1)
	}
	if open > 20 {
		t.Errorf("%d rows are not applicable, at most 20 may be", open)
	}
}

// testNames are the names of all tests below a directory.
func testNames(t *testing.T, root string) map[string]bool {
	t.Helper()
	names := make(map[string]bool)
	decl := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() && (e.Name() == "node_modules" || e.Name() == "build" || strings.HasPrefix(e.Name(), ".") && e.Name() != "..") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		for _, m := range decl.FindAllSubmatch(text, -1) {
			names[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
