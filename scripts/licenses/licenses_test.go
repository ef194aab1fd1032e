package licenses_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bondy/scripts/licenses"
)

// root is the root of the repository.
const root = "../.."

// update rewrites the notices: go test ./scripts/licenses -update.
var update = flag.Bool("update", false, "rewrite docs/third-party-notices.md")

func TestNoticesAreUpToDate(t *testing.T) {
	modules, err := licenses.Linked(t.Context(), root, "./cmd/bondy")
	if err != nil {
		t.Fatal(err)
	}
	want, err := licenses.Notices(modules)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(root, "docs/third-party-notices.md")
	if *update {
		if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("%s is out of date; run: go test ./scripts/licenses -update", file)
	}
}

func TestNotices(t *testing.T) {
	dir := t.TempDir()
	module := []licenses.Module{{Path: "example.com/m", Version: "v1.2.3", Dir: dir}}
	if _, err := licenses.Notices(module); err == nil || !strings.Contains(err.Error(), "example.com/m v1.2.3") {
		t.Errorf("Notices without a license: %v", err)
	}
	for name, text := range map[string]string{"LICENSE.txt": "Be nice.\r\n\r\nReally.", "NOTICE": "Hello\n", "main.go": "package m"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := licenses.Notices(module)
	if err != nil {
		t.Fatal(err)
	}
	want := "\n## example.com/m v1.2.3\n\nLICENSE.txt:\n\n    Be nice.\n\n    Really.\n\nNOTICE:\n\n    Hello\n"
	if !strings.HasSuffix(string(got), want) {
		t.Errorf("Notices = %q, want the end %q", got, want)
	}
}

func TestLinked(t *testing.T) {
	modules, err := licenses.Linked(t.Context(), root, "./core/codec")
	if err != nil {
		t.Fatal(err)
	}
	linked := make(map[string]string)
	for _, m := range modules {
		linked[m.Path] = m.Version
	}
	if linked["github.com/tinylib/msgp"] == "" {
		t.Errorf("the codec links %+v, want msgp among them", modules)
	}
	if _, ok := linked["github.com/BurntSushi/toml"]; ok {
		t.Error("the codec links toml, which it does not use")
	}
}
