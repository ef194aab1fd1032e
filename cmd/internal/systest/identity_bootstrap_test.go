package systest_test

import (
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"bondy/core/wamp"
	"bondy/transport/client"
)

// box is a folder in which the binary runs.
type box struct {
	t   *testing.T
	dir string
}

// newBox makes one whose node has a RawSocket listener.
func newBox(t *testing.T) *box {
	t.Helper()
	b := &box{t, t.TempDir()}
	b.write("bondy.toml", `
data_dir = "data"
log = { format = "json", level = "debug" }
`+listener("rawsocket")+listener("admin"))
	return b
}

func (b *box) path(name ...string) string { return filepath.Join(append([]string{b.dir}, name...)...) }

func (b *box) write(name, text string) {
	b.t.Helper()
	if err := os.WriteFile(b.path(name), []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

func (b *box) read(name ...string) string {
	b.t.Helper()
	text, err := os.ReadFile(b.path(name...))
	if err != nil {
		b.t.Fatal(err)
	}
	return string(text)
}

// command runs bondy in the folder.
func (b *box) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(context.WithoutCancel(b.t.Context()), bondy(), args...)
	cmd.Dir = b.dir
	return cmd
}

// serve runs the node until the test ends.
func (b *box) serve(args ...string) *served {
	b.t.Helper()
	n, err := serveNode(b.command(append([]string{"serve", "--config", "bondy.toml"}, args...)...))
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(n.kill)
	return n
}

// domain is the node as tests of what it does see it.
func (b *box) domain(n *served) *domain {
	return &domain{t: b.t, dir: b.path("data"), rig: &rig{
		raw: strings.TrimPrefix(n.urls["rawsocket"], "tcp://"), admin: strings.TrimPrefix(n.urls["admin"], "http://"),
	}}
}

// secret reads a file of the administrator's password, which nobody else may read.
func (b *box) secret(name ...string) string {
	b.t.Helper()
	info, err := os.Stat(b.path(name...))
	if err != nil {
		b.t.Fatal(err)
	}
	if info.Mode() != 0o600 {
		b.t.Errorf("%s has mode %v, want 0600", name, info.Mode())
	}
	secret := strings.TrimSpace(b.read(name...))
	if len(secret) < 22 { // of 128 bits, however written
		b.t.Errorf("the administrator's password %q is short", secret)
	}
	return secret
}

// TestFirstStart starts a node and looks where its administrator's password went,
// and what it is good for.
func TestFirstStart(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	n := b.serve("--admin-secret-file", "first")
	secret := b.secret("first")
	d := b.domain(n)
	for _, realm := range []wamp.URI{"bondy", "com.leapsight.bondy"} {
		for name, login := range map[string]client.Authenticator{
			"wampcra": client.CRA("admin", secret), "password": client.Password("admin", secret), "ticket": client.Ticket("admin", secret),
		} {
			c := d.join(realm, login)
			if v, err := ask(t.Context(), c, "bondy.realm.get", nil, "bondy"); err != nil {
				t.Errorf("%s: the administrator in %s: %v, %v", name, realm, v, err)
			}
			closeSession(t, c)
		}
		w, err := d.open(transportKind{serializer: wamp.JSON})
		if err != nil {
			t.Fatal(err)
		}
		if welcome, err := w.scram(realm, "admin", secret); err != nil || welcome.Details["authid"] != "admin" {
			t.Errorf("wamp-scram in %s: %v, %v", realm, welcome, err)
		}
		w.cut()
		for _, guess := range []string{"bondy-admin", "admin", "bondy", "password", ""} { // the first is the predecessor's
			d.denied(wamp.ErrAuthenticationDenied, realm, client.Password("admin", guess))
		}
	}
	if err := n.stop(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	said := n.stdout.String() + n.stderr.String()
	other := newBox(t)
	other.serve("--admin-secret-file", "first")
	if other.secret("first") == secret {
		t.Error("the password is the same everywhere")
	}

	again := b.serve("--admin-secret-file", "second")
	d = b.domain(again)
	closeSession(t, d.join("bondy", client.CRA("admin", secret)))
	if err := again.stop(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	said += again.stdout.String() + again.stderr.String()
	if strings.Contains(said, secret) {
		t.Error("the log has the administrator's password")
	}
	err := filepath.WalkDir(b.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || e.Type() == fs.ModeSocket || e.Name() == "first" {
			return err
		}
		text, err := os.ReadFile(path)
		if strings.Contains(string(text), secret) || e.Name() == "second" || e.Name() == "admin-secret" {
			t.Errorf("the password was also written to %s", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestFirstStartWithoutTerminal wants the password in the data directory.
func TestFirstStartWithoutTerminal(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	n := b.serve()
	secret := b.secret("data", "admin-secret")
	d := b.domain(n)
	closeSession(t, d.join("bondy", client.CRA("admin", secret)))
	if strings.Contains(n.stderr.String()+n.stdout.String(), secret) {
		t.Error("the log has the administrator's password")
	}
}

// TestFirstStartKeepsSecretFile starts a node that is to write the password over a
// file: it says so and leaves the file alone, and starts once it is gone.
func TestFirstStartKeepsSecretFile(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.write("mine", "something of mine\n")
	out, err := b.command("serve", "--config", "bondy.toml", "--admin-secret-file", "mine").CombinedOutput()
	if err == nil || !regexp.MustCompile(`mine.*(exists|there already)`).Match(out) {
		t.Errorf("serve: %v\n%s", err, out)
	}
	if text := b.read("mine"); text != "something of mine\n" {
		t.Errorf("the file is %q now", text)
	}
	if err := os.Remove(b.path("mine")); err != nil {
		t.Fatal(err)
	}
	n := b.serve("--admin-secret-file", "mine")
	closeSession(t, b.domain(n).join("bondy", client.CRA("admin", b.secret("mine"))))
}

// TestMasterRealmIsClosed has clients without the password try the master realm.
func TestMasterRealmIsClosed(t *testing.T) {
	d := newDomain(t, realmOfAll)
	for _, realm := range []wamp.URI{"bondy", "com.leapsight.bondy"} {
		d.denied(wamp.ErrNoMatchingAuthMethod, realm, nil)
		d.denied(wamp.ErrNoMatchingAuthMethod, realm, client.Anonymous())
		d.denied(wamp.ErrAuthenticationDenied, realm, client.CRA("root", "root"))
	}
	c := d.join("realm1", nil)
	for _, p := range []wamp.URI{"bondy.realm.list", "bondy.user.list", "bondy.realm.delete", "com.leapsight.bondy.realm.list", "wamp.session.kill_all"} {
		if _, err := ask(t.Context(), c, p, nil); uri(err) == "" {
			t.Errorf("an anonymous client has called %s", p)
		}
	}
}

// realmOfAll lets anonymous clients of realm1 do everything that is no management.
const realmOfAll = `
[[realm]]
uri = "realm1"
[[realm.grants]]
roles = ["anonymous"]
permissions = ["wamp.call", "wamp.cancel", "wamp.register", "wamp.unregister", "wamp.subscribe", "wamp.unsubscribe", "wamp.publish"]
uri = ""
match = "prefix"
`
