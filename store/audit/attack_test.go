package audit_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bondy/core/audit"
	"bondy/core/wamp"
	store "bondy/store/audit"
)

const (
	change1, change2, change3 = "audit-0000000001.jsonl", "audit-0000000002.jsonl", "audit-0000000003.jsonl"
	access1, access2, access3 = "access-0000000001.jsonl", "access-0000000002.jsonl", "access-0000000003.jsonl"
)

// splice gives the lines of a file without those from i to j, and with others there.
func splice(text []byte, i, j int, others ...[]byte) []byte {
	return bytes.Join(slices.Replace(lines(text), i, j, others...), nil)
}

// lines are the lines of a file.
func lines(text []byte) [][]byte { return slices.Collect(bytes.Lines(text)) }

// drop removes what is in the files of a series.
func drop(files map[string][]byte, series string) {
	for name := range files {
		if strings.HasPrefix(name, series+"-") {
			delete(files, name)
		}
	}
}

// TestAttacks does to a log what somebody may do who wants something not to have
// been: Verify says what is wrong, and where, without a head that was noted.
func TestAttacks(t *testing.T) {
	original := sample(t)
	last := fmt.Sprintf("access-%010d.jsonl", strings.Count(fmt.Sprint(names(original)), "access-"))
	for name, tc := range map[string]struct {
		attack func(map[string][]byte)
		where  string // of the file, and the line
		what   string
	}{
		"a change of administration": {func(f map[string][]byte) {
			f[change2] = bytes.Replace(f[change2], []byte("created"), []byte("deleted"), 1)
		}, change2 + " line 2", "it was changed"},
		"a change of a login": {func(f map[string][]byte) {
			f[access2] = bytes.Replace(f[access2], []byte("login"), []byte("logon"), 1)
		}, access2 + " line 2", "it was changed"},
		"a record removed": {func(f map[string][]byte) { f[change1] = splice(f[change1], 3, 4) }, change1 + " line 4", "comes record"},
		"a login removed":  {func(f map[string][]byte) { f[access1] = splice(f[access1], 2, 3) }, access1 + " line 3", "comes record"},
		"the first record of a file removed": {
			func(f map[string][]byte) { f[access2] = splice(f[access2], 0, 1) }, access2 + " line 1", "does not begin with the record",
		},
		"records in another order": {func(f map[string][]byte) {
			l := lines(f[change2])
			f[change2] = splice(f[change2], 1, 3, l[2], l[1])
		}, change2 + " line 2", "comes record"},
		"a record twice": {func(f map[string][]byte) {
			f[access2] = splice(f[access2], 2, 2, lines(f[access2])[1])
		}, access2 + " line 3", "comes record"},
		"a record of the other chain": {func(f map[string][]byte) {
			f[change2] = splice(f[change2], 2, 3, lines(f[access1])[2])
		}, change2 + " line 3", "comes record"},
		"a forged record": {func(f map[string][]byte) {
			r, err := audit.ParseRecord(lines(f[change2])[2])
			if err != nil {
				t.Fatal(err)
			}
			h, err := r.Before()
			if err != nil {
				t.Fatal(err)
			}
			r.AuthID = "somebody else"
			f[change2] = splice(f[change2], 2, 3, h.Append(nil, r))
		}, change2 + " line 4", "does not follow"},
		"the oldest file removed":  {func(f map[string][]byte) { delete(f, change1) }, "", change1 + " is missing, which the log still had when"},
		"a file removed":           {func(f map[string][]byte) { delete(f, change2) }, change3, change2 + " is missing"},
		"the oldest login removed": {func(f map[string][]byte) { delete(f, access1) }, "", access1 + " is missing"},
		"a file emptied":           {func(f map[string][]byte) { f[access2] = []byte{} }, access2, "the file is empty"},
		"the end of a file cut off": {func(f map[string][]byte) {
			n := len(lines(f[change2]))
			f[change2] = splice(f[change2], n-1, n)
		}, change3 + " line 1", "comes record"},
		"the newest logins cut off": {func(f map[string][]byte) {
			n := len(lines(f[last]))
			f[last] = splice(f[last], n-2, n) // also the one that says that the log was closed
		}, "", "of the files access-* is missing, which was there when"},
		"the newest file of logins removed": {func(f map[string][]byte) { delete(f, last) }, "", "of the files access-* is missing, which was there when"},
		"the two first files exchanged": {func(f map[string][]byte) {
			f[change1], f[access1] = f[access1], f[change1]
		}, change1 + " line 1", "the file began as \"" + access1},
		"two files exchanged": {func(f map[string][]byte) {
			f[change2], f[access2] = f[access2], f[change2]
		}, change2 + " line 1", "the file began as \"" + access2},
		"two files of a chain exchanged": {func(f map[string][]byte) {
			f[access2], f[access3] = f[access3], f[access2]
		}, access2 + " line 1", "the file began as \"" + access3},
		"the chains exchanged": {func(f map[string][]byte) {
			all := map[string][]byte{}
			for name, text := range f {
				series, rest, _ := strings.Cut(name, "-")
				all[map[string]string{"audit": "access", "access": "audit"}[series]+"-"+rest] = text
			}
			clear(f)
			maps.Copy(f, all)
		}, change1 + " line 1", "the file began as \"" + access1},
		"all logins removed":         {func(f map[string][]byte) { drop(f, "access") }, "", "of the files access-* is missing, which was there when"},
		"all administration removed": {func(f map[string][]byte) { drop(f, "audit") }, "", "of the files audit-* is missing, which was there when"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			files := map[string][]byte{}
			for name, text := range original {
				files[name] = slices.Clone(text)
			}
			tc.attack(files)
			write(t, dir, files)
			_, err := store.NewFiles(dir).Verify("")
			damage, ok := errors.AsType[*store.DamageError](err)
			if !ok || !strings.Contains(damage.Problem, tc.what) {
				t.Fatalf("%v, want %q", err, tc.what)
			}
			where := filepath.Base(damage.File)
			if damage.Line > 0 {
				where += fmt.Sprintf(" line %d", damage.Line)
			}
			if tc.where == "" {
				tc.where = filepath.Base(dir)
			}
			if where != tc.where {
				t.Errorf("found in %s, want %s: %v", where, tc.where, err)
			}
		})
	}
}

