package systest_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bondy/cmd/internal/node"
	"bondy/core/wamp"
	"bondy/transport/client"
	"bondy/uplink/bridge"
)

// place is where a node and its clients run.
type place struct {
	command func(ctx context.Context, name string, args ...string) *exec.Cmd
	dial    func(ctx context.Context, network, address string) (net.Conn, error)
}

// here is this machine's own network.
func here() place { return place{exec.CommandContext, new(net.Dialer).DialContext} }

// authority is a folder of bondy pki.
type authority struct {
	t   *testing.T
	dir string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t, filepath.Join(t.TempDir(), "pki")}
	a.pki("init")
	return a
}

// pki runs a command of bondy pki in the folder.
func (a *authority) pki(command string, args ...string) {
	a.t.Helper()
	bondyOutput(a.t, "pki", append([]string{command, "--dir", a.dir}, args...)...)
}

// tls is a tls table with the files of that name.
func (a *authority) tls(name string) string {
	file := func(base string) string { return filepath.Join(a.dir, base) }
	return fmt.Sprintf("{ cert = %q, key = %q, ca = %q }", file(name+".crt"), file(name+".key"), file("ca.crt"))
}

// bondyOutput runs bondy to its end, which must be a good one.
func bondyOutput(t *testing.T, command string, args ...string) []byte {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), bondy(), append([]string{command}, args...)...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("bondy %s %s: %v\n%s", command, strings.Join(args, " "), err, &stderr)
	}
	return out
}

// station is a node of bridged realms that runs as a process.
type station struct {
	*served
	place

	t      *testing.T
	folder string
}

// newStation prepares a node of that configuration; start runs it.
func newStation(t *testing.T, at place, config string) *station {
	t.Helper()
	s := &station{t: t, place: at, folder: t.TempDir()}
	s.write("bondy.toml", config)
	return s
}

// stationConfig is what all of that mode have in common.
func stationConfig(mode string) string {
	return fmt.Sprintf("mode = %q\ndata_dir = \"data\"\nlog = { format = \"json\" }\n", mode) + listener("rawsocket") + listener("websocket")
}

// data is the node's data directory.
func (s *station) data() string { return filepath.Join(s.folder, "data") }

func (s *station) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.folder, name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// start runs the node until the test ends or it is stopped; it may be started
// again then.
func (s *station) start() {
	s.t.Helper()
	n, err := serveNode(s.command(context.WithoutCancel(s.t.Context()), bondy(), "serve", "--config", filepath.Join(s.folder, "bondy.toml")))
	if err != nil {
		s.t.Fatal(err)
	}
	s.served = n
	s.t.Cleanup(n.kill)
}

// join opens a session in realm1, which ends with the test.
func (s *station) join() *client.Session {
	s.t.Helper()
	c, err := client.Dial(s.t.Context(), s.urls["rawsocket"], client.Config{Realm: "realm1", Dial: s.dial})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Close(context.WithoutCancel(s.t.Context())) })
	return c
}

// uplinks is what the node shows of its uplinks, by name, asked on its admin socket
// as bondy uplink list does.
func (s *station) uplinks() map[string]node.UplinkStatus {
	s.t.Helper()
	socket := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(s.data(), "admin.sock"))
	}}
	resp, err := (&http.Client{Timeout: patience, Transport: socket}).Get("http://node/uplinks")
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	var list []node.UplinkStatus
	if err := json.NewDecoder(resp.Body).Decode(&list); err != nil {
		s.t.Fatal(err)
	}
	all := make(map[string]node.UplinkStatus, len(list))
	for _, u := range list {
		all[u.Name] = u
	}
	return all
}

// realm is what the node shows of realm1 on the uplink of that name; State is
// empty if there is none.
func (s *station) realm(uplink string) bridge.RealmStatus {
	s.t.Helper()
	for _, r := range s.uplinks()[uplink].Realms {
		if r.Realm == "realm1" {
			return r
		}
	}
	return bridge.RealmStatus{}
}

// bridged waits until realm1 of the uplink of that name is bridged.
func (s *station) bridged(uplink string) {
	s.t.Helper()
	eventually(s.t, "realm1 bridged on "+uplink, func() bool { return s.realm(uplink).State == "bridged" })
}

// everything is what crosses where a test has no rules of its own.
const everything = `
[[uplink.realm.topic]]
uri = "com.example."
match = "prefix"
direction = "both"
[[uplink.realm.procedure]]
uri = "com.example."
match = "prefix"
direction = "both"
`

