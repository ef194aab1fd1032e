// Package archtest keeps the layout of the repository: who may import whom,
// which package stands on which library, and what the top level holds. The
// rules are functions of a plain import graph, so that they can be tested with
// graphs that break them.
package archtest

import (
	"fmt"
	"slices"
	"strings"
)

// module is the prefix of the import paths of our own packages.
const module = "bondy/"

// Package is what the rules want to know of a package.
type Package struct {
	// Path is the folder, relative to the root: core/wamp.
	Path string
	// Imports are the import paths of all files but tests.
	Imports []string
	// Documented says that the package has a comment.
	Documented bool
}

// outer are the folders around the kernel, which do not know one another.
func outer() []string { return []string{"edge", "uplink", "store", "transport", "gateway"} }

// leaves are the packages that import nothing of ours but what is listed.
func leaves() map[string][]string {
	return map[string][]string{
		"core/id":       nil,
		"core/wamp":     nil,
		"store":         nil,
		"store/segment": nil,
		"gateway/mops":  nil,
		"uplink/wire":   {"core/id", "core/wamp"},
	}
}

// fences are libraries and the folders that may import them.
func fences() map[string][]string {
	return map[string][]string{
		"go.etcd.io/bbolt":                    {"store"},
		"github.com/quic-go/quic-go":          {"uplink"},
		"github.com/gorilla/websocket":        {"transport"},
		"github.com/eclipse/paho.mqtt.golang": {"edge/mqtt", "gateway/bridges"},
	}
}

// pure are the parts of the kernel that do no I/O, and impure is what they
// therefore do not import.
func pure() []string {
	return []string{"core/wamp", "core/codec", "core/pattern", "core/peer", "core/broker", "core/dealer"}
}

func impure() []string { return []string{"net", "os", "net/http"} }

// composers may import everything: they join the parts.
func composers() []string { return []string{"cmd/internal/node", "cmd/internal/systest"} }

// CheckPackages returns what in pkgs breaks a rule, a sentence each.
func CheckPackages(pkgs []Package) []string {
	var broken []string
	for _, p := range pkgs {
		if !p.Documented {
			broken = append(broken, p.Path+" has no package comment")
		}
		for _, path := range p.Imports {
			if reason := forbidden(p.Path, path); reason != "" {
				broken = append(broken, fmt.Sprintf("%s imports %s: %s", p.Path, path, reason))
			}
		}
		if seen := outerImports(p); len(seen) > 1 && !slices.ContainsFunc(composers(), inside(p.Path)) {
			broken = append(broken, fmt.Sprintf("%s imports %s: only %s joins the parts",
				p.Path, strings.Join(seen, " and "), composers()[0]))
		}
	}
	return broken
}

// forbidden says why the package at from may not import path, or nothing.
func forbidden(from, path string) string {
	own, isOurs := strings.CutPrefix(path, module)
	if !isOurs {
		return forbiddenLibrary(from, path)
	}
	if allowed, isLeaf := leaves()[from]; isLeaf && !slices.Contains(allowed, own) {
		return "a leaf imports nothing of ours"
	}
	switch folder, target := top(from), top(own); {
	case folder == "core" && target != "core":
		return "the kernel imports only itself"
	case slices.Contains(outer(), folder) && target != folder && target != "core":
		return "an outer folder imports only itself and core"
	}
	return ""
}

func forbiddenLibrary(from, path string) string {
	if slices.Contains(impure(), path) && slices.ContainsFunc(pure(), inside(from)) {
		return "this part of the kernel does no I/O"
	}
	for library, folders := range fences() {
		if inside(path)(library) && !slices.ContainsFunc(folders, inside(from)) {
			return "it stays under " + strings.Join(folders, " and ")
		}
	}
	return ""
}

// outerImports are the outer folders that p imports.
func outerImports(p Package) []string {
	var seen []string
	for _, path := range p.Imports {
		own, isOurs := strings.CutPrefix(path, module)
		if folder := top(own); isOurs && slices.Contains(outer(), folder) && !slices.Contains(seen, folder) {
			seen = append(seen, folder)
		}
	}
	return seen
}

// CheckTopLevel returns the names that do not belong at the root.
func CheckTopLevel(names []string) []string {
	agreed := []string{
		"cmd", "edge", "core", "uplink", "store", "transport", "gateway", "packaging", "scripts", "docs", "examples",
		"go.mod", "go.sum", "Makefile", "bondy.toml.example", "README.md", "LICENSE", "CHANGELOG.md",
		"bin", "build", "bondy-data", "coverage.out", "coverage.html", // made here, ignored by git
	}
	var odd []string
	for _, name := range names {
		if !slices.Contains(agreed, name) && !strings.HasPrefix(name, ".") {
			odd = append(odd, name)
		}
	}
	return odd
}

// top is the first element of a path.
func top(path string) string {
	folder, _, _ := strings.Cut(path, "/")
	return folder
}

// inside reports whether path is a given folder or below it.
func inside(path string) func(folder string) bool {
	return func(folder string) bool { return path == folder || strings.HasPrefix(path, folder+"/") }
}
