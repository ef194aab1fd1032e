package systest_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bondy/core/directory"
	"bondy/core/wamp"
	"bondy/transport/client"
)

// knownAtCore is a user of a core that no edge has to know of.
const knownAtCore = `{ username = "joe-of-the-core", aliases = ["joseph-of-the-core"], password = "joe-of-the-core-secret", authorized_keys = ["` +
	`d04ab232742bb4ab3a1368bd4615e4e6d0224ab71a016baf8520a332c9778737"], groups = ["staff-of-the-core"], meta = { phone = "0123456789-of-the-core" } },
`

// TestUsersOfACoreStayThere bridges a realm with users, groups and signing keys to
// an edge, and listens to all that the core says on a link: of what its
// directory keeps of them nothing crosses, and the edge has nothing of it on disk.
func TestUsersOfACoreStayThere(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	a.pki("issue", "core", "--address", "127.0.0.1")
	a.pki("issue", "good", "--role", "edge")
	a.pki("issue", "thief", "--role", "edge")
	config := coreConfig(a, "127.0.0.1:0", "com.example.", "good")
	config = strings.Replace(config, "users = [\n", "users = [\n"+knownAtCore, 1)
	config = strings.Replace(config, "groups = [", `authmethods = ["anonymous", "cryptosign", "wampcra"]
groups = [{ name = "staff-of-the-core", groups = ["edges"] }, `, 1)
	core := newStation(t, here(), config)
	core.start()
	bondyOutput(t, "key", "rotate", "--data", core.data())
	good := newEdge(t, a, here(), "good", core.arrivals(), everything)
	good.start()
	good.bridged("cloud")
	alive(t, core, good)

	spy, link := intrude(t, a, core)
	insist(t, link, bridgeHello(1))
	insist(t, link, &wamp.Subscribe{Request: 1, Topic: "com.example.topic"})
	insist(t, link, &wamp.Register{Request: 2, Procedure: "com.example.spied"})
	joe, err := client.Dial(t.Context(), core.urls["rawsocket"], client.Config{
		Realm: "realm1", Auth: []client.Authenticator{client.CRA("joe-of-the-core", "joe-of-the-core-secret")},
	})
	if err != nil {
		t.Fatal(err)
	}
	subscribe(t, joe, "com.example.wanted", wamp.MatchExact, func(*client.Event) {})
	register(t, joe, "com.example.offered", echo)
	eventually(t, "interest and events cross", func() bool {
		publish(t, joe, "com.example.topic", "an event")
		for _, sign := range []string{"com.example.wanted", "com.example.offered", "an event"} {
			if !bytes.Contains(spy.all(), []byte(sign)) {
				return false
			}
		}
		return true
	})
	closeSession(t, joe)
	for _, s := range []*station{good, core} {
		if err := s.stop(os.Interrupt); err != nil {
			t.Fatal(err)
		}
	}

	secrets := map[string]bool{}
	for _, row := range allRows(t, core.data()) {
		if !strings.Contains(row.Key, "realm1") || row.Kind == directory.KindRealm || row.Kind == directory.KindGrant {
			continue // a realm's name, and the topics of grants, cross
		}
		var value any
		if err := json.Unmarshal(row.Value, &value); err != nil {
			t.Fatalf("%s %q: %v", row.Kind, row.Key, err)
		}
		collect(secrets, value)
		collect(secrets, row.Key)
	}
	for _, known := range []string{"joe-of-the-core", "joseph-of-the-core", "staff-of-the-core", "0123456789-of-the-core"} {
		if !secrets[known] {
			t.Errorf("the core does not know %q", known)
		}
	}
	secrets["joe-of-the-core-secret"] = true
	check := func(where string, content []byte) {
		t.Helper()
		for secret := range secrets {
			if bytes.Contains(content, []byte(secret)) {
				t.Errorf("%s has %q", where, secret)
			}
		}
	}
	check("the link", spy.all())
	check("the edge's log", []byte(good.stderr.String()))
	err = filepath.WalkDir(good.data(), func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		check(path, content)
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// collect gathers the longer texts within a JSON value, but times, also as the bytes
// that they write in base64 or in hex.
func collect(found map[string]bool, value any) {
	switch v := value.(type) {
	case map[string]any:
		for _, inner := range v {
			collect(found, inner)
		}
	case []any:
		for _, inner := range v {
			collect(found, inner)
		}
	case string:
		for part := range strings.SplitSeq(v, "\x00") {
			if _, err := time.Parse(time.RFC3339, part); err == nil {
				continue
			}
			b64, _ := base64.StdEncoding.DecodeString(part)
			raw, _ := hex.DecodeString(part)
			for _, s := range []string{part, string(b64), string(raw)} {
				if len(s) > 9 {
					found[s] = true
				}
			}
		}
	}
}