// TestChainBegunAnew removes one chain, or puts the older state of it back, and has
// the node go on: the other one still tells.
func TestChainBegunAnew(t *testing.T) {
	for _, series := range []string{"audit", "access"} {
		dir := t.TempDir()
		fill(t, dir)
		early := contents(t, dir)
		fill(t, dir)
		whole := contents(t, dir)
		for name, older := range map[string]map[string][]byte{"removed": {}, "put back": early} {
			files := maps.Clone(whole)
			drop(files, series)
			for name, text := range older {
				if strings.HasPrefix(name, series+"-") {
					files[name] = text
				}
			}
			write(t, dir, files)
			fill(t, dir) // a node is not stopped by it
			if report, err := store.NewFiles(dir).Verify(""); err == nil {
				t.Errorf("%s was %s: %+v", series, name, report)
			}
		}
	}
}

// TestNewestCutOff cuts the end of either chain off, or of both: the head that was
// noted finds it, with each of its two parts.
func TestNewestCutOff(t *testing.T) {
	original := sample(t)
	dir := t.TempDir()
	write(t, dir, original)
	head := verify(t, dir).Head
	parts := strings.Split(head, ",")
	if len(parts) != 2 {
		t.Fatal(head)
	}
	for i, series := range []string{"audit", "access"} {
		files := map[string][]byte{}
		newest := ""
		for name, text := range original {
			if files[name] = text; strings.HasPrefix(name, series+"-") && name > newest {
				newest = name
			}
		}
		n := len(lines(files[newest]))
		files[newest] = splice(files[newest], n-1, n)
		write(t, dir, files)
		for _, noted := range []string{head, parts[i]} {
			if _, err := store.NewFiles(dir).Verify(noted); err == nil {
				t.Errorf("the end of %s is gone, and %s is found", series, noted)
			}
		}
	}
}

