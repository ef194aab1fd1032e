package bench_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"bondy/cmd/internal/bench"
	"bondy/cmd/internal/config"
	"bondy/cmd/internal/node"
	"bondy/core/wamp"
	"bondy/transport/client"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// router is a node in this process.
type router struct{ web, raw string }

// start runs a node until the test ends.
func start(t *testing.T, permissions string) router {
	t.Helper()
	cfg, err := config.Parse(fmt.Appendf(nil, `
[[listener]]
address = "127.0.0.1:0"
services = ["websocket"]
[[listener]]
address = "127.0.0.1:0"
services = ["rawsocket"]
[[realm]]
uri = "realm1"
[[realm.grants]]
roles = ["anonymous"]
permissions = [%s]
uri = ""
match = "prefix"
`, permissions), filepath.Join(t.TempDir(), "bondy.toml"))
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	n, err := node.New(t.Context(), cfg, node.Options{
		Version: "test", Log: slog.New(slog.NewTextHandler(&log, nil)), Level: new(slog.LevelVar),
	})
	if err != nil {
		t.Fatal(err)
	}
	r := router{}
	for _, m := range regexp.MustCompile(`address=(\S+) services=(\S+)`).FindAllStringSubmatch(log.String(), -1) {
		switch m[2] {
		case "websocket":
			r.web = "ws://" + m[1] + "/ws"
		case "rawsocket":
			r.raw = "tcp://" + m[1]
		}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() {
		if err := n.Run(ctx); err != nil {
			t.Errorf("Run = %v", err)
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	return r
}

const everything = `"wamp.call", "wamp.register", "wamp.subscribe", "wamp.publish"`

func target(url string, s wamp.Serializer) bench.Target {
	return bench.Target{URL: url, Client: client.Config{Realm: "realm1", Serializer: s}}
}

// brief is how long tests measure.
func brief() bench.Options {
	return bench.Options{Runs: 1, Warmup: 20 * time.Millisecond, Duration: 100 * time.Millisecond}
}

func rpc() bench.RPC {
	return bench.RPC{Callers: 2, Depth: 4, Callees: 3, Size: 64, Procedure: "com.example.bench"}
}

func pubsub() bench.PubSub {
	return bench.PubSub{Publishers: 2, Subscribers: 5, Window: 8, Size: 64, Match: "exact", Topic: "com.example.bench"}
}

// figure is one of a report, which must be there.
func figure(t *testing.T, r *bench.Report, name string) bench.Figure {
	t.Helper()
	i := slices.IndexFunc(r.Figures, func(f bench.Figure) bool { return f.Name == name })
	if i < 0 {
		t.Fatalf("no figure %q in %+v", name, r.Figures)
	}
	return r.Figures[i]
}

func TestScenarios(t *testing.T) {
	at := start(t, everything)
	raw, web := target(at.raw, wamp.MessagePack), target(at.web, wamp.JSON)
	structured := rpc()
	structured.Structured, structured.Size = true, 3000
	shared := rpc()
	shared.Callees = 1
	acknowledged := pubsub()
	acknowledged.Acknowledge, acknowledged.Match, acknowledged.Structured = true, "wildcard", true
	prefix := pubsub()
	prefix.Match, prefix.Size = "prefix", 70_000
	patterns := bench.Patterns{Patterns: 300, Match: "mixed", Kind: "subscribe", Window: 4, Size: 10, URI: "com.example.bench"}
	registered := patterns
	registered.Kind, registered.Match = "register", "wildcard"
	for name, test := range map[string]struct {
		to       bench.Target
		scenario bench.Scenario
		rate     float64
		runs     int
		figures  []string
	}{
		"rpc":                   {raw, rpc(), 0, 3, []string{"calls", "client CPU", "latency p50", "latency p99.9", "latency max"}},
		"rpc over WebSocket":    {web, structured, 0, 1, []string{"calls", "latency p50"}},
		"rpc in CBOR":           {target(at.web, wamp.CBOR), structured, 0, 1, []string{"calls", "latency p50"}},
		"rpc, open loop":        {raw, shared, 500, 1, []string{"calls", "latency p50"}},
		"pubsub":                {raw, pubsub(), 0, 1, []string{"events", "publications", "latency p50"}},
		"pubsub, acknowledged":  {web, acknowledged, 0, 1, []string{"events", "latency p50"}},
		"pubsub, prefix":        {raw, prefix, 0, 1, []string{"events", "latency p50"}},
		"pubsub, open loop":     {raw, acknowledged, 500, 1, []string{"events", "latency p50"}},
		"idle":                  {raw, bench.Idle{Sessions: 30, Hold: 50 * time.Millisecond}, 0, 2, []string{"joined"}},
		"idle over WebSocket":   {web, bench.Idle{Sessions: 3, Hold: 50 * time.Millisecond}, 0, 1, []string{"joined"}},
		"pattern":               {raw, patterns, 0, 1, []string{"messages without patterns", "messages with patterns", "time with / without", "patterns made"}},
		"pattern, registration": {web, registered, 0, 1, []string{"messages without patterns", "messages with patterns"}},
	} {
		t.Run(name, func(t *testing.T) {
			o := brief()
			o.Rate, o.Runs = test.rate, test.runs
			r, err := bench.Run(t.Context(), test.to, test.scenario, o)
			if err != nil {
				t.Fatal(err)
			}
			if r.Failed() || r.Problem != "" || r.Interrupted || r.Runs != test.runs {
				t.Errorf("report %+v", r)
			}
			for _, name := range test.figures {
				if f := figure(t, r, name); f.Low <= 0 || f.Median < f.Low || f.High < f.Median {
					t.Errorf("figure %+v", f)
				}
			}
			if rate := figure(t, r, r.Figures[0].Name); test.rate > 0 && strings.HasPrefix(name, "rpc") &&
				(rate.Median < test.rate/2 || rate.Median > test.rate*2) {
				t.Errorf("%v calls a second, asked for %v", rate.Median, test.rate)
			}
		})
	}
}

func TestReport(t *testing.T) {
	r, err := bench.Run(t.Context(), target(start(t, everything).raw, wamp.JSON), rpc(), brief())
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var back map[string]any
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{
		"scenario", "settings", "url", "realm", "serializer", "runs", "duration_s", "warmup_s", "rate",
		"interrupted", "router_pid", "figures", "refused", "lost", "unsent", "ended", "histogram",
	} {
		if back[key] == nil {
			t.Errorf("JSON has no %q: %s", key, text)
		}
		delete(back, key)
	}
	if len(back) > 0 {
		t.Errorf("JSON has also %v", back)
	}
	var table strings.Builder
	if err := r.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"rpc: 2 callers with 4 calls each under way, 3 callees, 64 bytes\n", "realm realm1, json\n", "1 run of 0.1s after 0.02s\n",
		"latency p99.9", "client CPU", "cannot be seen", "refused 0, lost 0, not sent in time 0, sessions ended 0\n", "100.0000%",
	} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("the table has no %q:\n%s", want, table.String())
		}
	}
}

