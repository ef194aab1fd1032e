package session_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"bondy/core"
	"bondy/core/coretest"
	"bondy/core/realm"
	"bondy/core/wamp"
)

// The line of a refused login says where, and who it was said to be.
func TestRefusalsAreLogged(t *testing.T) {
	var log bytes.Buffer
	cfg := auditedRealm()
	cfg.MaxUserSessions = 1
	r, err := core.New(core.Config{Realms: []realm.Config{cfg}, Log: slog.New(slog.NewJSONHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	first, _ := login(t, r, rightPassword, asJoe())
	defer first.Drop()
	for _, tc := range []struct{ authid, method, answer, want string }{
		{"joe", "ticket", "wrong", "joe"},
		{"joe", "ticket", rightPassword, "joe"}, // one session too many
		{"joe", "telepathy", "", "joe"},
		{strings.Repeat("x", 10_000), "telepathy", "", strings.Repeat("x", 128)},
	} {
		log.Reset()
		c := coretest.Connect(t, r, wamp.MessagePack, 0)
		c.Send(&wamp.Hello{Realm: "realm1", Details: wamp.Dict{"authid": tc.authid, "authmethods": []any{tc.method}, "roles": map[string]any{"caller": map[string]any{}}}})
		if tc.method == "ticket" {
			coretest.Expect[*wamp.Challenge](c)
			c.Send(&wamp.Authenticate{Signature: tc.answer})
		}
		coretest.Expect[*wamp.Abort](c)
		c.Drop()
		var line struct{ Level, Msg, Realm, AuthID string }
		if err := json.Unmarshal(log.Bytes(), &line); err != nil {
			t.Errorf("%v: %s", err, &log)
		}
		if line.Level != "INFO" || line.Msg != "login refused" || line.Realm != "realm1" || line.AuthID != tc.want {
			t.Errorf("%s", &log)
		}
		if n := strings.Count(log.String(), `"realm"`); n != 1 {
			t.Errorf("the realm is there %d times: %s", n, &log)
		}
	}
}
