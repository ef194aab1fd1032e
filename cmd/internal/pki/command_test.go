package pki_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"bondy/cmd/internal/pki"
)

// run executes "bondy pki ARGS"; status is the exit status.
func run(t *testing.T, args ...string) (out, text string, status int) {
	t.Helper()
	var b bytes.Buffer
	root := &cobra.Command{Use: "bondy", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(pki.Command(&b))
	root.SetArgs(append([]string{"pki"}, args...))
	root.SetOut(&b)
	root.SetErr(io.Discard)
	err := root.ExecuteContext(t.Context())
	if err == nil {
		return b.String(), "", 0
	}
	if e, ok := errors.AsType[interface {
		error
		ExitStatus() int
	}](err); ok {
		return b.String(), err.Error(), e.ExitStatus()
	}
	return b.String(), err.Error(), 1
}

// must is run where nothing may go wrong.
func must(t *testing.T, args ...string) string {
	t.Helper()
	out, text, status := run(t, args...)
	if status != 0 {
		t.Fatalf("bondy pki %s: %s (status %d)", strings.Join(args, " "), text, status)
	}
	return out
}

// list is what "bondy pki list" says, by name.
func list(t *testing.T, dir string) map[string][]pki.Certificate {
	t.Helper()
	var all []pki.Certificate
	if err := json.Unmarshal([]byte(must(t, "list", "--dir", dir, "--output", "json")), &all); err != nil {
		t.Fatal(err)
	}
	out := map[string][]pki.Certificate{}
	for _, c := range all {
		out[c.Name] = append(out[c.Name], c)
	}
	return out
}

func TestLife(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "pki")
	if out := must(t, "init", "--dir", dir); !strings.Contains(out, "ca.crt") {
		t.Errorf("init says %q", out)
	}
	if out := must(t, "list", "--dir", dir, "--output", "json"); out != "[]\n" {
		t.Errorf("list of nothing = %q", out)
	}
	out := must(t, "issue", "--dir", dir, "core-1", "--address", "10.0.0.7", "--address", "core.example.com", "--address", "::1")
	if !strings.Contains(out, "core-1.crt") || strings.Count(out, "\n") != 1 {
		t.Errorf("issue says %q", out)
	}
	must(t, "issue", "--dir", dir, "gateway-17", "--role", "edge", "--algorithm", "p256")
	for name, want := range map[string]fs.FileMode{
		".": 0o700, "ca.key": 0o600, "ca.crt": 0o644, "core-1.key": 0o600, "core-1.crt": 0o644, "gateway-17.key": 0o600, "issued": 0o700,
	} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s has mode %v, %v, want %v", name, info.Mode(), err, want)
		}
	}
	got := list(t, dir)
	core, edge := got["core-1"][0], got["gateway-17"][0]
	if want := "core-1 core.example.com 10.0.0.7 ::1"; strings.Join(core.Addresses, " ") != want {
		t.Errorf("addresses = %v, want %s", core.Addresses, want)
	}
	if core.Role != pki.RoleNode || edge.Role != pki.RoleEdge || core.State != pki.Valid {
		t.Errorf("list = %+v", got)
	}
	if days := core.NotAfter.Sub(core.NotBefore).Hours() / 24; days < 365 || days > 366 {
		t.Errorf("a node's certificate is valid for %v days", days)
	}
	if days := edge.NotAfter.Sub(edge.NotBefore).Hours() / 24; days < 30 || days > 31 {
		t.Errorf("an edge's certificate is valid for %v days", days)
	}

	// The pair may be lost: its record is enough.
	os.Remove(filepath.Join(dir, "gateway-17.crt"))
	if out := must(t, "revoke", "--dir", dir, "gateway-17"); !strings.Contains(out, edge.Serial) {
		t.Errorf("revoke says %q", out)
	}
	if out := must(t, "revoke", "--dir", dir, "gateway-17"); !strings.Contains(out, "before") {
		t.Errorf("revoke says %q the second time", out)
	}
	edge = list(t, dir)["gateway-17"][0]
	if edge.State != pki.Revoked || edge.RevokedAt.IsZero() {
		t.Errorf("list has %+v", edge)
	}
	table := must(t, "list", "--dir", dir)
	if !strings.HasPrefix(table, "NAME") || !strings.Contains(table, edge.Serial) || strings.Count(table, "\n") != 3 {
		t.Errorf("list =\n%s", table)
	}
}

