package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bondy/cmd/internal/node"
)

// folder writes files and returns where they are.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestDocuments: files and folders are read in order, arrays count as their
// members, and what is no document is named with its line.
func TestDocuments(t *testing.T) {
	s := newSocket(t)
	dir := folder(t, map[string]string{
		"20.json": `{"uri":"c"}`, "10.json": `[{"uri":"a"},{"uri":"b"}]`, "README": "no JSON",
	})
	good := folder(t, map[string]string{"x.conf": `{"uri":"d"}`})
	o := s.run(t.Context(), nil, []string{`{"args":[{"changes":[]}]}`}, "realm", "plan", "--prune", dir, filepath.Join(good, "x.conf"))
	want := `bondy: bondy.realm.plan [[{"uri":"a"},{"uri":"b"},{"uri":"c"},{"uri":"d"}]] {"prune":true}`
	if o.failure != nil || len(o.calls) != 1 || o.calls[0] != want || o.out != "nothing to change\n" {
		t.Errorf("plan called %q and printed %q, %v", o.calls, o.out, o.failure)
	}
	for text, want := range map[string]string{
		"":                                  "line 1: the JSON ends too early",
		"{\n\n\"a\":}":                      "line 3: invalid character",
		"[\n{},\n5]":                        "line 3: [1]: want an object",
		"{}\n{}":                            "line 2: more follows",
		"\"text\"":                          "line 1: want a list",
		"{\"uri\": 1\n":                     "line 1: the JSON ends too early",
		"{\"uri\": \"a\",\n\"uri\": \"b\"}": "line 2: uri: is there twice",
		`{"uri": "a", "sources": [{"cidrs": ["x"]}]}`: `line 1: sources[0].cidrs[0]: "x" is no address prefix such as 10.0.0.0/8`,
	} {
		dir := folder(t, map[string]string{"bad.json": text})
		o := s.run(t.Context(), nil, nil, "realm", "plan", dir)
		if o.failure == nil || !strings.Contains(o.failure.Error(), "bad.json: "+want) || len(o.calls) > 0 {
			t.Errorf("%q is refused with %v, want %q", text, o.failure, want)
		}
	}
	if o := s.run(t.Context(), nil, nil, "realm", "plan", folder(t, nil)); o.failure == nil || !strings.Contains(o.failure.Error(), "has no *.json files") {
		t.Errorf("an empty folder is refused with %v", o.failure)
	}
	two := filepath.Join(dir, "10.json")
	if o := s.run(t.Context(), nil, nil, "realm", "create", "a", "--file", two); o.failure == nil || !strings.Contains(o.failure.Error(), "has 2 realms") {
		t.Errorf("a file with two realms for one is refused with %v", o.failure)
	}
	other := filepath.Join(dir, "20.json")
	if o := s.run(t.Context(), nil, nil, "realm", "create", "a", "--file", other); o.failure == nil || !strings.Contains(o.failure.Error(), "is about the realm c, not a") {
		t.Errorf("the file of another realm is refused with %v", o.failure)
	}
}

const planned = `{"args":[{"changes":[` +
	`{"realm":"com.a","kind":"realm","key":"com.a","verb":"created","fields":["uri"]},` +
	`{"realm":"com.b","kind":"user","key":"joe","verb":"updated","fields":["groups","meta"]},` +
	`{"realm":"com.b","kind":"grant","key":"group/x com.","verb":"deleted"}],"applied":false}]}`

const planTable = "+  com.a  realm  com.a\n~  com.b  user   joe  groups, meta\n-  com.b  grant  group/x com.\ncreate 1, update 1, delete 1\n"

