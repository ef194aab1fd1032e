//go:build linux

package systest_test

import (
	"crypto/ed25519"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"bondy/core/auth"
	"bondy/core/wamp"
	"bondy/transport/client"
)

// The size of a realm that is large.
const (
	manyUsers  = 100_000
	manyGroups = 1_000
	manyGrants = 10_000
)

// sharedHash is what is kept of the password of everybody in a large realm.
func sharedHash(t *testing.T) string {
	t.Helper()
	const salt, iterations = "c2FsdHNhbHRzYWx0c2E=", 1000
	key, err := pbkdf2.Key(sha256.New, secretOf("all"), []byte(salt), iterations, 32)
	if err != nil {
		t.Fatal(err)
	}
	text, err := auth.ImportVerifier(salt, iterations, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func userNumber(i int) string  { return fmt.Sprintf("user-%06d", i) }
func groupNumber(i int) string { return fmt.Sprintf("group-%04d", i) }

// largeRealm are documents of a realm with users in two groups each, groups in other
// groups, five deep, and grants to groups, as many in each as fit into one call.
func largeRealm(t *testing.T) (parts []string) {
	t.Helper()
	hash := sharedHash(t)
	users, groups, grants := make([]any, manyUsers), make([]any, manyGroups), make([]any, manyGrants)
	for i := range users {
		users[i] = dict{
			"username": userNumber(i), "password_hash": hash, "authorized_keys": []any{publicOf(userNumber(i))},
			"groups": []any{groupNumber(i % manyGroups), groupNumber((i / manyGroups) * 7 % manyGroups)},
		}
	}
	for i := range groups {
		g := dict{"name": groupNumber(i)}
		if i > 0 {
			g["groups"] = []any{groupNumber((i - 1) / 4)}
		}
		groups[i] = g
	}
	for i := range grants {
		grants[i] = grant(groupNumber(i%manyGroups), fmt.Sprintf("com.example.part%d.%d.", i%100, i), everyMessage...)
	}
	text := func(doc dict) string {
		doc["uri"] = "large"
		out, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	parts = append(parts, text(dict{"authmethods": texts(allMethods), "groups": groups, "grants": grants}))
	for some := range slices.Chunk(users, manyUsers/10) {
		parts = append(parts, text(dict{"users": some}))
	}
	return parts
}

// TestCostOfLargeRealm weighs a realm with many users, groups and grants.
func TestCostOfLargeRealm(t *testing.T) {
	costs(t)
	parts := largeRealm(t)
	b := newBox(t)
	n := b.serve("--admin-secret-file", "secret")
	empty := resident(t, n.cmd.Process.Pid)
	began := time.Now()
	for i, text := range parts {
		b.write("part.json", text)
		if out, err := b.command("realm", "apply", "--config", "bondy.toml", "--yes", "part.json").CombinedOutput(); err != nil {
			t.Fatalf("apply part %d: %v\n%.2000s", i, err, out)
		}
	}
	rows := []string{
		fmt.Sprintf("%d users, %d groups, %d grants\tmeasured\tat most", manyUsers, manyGroups, manyGrants),
		fmt.Sprintf("loaded by realm apply, in %d documents\t%v\t", len(parts), time.Since(began).Round(10*time.Millisecond)),
		fmt.Sprintf("resident memory, no realms\t%.0f MiB\t", empty/1024),
		fmt.Sprintf("resident memory, loaded\t%.0f MiB\t", resident(t, n.cmd.Process.Pid)/1024),
	}
	if err := n.stop(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	note := func(what string, got, most time.Duration) {
		rows = append(rows, fmt.Sprintf("%s\t%v\t%v", what, got.Round(10*time.Microsecond), most))
		if got > most {
			t.Errorf("%s: %v, want at most %v", what, got, most)
		}
	}
	began = time.Now()
	n = b.serve()
	rows = append(rows, fmt.Sprintf("started until ready\t%v\t", time.Since(began).Round(10*time.Millisecond)))
	note("processor time of that", usedBy(t, n.cmd.Process.Pid), 10*time.Second)
	d := b.domain(n)
	d.admin = d.join("bondy", client.CRA("admin", b.secret("secret")))
	const mebibytes = 400
	memory := resident(t, n.cmd.Process.Pid) / 1024
	rows = append(rows, fmt.Sprintf("resident memory, started\t%.0f MiB\t%d MiB", memory, mebibytes))
	if memory > mebibytes {
		t.Errorf("resident memory: %.0f MiB", memory)
	}

	s := &student{d: d, keys: map[string][]byte{}}
	logins := map[string]func(user string) (*wire, error){"wampcra": s.cra, "wamp-scram": s.scram, "cryptosign": s.cryptosign}
	for _, name := range []string{"wampcra", "wamp-scram", "cryptosign"} {
		median, worst := percentiles(t, 2000, func(i int) error {
			w, err := logins[name](userNumber(i * 47 % manyUsers))
			if err == nil {
				w.cut()
			}
			return err
		})
		rows = append(rows, fmt.Sprintf("login by %s, p50\t%v\t", name, median.Round(10*time.Microsecond)))
		note("login by "+name+", p99", worst, 250*time.Millisecond)
	}
	for i := range 1000 {
		w, err := s.cra(userNumber(i * 97 % manyUsers))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(w.cut)
	}
	rows = append(rows, fmt.Sprintf("resident memory, 1,000 sessions\t%.0f MiB\t", resident(t, n.cmd.Process.Pid)/1024))
	before := usedBy(t, n.cmd.Process.Pid)
	for _, c := range []struct {
		name string
		do   func(i int)
	}{
		{"user into a group and out", func(i int) {
			p := wamp.URI("bondy.user.add_group")
			if i%2 == 1 {
				p = "bondy.user.remove_group"
			}
			d.do(p, "large", userNumber(i/2*97), groupNumber(999))
		}},
		{"grant to a group of many, and revoked", func(i int) {
			p := wamp.URI("bondy.grant.create")
			if i%2 == 1 {
				p = "bondy.grant.revoke"
			}
			d.do(p, "large", grant(groupNumber(0), fmt.Sprintf("com.more.%d.", i/2), everyMessage...))
		}},
		{"user added and deleted", func(i int) {
			if i%2 == 0 {
				d.do("bondy.user.add", "large", dict{"username": fmt.Sprint("more", i), "groups": []any{groupNumber(1)}})
			} else {
				d.do("bondy.user.delete", "large", fmt.Sprint("more", i-1))
			}
		}},
		{"password changed", func(i int) {
			d.do("bondy.user.change_password", "large", userNumber(50_000+i), "another-secret")
		}},
	} {
		median, worst := percentiles(t, 300, func(i int) error { c.do(i); return nil })
		rows = append(rows, fmt.Sprintf("%s, p50\t%v\t", c.name, median.Round(10*time.Microsecond)))
		note(c.name+", p99", worst, 100*time.Millisecond)
	}
	rows = append(rows, fmt.Sprintf("processor time of the node per change\t%v\t", (usedBy(t, n.cmd.Process.Pid)-before)/1200))
	table(t, rows...)
}

// usedBy is the processor time of a process, to a hundredth of a second.
func usedBy(t *testing.T, pid int) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	ticks := 0
	for _, f := range fields[11:13] { // utime and stime
		n, err := strconv.Atoi(f)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// percentiles times a function, many times: the median, and what 99 of 100 are
// done in.
func percentiles(t *testing.T, times int, f func(i int) error) (median, most time.Duration) {
	t.Helper()
	all := make([]time.Duration, times)
	for i := range all {
		began := time.Now()
		if err := f(i); err != nil {
			t.Fatal(err)
		}
		all[i] = time.Since(began)
	}
	slices.Sort(all)
	return all[times/2], all[times*99/100]
}

// student logs in as users of a large realm, and derives what follows from their
// password once.
type student struct {
	d    *domain
	keys map[string][]byte // by salt
}

// hello sends HELLO on a new connection and returns the challenge.
func (s *student) hello(user, method string, extra dict) (*wire, *wamp.Challenge, error) {
	w, err := s.d.open(transportKind{serializer: wamp.JSON})
	if err != nil {
		return nil, nil, err
	}
	h := hello()
	h.Realm, h.Details["authid"], h.Details["authmethods"], h.Details["authextra"] = "large", user, []any{method}, extra
	if err := w.send(h); err != nil {
		return nil, nil, err
	}
	ch, err := expectOrAbort[*wamp.Challenge](w)
	return w, ch, err
}

func (s *student) cra(user string) (*wire, error) {
	w, ch, err := s.hello(user, "wampcra", nil)
	if err != nil {
		return nil, err
	}
	salt, _ := ch.Extra["salt"].(string)
	if s.keys[salt] == nil {
		iterations, _ := ch.Extra["iterations"].(int64)
		key, err := pbkdf2.Key(sha256.New, secretOf("all"), []byte(salt), int(iterations), 32)
		if err != nil {
			return nil, err
		}
		s.keys[salt] = []byte(base64.StdEncoding.EncodeToString(key))
	}
	challenge, _ := ch.Extra["challenge"].(string)
	return w, w.answer(&wamp.Authenticate{Signature: base64.StdEncoding.EncodeToString(hmacOf(s.keys[salt], challenge))})
}

func (s *student) cryptosign(user string) (*wire, error) {
	w, ch, err := s.hello(user, "cryptosign", dict{"pubkey": publicOf(user)})
	if err != nil {
		return nil, err
	}
	text, _ := ch.Extra["challenge"].(string)
	challenge, err := hex.DecodeString(text)
	if err != nil {
		return nil, err
	}
	signature := append(ed25519.Sign(keyOf(user), challenge), challenge...)
	return w, w.answer(&wamp.Authenticate{Signature: hex.EncodeToString(signature)})
}

func (s *student) scram(user string) (*wire, error) {
	w, ch, err := s.hello(user, "wamp-scram", dict{"nonce": scramNonce, "channel_binding": nil})
	if err != nil {
		return nil, err
	}
	salt := "scram " + fmt.Sprint(ch.Extra["salt"])
	if s.keys[salt] == nil {
		if s.keys[salt], err = scramRoot(secretOf("all"), ch.Extra); err != nil {
			return nil, err
		}
	}
	_, err = w.prove(user, s.keys[salt], ch)
	return w, err
}

// answer sends AUTHENTICATE and awaits WELCOME.
func (w *wire) answer(m *wamp.Authenticate) error {
	m.Extra = wamp.Dict{}
	if err := w.send(m); err != nil {
		return err
	}
	_, err := expectOrAbort[*wamp.Welcome](w)
	return err
}
