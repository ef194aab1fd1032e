package archtest_test

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"bondy/scripts/archtest"
)

// root is the root of the repository.
const root = "../.."

func TestImports(t *testing.T) {
	pkgs, err := archtest.Scan(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	if len(pkgs) < 5 {
		t.Fatalf("only %d packages found", len(pkgs))
	}
	for _, broken := range archtest.CheckPackages(pkgs) {
		t.Error(broken)
	}
}

func TestTopLevel(t *testing.T) {
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	for _, odd := range archtest.CheckTopLevel(names) {
		t.Errorf("%s does not belong at the top level", odd)
	}
}

// update rewrites scripts/deps.txt: go test ./scripts/archtest -update.
var update = flag.Bool("update", false, "rewrite scripts/deps.txt")

// TestDependencies compares the packages of others that the binary links with
// the committed list, so that each new one is seen and explained.
func TestDependencies(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps",
		"-f", "{{if and (not .Standard) .Module (not .Module.Main)}}{{.ImportPath}}{{end}}", "./cmd/bondy")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Fields(string(out))
	slices.Sort(got)
	list := filepath.Join(root, "scripts/deps.txt")
	if *update {
		if err := os.WriteFile(list, []byte(strings.Join(got, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	committed, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Fields(string(committed))
	for _, path := range got {
		if !slices.Contains(want, path) {
			t.Errorf("cmd/bondy now links %s", path)
		}
	}
	for _, path := range want {
		if !slices.Contains(got, path) {
			t.Errorf("cmd/bondy no longer links %s", path)
		}
	}
	if t.Failed() {
		t.Log("if that is meant, say why in the commit and run: go test ./scripts/archtest -update")
	}
}

// TestRules gives graphs to the rules, good ones and such that break one.
func TestRules(t *testing.T) {
	for _, tt := range []struct{ from, imports, broken string }{
		{"core/broker", "bondy/core/pattern", ""},
		{"core/broker", "net/netip", ""},
		{"core/broker", "net", "does no I/O"},
		{"core/broker/x", "os", "does no I/O"},
		{"core/codec", "net/http", "does no I/O"},
		{"core/session", "net", ""},
		{"core/brokers", "net", ""},
		{"core/session", "bondy/transport", "the kernel imports only itself"},
		{"core/session", "bondy/cmd/internal/config", "the kernel imports only itself"},
		{"core", "bondy/core/realm", ""},
		{"core", "bondy/store", "the kernel imports only itself"},
		{"core/wamp", "fmt", ""},
		{"core/wamp", "bondy/core/id", "a leaf imports nothing"},
		{"store", "go.etcd.io/bbolt", ""},
		{"store", "bondy/core/id", "a leaf imports nothing"},
		{"store/routes", "bondy/store", ""},
		{"store/routes", "bondy/core/cluster", ""},
		{"store/routes", "bondy/uplink", "an outer folder imports only itself and core"},
		{"uplink/wire", "bondy/core/id", ""},
		{"uplink/wire", "bondy/core/peer", "a leaf imports nothing"},
		{"uplink", "bondy/uplink/wire", ""},
		{"uplink", "bondy/edge/outbox", "an outer folder imports only itself and core"},
		{"gateway/admin", "bondy/transport", "an outer folder imports only itself and core"},
		{"edge/outbox", "go.etcd.io/bbolt", "it stays under store"},
		{"cmd/internal/node", "go.etcd.io/bbolt/errors", "it stays under store"},
		{"core/session", "github.com/quic-go/quic-go", "it stays under uplink"},
		{"uplink/mesh", "github.com/quic-go/quic-go/http3", ""},
		{"gateway", "github.com/gorilla/websocket", "it stays under transport"},
		{"edge/mqtt", "github.com/eclipse/paho.mqtt.golang", ""},
		{"gateway/bridges/mqtt", "github.com/eclipse/paho.mqtt.golang/packets", ""},
		{"edge", "github.com/eclipse/paho.mqtt.golang", "it stays under edge/mqtt and gateway/bridges"},
		{"cmd/bondy", "bondy/transport/client bondy/cmd/internal/node", ""},
		{"cmd/bondy", "bondy/transport/client bondy/store", "only cmd/internal/node joins"},
		{"cmd/internal/node", "bondy/transport bondy/store bondy/uplink", ""},
		{"cmd/internal/systest/sim", "bondy/transport bondy/uplink", ""},
	} {
		pkg := archtest.Package{Path: tt.from, Imports: strings.Fields(tt.imports), Documented: true}
		broken := strings.Join(archtest.CheckPackages([]archtest.Package{pkg}), "; ")
		if (broken == "") != (tt.broken == "") || !strings.Contains(broken, tt.broken) {
			t.Errorf("%s imports %s: %q, want %q", tt.from, tt.imports, broken, tt.broken)
		}
	}
	if got := archtest.CheckPackages([]archtest.Package{{Path: "core/x"}}); len(got) != 1 {
		t.Errorf("package without a comment: %q", got)
	}
	if got := archtest.CheckTopLevel([]string{"core", ".ci", "util", "main.go"}); !slices.Equal(got, []string{"util", "main.go"}) {
		t.Errorf("odd names at the top level = %q", got)
	}
}

func TestScan(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	pkgs, err := archtest.Scan(fstest.MapFS{
		"a/a.go":              file("package a\nimport \"os\""),
		"a/a_windows.go":      file("// Package a.\npackage a\nimport (\n\"net\"\nx \"os\"\n)"),
		"a/a_test.go":         file("package a\nimport \"testing\""),
		"a/testdata/x.go":     file("no Go"),
		"nested/go.mod":       file("module nested"),
		"nested/x.go":         file("package nested"),
		".hidden/x.go":        file("package hidden"),
		"b/c/doc.go":          file("//go:build never\n\npackage c"),
		"node_modules/p/x.go": file("package p"),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []archtest.Package{
		{Path: "a", Imports: []string{"os", "net"}, Documented: true},
		{Path: "b/c"},
	}
	if !slices.EqualFunc(pkgs, want, func(a, b archtest.Package) bool {
		return a.Path == b.Path && a.Documented == b.Documented && slices.Equal(a.Imports, b.Imports)
	}) {
		t.Errorf("Scan = %+v, want %+v", pkgs, want)
	}
	if _, err := archtest.Scan(fstest.MapFS{"a/a.go": file("no Go")}); err == nil {
		t.Error("Scan of a file that is no Go did not fail")
	}
}