// TestPlanAndApply: a plan reads like a difference, and apply tells the same.
func TestPlanAndApply(t *testing.T) {
	s := newSocket(t)
	dir := folder(t, map[string]string{"a.json": `{"uri":"com.a"}`})
	applied := strings.ReplaceAll(planned, "false", "true")
	o := s.run(t.Context(), nil, []string{planned}, "realm", "plan", dir)
	if o.failure != nil || o.out != planTable {
		t.Errorf("plan printed, with %v,\n%s want\n%s", o.failure, o.out, planTable)
	}
	o = s.run(t.Context(), nil, []string{applied}, "realm", "apply", dir, "--yes")
	want := `bondy: bondy.realm.apply [[{"uri":"com.a"}]] {"prune":false}`
	if o.failure != nil || o.out != planTable+"applied\n" || len(o.calls) != 1 || o.calls[0] != want {
		t.Errorf("apply called %q and printed, with %v,\n%s", o.calls, o.failure, o.out)
	}
	o = s.run(t.Context(), nil, []string{applied}, "realm", "apply", dir, "--yes", "--output", "json")
	if o.failure != nil || !sameJSON(t, `{"args":[`+o.out+`]}`, applied) {
		t.Errorf("apply printed, with %v,\n%s", o.failure, o.out)
	}
	o = s.run(t.Context(), nil, []string{`{"args":[{"changes":[],"applied":true}]}`}, "realm", "apply", dir, "--yes")
	if o.failure != nil || o.out != "nothing to change\n" {
		t.Errorf("apply printed, with %v,\n%s", o.failure, o.out)
	}
	o = s.run(t.Context(), strings.NewReader("y\n"), []string{planned, applied}, "realm", "apply", dir)
	if o.status != 2 || !strings.Contains(o.failure.Error(), "--yes") || len(o.calls) > 0 {
		t.Errorf("without a terminal apply called %q, %v", o.calls, o.failure)
	}
}

// TestPlanNotesFirstSources: plan and apply say of each realm that gets its first
// source what source add says.
func TestPlanNotesFirstSources(t *testing.T) {
	s := newSocket(t)
	dir := folder(t, map[string]string{"a.json": `{"uri":"com.a"}`})
	answer := strings.TrimSuffix(planned, "}") + `,"kwargs":{"first":["com.a","com.b"]}}`
	const note = "note: %s: this is the first source of the realm: whom no source matches cannot log in any more\n"
	want := fmt.Sprintf(note+note, "com.a", "com.b")
	for _, line := range [][]string{{"realm", "plan", dir}, {"realm", "plan", dir, "--output", "json"}, {"realm", "apply", dir, "--yes"}} {
		if o := s.run(t.Context(), nil, []string{answer}, line...); o.failure != nil || o.err != want {
			t.Errorf("%s said, with %v,\n%s want\n%s", line, o.failure, o.err, want)
		}
	}
}

// TestPlanTooLong: what the node would not take is not sent.
func TestPlanTooLong(t *testing.T) {
	s := newSocket(t)
	dir := folder(t, map[string]string{"a.json": `{"uri":"com.a","description":"` + strings.Repeat("x", node.MaxCall) + `"}`})
	for _, command := range []string{"plan", "apply"} {
		args := []string{"realm", command, dir}
		if command == "apply" {
			args = append(args, "--yes")
		}
		o := s.run(t.Context(), nil, nil, args...)
		if o.failure == nil || len(o.calls) > 0 || !strings.Contains(o.failure.Error(), "several documents") || !strings.Contains(o.failure.Error(), "realms_dir") {
			t.Errorf("%s called %d times, %v", command, len(o.calls), o.failure)
		}
	}
}

// TestRefusedDocument: what the node refuses of a document is said of its file.
func TestRefusedDocument(t *testing.T) {
	s := newSocket(t)
	dir := folder(t, map[string]string{"a.json": `{"uri":"a"}`, "b.json": `[{"uri":"b"},{"uri":"a"}]`})
	o := s.run(t.Context(), nil, []string{`{"error":"bondy.error.invalid_value","message":"[2].uri: there are two"}`}, "realm", "plan", dir)
	want := "bondy.error.invalid_value: " + filepath.Join(dir, "b.json") + ": [1]: uri: there are two"
	if o.failure == nil || o.failure.Error() != want {
		t.Errorf("refused with %v, want %s", o.failure, want)
	}
}