func TestInterrupted(t *testing.T) {
	to := target(start(t, everything).raw, wamp.JSON)
	o := brief()
	o.Runs, o.Duration = 10, time.Hour
	var progress lines
	o.Progress = &progress
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	progress.at("measuring", cancel)
	r, err := bench.Run(ctx, to, pubsub(), o)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Interrupted || r.Runs != 1 || r.Failed() || figure(t, r, "events").Median <= 0 {
		t.Errorf("report %+v", r)
	}
	var table strings.Builder
	if err := r.WriteTable(&table); err != nil || !strings.Contains(table.String(), "(interrupted)") {
		t.Errorf("%v, table:\n%s", err, table.String())
	}

	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	progress.at("joining", cancel)
	if r, err := bench.Run(ctx, to, rpc(), o); err == nil || r != nil || !strings.Contains(err.Error(), "interrupted before") {
		t.Errorf("Run interrupted while joining = %v, %v", r, err)
	}
}

// lines is a terminal that does something when it reads a word.
type lines struct {
	word string
	do   func()
}

func (l *lines) at(word string, do func()) { l.word, l.do = word, do }

func (l *lines) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(l.word)) {
		l.do()
	}
	return len(p), nil
}

func TestWrongTarget(t *testing.T) {
	at := start(t, `"wamp.subscribe", "wamp.register"`)
	nowhere := target(at.raw, wamp.JSON)
	nowhere.Client.Realm = "nowhere"
	dead := brief()
	dead.PID = 1<<31 - 1
	for name, test := range map[string]struct {
		to       bench.Target
		scenario bench.Scenario
		o        bench.Options
		want     string
	}{
		"nobody listens":    {target("tcp://127.0.0.1:1", wamp.JSON), rpc(), brief(), "refused"},
		"no such path":      {target(strings.TrimSuffix(at.web, "/ws"), wamp.JSON), rpc(), brief(), "usually /ws"},
		"no such realm":     {nowhere, rpc(), brief(), "wamp.error.no_such_realm"},
		"no such process":   {target(at.raw, wamp.JSON), rpc(), dead, "no process"},
		"calls refused":     {target(at.raw, wamp.JSON), rpc(), brief(), "CALL refused: wamp.error.not_authorized"},
		"publishing denied": {target(at.raw, wamp.JSON), pubsub(), brief(), "nothing was answered"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := bench.Run(t.Context(), test.to, test.scenario, test.o)
			if err == nil || r != nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Run = %v, %v, want an error with %q", r, err, test.want)
			}
		})
	}
}

