package config_test

import (
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"

	"bondy/cmd/internal/config"
)

func TestExampleIsDefault(t *testing.T) {
	example, err := os.ReadFile("../../../bondy.toml.example")
	if err != nil {
		t.Fatal(err)
	}
	if string(example) != config.DefaultTOML() {
		t.Error("bondy.toml.example differs from cmd/internal/config/default.toml: copy the one to the other")
	}
}

// TestStatedDefaults sets every "#key = value" of the default file: that must
// change nothing.
func TestStatedDefaults(t *testing.T) {
	stated := regexp.MustCompile(`(?m)^#(\w+ = )`).ReplaceAllString(config.DefaultTOML(), "$1")
	got, err := config.Parse([]byte(stated), "bondy.toml")
	if err != nil {
		t.Fatal(err)
	}
	want, err := config.Default()
	if err != nil {
		t.Fatal(err)
	}
	// An empty list is as good as none.
	got.Listeners[0].Origins, got.Listeners[0].ProxyProtocol, got.Listeners[0].TrustedProxies = nil, nil, nil
	if !reflect.DeepEqual(got, want) {
		t.Errorf("with the stated defaults:\n%+v\nwant\n%+v", got, want)
	}
}

// TestDefaultFileIsComplete turns on every line of the default file, examples
// too: the result must load and hold each key that the types have.
func TestDefaultFileIsComplete(t *testing.T) {
	t.Setenv("JOE_PASSWORD", "secret")
	full := regexp.MustCompile(`(?m)^#(\w+ = |) ?(e\.g\. )?`).ReplaceAllStringFunc(config.DefaultTOML(), func(s string) string {
		if s == "# e.g. " || !strings.HasPrefix(s, "# ") && s != "#" {
			return strings.TrimPrefix(strings.TrimPrefix(s, "# e.g. "), "#")
		}
		return s
	})
	common, links, _ := strings.Cut(full, "[uplink_listener]")
	listener, uplinks, _ := strings.Cut(links, "[[uplink]]")
	for mode, text := range map[string]string{
		"edge": common + "[[uplink]]" + uplinks,
		"core": strings.Replace(common, `mode = "edge"`, `mode = "core"`, 1) + "[uplink_listener]" + listener,
	} {
		if cfg, err := config.Parse([]byte(text), "bondy.toml"); err != nil || string(cfg.Mode) != mode {
			t.Fatalf("%s: %v", mode, err)
		}
	}
	var tree map[string]any
	if err := toml.Unmarshal([]byte(full), &tree); err != nil {
		t.Fatal(err)
	}
	has := map[string]bool{}
	collect(has, "", tree)
	for key := range schema(reflect.TypeFor[config.Config](), "") {
		if !has[key] {
			t.Errorf("default.toml does not have %s", key)
		}
	}
}

// TestDefaultFileExplains wants a comment before each key, or before the keys
// that it stands together with.
func TestDefaultFileExplains(t *testing.T) {
	key := regexp.MustCompile(`^(?:#|# e\.g\. )?(\w+) = `)
	explained := map[string]bool{}
	comment := false
	for line := range strings.Lines(config.DefaultTOML()) {
		if m := key.FindStringSubmatch(line); m != nil {
			explained[m[1]] = explained[m[1]] || comment
			continue
		}
		switch {
		case strings.HasPrefix(line, "# ") && !strings.HasPrefix(line, "# e.g. "):
			comment = true
		case strings.TrimSpace(line) == "":
			comment = false
		}
	}
	for _, key := range slices.Sorted(maps.Keys(explained)) {
		if !explained[key] {
			t.Errorf("default.toml does not explain %s", key)
		}
	}
}

// collect notes the path of each key of a TOML tree, without indices.
func collect(has map[string]bool, path string, raw any) {
	switch raw := raw.(type) {
	case map[string]any:
		for key, value := range raw {
			at := strings.TrimPrefix(path+"."+key, ".")
			has[at] = true
			collect(has, at, value)
		}
	case []map[string]any:
		for _, value := range raw {
			collect(has, path, value)
		}
	case []any:
		for _, value := range raw {
			collect(has, path, value)
		}
	}
}

// schema yields the path of each key that a type has, without indices.
func schema(t reflect.Type, path string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct {
			return
		}
		for f := range t.Fields() {
			key, ok := f.Tag.Lookup("toml")
			if !ok {
				continue
			}
			at := strings.TrimPrefix(path+"."+key, ".")
			if !yield(at) {
				return
			}
			for sub := range schema(f.Type, at) {
				if !yield(sub) {
					return
				}
			}
		}
	}
}

func TestProbeFileLoads(t *testing.T) {
	cfg, err := config.Load("../../../scripts/probe.toml")
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Realms) != 2 || len(cfg.Realms[0].Users) != 6 {
		t.Errorf("realms = %+v", cfg.Realms)
	}
}
