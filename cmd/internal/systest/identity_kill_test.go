package systest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bondy/core/wamp"
	"bondy/transport/client"
)

// change is one change of a user, of many rows.
type change struct {
	procedure wamp.URI
	args      []any
	user      string
	after     dict // nil: gone
}

// clerk makes changes, one after another, until the node is gone.
type clerk struct {
	name   string
	users  map[string]dict // as the node has said that they are
	flight *change         // without an answer
	n      int
}

// version is what a user is after so many changes.
func (c *clerk) version(user string, v int) dict {
	keys := []string{strings.ToUpper(publicOf(fmt.Sprint(user, v))), strings.ToUpper(publicOf(fmt.Sprint(v, user)))}
	slices.Sort(keys) // as they come back from the disk
	return dict{
		"groups": texts([]string{fmt.Sprintf("g%d", v%3), fmt.Sprintf("g%d", v%3+3)}), "meta": dict{"version": fmt.Sprint(v), "padding": strings.Repeat("x", 200)},
		"authorized_keys": texts(keys), "enabled": v%2 == 0,
	}
}

// next is what to do after n changes: a user is added, changed in everything, and
// of some deleted.
func (c *clerk) next() change {
	c.n++
	user := fmt.Sprintf("%s-%d", c.name, c.n/4)
	now, there := c.users[user]
	switch {
	case !there:
		spec := c.version(user, c.n)
		spec["aliases"] = texts([]string{user + "-a", user + "-b"})
		after := maps.Clone(spec)
		spec["username"] = user
		return change{"bondy.user.add", []any{"app", spec}, user, after}
	case c.n%8 == 3:
		return change{"bondy.user.delete", []any{"app", user}, user, nil}
	default:
		after := c.version(user, c.n)
		update := maps.Clone(after)
		after["aliases"] = now["aliases"]
		return change{"bondy.user.update", []any{"app", user, update}, user, after}
	}
}

// work makes changes until one has no answer.
func (c *clerk) work(ctx context.Context, s *client.Session, made func()) error {
	for {
		ch := c.next()
		_, err := ask(ctx, s, ch.procedure, nil, ch.args...)
		refusal, refused := errors.AsType[*client.Error](err)
		switch {
		case refused:
			return fmt.Errorf("%s of %s: %w", ch.procedure, ch.user, refusal)
		case err != nil: // the node is gone
			c.flight = &ch
			return nil //nolint:nilerr // as it is to be
		case ch.after == nil:
			delete(c.users, ch.user)
		default:
			c.users[ch.user] = ch.after
		}
		made()
	}
}

// check compares what is there with what must be, and with what may be of the
// change that had no answer.
func (c *clerk) check(t *testing.T, s *client.Session) {
	t.Helper()
	if f := c.flight; f != nil {
		before := c.users[f.user]
		got := userAt(t, s, f.user)
		if !same(got, f.after) && !same(got, before) {
			t.Errorf("%s of %s is half done: %v\nbefore %v\nafter %v", f.procedure, f.user, got, before, f.after)
		}
		if c.users[f.user] = got; got == nil {
			delete(c.users, f.user)
		}
		c.flight = nil
	}
	for user, want := range c.users {
		if got := userAt(t, s, user); !same(got, want) {
			t.Errorf("%s is %v\nwant %v", user, got, want)
		}
	}
}

// userAt is what clerks change of a user as the node shows it; nil if there is none.
func userAt(t *testing.T, s *client.Session, user string) dict {
	t.Helper()
	v, err := ask(t.Context(), s, "bondy.user.get", nil, "app", user)
	if uri(err) == "bondy.error.not_found" {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	out := dict{}
	for _, key := range []string{"groups", "meta", "authorized_keys", "enabled", "aliases"} {
		out[key] = v.(dict)[key]
	}
	return out
}

func same(a, b dict) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return bytes.Equal(x, y)
}

// TestKilledDuringChanges kills a node with SIGKILL again and again while four
// administrators make changes of many rows: what was answered is there whole, what
// was not is there whole or not at all, the audit log verifies, and the node key
// still opens what was sealed with it.
func TestKilledDuringChanges(t *testing.T) {
	kills(t)
	b := newBox(t)
	changes := scaled(1000)
	clerks := make([]*clerk, 4)
	for i := range clerks {
		clerks[i] = &clerk{name: fmt.Sprintf("c%d", i), users: map[string]dict{}}
	}
	var secret, ticket string
	var key []byte
	total, rounds := 0, 0
	for ; total < changes; rounds++ {
		n := b.serve("--admin-secret-file", "secret")
		d := b.domain(n)
		if rounds == 0 {
			secret = b.secret("secret")
		}
		d.admin = d.join("bondy", client.CRA("admin", secret))
		if rounds == 0 {
			groups := []any{dict{"name": "staff"}}
			for i := range 6 {
				groups = append(groups, dict{"name": fmt.Sprintf("g%d", i)})
			}
			d.apply(application("app", people("joe"), dict{"groups": groups}))
			v, err := ask(t.Context(), d.join("app", as("joe")), "bondy.ticket.issue", nil)
			if err != nil {
				t.Fatal(err)
			}
			ticket = v.(dict)["ticket"].(string)
			key = []byte(b.read("data", "node.key"))
		}
		for _, c := range clerks {
			c.check(t, d.admin)
		}
		d.join("app", client.Ticket("joe", ticket))

		var made atomic.Int64
		until := 1 + rand.Int64N(int64(changes/5))
		var busy sync.WaitGroup
		sessions := make([]*client.Session, len(clerks))
		for i := range clerks {
			sessions[i] = d.join("bondy", client.CRA("admin", secret))
		}
		for i, c := range clerks {
			busy.Go(func() {
				err := c.work(context.WithoutCancel(t.Context()), sessions[i], func() {
					if made.Add(1) == until {
						_ = n.cmd.Process.Kill()
					}
				})
				if err != nil {
					t.Error(err)
					_ = n.cmd.Process.Kill()
				}
			})
		}
		busy.Wait()
		<-n.ended
		total += int(made.Load())
		if out, err := b.command("audit", "verify", "--config", "bondy.toml").CombinedOutput(); err != nil {
			t.Errorf("audit verify after round %d: %v\n%s", rounds, err, out)
		}
		if !bytes.Equal(key, []byte(b.read("data", "node.key"))) {
			t.Error("the node key is another one")
		}
		if t.Failed() {
			break
		}
	}
	n := b.serve()
	d := b.domain(n)
	admin := d.join("bondy", client.CRA("admin", secret))
	users := 0
	for _, c := range clerks {
		c.check(t, admin)
		users += len(c.users)
	}
	d.join("app", client.Ticket("joe", ticket))
	t.Logf("%d changes answered, %d kills, %d users", total, rounds, users)
	if err := n.stop(os.Interrupt); err != nil {
		t.Error(err)
	}
	if out, err := b.command("audit", "verify", "--config", "bondy.toml").CombinedOutput(); err != nil {
		t.Errorf("audit verify: %v\n%s", err, out)
	}
}

// TestKilledFirstStart kills first starts at many moments: the node starts later,
// and has an administrator.
func TestKilledFirstStart(t *testing.T) {
	kills(t)
	for i := range scaled(20) {
		b := newBox(t)
		p, err := start(b.command("serve", "--config", "bondy.toml"))
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Duration(i) * 4 * time.Millisecond)
		p.kill()
		d := b.domain(b.serve())
		d.admin = d.join("bondy", client.CRA("admin", b.secret("data", "admin-secret")))
		d.apply(application("app", people("joe"), nil))
		d.do("bondy.key.rotate", "app") // which seals
	}
}
