package welcome_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"bondy/gateway/welcome"
)

// The page has what differs, and foreign text in it stays text.
func TestPage(t *testing.T) {
	for _, c := range []struct{ host, shown string }{
		{"router.example.org:18080", "ws://router.example.org:18080/ws"},
		{`x"><script>alert(1)</script>`, `ws://x&#34;&gt;&lt;script&gt;alert(1)&lt;/script&gt;/ws`},
		{"{realm}", "ws://{realm}/ws"}, // is not filled in again
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.Host = c.host
		w := httptest.NewRecorder()
		welcome.Handler("1.2.3", "com.example").ServeHTTP(w, r)
		page := w.Body.String()
		for _, part := range []string{"<title>bondy 1.2.3</title>", c.shown, `data-realm="com.example"`} {
			if !strings.Contains(page, part) {
				t.Errorf("for host %q the page has no %q:\n%s", c.host, part, page)
			}
		}
		if strings.Count(page, "<script>") != 1 {
			t.Errorf("host %q got into the page as markup", c.host)
		}
	}
}
