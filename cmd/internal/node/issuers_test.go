package node

import (
	"context"
	"encoding/hex"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bondy/core/auth"
	"bondy/core/directory"
)

func TestLoginsKeepKeysOfUnchangedIssuers(t *testing.T) {
	l := newLogins(slog.New(slog.DiscardHandler))
	p := directory.Properties{AuthMethods: []string{"jwt"}}
	p.Login.Issuers = []directory.Issuer{{Issuer: "a", Audience: "x", JWKSURL: "https://a/keys"}, {Issuer: "b", Audience: "x", JWKSFile: "b.json"}}
	keys := func() (out []*auth.KeySet) {
		t.Helper()
		cfg, ok, err := l.config("r", &p, nil)
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		for _, i := range cfg.Issuers {
			out = append(out, i.Keys)
		}
		return out
	}
	first := keys()
	p.Login.Issuers[0].Audience = "y" // says the same of the keys
	p.Login.Issuers[1].JWKSFile = "c.json"
	second := keys()
	if first[0] != second[0] || first[1] == second[1] {
		t.Error("keys of an issuer are dropped though nothing was said of them, or kept though it was")
	}
	l.forget("r")
	if third := keys(); third[0] == second[0] {
		t.Error("keys of a realm that is gone are kept")
	}
}

func TestLoginsOfferOnlyWhatWorks(t *testing.T) {
	l := newLogins(slog.New(slog.DiscardHandler))
	p := directory.Properties{AuthMethods: []string{"jwt", "tls", "trust"}}
	if cfg, ok, err := l.config("r", &p, nil); ok || err != nil {
		t.Errorf("a realm offers %v without what these need", cfg.Methods)
	}
	p.Login.CertName = auth.CertCommonName
	sources := []auth.Source{{Subjects: []string{"all"}, Methods: []string{"trust"}, Prefixes: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}}
	cfg, ok, err := l.config("r", &p, sources)
	if !ok || err != nil || !slices.Equal(cfg.Methods, []string{"tls", "trust"}) {
		t.Errorf("offers %v, %v", cfg.Methods, err)
	}
	if _, err := auth.New(cfg); err != nil {
		t.Error(err)
	}
}

func TestLoginsReadRouterKey(t *testing.T) {
	l := newLogins(slog.New(slog.DiscardHandler))
	p := directory.Properties{AuthMethods: []string{"cryptosign"}}
	p.Login.RouterKeyFile = filepath.Join(t.TempDir(), "router.key")
	if _, _, err := l.config("r", &p, nil); err == nil {
		t.Error("a key that is not there is no error")
	}
	if err := os.WriteFile(p.Login.RouterKeyFile, []byte(hex.EncodeToString(make([]byte, 32))+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if cfg, _, err := l.config("r", &p, nil); err != nil || len(cfg.RouterKey) == 0 {
		t.Errorf("key of %d bytes, %v", len(cfg.RouterKey), err)
	}
}

func TestIssuersAreFetchedWithinBounds(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"keys": []}`)) })
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, maxKeys+1)) })
	mux.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://example.com/keys", http.StatusFound)
	})
	mux.HandleFunc("/around", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/around", http.StatusFound) })
	mux.HandleFunc("/hang", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	s := httptest.NewServer(mux)
	defer s.Close()
	l := newLogins(slog.New(slog.DiscardHandler))
	fetch := func(path string) (string, error) {
		ctx, cancel := context.WithCancel(t.Context())
		if path == "/hang" {
			cancel()
		}
		defer cancel()
		text, err := l.fetcher(keySource{url: s.URL + path})(ctx)
		return string(text), err
	}
	if text, err := fetch("/keys"); err != nil || text != `{"keys": []}` {
		t.Errorf("got %q, %v", text, err)
	}
	for path, want := range map[string]string{
		"/large": "a document of more than", "/away": "a redirect to where keys must not come from", "/around": "more than 5 redirects",
		"/missing": "404", "/hang": "context canceled",
	} {
		if _, err := fetch(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}

// TestMissingKeysOfIssuer: a file with keys that is not there is no error, as it may come,
// and is warned of once.
func TestMissingKeysOfIssuer(t *testing.T) {
	var text strings.Builder
	l := newLogins(slog.New(slog.NewTextHandler(&text, nil)))
	there := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(there, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := directory.Properties{AuthMethods: []string{"jwt"}}
	p.Login.Issuers = []directory.Issuer{{Issuer: "a", Audience: "x", JWKSFile: "/none/keys.json"}, {Issuer: "b", Audience: "x", JWKSFile: there}}
	for range 2 {
		if _, ok, err := l.config("r", &p, nil); err != nil || !ok {
			t.Fatal(ok, err)
		}
	}
	if strings.Count(text.String(), "level=WARN") != 1 || !strings.Contains(text.String(), "/none/keys.json") || !strings.Contains(text.String(), "realm=r") {
		t.Errorf("the log has %q", text.String())
	}
}
