package auth_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"bondy/core/auth"
)

func TestValidate(t *testing.T) {
	for _, tc := range []struct {
		cfg  auth.Config
		want string
	}{
		{auth.Config{}, ""},
		{config(), ""},
		{auth.Config{Methods: []string{"ticket", "telepathy"}}, `authmethods[1]: unknown method "telepathy"`},
		{auth.Config{Methods: []string{"ticket", "ticket"}}, "authmethods[1]"},
		{auth.Config{Iterations: 10}, "iterations"},
		{auth.Config{Iterations: 1 << 30}, "iterations"},
		{auth.Config{Key: make([]byte, 8)}, "key"},
		{auth.Config{Users: []auth.User{{}}}, "users[0].username"},
		{auth.Config{Users: []auth.User{{Name: "a"}, {Name: "a"}}}, "users[1].username"},
		{auth.Config{Users: []auth.User{{Name: "all"}}}, "users[0].username"},
		{auth.Config{Users: []auth.User{{Name: "a\x00b"}}}, "users[0].username"},
		{auth.Config{Users: []auth.User{{Name: "\xff"}}}, "users[0].username"},
		{auth.Config{Users: []auth.User{{Name: strings.Repeat("x", 255)}}}, "users[0].username"},
		{auth.Config{Users: []auth.User{{Name: "a", Groups: []string{"ok", "anonymous"}}}}, "users[0].groups[1]"},
		{auth.Config{Users: []auth.User{{Name: "a"}, {Name: "b", Groups: []string{"a"}}}}, "users[0].username"},
		{auth.Config{Users: []auth.User{{Name: "a", Password: auth.Secret(strings.Repeat("x", 1025))}}}, "users[0].password"},
	} {
		err := tc.cfg.Validate()
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.HasPrefix(err.Error(), tc.want)) {
			t.Errorf("Validate(%+v) = %v, want %q", tc.cfg, err, tc.want)
		}
		if a, err2 := auth.New(tc.cfg); (err == nil) != (err2 == nil) || (a == nil) != (err2 != nil) {
			t.Errorf("New(%+v) = %v, Validate says %v", tc.cfg, err2, err)
		}
	}
}

// New keeps nothing of the caller's slices and maps that could change.
func TestConfigMayChangeAfterNew(t *testing.T) {
	cfg := config()
	a := newAuth(t, cfg)
	cfg.Users[0].Groups[0] = "root"
	cfg.Users[0].Password = "other"
	x := begin(t, a, auth.Request{AuthID: "joe", Methods: []string{"ticket"}})
	if id, err := x.Finish(t.Context(), "s3cret-ticket", nil); err != nil || id.AuthRole != "user" {
		t.Errorf("%+v, %v", id, err)
	}
}

func TestSecretShowsNothing(t *testing.T) {
	u := auth.User{Name: "joe", Password: "s3cret"}
	var log strings.Builder
	logger := slog.New(slog.NewTextHandler(&log, nil))
	logger.Info("user", slog.Any("user", u), slog.Any("password", u.Password))
	j, err := json.Marshal(u)
	if err != nil {
		t.Fatal(err)
	}
	shown := []string{log.String(), string(j)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		shown = append(shown, fmt.Sprintf(verb, u), fmt.Sprintf(verb, u.Password), fmt.Sprintf(verb, &u))
	}
	for _, s := range shown {
		if strings.Contains(s, "s3cret") || strings.Contains(strings.ToLower(s), "733363726574") {
			t.Errorf("shown: %s", s)
		}
	}
}