func TestRenew(t *testing.T) {
	dir := t.TempDir()
	must(t, "init", "--dir", dir, "--algorithm", "p256")
	must(t, "issue", "--dir", dir, "a")
	before, err := os.ReadFile(filepath.Join(dir, "a.key"))
	if err != nil {
		t.Fatal(err)
	}
	_, text, status := run(t, "issue", "--dir", dir, "a")
	if status != 1 || !strings.Contains(text, "a.crt exists") || !strings.Contains(text, "--force") {
		t.Errorf("the second issue = %q, status %d", text, status)
	}
	if after, _ := os.ReadFile(filepath.Join(dir, "a.key")); !bytes.Equal(before, after) {
		t.Error("a refused issue changed the key")
	}
	if n := len(list(t, dir)["a"]); n != 1 {
		t.Errorf("a refused issue left %d records", n)
	}
	must(t, "issue", "--dir", dir, "a", "--force", "--expires", "10d")
	both := list(t, dir)["a"]
	if len(both) != 2 || both[0].State != pki.Valid || both[1].State != pki.Valid {
		t.Fatalf("after renewal the list has %+v", both)
	}
	must(t, "revoke", "--dir", dir, "a", "--serial", strings.ToUpper(both[0].Serial))
	one := map[string]pki.State{}
	for _, c := range list(t, dir)["a"] {
		one[c.Serial] = c.State
	}
	if one[both[0].Serial] != pki.Revoked || one[both[1].Serial] != pki.Valid {
		t.Errorf("after revocation by serial number: %v", one)
	}
	must(t, "revoke", "--dir", dir, "a")
	for _, c := range list(t, dir)["a"] {
		if c.State != pki.Revoked {
			t.Errorf("after revocation by name: %+v", c)
		}
	}
}

func TestBadCommands(t *testing.T) {
	dir := t.TempDir()
	must(t, "init", "--dir", dir, "--expires", "100d")
	must(t, "issue", "--dir", dir, "a", "--expires", "1h")
	serial := list(t, dir)["a"][0].Serial
	empty := t.TempDir()
	for _, c := range []struct {
		args   string
		status int
		want   string
	}{
		{"nonsense", 2, `unknown command "nonsense"`},
		{"init", 2, "--dir is missing"},
		{"init --dir " + dir, 1, "ca.crt exists"},
		{"init --dir " + empty + " --algorithm rsa", 2, "ed25519 or p256"},
		{"init --dir " + empty + " --expires 0d", 2, "at least a second"},
		{"issue --dir " + empty + " b", 1, "bondy pki init"},
		{"issue --dir " + dir, 2, "accepts 1 arg"},
		{"issue --dir " + dir + " b", 1, "outlive the authority"},
		{"issue --dir " + dir + " ca --force", 2, "the authority's own"},
		{"issue --dir " + dir + " ../b", 2, "begins with"},
		{"issue --dir " + dir + " B", 2, "a-z"},
		{"issue --dir " + dir + " a/b", 2, "a-z"},
		{"issue --dir " + dir + " " + strings.Repeat("a", 64), 2, "at most 63"},
		{"issue --dir " + dir + " b --address host:80", 2, "no port"},
		{"issue --dir " + dir + " b --address fe80::1%eth0", 2, "neither"},
		{"issue --dir " + dir + " b --address -a.example", 2, "neither"},
		{"issue --dir " + dir + " b --role king", 2, "node or edge"},
		{"issue --dir " + dir + " b --expires 99999999d", 2, "at least a second"},
		{"issue --dir " + dir + " b --expires soon", 2, "30d"},
		{"issue --dir " + dir + " b --expires -5h", 2, "30d"},
		{"revoke --dir " + dir + " b", 1, "no certificate for b"},
		{"revoke --dir " + dir + " b --serial " + serial, 1, "that of a, not of b"},
		{"revoke --dir " + dir + " b --serial xyz", 1, "not hexadecimal"},
		{"list --dir " + dir + " --output xml", 2, "table or json"},
		{"list --dir " + empty, 1, "no authority"},
		{"list --bogus", 2, "unknown flag"},
	} {
		_, text, status := run(t, strings.Fields(c.args)...)
		if status != c.status || !strings.Contains(text, c.want) {
			t.Errorf("pki %s = %q, status %d; want %q, status %d", c.args, text, status, c.want, c.status)
		}
	}
	if _, text, status := run(t, "issue", "--dir", dir, ""); status != 2 || !strings.Contains(text, "empty") {
		t.Errorf("issue of no name = %q, status %d", text, status)
	}
	if out := must(t); !strings.Contains(out, "revoke") {
		t.Errorf("bondy pki shows %q, want its help", out)
	}
}