// seed is the private key of an uplink in a realm, as its key file has it.
type seed []byte

// seedOf makes the key of the edge of that name, always the same one.
func seedOf(name string) seed {
	s := make(seed, ed25519.SeedSize)
	copy(s, name)
	return s
}

func (s seed) private() string { return hex.EncodeToString(s) }

func (s seed) public() string {
	return hex.EncodeToString(ed25519.NewKeyFromSeed(s).Public().(ed25519.PublicKey))
}

// coreConfig is a core at that address of which the edges may do everything
// below the prefix; so may clients of their realm, and more.
func coreConfig(a *authority, address, prefix string, edges ...string) string {
	var users strings.Builder
	for _, e := range edges {
		fmt.Fprintf(&users, "{ username = %q, authorized_keys = [%q], groups = [\"edges\"] },\n", e, seedOf(e).public())
	}
	return stationConfig("core") + fmt.Sprintf(`
[uplink_listener]
listen = %q
tls = %s
[[realm]]
uri = "realm1"
groups = [{ name = "edges" }]
users = [
%s]
[[realm.grants]]
roles = ["anonymous"]
permissions = ["wamp.call", "wamp.cancel", "wamp.register", "wamp.unregister", "wamp.subscribe", "wamp.unsubscribe", "wamp.publish"]
uri = ""
match = "prefix"
[[realm.grants]]
roles = ["edges"]
permissions = ["wamp.call", "wamp.register", "wamp.subscribe", "wamp.publish"]
uri = %q
match = "prefix"
`, address, a.tls("core"), users.String(), prefix)
}

// edgeConfig is an edge that bridges realm1 by the rules to the core at that
// address, with the certificate and the key of its name.
func edgeConfig(a *authority, name, address, rules string) string {
	return stationConfig("edge") + fmt.Sprintf(`
[[realm]]
uri = "realm1"
[[realm.grants]]
roles = ["anonymous"]
permissions = ["wamp.call", "wamp.cancel", "wamp.register", "wamp.unregister", "wamp.subscribe", "wamp.unsubscribe", "wamp.publish"]
uri = ""
match = "prefix"
[[uplink]]
name = "cloud"
endpoints = [%q]
tls = %s
[[uplink.realm]]
uri = "realm1"
authid = %q
key_file = "uplink.key"
`, address, a.tls(name), name) + rules
}

// newEdge prepares an edge of edgeConfig.
func newEdge(t *testing.T, a *authority, at place, name, address, rules string) *station {
	t.Helper()
	e := newStation(t, at, edgeConfig(a, name, address, rules))
	e.write("uplink.key", seedOf(name).private())
	return e
}

// uri is the URI of an ERROR, "" if err is nil, and else what it says.
func uri(err error) wamp.URI {
	var we *client.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &we):
		return we.URI
	}
	return wamp.URI(err.Error())
}

// call calls without arguments, for at most so long.
func call(ctx context.Context, c *client.Session, procedure wamp.URI, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	_, err := c.Call(ctx, procedure, nil, nil, client.CallOptions{})
	return err
}

// callable waits until the procedure answers.
func callable(t *testing.T, c *client.Session, procedure wamp.URI) {
	t.Helper()
	eventually(t, "call of "+string(procedure), func() bool { return call(t.Context(), c, procedure, patience) == nil })
}

// echo answers a call with its arguments.
func echo(_ context.Context, inv *client.Invocation) (*client.Result, error) {
	return &client.Result{Args: inv.Args}, nil
}

func register(t *testing.T, c *client.Session, procedure wamp.URI, h client.InvocationHandler) {
	t.Helper()
	if _, err := c.Register(t.Context(), procedure, h, client.RegisterOptions{}); err != nil {
		t.Fatalf("register %s: %v", procedure, err)
	}
}

func subscribe(t *testing.T, c *client.Session, topic wamp.URI, match wamp.Match, h func(*client.Event)) *client.Subscription {
	t.Helper()
	s, err := c.Subscribe(t.Context(), topic, func(_ context.Context, ev *client.Event) { h(ev) }, client.SubscribeOptions{Match: match})
	if err != nil {
		t.Fatalf("subscribe %s: %v", topic, err)
	}
	return s
}

func publish(t *testing.T, c *client.Session, topic wamp.URI, args ...any) {
	t.Helper()
	if _, err := c.Publish(t.Context(), topic, args, nil, client.PublishOptions{Acknowledge: true}); err != nil {
		t.Errorf("publish %s: %v", topic, err)
	}
}
