package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"bondy/cmd/internal/node"
)

// socket stands where a node's admin socket would, notes the calls that come
// and gives the answers that the test wants, one after the other.
type socket struct {
	path    string
	calls   []string
	answers []string
}

func newSocket(t *testing.T) *socket {
	t.Helper()
	s := &socket{path: filepath.Join(t.TempDir(), "s")}
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "unix", s.path)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	srv.Listener = l
	srv.Start()
	t.Cleanup(srv.Close)
	return s
}

func (s *socket) serve(w http.ResponseWriter, r *http.Request) {
	var c node.Call
	if err := json.NewDecoder(r.Body).Decode(&c); err != nil || r.Method != http.MethodPost || r.URL.Path != "/call" {
		http.Error(w, fmt.Sprint(r.Method, r.URL, err), http.StatusTeapot)
		return
	}
	call := fmt.Sprintf("%s: %s %s", c.Realm, c.Procedure, c.Args)
	if c.Kwargs != nil {
		call += " " + string(c.Kwargs)
	}
	s.calls = append(s.calls, call)
	text := "{}"
	if len(s.answers) > 0 {
		text, s.answers = s.answers[0], s.answers[1:]
	}
	if strings.HasPrefix(text, `{"error"`) {
		w.WriteHeader(http.StatusBadRequest)
	}
	_, _ = io.WriteString(w, text)
}

// outcome is what a command line led to.
type outcome struct {
	calls    []string
	out, err string
	failure  error
	status   int
}

// run executes a command line with these answers of the node.
func (s *socket) run(ctx context.Context, stdin io.Reader, answers []string, args ...string) outcome {
	s.calls, s.answers = nil, answers
	root := &cobra.Command{Use: "bondy", SilenceUsage: true, SilenceErrors: true}
	root.AddCommand(append(administration(), sessionCommand())...) //nolint:contextcheck // commands get ctx when they run
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage(err) })
	strict(root)
	var out, errOut bytes.Buffer
	root.SetIn(stdin)
	root.SetOut(&out)
	root.SetErr(&errOut)
	root.SetArgs(append(args, "--socket", s.path))
	o := outcome{failure: root.ExecuteContext(ctx)}
	o.calls, o.out, o.err = s.calls, out.String(), errOut.String()
	if o.failure != nil {
		o.status = 1
		if u, ok := errors.AsType[usageError](o.failure); ok {
			o.status = u.ExitStatus()
		}
	}
	return o
}

