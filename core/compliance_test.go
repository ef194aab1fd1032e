package core_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"bondy/core/coretest"
)

// rows are the lines of the tables in docs/wamp.md, without heads, as cells.
func rows(t *testing.T) (all [][]string) {
	t.Helper()
	text, err := os.ReadFile("../docs/wamp.md")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	for i, line := range lines {
		head := strings.HasPrefix(line, "|-") || i+1 < len(lines) && strings.HasPrefix(lines[i+1], "|-")
		if !strings.HasPrefix(line, "|") || head {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for j := range cells {
			cells[j] = strings.TrimSpace(cells[j])
		}
		all = append(all, cells)
	}
	return all
}

// The page on compliance says what WELCOME announces, no more and no less.
func TestComplianceIsAnnounced(t *testing.T) {
	var stated []string
	features := 0
	for _, row := range rows(t) {
		if len(row) != 5 {
			continue // of another table
		}
		features++
		name, announced, status, section, tests := row[0], row[1], row[2], row[3], row[4]
		switch status {
		case "yes":
			if announced != "-" {
				stated = append(stated, strings.Fields(announced)...)
			}
			if tests == "-" {
				t.Errorf("%s has no test", name)
			}
		case "no":
			if announced != "-" {
				t.Errorf("%s is announced, but its status is no", name)
			}
		default:
			t.Errorf("%s has the status %q, want yes or no", name, status)
		}
		if section == "" {
			t.Errorf("%s has no section", name)
		}
	}
	if features < 40 {
		t.Errorf("%d features found: the tables have another form", features)
	}
	roles, err := coretest.Join(t, coretest.Router(t)).Welcome.Dict("roles")
	if err != nil {
		t.Fatal(err)
	}
	var announced []string
	for role, about := range roles {
		for feature, on := range about.(map[string]any)["features"].(map[string]any) {
			if on == true {
				announced = append(announced, role+"."+feature)
			}
		}
	}
	slices.Sort(stated)
	slices.Sort(announced)
	if !slices.Equal(stated, announced) {
		t.Errorf("docs/wamp.md states\n%v, WELCOME announces\n%v", stated, announced)
	}
}

func TestComplianceIsTested(t *testing.T) {
	sources := map[string]string{} // of the tests of a package
	named := regexp.MustCompile(`([a-z/]+)\.(Test\w+)`)
	found := 0
	for _, row := range rows(t) {
		for _, test := range named.FindAllStringSubmatch(row[len(row)-1], -1) {
			found++
			pkg, name := test[1], test[2]
			if sources[pkg] == "" {
				sources[pkg] = testsOf(t, pkg)
			}
			if !strings.Contains(sources[pkg], "\nfunc "+name+"(t *testing.T)") {
				t.Errorf("package %s has no %s", pkg, name)
			}
		}
	}
	if found < 80 {
		t.Errorf("%d tests found: the tables have another form", found)
	}
}

func testsOf(t *testing.T, pkg string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", filepath.FromSlash(pkg), "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests in %s: %v", pkg, err)
	}
	var all strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}
