package admin_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"bondy/core/wamp"
)

// rowsOf are the first cells of the tables of docs/management.md with that head.
func rowsOf(t *testing.T, head string) (names []string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/management.md")
	if err != nil {
		t.Fatal(err)
	}
	inside := false
	for line := range strings.Lines(string(text)) {
		switch {
		case strings.HasPrefix(line, "| "+head+" |"):
			inside = true
		case !strings.HasPrefix(line, "|"):
			inside = false
		case inside:
			if name := regexp.MustCompile("^\\| `(.*?)` \\|").FindStringSubmatch(line); name != nil {
				names = append(names, name[1])
			}
		}
	}
	slices.Sort(names)
	return names
}

// The page on management has every procedure that is there, and no other.
func TestManagementPage(t *testing.T) {
	r := newRig(t)
	home, err := r.realm("realm1")
	if err != nil {
		t.Fatal(err)
	}
	var there []string
	for _, uri := range append(r.table.Procedures(), home.Procedures.Procedures()...) {
		if strings.HasPrefix(string(uri), "bondy.") {
			there = append(there, string(uri))
		}
	}
	slices.Sort(there)
	same(t, "procedure", rowsOf(t, "procedure"), there)
	if !slices.Contains(there, "bondy.session.list") || len(there) < 60 {
		t.Errorf("only %q", there)
	}
}

// It has every topic that this package and the node tell, too.
func TestManagementPageHasTopics(t *testing.T) {
	told := regexp.MustCompile(`"(?:bondy\.)?((?:realm|user|group|source|grant|ticket|key)\.(?:created|added|updated|deleted|credentials_changed|issued|revoked|revoked_all|rotated))\b`)
	node := regexp.MustCompile(`events\.Node\(.*, "(\w+)"\)`)
	topics := []string{"bondy.ticket.issued", "bondy.ticket.revoked"} // one ticket is told of as a group is
	for file, pattern := range map[string]*regexp.Regexp{
		"events_test.go": told, "../../cmd/internal/node/node.go": node,
	} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range pattern.FindAllStringSubmatch(string(text), -1) {
			name := m[1]
			if pattern == node {
				name = "node." + name
			}
			topics = append(topics, "bondy."+name)
		}
	}
	slices.Sort(topics)
	same(t, "topic", rowsOf(t, "topic"), slices.Compact(topics))
}

// same demands that a table has what there is, once.
func same(t *testing.T, what string, stated, there []string) {
	t.Helper()
	for i, name := range stated {
		if !slices.Contains(there, name) {
			t.Errorf("the page has the %s %s, the router has not", what, name)
		}
		if i > 0 && stated[i-1] == name {
			t.Errorf("the page has the %s %s twice", what, name)
		}
	}
	for _, name := range there {
		if !slices.Contains(stated, name) {
			t.Errorf("the page lacks the %s %s", what, name)
		}
	}
	if len(stated) == 0 || !wamp.URI(stated[0]).Valid(wamp.MatchExact, false) {
		t.Errorf("the tables of %ss have another form", what)
	}
}