func TestValidate(t *testing.T) {
	for want, change := range map[string]func(*settings){
		"callers":     func(s *settings) { s.rpc.Callers = 0 },
		"callees":     func(s *settings) { s.rpc.Callees = -1 },
		"depth":       func(s *settings) { s.rpc.Depth = 1 << 30 },
		"size":        func(s *settings) { s.rpc.Size = 16 << 20 },
		"procedure":   func(s *settings) { s.rpc.Procedure = "a..b" },
		"under way":   func(s *settings) { s.rpc.Callers, s.rpc.Size = 500, 1<<20 },
		"publishers":  func(s *settings) { s.pubsub.Publishers = 0 },
		"subscribers": func(s *settings) { s.pubsub.Subscribers = 0 },
		"window":      func(s *settings) { s.pubsub.Window = 0 },
		"match":       func(s *settings) { s.pubsub.Match = "fuzzy" },
		"patterns":    func(s *settings) { s.patterns.Patterns = 0 },
		"kind":        func(s *settings) { s.patterns.Kind = "x" },
		"sessions":    func(s *settings) { s.idle.Sessions = 0 },
		"hold":        func(s *settings) { s.idle.Hold = -1 },
		"runs":        func(s *settings) { s.o.Runs = 0 },
		"rate":        func(s *settings) { s.o.Rate = -1 },
		"duration":    func(s *settings) { s.o.Duration = 0 },
		"warmup":      func(s *settings) { s.o.Warmup = -1 },
		"pid":         func(s *settings) { s.o.PID = -1 },
	} {
		s := settings{rpc(), pubsub(), bench.Patterns{Patterns: 1, Match: "prefix", Kind: "register", Window: 1, URI: "com.example"}, bench.Idle{Sessions: 1, Hold: time.Second}, brief()}
		if err := s.validate(); err != nil {
			t.Fatalf("nothing is wrong: %v", err)
		}
		change(&s)
		if err := s.validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// settings are those of all scenarios.
type settings struct {
	rpc      bench.RPC
	pubsub   bench.PubSub
	patterns bench.Patterns
	idle     bench.Idle
	o        bench.Options
}

func (s *settings) validate() error {
	return cmp.Or(s.rpc.Validate(), s.pubsub.Validate(), s.patterns.Validate(), s.idle.Validate(), s.o.Validate())
}
