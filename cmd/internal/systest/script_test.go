package systest_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScript runs the scripts of the command line's contract. Beside the
// commands of testscript they may use
//
//	serve ARGS...            start "bondy serve ARGS..." as the process node and set
//	                         $WS, $TCP and $ADMIN to the URLs of its services, and $WEB
//	                         to that of the HTTP server behind $WS
//	start NAME COMMAND...    start another process
//	await NAME REGEXP        wait until an output of a process matches
//	signal NAME SIGNAL       send HUP, INT or TERM
//	[!] end NAME SIGNAL      send the signal and wait; its output is that of the command,
//	                         and it must exit with status 0, or with ! another one
//	http STATUS METHOD URL [HEADER...]
//	                         make a request; the answer's body is the output
//	grab NAME REGEXP         set $NAME to the first group of a match in the last output
//	ephemeral FILE           make a configuration listen on free ports and log in JSON
func TestScript(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", binDir+string(filepath.ListSeparator)+env.Getenv("PATH"))
			env.Setenv("GORACE", raceOptions)
			running := processes{}
			env.Values[processesKey{}] = running
			env.Defer(running.kill)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"serve": serve, "start": startOther, "await": await, "signal": signal, "end": end,
			"http": request, "grab": grab, "ephemeral": ephemeral,
		},
	})
}

// processes are those that a script has started, by name.
type processes map[string]*process

// processesKey is where testscript keeps them.
type processesKey struct{}

func (ps processes) kill() {
	for _, p := range ps {
		p.kill()
	}
}

func started(ts *testscript.TestScript) processes {
	return ts.Value(processesKey{}).(processes)
}

func find(ts *testscript.TestScript, name string) *process {
	p, ok := started(ts)[name]
	if !ok {
		ts.Fatalf("no process %s was started", name)
	}
	return p
}

// usage ends the script unless the command has the right form.
func usage(ts *testscript.TestScript, ok bool, form string) {
	if !ok {
		ts.Fatalf("usage: %s", form)
	}
}

// command builds one that runs in the script's folder and environment.
func command(ts *testscript.TestScript, name string, args ...string) *exec.Cmd {
	if name == "bondy" {
		name = bondy()
	}
	cmd := exec.Command(name, args...)
	cmd.Dir = ts.MkAbs(".")
	for _, key := range []string{"PATH", "HOME", "TMPDIR", "GORACE"} {
		cmd.Env = append(cmd.Env, key+"="+ts.Getenv(key))
	}
	return cmd
}

func serve(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg, "serve ARGS...")
	n, err := serveNode(command(ts, "bondy", append([]string{"serve"}, args...)...))
	ts.Check(err)
	started(ts)["node"] = n.process
	for service, name := range map[string]string{"websocket": "WS", "rawsocket": "TCP", "admin": "ADMIN"} {
		ts.Setenv(name, n.urls[service])
	}
	host := strings.TrimSuffix(strings.TrimPrefix(n.urls["websocket"], "ws:"), "/ws")
	ts.Setenv("WEB", "http:"+host)
}

func startOther(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) >= 2, "start NAME COMMAND...")
	p, err := start(command(ts, args[1], args[2:]...))
	ts.Check(err)
	started(ts)[args[0]] = p
}

func await(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 2, "await NAME REGEXP")
	re, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	ts.Check(find(ts, args[0]).await(re))
}

func signalNamed(ts *testscript.TestScript, name string) os.Signal {
	known := map[string]os.Signal{"HUP": syscall.SIGHUP, "INT": syscall.SIGINT, "TERM": syscall.SIGTERM}
	sig, ok := known[name]
	if !ok {
		ts.Fatalf("signal %s is unknown", name)
	}
	return sig
}

func signal(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 2, "signal NAME SIGNAL")
	ts.Check(find(ts, args[0]).cmd.Process.Signal(signalNamed(ts, args[1])))
}

func end(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, len(args) == 2, "[!] end NAME SIGNAL")
	p := find(ts, args[0])
	err := p.stop(signalNamed(ts, args[1]))
	delete(started(ts), args[0])
	fmt.Fprint(ts.Stdout(), p.stdout.String())
	fmt.Fprint(ts.Stderr(), p.stderr.String())
	if failed := err != nil; failed != neg {
		ts.Fatalf("%s ended with %v:\n%s", args[0], err, p.stderr.String())
	}
}

func request(ts *testscript.TestScript, neg bool, args []string) {
	const form = "http STATUS METHOD URL [HEADER...]"
	usage(ts, !neg && len(args) >= 3, form)
	want, err := strconv.Atoi(args[0])
	usage(ts, err == nil, form)
	req, err := http.NewRequest(args[1], args[2], nil)
	ts.Check(err)
	for _, header := range args[3:] {
		key, value, ok := strings.Cut(header, ": ")
		usage(ts, ok, form)
		req.Header.Set(key, value)
	}
	resp, err := (&http.Client{Timeout: awaitLimit}).Do(req)
	ts.Check(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	ts.Check(err)
	fmt.Fprintf(ts.Stdout(), "%s\n", body)
	if resp.StatusCode != want {
		ts.Fatalf("%s %s = %s, want %d:\n%s", args[1], args[2], resp.Status, want, body)
	}
}

func grab(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 2, "grab NAME REGEXP")
	re, err := regexp.Compile(args[1])
	ts.Check(err)
	match := re.FindStringSubmatch(ts.ReadFile("stdout"))
	if len(match) < 2 {
		ts.Fatalf("no group of %s in the output", re)
	}
	ts.Setenv(args[0], match[1])
}

var (
	fixedPort  = regexp.MustCompile(`(?m)^(address = "[^"]*):\d+"`)
	textFormat = regexp.MustCompile(`(?m)^#format = "text"`)
)

func ephemeral(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 1, "ephemeral FILE")
	text := fixedPort.ReplaceAllString(ts.ReadFile(args[0]), `$1:0"`)
	text = textFormat.ReplaceAllString(text, `format = "json"`)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
}
