package ticket_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"bondy/core/ticket"
	"bondy/core/ticket/tickettest"
)

func states(ring []*ticket.Key) string {
	var out []string
	for _, k := range ring {
		out = append(out, string(k.State))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// W27: keys are rotated by command; tickets of a retired one go on until they
// expire, and then the key is worth nothing.
func TestRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		if got := states(w.memory.Ring(three)); got != "active next" {
			t.Fatalf("a new ring is %s", got)
		}
		old := w.issue(t, w.request(three, "ann"))
		w.rotate(t, three)
		if got := states(w.memory.Ring(three)); got != "active next retired" {
			t.Fatalf("after a rotation it is %s", got)
		}
		fresh := w.issue(t, w.request(three, "ann"))
		if kid(t, old.Ticket) == kid(t, fresh.Ticket) {
			t.Error("the same key signs")
		}
		w.check(t, "of the retired key", old.Ticket, "ann", "three")
		w.check(t, "of the active key", fresh.Ticket, "ann", "three")
		wait(ticket.MaxLifetime - time.Second)
		w.check(t, "of the retired key, to the end", old.Ticket, "ann", "three")
		wait(2 * time.Minute)
		for _, k := range w.memory.Ring(three) {
			if got := k.Over(time.Now()); got != (k.State == ticket.Retired) {
				t.Errorf("%s is over: %v", k, got)
			}
		}
		late := w.issue(t, w.request(three, "ann"))
		for _, k := range w.memory.Ring(three) {
			if k.State == ticket.Active { // and it had been retired long ago
				over := *k
				over.State, over.Retired = ticket.Retired, time.Now().Add(-2*ticket.MaxLifetime)
				w.check(t, "of the active key", late.Ticket, "ann", "three")
				w.memory.SetRing(three, []*ticket.Key{&over})
				w.check(t, "of a key that is over", late.Ticket, "ann", "")
			}
		}
		document, err := ticket.JWKS(w.memory.Ring(three))
		if err != nil || strings.Contains(string(document), kid(t, old.Ticket)) {
			t.Errorf("%s, %v", document, err)
		}
	})
}

func kid(t testing.TB, text string) string {
	t.Helper()
	jws, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	return jws.Signatures[0].Protected.KeyID
}

// Others can verify tickets by what is published, which shows nothing private.
func TestJWKS(t *testing.T) {
	w := newWorld(t)
	i := w.issue(t, w.request(three, "ann"))
	w.rotate(t, three)
	document, err := ticket.JWKS(w.memory.Ring(three))
	if err != nil {
		t.Fatal(err)
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(document, &set); err != nil || len(set.Keys) != 3 || strings.Contains(string(document), `"d"`) {
		t.Fatalf("%s, %v", document, err)
	}
	jws, err := jose.ParseSignedCompact(i.Ticket, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := jws.Verify(set.Key(kid(t, i.Ticket))[0].Key); err != nil {
		t.Error(err)
	}
	if empty, err := ticket.JWKS(nil); err != nil || string(empty) != `{"keys":[]}` {
		t.Errorf("%s, %v", empty, err)
	}
}

// shut is a Sealer whose key is gone.
type shut struct{ clear }

func (shut) Open([]byte, string) ([]byte, error) { return nil, errors.New("the node key is missing") }

// W61: a key is kept sealed for its realm and id, and comes back from its row.
func TestKeyRows(t *testing.T) {
	w := newWorld(t)
	i := w.issue(t, w.request(three, "ann"))
	var rows []*ticket.Key
	for _, k := range w.memory.Ring(three) {
		text, err := json.Marshal(k)
		if err != nil {
			t.Fatal(err)
		}
		again := new(ticket.Key)
		if err := json.Unmarshal(text, again); err != nil {
			t.Fatal(err)
		}
		if shown := fmt.Sprintf("%s %v", k, k); len(shown) > 100 {
			t.Errorf("it prints as %s", shown)
		}
		rows = append(rows, again)
	}
	restarted := &world{memory: tickettest.NewMemory(), users: w.users}
	restarted.memory.SetRing(three, rows)
	restarted.Authority = ticket.New(restarted.memory, clear{}, w.memory)
	restarted.check(t, "after a restart", i.Ticket, "ann", "three")
	restarted.issue(t, w.request(three, "ann"))
	if _, err := ticket.New(restarted.memory, shut{}, w.memory).Issue(w.request(three, "ann")); err == nil || !strings.Contains(err.Error(), "the node key is missing") {
		t.Errorf("without the node key: %v", err)
	}
	moved := *rows[0]
	moved.Realm = sso // as if a row was copied
	moved.State, moved.Retired = ticket.Active, time.Time{}
	restarted.memory.SetRing(sso, []*ticket.Key{&moved})
	if _, err := restarted.Issue(w.request(sso, "ann")); err == nil || !strings.Contains(err.Error(), "belongs elsewhere") {
		t.Errorf("with a key of another realm: %v", err)
	}
	if _, err := restarted.Issue(w.request(two, "joe")); uri(err) == "" {
		t.Errorf("without a key: %v", err)
	}
}

func FuzzKey(f *testing.F) {
	changed, err := ticket.Rotate(clear{}, "r", nil)
	if err != nil {
		f.Fatal(err)
	}
	for _, k := range changed {
		text, err := json.Marshal(k)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		k, again := new(ticket.Key), new(ticket.Key)
		if json.Unmarshal(text, k) != nil {
			return
		}
		b, err := json.Marshal(k)
		if err != nil {
			t.Skip("a time that JSON cannot write")
		}
		if err := json.Unmarshal(b, again); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if _, err := ticket.JWKS([]*ticket.Key{again}); err != nil {
			t.Fatal(err)
		}
	})
}