func names(files map[string][]byte) (all []string) {
	for name := range files {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// TestOutsidersPushOutNothing has strangers, and users without rights, do for a while
// what they can: what was administered before, and meanwhile, stays.
func TestOutsidersPushOutNothing(t *testing.T) {
	dir := t.TempDir()
	const minutes = 10
	synctest.Test(t, func(t *testing.T) {
		l := open(t, dir, store.Config{MaxSegment: 32 << 10, MaxBytes: 64 << 10})
		for minute := range minutes {
			l.admin(minute)
			for i := range 200 {
				e := refusal(fmt.Sprintf("10.%d.%d.%d:5", minute, minute, i))
				e.AuthID = strings.Repeat("\x00x", 1000)
				l.Record(e)
				user := fmt.Sprint("user", i)
				for _, e := range []audit.Event{
					{Kind: audit.Denial, Outcome: audit.Refused, Action: "wamp.call", Object: "com.example." + user},
					{Kind: audit.Account, Outcome: audit.OK, Action: "bondy.ticket.issue", Changes: []string{"ticket created"}},
					{Kind: audit.Administration, Outcome: audit.Refused, Realm: wamp.URI("com.example." + user), Action: "bondy.user.add"},
					{Kind: audit.Administration, Outcome: audit.Failed, Action: "bondy.user.add"},
				} {
					e.AuthID, e.AuthMethod = user, "wampcra"
					l.Record(e)
				}
			}
			time.Sleep(time.Minute)
		}
		l.stop()
		if s := l.Stats(); s.Bytes > 128<<10 {
			t.Errorf("%+v", s)
		}
	})
	report := verify(t, dir)
	if report.Administration.First != 1 || report.Administration.Lost != 0 || report.Access.First == 1 {
		t.Errorf("%+v", report)
	}
	var kept []string
	for _, r := range read(t, dir, store.Query{Kind: audit.Administration}) {
		if r.Outcome == audit.OK {
			kept = append(kept, r.Object)
		}
	}
	if !slices.Equal(kept, numbered(0, minutes)) {
		t.Errorf("kept %v", kept)
	}
}

// former makes a log as it was when all was in one chain, and gives its head.
func former(t testing.TB, dir string, files, each int) (head audit.Head) {
	t.Helper()
	for n := 1; n <= files; n++ {
		name := fmt.Sprintf("audit-%010d.jsonl", n)
		text := head.Append(nil, &audit.Record{Segment: uint64(n), Oldest: 1, Event: audit.Event{
			Time: time.Unix(int64(n), 0), Kind: audit.Node, Outcome: audit.OK, Action: "bondy.audit.segment", Object: name,
		}})
		for i := range each {
			e := refusal("192.0.2.1:5")
			if i%10 == 0 {
				e = audit.Event{Kind: audit.Administration, Outcome: audit.OK, Object: fmt.Sprintf("user %d", (n-1)*each/10+i/10)}
			}
			e.Time = time.Unix(int64(n), int64(i+1))
			text = head.Append(text, &audit.Record{Event: e})
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return head
}

// TestFormerLogGoesOn opens a log of one chain: it verifies before and after, its
// head is found, and none of its records is lost, also when clients cause many.
func TestFormerLogGoesOn(t *testing.T) {
	dir := t.TempDir()
	head := former(t, dir, 3, 50)
	report := verify(t, dir)
	if report.Head != head.String() || report.Administration.Last != 153 || report.Access.Files != 0 {
		t.Errorf("%+v", report)
	}
	l := open(t, dir, store.Config{MaxSegment: 20 << 10, MaxBytes: 60 << 10})
	l.admin(15)
	for i := range 1000 {
		l.Record(audit.Event{Kind: audit.Login, AuthID: fmt.Sprint(i)})
	}
	l.stop()
	if got := administered(t, dir); !slices.Equal(got, numbered(0, 16)) {
		t.Errorf("%v", got)
	}
	if got := read(t, dir, store.Query{Kind: audit.Refusal}); len(got) != 3*45 {
		t.Errorf("%d refusals", len(got))
	}
	if report, err := store.NewFiles(dir).Verify(head.String()); err != nil || report.Administration.First != 1 || report.Access.First == 1 {
		t.Errorf("%+v, %v", report, err)
	}
	if err := os.Remove(oldest(t, dir)); err != nil {
		t.Fatal(err)
	}
	if _, err := store.NewFiles(dir).Verify(""); err == nil {
		t.Error("a file of before was removed")
	}
}
