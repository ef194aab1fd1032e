package systest_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"bondy/core/directory"
	"bondy/core/ticket"
	"bondy/core/wamp"
	"bondy/store"
	"bondy/store/rows"
	"bondy/store/seal"
	"bondy/transport/client"
)

// keptRealms is a file with everything that has an incarnation or a secret.
const keptRealms = `
[[realm]]
uri = "app"
%s
authmethods = ["wampcra", "wamp-scram", "ticket", "password"]
groups = [{ name = "staff" }]
users = [
{ username = "joe", password = "joe-secret", groups = ["staff"] },
{ username = "ann", password = "ann-secret", kdf = "argon2id13", groups = ["staff"] },
]
[[realm.grants]]
roles = ["staff"]
permissions = ["wamp.call", "bondy.issue"]
resources = [{ uri = "bondy.ticket.", match = "prefix" }]
`

// allRows are the rows of the node that has its data in dir and is not running.
func allRows(t *testing.T, dir string) map[string]directory.Row {
	t.Helper()
	db, err := store.Open(filepath.Join(dir, "bondy.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	found := make(map[string]directory.Row)
	for _, kind := range []directory.Kind{
		directory.KindRealm, directory.KindGroup, directory.KindUser, directory.KindPassword, directory.KindKey, directory.KindMeta,
		directory.KindAlias, directory.KindMember, directory.KindSource, directory.KindGrant, directory.KindSigningKey, directory.KindTicket,
	} {
		err := rows.New(db).Load(kind, func(r directory.Row) error {
			r.Value = bytes.Clone(r.Value)
			found[string(r.Kind)+"\x00"+r.Key] = r
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}

// TestRestartMakesNothingAnew starts a node again and again with the same file, and
// applies the same document: every row is the very one that was written first, but
// for those in which the file was told to differ.
func TestRestartMakesNothingAnew(t *testing.T) {
	for _, manage := range []string{"", `manage = "file"`} {
		t.Run(manage, func(t *testing.T) {
			realms := strings.Replace(keptRealms, "%s", manage, 1)
			d := newDomain(t, realms)
			joe := d.join("app", as("joe"))
			issued, err := ask(t.Context(), joe, "bondy.ticket.issue", nil)
			if err != nil {
				t.Fatal(err)
			}
			d.do("bondy.realm.get", "app")
			d.stop()
			data := filepath.Join(d.dir, "bondy-data")
			before, key := allRows(t, data), nodeKey(t, data)
			for range 3 {
				d.start(realms)
				if manage == "" {
					exported := d.doWith("bondy.realm.export", dict{"secrets": true}, "app")
					d.apply(exported)
				}
				d.join("app", client.Ticket("joe", issued.(dict)["ticket"].(string)))
				d.join("app", as("joe"))
				d.stop()
				after := allRows(t, data)
				if len(before) == 0 || len(after) != len(before) {
					t.Errorf("%d rows, before there were %d", len(after), len(before))
				}
				for name, row := range before {
					if got := after[name]; !reflect.DeepEqual(got, row) {
						t.Errorf("%q was written anew:\n%+v %s\n%+v %s", name, row.Stamp, row.Value, got.Stamp, got.Value)
					}
				}
				if !bytes.Equal(nodeKey(t, data), key) {
					t.Error("there is another node key")
				}
			}
		})
	}
}

func nodeKey(t *testing.T, data string) []byte {
	t.Helper()
	path := filepath.Join(data, seal.FileName)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != 0o600 {
		t.Errorf("%s has mode %v", path, info.Mode())
	}
	key, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// TestNoSecretOnDisk looks for passwords, tickets and private keys in all that a
// node writes.
func TestNoSecretOnDisk(t *testing.T) {
	d := newDomain(t, strings.Replace(keptRealms, "%s", "", 1))
	secrets := map[string]string{"administrator's": d.secret, "joe's": secretOf("joe"), "ann's": secretOf("ann"), "lou's": secretOf("lou"), "changed": "changed-secret"}
	d.do("bondy.user.add", "app", dict{"username": "lou", "password": secretOf("lou")})
	d.do("bondy.user.change_password", "app", "lou", "changed-secret")
	joe := d.join("app", client.Password("joe", secretOf("joe"))) // is kept in a stronger form from now on
	d.denied(wamp.ErrAuthenticationDenied, "app", client.Password("joe", "mistaken-secret"))
	secrets["mistaken"] = "mistaken-secret"
	issued, err := ask(t.Context(), joe, "bondy.ticket.issue", nil)
	if err != nil {
		t.Fatal(err)
	}
	text := issued.(dict)["ticket"].(string)
	secrets["ticket"], secrets["the ticket's signature"] = text, text[strings.LastIndexByte(text, '.')+1:]
	d.join("app", client.Ticket("joe", text))
	d.stop()

	data := filepath.Join(d.dir, "bondy-data")
	box, err := seal.Open(filepath.Join(data, seal.FileName))
	if err != nil {
		t.Fatal(err)
	}
	for name, row := range allRows(t, data) {
		if row.Kind != directory.KindSigningKey {
			continue
		}
		private := signingKey(t, box, row)
		secrets[name], secrets[name+" in base64"] = string(private), base64.StdEncoding.EncodeToString(private)
		secrets[name+" in base64url"], secrets[name+" in hex"] = base64.RawURLEncoding.EncodeToString(private), hex.EncodeToString(private)
		for skip := 1; skip < 3; skip++ { // as it looks in base64 where something stands before it
			part := private[skip:]
			part = part[:len(part)/3*3]
			secrets[fmt.Sprint(name, " in base64 behind ", 3-skip)] = base64.StdEncoding.EncodeToString(part)
			secrets[fmt.Sprint(name, " in base64url behind ", 3-skip)] = base64.RawURLEncoding.EncodeToString(part)
		}
	}
	if len(secrets) < 12 {
		t.Errorf("looking for %d secrets only", len(secrets))
	}
	files := 0
	err = filepath.WalkDir(d.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		files++
		content, err := os.ReadFile(path)
		for name, secret := range secrets {
			if bytes.Contains(content, []byte(secret)) {
				t.Errorf("%s has the secret: %s", path, name)
			}
		}
		return err
	})
	if err != nil || files < 3 {
		t.Errorf("%d files: %v", files, err)
	}
	for name, secret := range secrets {
		if strings.Contains(d.log.String(), secret) {
			t.Errorf("the log has the secret: %s", name)
		}
	}
}

// signingKey opens the private part of a signing key, which nobody can without the
// node key.
func signingKey(t *testing.T, box *seal.Box, row directory.Row) []byte {
	t.Helper()
	var stored struct{ Value json.RawMessage }
	var key ticket.Key
	err := json.Unmarshal(row.Value, &stored)
	if err == nil {
		err = json.Unmarshal(stored.Value, &key)
	}
	if err != nil {
		t.Fatal(err)
	}
	private, err := box.Open(key.Sealed, fmt.Sprintf("signing key %q %q", key.Realm, key.ID))
	if err != nil {
		t.Fatal(err)
	}
	return private
}

// TestAdminListenerAnswersLittle asks the admin listener, which has no
// authentication, for more than health.
func TestAdminListenerAnswersLittle(t *testing.T) {
	d := newDomain(t, "")
	open := map[string]int{"GET /ping": http.StatusNoContent, "GET /ready": http.StatusNoContent, "GET /metrics": http.StatusOK, "GET /": http.StatusOK}
	for _, method := range []string{"GET", "POST", "PUT", "DELETE", "OPTIONS"} {
		for _, path := range []string{
			"/", "/ping", "/ready", "/metrics", "/call", "/reload", "/uplinks", "/realms", "/realms/bondy/users", "/services/load_api_spec",
			"/debug/pprof/", "/ping/../call", "//call", "/call/", "/CALL", "/ws", "/wamp/longpoll/open",
		} {
			body := strings.NewReader(`{"realm":"bondy","procedure":"bondy.realm.list"}`)
			req, err := http.NewRequestWithContext(t.Context(), method, "http://"+d.rig.admin+path, body)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/json")
			resp, err := (&http.Client{Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			text, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			want, isOpen := open[method+" "+path]
			switch {
			case isOpen && resp.StatusCode != want:
				t.Errorf("%s %s = %s, want %d", method, path, resp.Status, want)
			case !isOpen && resp.StatusCode < 300 || strings.Contains(string(text), "realm_uri") || strings.Contains(string(text), "security_enabled"):
				t.Errorf("%s %s = %s\n%s", method, path, resp.Status, text)
			}
		}
	}
	info, err := os.Stat(filepath.Join(d.dir, "bondy-data", "admin.sock"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the admin socket: %v, %v", info, err)
	}
}
