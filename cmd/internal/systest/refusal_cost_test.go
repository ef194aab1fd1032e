package systest_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"bondy/core/auth"
)

// refusedPeople is how many users of each sort there are: with eight attempts at
// each, no guess is slowed down.
const (
	refusedPeople   = 250
	refusedAttempts = 2000
)

// refusedRealm has as many users as that, and as many who are disabled; all have
// the same password, which is hashed by the node or was before.
func refusedRealm(uri, password string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n[[realm]]\nuri = %q\nauthmethods = [\"ticket\", \"password\", \"wampcra\", \"wamp-scram\", \"cryptosign\"]\n", uri)
	b.WriteString("groups = [{ name = \"user\" }]\nusers = [\n")
	for i := range refusedPeople {
		for sort, enabled := range map[string]bool{"there": true, "disabled": false} {
			name := fmt.Sprint(sort, i)
			fmt.Fprintf(&b, "  { username = %q, %s, authorized_keys = [%q], groups = [\"user\"], enabled = %v },\n",
				name, password, publicOf(name), enabled)
		}
	}
	b.WriteString("]\n")
	return b.String()
}

// TestCostOfRefusals compares, over sockets, what a wrong secret, an unknown and a
// disabled user are told and when: in the same words, and medians within 5 percent.
func TestCostOfRefusals(t *testing.T) {
	costs(t)
	credential, err := auth.NewCredential("of-the-test", auth.KDFArgon2id)
	if err != nil {
		t.Fatal(err)
	}
	hash, err := credential.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	text := "data_dir = \"data\"\nlog = { format = \"json\" }\n" + listener("rawsocket") +
		refusedRealm("pbkdf2", `password = "of-the-test"`) + refusedRealm("argon2id13", fmt.Sprintf("password_hash = %q", strings.ReplaceAll(string(hash), "$", "$$")))
	if err := os.WriteFile(filepath.Join(dir, "bondy.toml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	rows := []string{"realm\tmethod\twrong\tunknown\tdisabled\tapart"}
	for _, at := range []struct{ realm, methods string }{
		{"pbkdf2", "wampcra ticket password wamp-scram scram cryptosign"},
		{"argon2id13", "wamp-scram scram"},
	} {
		for method := range strings.FieldsSeq(at.methods) {
			rows = append(rows, at.realm+"\t"+method+"\t"+refusals(t, dir, at.realm, method))
		}
	}
	table(t, rows...)
}

// refusals measures one method; the machine has other things to do, so that it may
// take several attempts.
func refusals(t *testing.T, dir, realm, method string) (row string) {
	t.Helper()
	for range 5 {
		medians := refusedTimes(t, dir, realm, method)
		apart := slices.Max(medians).Seconds()/slices.Min(medians).Seconds() - 1
		row = fmt.Sprintf("%v\t%v\t%v\t%.1f %%", medians[0], medians[1], medians[2], 100*apart)
		if apart < 0.05 || t.Failed() {
			return row
		}
	}
	t.Errorf("%s, %s: medians of wrong, unknown, disabled: %s", realm, method, row)
	return row
}

// refusedTimes runs a node that has seen no failures, and returns the medians for
// a wrong secret, an unknown and a disabled user.
func refusedTimes(t *testing.T, dir, realm, method string) []time.Duration {
	t.Helper()
	cmd := exec.Command(bondy(), "serve", "--config", "bondy.toml")
	cmd.Dir = dir
	n, err := serveNode(cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer n.kill()
	address := strings.TrimPrefix(n.urls["rawsocket"], "tcp://")
	told := map[string]bool{}
	sorts := []string{"there", "unknown", "disabled"}
	took := make([][]time.Duration, len(sorts))
	for i := range refusedAttempts {
		for j := range sorts {
			k := (i + j) % len(sorts)
			answer, d, err := refusedLogin(address, realm, method, fmt.Sprint(sorts[k], i%refusedPeople))
			if err != nil {
				t.Fatalf("%s, %s, %s: %v", realm, method, sorts[k], err)
			}
			told[answer] = true
			took[k] = append(took[k], d)
		}
	}
	if len(told) != 1 {
		t.Errorf("%s, %s: the answers differ: %v", realm, method, told)
	}
	medians := make([]time.Duration, len(sorts))
	for i, all := range took {
		slices.Sort(all)
		medians[i] = all[len(all)/2].Round(100 * time.Nanosecond)
	}
	if err := n.stop(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	return medians
}

// refusedLogin sends what a client with a wrong secret sends, and returns what it
// is told, and how long that took from HELLO on. It is a client of its own, which
// spends no time on the secret.
func refusedLogin(address, realm, method, name string) (answer string, took time.Duration, err error) {
	const nonce = "egVDf3DMJh0egVDf3DMJ"
	c, err := net.Dial("tcp", address)
	if err != nil {
		return "", 0, err
	}
	defer func() { _ = c.Close() }() // was refused
	greeting := [4]byte{0x7f, 0xf1}  // messages up to 16 MiB, in JSON
	if _, err := c.Write(greeting[:]); err != nil {
		return "", 0, err
	}
	if _, err := io.ReadFull(c, greeting[:]); err != nil {
		return "", 0, err
	}
	began := time.Now()
	challenge, err := exchange(c, []any{1, realm, map[string]any{
		"roles": map[string]any{"caller": map[string]any{}}, "authmethods": []string{method}, "authid": name,
		"authextra": map[string]any{"nonce": nonce, "pubkey": publicOf("a stranger")},
	}})
	if err != nil {
		return "", 0, err
	}
	var m []any
	if err := json.Unmarshal(challenge, &m); err != nil || len(m) != 3 || m[0] != 4.0 {
		return "", 0, fmt.Errorf("no challenge: %s", challenge)
	}
	signature, extra := "wrong", map[string]any{}
	switch method {
	case "wampcra", "wamp-scram", "scram":
		signature = "gir1mSx+deCDUV7wRM5SGIn/+R/ClqLZuH4m7FJeBVI="
		if shown, ok := m[2].(map[string]any); ok && method == "wamp-scram" {
			extra["nonce"] = shown["nonce"]
		}
	case "cryptosign":
		signature = strings.Repeat("ab", 64)
	}
	abort, err := exchange(c, []any{5, signature, extra})
	if err == nil && !bytes.Contains(abort, []byte("wamp.error.authentication_denied")) {
		err = fmt.Errorf("told %s", abort)
	}
	return string(abort), time.Since(began), err
}

// exchange sends a message over RawSocket and returns the next one.
func exchange(c net.Conn, m any) ([]byte, error) {
	text, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	frame := binary.BigEndian.AppendUint32(nil, uint32(len(text)))
	if _, err := c.Write(append(frame, text...)); err != nil {
		return nil, err
	}
	if _, err := io.ReadFull(c, frame[:4]); err != nil {
		return nil, err
	}
	answer := make([]byte, binary.BigEndian.Uint32(frame)&0xffffff)
	_, err = io.ReadFull(c, answer)
	return answer, err
}
