// Package welcome serves the page that a router shows on its embedded default:
// where it listens and a snippet to try at once.
package welcome

import (
	_ "embed" // for the page
	"html"
	"net/http"
	"strings"
)

// page has what differs in braces, in text and quoted attributes alone, where
// EscapeString is right. With html/template, which finds methods by their names,
// the linker would keep every method of the program.
//
//go:embed page.html
var page string

// Handler serves the page for one realm.
func Handler(version, realm string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self' ws: wss:")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		fill := strings.NewReplacer("{version}", html.EscapeString(version), "{realm}", html.EscapeString(realm), "{host}", html.EscapeString(r.Host))
		_, _ = fill.WriteString(w, page) // the client may be gone
	})
}
