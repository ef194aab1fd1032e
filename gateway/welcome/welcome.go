// Package welcome serves the page that a router shows on its embedded default:
// where it listens and a snippet to try at once.
package welcome

import (
	_ "embed" // for the page
	"html/template"
	"net/http"
)

//go:embed page.html
var page string

// Handler serves the page for one realm.
func Handler(version, realm string) http.Handler {
	t := template.Must(template.New("page").Parse(page)) // a constant
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self' ws: wss:")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		_ = t.Execute(w, map[string]string{"Version": version, "Realm": realm, "Host": r.Host}) // the client may be gone
	})
}