// TestManagementCalls: what each command has the node do.
func TestManagementCalls(t *testing.T) {
	s := newSocket(t)
	file := filepath.Join(t.TempDir(), "realm.json")
	if err := os.WriteFile(file, []byte(`{"uri": "com.a", "info": {"n": 12345678901234567890}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"realm show com.a": `bondy.realm.get ["com.a"]`,
		"realm create com.a --description x --prototype com.p --sso com.s --authmethods ticket,tls --security=false": `bondy.realm.create ` +
			`[{"authmethods":["ticket","tls"],"description":"x","prototype_uri":"com.p","security_enabled":false,"sso_realm_uri":"com.s","uri":"com.a"}]`,
		"realm create com.a --is-prototype --is-sso": `bondy.realm.create [{"is_prototype":true,"is_sso_realm":true,"uri":"com.a"}]`,
		"realm create com.a --security --file " + file: `bondy.realm.create ` +
			`[{"info":{"n":12345678901234567890},"security_enabled":true,"uri":"com.a"}]`,
		"realm update com.a --allow-connections=false": `bondy.realm.update ["com.a",{"allow_connections":false}]`,
		"realm update com.a --file " + file:            `bondy.realm.update ["com.a",{"info":{"n":12345678901234567890}}]`,
		"realm update com.a --sso= --authmethods=":     `bondy.realm.update ["com.a",{"authmethods":[],"sso_realm_uri":null}]`,
		"realm delete com.a":                           `bondy.realm.delete ["com.a"] {"force":false}`,
		"realm delete com.a --force":                   `bondy.realm.delete ["com.a"] {"force":true}`,
		"realm security com.a on":                      `bondy.realm.security.enable ["com.a"]`,
		"realm security com.a off":                     `bondy.realm.security.disable ["com.a"]`,
		"realm security com.a status":                  `bondy.realm.security.status ["com.a"]`,
		"realm export com.a":                           `bondy.realm.export ["com.a"] {"secrets":false}`,
		"realm export com.a --secrets":                 `bondy.realm.export ["com.a"] {"secrets":true}`,

		"user show joe":                           `bondy.user.get ["realm1","joe"]`,
		"user show joe --realm com.a":             `bondy.user.get ["com.a","joe"]`,
		"user add joe":                            `bondy.user.add ["realm1",{"username":"joe"}]`,
		"user add joe --password-stdin":           `bondy.user.add ["realm1",{"password":"se cret","username":"joe"}]`,
		"user add joe --disabled --sso com.s":     `bondy.user.add ["realm1",{"enabled":false,"sso_realm_uri":"com.s","username":"joe"}]`,
		"user add joe --key aa --key bb":          `bondy.user.add ["realm1",{"authorized_keys":["aa","bb"],"username":"joe"}]`,
		`user add joe --meta {"a":1} --group x,y`: `bondy.user.add ["realm1",{"groups":["x","y"],"meta":{"a":1},"username":"joe"}]`,
		"user update joe --group=":                `bondy.user.update ["realm1","joe",{"groups":[]}]`,
		"user update joe --disabled=false":        `bondy.user.update ["realm1","joe",{"enabled":true}]`,
		"user delete joe":                         `bondy.user.delete ["realm1","joe"] {"force":false}`,
		"user enable joe":                         `bondy.user.enable ["realm1","joe"]`,
		"user disable joe":                        `bondy.user.disable ["realm1","joe"]`,
		"user passwd joe --stdin":                 `bondy.user.change_password ["realm1","joe","se cret"]`,
		"user alias add joe jo":                   `bondy.user.add_alias ["realm1","joe","jo"]`,
		"user alias remove joe jo":                `bondy.user.remove_alias ["realm1","joe","jo"]`,
		"user group add joe a b":                  `bondy.user.add_groups ["realm1","joe",["a","b"]]`,
		"user group remove joe a":                 `bondy.user.remove_groups ["realm1","joe",["a"]]`,

		"group show a":                         `bondy.group.get ["realm1","a"]`,
		`group add a --group b --meta {"a":1}`: `bondy.group.add ["realm1",{"groups":["b"],"meta":{"a":1},"name":"a"}]`,
		"group update a --group b --group c":   `bondy.group.update ["realm1","a",{"groups":["b","c"]}]`,
		"group delete a":                       `bondy.group.delete ["realm1","a"]`,

		"grant add --role user/joe --role all --permission wamp.call,wamp.publish --uri com.a. --match prefix": `bondy.grant.create ` +
			`["realm1",{"permissions":["wamp.call","wamp.publish"],"resources":[{"match":"prefix","uri":"com.a."}],"roles":["user/joe","all"]}]`,
		"grant revoke --role anonymous --permission wamp.call --uri com.a": `bondy.grant.revoke ` +
			`["realm1",{"permissions":["wamp.call"],"resources":[{"match":"exact","uri":"com.a"}],"roles":["anonymous"]}]`,
		"grant explain --user joe --permission wamp.call --uri com.a":                  `bondy.rbac.explain ["realm1","joe","wamp.call","com.a","exact"]`,
		"grant explain --anonymous --permission wamp.call --uri a..b --match wildcard": `bondy.rbac.explain ["realm1","anonymous","wamp.call","a..b","wildcard"]`,

		"source add --subject joe,all --method password --method tls --cidr 10.0.0.0/8,::/0 --deny": `bondy.source.add ` +
			`["realm1",{"authmethods":["password","tls"],"cidrs":["10.0.0.0/8","::/0"],"deny":true,"usernames":["joe","all"]}]`,
		"source delete s1": `bondy.source.delete ["realm1","s1"]`,

		"ticket show t1":          `bondy.ticket.get ["realm1","t1"]`,
		"ticket issue --user joe": `bondy.ticket.issue ["realm1","joe"] {"allow_sso":false}`,
		"ticket issue --user joe --expiry 24h --scope sso --client-id app --device-id d": `bondy.ticket.issue ["realm1","joe"] ` +
			`{"allow_sso":true,"client_id":"app","device_id":"d","expiry_time_secs":86400}`,
		"ticket revoke t1":             `bondy.ticket.revoke ["realm1","t1"]`,
		"ticket revoke-all --user joe": `bondy.ticket.revoke_all ["realm1","joe"]`,
		"ticket revoke-all --all":      `bondy.ticket.revoke_all ["realm1"]`,
	} {
		o := s.run(t.Context(), strings.NewReader("se cret\n"), nil, strings.Fields(line)...)
		if o.failure != nil || len(o.calls) != 1 || o.calls[0] != "bondy: "+want || o.out != "" || o.err != "" {
			t.Errorf("%s: called\n%q, want\n%q; printed %q, %q, %v", line, o.calls, want, o.out, o.err, o.failure)
		}
	}
}

// TestLists: every list asks for pages until there are no more, and shows a
// row for each member.
func TestLists(t *testing.T) {
	s := newSocket(t)
	const limit, both = ` {"limit":1000}`, ` {"after":"k","limit":1000}`
	first, second := `{"args":[[%s]],"kwargs":{"next":"k"}}`, `{"args":[[%s]]}`
	for line, tt := range map[string]struct{ call, member, table string }{
		"realm list": {
			`bondy.realm.list []`, `{"uri":"com.a","security_status":"enabled","effective":{"authmethods":["ticket","tls"],"allow_connections":false},"prototype_uri":null}`,
			"URI    SECURITY  CONNECTIONS  AUTHMETHODS  PROTOTYPE  SSO  DESCRIPTION\n" +
				"com.a  enabled   false        ticket, tls  -          -    -\n",
		},
		"user list": {
			`bondy.user.list ["realm1"]`, `{"username":"joe","groups":[],"enabled":true,"has_password":false,"has_authorized_keys":true}`,
			"USERNAME  GROUPS  ENABLED  PASSWORD  KEYS  SSO\njoe       -       true     false     true  -\n",
		},
		"group list": {
			`bondy.group.list ["realm1"]`, `{"name":"staff","groups":["a"],"meta":{"n":1}}`,
			"NAME   GROUPS  META\nstaff  a       {\"n\":1}\n",
		},
		"grant list": {
			`bondy.realm.grants ["realm1"]`, `{"roles":["user/joe"],"resource":{"uri":"com.a","match":"exact"},"permissions":["wamp.call","wamp.publish"]}`,
			"ROLES     PERMISSIONS              MATCH  URI\nuser/joe  wamp.call, wamp.publish  exact  com.a\n",
		},
		"source list": {
			`bondy.source.list ["realm1"]`, `{"id":"s1","usernames":["all"],"authmethods":["tls"],"cidrs":["::/0"],"deny":false}`,
			"ID  SUBJECTS  METHODS  ADDRESSES  DENY\ns1  all       tls      ::/0       false\n",
		},
		"ticket list": {
			`bondy.ticket.list ["realm1"]`, `{"id":"t1","authid":"joe","authmethod":"tls","scope":{"realm":"com.a"},"issued_at":0,"expires_at":1800000000}`,
			"ID  USER  METHOD  REALM  CLIENT  DEVICE  ISSUED                EXPIRES\n" +
				"t1  joe   tls     com.a  -       -       1970-01-01T00:00:00Z  2027-01-15T08:00:00Z\n",
		},
	} {
		answers := []string{fmt.Sprintf(first, tt.member), fmt.Sprintf(second, tt.member)}
		o := s.run(t.Context(), nil, answers, strings.Fields(line)...)
		_, row, _ := strings.Cut(tt.table, "\n")
		if want := tt.table + row; o.failure != nil || o.out != want {
			t.Errorf("%s printed, with %v,\n%s want\n%s", line, o.failure, o.out, want)
		}
		if got, want := strings.Join(o.calls, "\n"), "bondy: "+tt.call+limit+"\nbondy: "+tt.call+both; got != want {
			t.Errorf("%s called\n%s\nwant\n%s", line, got, want)
		}

		answers = []string{fmt.Sprintf(second, tt.member)}
		o = s.run(t.Context(), nil, answers, append(strings.Fields(line), "--output", "json")...)
		var got bytes.Buffer
		if err := json.Compact(&got, []byte(o.out)); err != nil || !sameJSON(t, got.String(), "["+tt.member+"]") {
			t.Errorf("%s printed as JSON %s, want [%s]", line, &got, tt.member)
		}

		o = s.run(t.Context(), nil, []string{`{"args":[[]]}`}, strings.Fields(line)...)
		if !strings.HasPrefix(o.out, "no "+strings.Fields(line)[0]+"s") {
			t.Errorf("%s printed %q for an empty list", line, o.out)
		}
		o = s.run(t.Context(), nil, []string{`{"args":[[]]}`}, append(strings.Fields(line), "--output", "json")...)
		if o.out != "[]\n" {
			t.Errorf("%s printed %q as JSON of an empty list", line, o.out)
		}
	}
}

func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	var x, y any
	if err := errors.Join(json.Unmarshal([]byte(a), &x), json.Unmarshal([]byte(b), &y)); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(x) == fmt.Sprint(y)
}

// TestListsStopAtTheLimit: more is fetched only while there is room.
func TestListsStopAtTheLimit(t *testing.T) {
	s := newSocket(t)
	pages := []string{`{"args":[[{"id":1},{"id":2},{"id":3}]],"kwargs":{"next":7}}`, `{"args":[[{"id":4},{"id":5}]]}`}
	for line, want := range map[string]struct {
		calls, rows int
		more        bool
	}{
		"user list":           {2, 5, false},
		"user list --limit 2": {1, 2, true},
		"user list --limit 3": {2, 3, true},
		"user list --limit 4": {2, 4, true},
		"user list --limit 5": {2, 5, false},
	} {
		o := s.run(t.Context(), nil, pages, strings.Fields(line)...)
		more := strings.HasSuffix(o.out, "and more: see --limit and --after\n")
		rows := strings.Count(o.out, "\n") - 1
		if more {
			rows--
		}
		if o.failure != nil || len(o.calls) != want.calls || rows != want.rows || more != want.more {
			t.Errorf("%s made %d calls and printed, with %v,\n%s", line, len(o.calls), o.failure, o.out)
		}
	}
	for line, want := range map[string]string{
		"grant list --role user/joe": `bondy.realm.grants ["realm1"] {"limit":1000,"role":"user/joe"}`,
		"user list --after joe":      `bondy.user.list ["realm1"] {"after":"joe","limit":1000}`,
		"ticket list --user joe":     `bondy.ticket.list ["realm1"] {"authid":"joe","limit":1000}`,
	} {
		o := s.run(t.Context(), nil, []string{`{"args":[[]]}`}, strings.Fields(line)...)
		if o.failure != nil || len(o.calls) != 1 || o.calls[0] != "bondy: "+want {
			t.Errorf("%s called %q, %v, want %q", line, o.calls, o.failure, want)
		}
	}
}

// TestResults: how single things look to people and to programs.
func TestResults(t *testing.T) {
	s := newSocket(t)
	for line, tt := range map[string]struct{ answer, out string }{
		"user show joe": {
			`{"args":[{"meta":{"b":[1]},"groups":["a","b"],"username":"joe","aliases":[],"sso_realm_uri":null,"enabled":true}]}`,
			"username       joe\naliases        -\nenabled        true\ngroups         a, b\nmeta           {\"b\":[1]}\nsso_realm_uri  -\n",
		},
		"realm show a": {
			`{"args":[{"uri":"a","issuers":[{"issuer":"i"}],"authmethods":["jwt"]}]}`, "uri          a\nauthmethods  jwt\nissuers      [{\"issuer\":\"i\"}]\n",
		},
		"user show joe --output json":   {`{"args":[{"n":12345678901234567890,"a":null}]}`, "{\n  \"a\": null,\n  \"n\": 12345678901234567890\n}\n"},
		"realm security com.a status":   {`{"args":["enabled"]}`, "enabled\n"},
		"realm export com.a":            {`{"args":[{"uri":"com.a"}]}`, "{\n  \"uri\": \"com.a\"\n}\n"},
		"user delete joe":               {`{}`, ""},
		"user delete joe --output json": {`{"args":[null]}`, ""},
		"group show a":                  {`{"args":[{"name":"a\u001b[2Jb\n"}]}`, "name  \"a\\x1b[2Jb\\n\"\n"},
		"ticket issue --user joe":       {`{"args":[{"id":"t1","ticket":"abc","expires_at":1800000000}]}`, "id          t1\nticket      abc\nexpires_at  2027-01-15T08:00:00Z\n"},
		"user grants joe": {
			`{"args":[[{"resource":{"uri":"com.a","match":"prefix"},"permissions":["wamp.call"]}]]}`,
			"PERMISSIONS  MATCH   URI\nwamp.call    prefix  com.a\n",
		},
		"group grants a": {`{"args":[[]]}`, "none\n"},
		"source explain joe 10.0.0.1": {
			`{"args":[[{"method":"tls","allowed":false,"source":"","reason":"no source allows it"}]]}`,
			"METHOD  ALLOWED  SOURCE  REASON\ntls     false    -       no source allows it\n",
		},
		"key list": {
			`{"args":[[{"kid":"k1","state":"active","algorithm":"ES256","created":"2026-01-02T03:04:05Z"}]]}`,
			"KID  STATE   ALGORITHM  CREATED               RETIRED\nk1   active  ES256      2026-01-02T03:04:05Z  -\n",
		},
		"key show k2": {`{"args":[{"keys":[{"kid":"k1","kty":"EC"},{"kid":"k2","kty":"EC"}]}]}`, "kid  k2\nkty  EC\n"},
		"grant explain --user joe --permission wamp.call --uri com.a": {
			`{"args":[{"allowed":true,"reason":"granted","grants":[{"role":"group/a","permissions":["wamp.call"],"resource":{"uri":"com.","match":"prefix"},"via":["group/b"]}],` +
				`"near":[{"role":"all","permissions":["wamp.publish"],"resource":{"uri":"","match":"prefix"},"why":"another permission"}]}]}`,
			"allowed  true\nreason   granted\n\n" +
				"ROLE     PERMISSIONS   MATCH   URI   VIA      WHY\ngroup/a  wamp.call     prefix  com.  group/b  -\n" +
				"all      wamp.publish  prefix  -     -        another permission\n",
		},
		"grant explain --anonymous --permission wamp.call --uri com.a": {
			`{"args":[{"allowed":false,"reason":"no grant covers it","grants":[]}]}`, "allowed  false\nreason   no grant covers it\n",
		},
		"session kill --authid joe":    {`{"args":[[1,2]]}`, "sessions ended: 2\n"},
		"session kill 5":               {`{}`, "sessions ended: 1\n"},
		"session kill 5 --output json": {`{}`, "[\n  5\n]\n"},
	} {
		o := s.run(t.Context(), nil, []string{tt.answer}, strings.Fields(line)...)
		if o.failure != nil || o.out != tt.out {
			t.Errorf("%s printed, with %v,\n%s want\n%s", line, o.failure, o.out, tt.out)
		}
	}
}

// TestRefusals: what the node refuses comes with its URI and status 1, and
// what cannot be meant with status 2 and without a call.
func TestRefusals(t *testing.T) {
	s := newSocket(t)
	for line, want := range map[string]string{
		"user show joe":           "bondy.error.not_found: there is no user joe",
		"realm list":              "bondy.error.not_found: there is no user joe",
		"realm plan manage.go":    "manage.go: line 1: invalid character",
		"realm plan no-such-file": "no-such-file",
		"realm plan testdata-not": "no such file",
	} {
		o := s.run(t.Context(), nil, []string{`{"error":"bondy.error.not_found","message":"there is no user joe"}`}, strings.Fields(line)...)
		if o.failure == nil || o.status != 1 || !strings.Contains(o.failure.Error(), want) || o.out != "" {
			t.Errorf("%s: status %d, %v, printed %q, want %q", line, o.status, o.failure, o.out, want)
		}
	}
	o := s.run(t.Context(), nil, []string{`{"args":[{"keys":[]}]}`}, "key", "show", "k1")
	if o.status != 1 || o.failure.Error() != "realm realm1 has no key k1: give one that list shows" {
		t.Errorf("an unknown key is refused with %v", o.failure)
	}
	for line, want := range map[string]string{
		"user show":                        "accepts 1 arg",
		"user alias add joe":               "accepts 2 arg",
		"user group add joe":               "at least 2 arg",
		"user update joe":                  "nothing to change",
		"user add joe --meta [1]":          "JSON object",
		"user add joe --meta null":         "JSON object",
		"user show joe --output xml":       "use table or json",
		"user passwd joe":                  "give --stdin, --file or --generate",
		"user passwd joe --stdin --file x": "one place only",
		"realm update com.a":               "nothing to change",
		"realm security com.a maybe":       `"maybe" is not on, off or status: give the URI of the realm, then one of these`,
		"realm show com.a --realm com.b":   "unknown flag",
		"grant add --role all":             "give --permission and --uri",

		"grant add --role all --permission wamp.call --uri a --match fuzzy":       "use exact or prefix or wildcard",
		"grant explain --permission wamp.call --uri com.a":                        "give one of --user, --anonymous",
		"grant explain --user joe --anonymous --permission wamp.call --uri com.a": "give one of --user, --anonymous",

		"source add --method tls":                "give --subject",
		"ticket issue":                           "give --user",
		"ticket issue --user joe --expiry 1ms":   "at least 1s",
		"ticket issue --user joe --scope galaxy": "use local or sso",
		"ticket revoke-all":                      "give one of --user, --all",
		"ticket revoke-all --user joe --all":     "give one of --user, --all",
		"session list --limit -1":                "--limit must not be negative",
		"user list --limit -1":                   "--limit must not be negative",
		"session kill":                           "give the ID of a session, or --authid",
		"session kill 5 --authid joe":            "give the ID of a session, or --authid",
	} {
		o := s.run(t.Context(), strings.NewReader("secret"), nil, strings.Fields(line)...)
		if o.failure == nil || o.status != 2 || !strings.Contains(o.failure.Error(), want) || len(o.calls) > 0 {
			t.Errorf("%s: status %d, %v, called %q, want %q", line, o.status, o.failure, o.calls, want)
		}
	}
}

// TestSessionFilters: a list of sessions narrows by authid and authrole.
func TestSessionFilters(t *testing.T) {
	s := newSocket(t)
	answers := []string{
		`{"args":[[1,2,3]]}`,
		`{"args":[{"session":1,"authid":"joe","authrole":"staff"}]}`,
		`{"error":"wamp.error.no_such_session","message":"gone meanwhile"}`,
		`{"args":[{"session":3,"authid":"ann","authrole":"staff","detached":true}]}`,
	}
	for line, want := range map[string]string{
		"session list":                               "1 open,3 detached",
		"session list --authid joe":                  "1 open",
		"session list --authrole staff":              "1 open,3 detached",
		"session list --authrole staff --authid ann": "3 detached",
		"session list --authrole staff --limit 1":    "1 open,and 1",
		"session list --authrole other":              "",
		"session list --limit 1":                     "1 open,and 2",
	} {
		o := s.run(t.Context(), nil, answers, strings.Fields(line)...)
		var got []string
		for row := range strings.Lines(o.out) {
			if f := strings.Fields(row); f[0] != "ID" && f[0] != "no" {
				got = append(got, f[0]+" "+f[1])
			}
		}
		if o.failure != nil || strings.Join(got, ",") != want {
			t.Errorf("%s printed, with %v,\n%s want %q", line, o.failure, o.out, want)
		}
	}
}

// The first source of a realm shuts others out, which is said where no script reads
// it as the answer.
func TestFirstSource(t *testing.T) {
	s := newSocket(t)
	for answer, noted := range map[string]bool{`{"args":[{"id":"a"}],"kwargs":{"first":true}}`: true, `{"args":[{"id":"a"}],"kwargs":{"first":false}}`: false} {
		o := s.run(t.Context(), nil, []string{answer}, "source", "add", "--subject", "joe")
		if o.failure != nil || strings.Contains(o.err, "first source") != noted || strings.Contains(o.out, "note") {
			t.Errorf("%v, %q, %q", o.failure, o.out, o.err)
		}
	}
}

// TestEmptyPages: a page can be empty and have others after it, but none after which
// the same comes again.
func TestEmptyPages(t *testing.T) {
	s := newSocket(t)
	pages := []string{`{"args":[[]],"kwargs":{"next":"k"}}`, `{"args":[[{"username":"joe"}]],"kwargs":{"next":"p"}}`, `{"args":[[]],"kwargs":{"next":"p"}}`}
	o := s.run(t.Context(), nil, pages, "user", "list", "--output", "json")
	if o.failure != nil || !strings.Contains(o.out, "joe") || len(o.calls) != 3 {
		t.Errorf("%q called %q, %v", o.out, o.calls, o.failure)
	}
}
