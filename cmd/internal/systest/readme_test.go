package systest_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// TestReadme runs every command that README.md shows, once, in its order and in
// one folder, and compares what it shows as their output. A command that is new
// there needs its line in readmeSteps.
func TestReadme(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(repository("README.md"))
	if err != nil {
		t.Fatal(err)
	}
	w := newWalk(t)
	defer w.stop()
	steps, used := readmeSteps(), map[string]bool{}
	for _, shown := range parseReadme(string(text)) {
		if shown.output != "" {
			w.compare(shown.output)
			continue
		}
		step, ok := steps[shown.command]
		if !ok {
			t.Fatalf("README.md shows %q, which readmeSteps does not know", shown.command)
		}
		if !used[shown.command] {
			used[shown.command] = true
			step(w, shown.command)
		}
	}
	for command := range steps {
		if !used[command] {
			t.Errorf("README.md does not show %q any more: take it out of readmeSteps", command)
		}
	}
}

// TestUplinksPageLoads wants the configurations of docs/uplinks.md to be good.
func TestUplinksPageLoads(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(repository("docs", "uplinks.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?ms)^```toml\n(.*?)^```$").FindAllSubmatch(text, -1)
	if len(blocks) != 2 {
		t.Errorf("%d configurations, want those of a core and an edge", len(blocks))
	}
	w := newWalk(t)
	for _, line := range []string{ // what the page has its reader make
		"bin/bondy pki init --dir .", "bin/bondy pki issue --dir . core-1", "bin/bondy pki issue --dir . --role edge gateway-17",
		"bin/bondy pki key gateway-17.seed",
	} {
		w.run(line)
	}
	for _, block := range blocks {
		if err := os.WriteFile(filepath.Join(w.dir, "bondy.toml"), block[1], 0o600); err != nil {
			t.Fatal(err)
		}
		w.run("bin/bondy config check bondy.toml")
	}
}

// readmeSteps says how each command is run.
func readmeSteps() map[string]func(*walk, string) {
	return map[string]func(*walk, string){
		"make run": func(w *walk, line string) {
			target(w, line)
			w.run("bin/bondy config default > bondy.toml")
			w.serve("--config bondy.toml")
		},
		"make test": target,
		"make help": target,
		"bin/bondy subscribe com.example.hello": func(w *walk, line string) {
			w.start("subscriber", line, `subscribed to com\.example\.hello`)
		},
		`bin/bondy publish com.example.hello '["Hello, world"]'`: func(w *walk, line string) {
			w.run(w.connected(line))
			event := regexp.MustCompile(`(?m)^\{.*\}$`)
			subscriber := w.running["subscriber"]
			if err := subscriber.await(event); err != nil {
				w.t.Fatal(err)
			}
			w.output = event.FindString(subscriber.stdout.String())
		},
		"bin/bondy register com.example.echo --echo": func(w *walk, line string) {
			w.start("echo", line, `registered com\.example\.echo`)
		},
		`bin/bondy call com.example.echo '["Hello, world"]' '{"from":"here"}'`: func(w *walk, line string) {
			w.output = w.run(w.connected(line))
		},
		"bin/bondy call --help": func(w *walk, line string) {
			help := w.run(line)
			for _, flag := range []string{"--url ", "--realm ", "--serializer "} {
				if !strings.Contains(help, flag) {
					w.t.Errorf("%s does not tell of %s:\n%s", line, flag, help)
				}
			}
		},
		"bin/bondy bench rpc":                      bench,
		"bin/bondy bench pubsub --subscribers 100": bench,
		"bin/bondy config default > bondy.toml":    func(w *walk, line string) { w.run(line) },
		"bin/bondy config check bondy.toml":        func(w *walk, line string) { w.run(line) },
		"bin/bondy serve --config bondy.toml": func(w *walk, _ string) {
			w.stop()
			w.serve("--config bondy.toml")
		},
		"bin/bondy reload --config bondy.toml":                                                                                     func(w *walk, line string) { w.run(line) },
		"bin/bondy realm create com.example.shop --authmethods wampcra,ticket,cryptosign":                                          tells("com.example.shop"),
		"bin/bondy group add staff --realm com.example.shop":                                                                       tells("staff"),
		"bin/bondy user add joe --generate-password --group staff --realm com.example.shop":                                        tells("joe"),
		"bin/bondy grant add --role group/staff --permission wamp.call --uri com.example. --match prefix --realm com.example.shop": tells(""),
		"bin/bondy grant explain --user joe --permission wamp.call --uri com.example.order --realm com.example.shop":               tells("group/staff"),
		"bin/bondy audit tail": tells("bondy.user.add"),
	}
}

// tells is a line whose output has a text.
func tells(text string) func(*walk, string) {
	return func(w *walk, line string) {
		if got := w.run(line); !strings.Contains(got, text) {
			w.t.Errorf("%s does not tell of %s:\n%s", line, text, got)
		}
	}
}

// bench measures for a moment.
func bench(w *walk, line string) {
	w.t.Helper()
	got := w.run(w.connected(line) + " --runs 1 --warmup 50ms --duration 200ms")
	for _, figure := range []string{"router CPU", "latency p99.9", "refused 0, lost 0"} {
		if !strings.Contains(got, figure) {
			w.t.Errorf("%s does not tell of %s:\n%s", line, figure, got)
		}
	}
}

// walk is a reader's folder and terminals.
type walk struct {
	t       *testing.T
	dir     string
	url     string // of the node that serves
	running map[string]*process
	output  string // to compare with what is shown next
}

func newWalk(t *testing.T) *walk {
	t.Helper()
	w := &walk{t: t, dir: t.TempDir(), running: map[string]*process{}}
	if err := os.Symlink(binDir, filepath.Join(w.dir, "bin")); err != nil {
		t.Fatal(err)
	}
	return w
}

// command is a line in the reader's shell.
func (w *walk) command(line string) *exec.Cmd {
	cmd := exec.Command("sh", "-c", line)
	cmd.Dir = w.dir
	return cmd
}

// connected adds the address of the node, which is not the default one.
func (w *walk) connected(line string) string { return line + " --url " + w.url }

// run runs a line, which must succeed, and returns its output.
func (w *walk) run(line string) string {
	w.t.Helper()
	out, err := w.command(line).CombinedOutput()
	if err != nil {
		w.t.Fatalf("%s: %v\n%s", line, err, out)
	}
	return string(out)
}

// start runs a client command until the walk is over, and waits for what it
// says first.
func (w *walk) start(name, line, says string) {
	w.t.Helper()
	p, err := start(w.command("exec " + w.connected(line)))
	if err != nil {
		w.t.Fatal(err)
	}
	w.running[name] = p
	if err := p.await(regexp.MustCompile(says)); err != nil {
		w.t.Fatal(err)
	}
}

// serve runs a node with its bondy.toml, on free ports.
func (w *walk) serve(args string) {
	w.t.Helper()
	path := filepath.Join(w.dir, "bondy.toml")
	text, err := os.ReadFile(path)
	if err != nil {
		w.t.Fatal(err)
	}
	text = fixedPort.ReplaceAll(text, []byte(`$1:0"`))
	text = textFormat.ReplaceAll(text, []byte(`format = "json"`))
	if err := os.WriteFile(path, text, 0o600); err != nil {
		w.t.Fatal(err)
	}
	n, err := serveNode(w.command("exec bin/bondy serve " + args))
	if err != nil {
		w.t.Fatal(err)
	}
	w.running["node"], w.url = n.process, n.urls["websocket"]
}

// stop ends what runs, as Ctrl-C does.
func (w *walk) stop() {
	for name, p := range w.running {
		if p.stop(syscall.SIGINT) != nil {
			p.kill()
		}
		delete(w.running, name)
	}
}

// compare compares JSON that is shown with the last output: numbers are those
// of another run.
func (w *walk) compare(shown string) {
	w.t.Helper()
	var want, got any
	if err := json.Unmarshal([]byte(shown), &want); err != nil {
		w.t.Fatalf("%s: %v", shown, err)
	}
	if err := json.Unmarshal([]byte(w.output), &got); err != nil {
		w.t.Fatalf("%s: %v", w.output, err)
	}
	if !reflect.DeepEqual(shape(got), shape(want)) {
		w.t.Errorf("got %s, README.md shows %s", w.output, shown)
	}
}

// shape is v with every number made 0.
func shape(v any) any {
	switch v := v.(type) {
	case float64:
		return 0.0
	case []any:
		for i := range v {
			v[i] = shape(v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = shape(v[key])
		}
	}
	return v
}

// target checks that the Makefile has what "make NAME" makes, with an
// explanation.
func target(w *walk, line string) {
	w.t.Helper()
	makefile, err := os.ReadFile(repository("Makefile"))
	if err != nil {
		w.t.Fatal(err)
	}
	name := strings.TrimPrefix(line, "make ")
	if !regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + `:.*## \S`).Match(makefile) {
		w.t.Errorf("the Makefile does not have the target %s, with what it is for", name)
	}
}

// shown is a command, or else JSON that is the output of the one before.
type shown struct{ command, output string }

var (
	inlineCommand = regexp.MustCompile("`((?:bin/bondy|make)\\s[^`]+)`")
	shellComment  = regexp.MustCompile(`\s+#\s.*$`)
)

// parseReadme finds the lines of the blocks of sh, the blocks of JSON, and the
// commands in the text between.
func parseReadme(text string) []shown {
	var all []shown
	for i, part := range strings.Split("\n"+text, "\n```") {
		if i%2 == 0 {
			for _, m := range inlineCommand.FindAllStringSubmatch(part, -1) {
				all = append(all, shown{command: strings.Join(strings.Fields(m[1]), " ")})
			}
			continue
		}
		language, block, _ := strings.Cut(part, "\n")
		switch language {
		case "sh":
			for line := range strings.Lines(block) {
				if line = strings.TrimSpace(shellComment.ReplaceAllString(strings.TrimRight(line, "\n"), "")); line != "" {
					all = append(all, shown{command: line})
				}
			}
		case "json":
			all = append(all, shown{output: strings.TrimSpace(block)})
		}
	}
	return all
}
