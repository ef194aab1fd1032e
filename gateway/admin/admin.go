// Package admin serves the operator over HTTP: liveness, readiness and metrics
// without credentials, and on the admin socket, which the file system guards,
// the commands that act on the node.
package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Config is what the node offers its operator.
type Config struct {
	// Ready returns why the node cannot serve, nothing if it can.
	Ready func() []string
	// Metrics are scraped at /metrics.
	Metrics prometheus.Gatherer
	// Reload applies the configuration file and returns what of it did not
	// take effect, in sentences; the error names key and line.
	Reload func() ([]string, error)
	// Uplinks describes the links between this node and others, as JSON.
	Uplinks func(context.Context) any
	// Call has a realm's own procedures answer the operator, who may call all.
	Call func(context.Context, Call) (Answer, error)
}

// Handler serves GET /ping, /ready and /metrics, and at / what there is.
func Handler(cfg Config) http.Handler {
	mux := http.NewServeMux()
	public(mux, cfg)
	return mux
}

// SocketHandler serves the same, POST /reload, POST /call and GET /uplinks.
func SocketHandler(cfg Config) http.Handler {
	mux := http.NewServeMux()
	public(mux, cfg)
	mux.HandleFunc("POST /reload", func(w http.ResponseWriter, _ *http.Request) {
		notes, err := cfg.Reload()
		if err != nil {
			http.Error(w, err.Error(), http.StatusUnprocessableEntity)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		for _, note := range notes {
			_, _ = fmt.Fprintln(w, note) // the client may be gone
		}
	})
	mux.HandleFunc("POST /call", serveCall(cfg.Call))
	mux.HandleFunc("GET /uplinks", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(cfg.Uplinks(r.Context())) // the client may be gone
	})
	return mux
}

const paths = `GET /metrics  figures for Prometheus
GET /ping     204 while the node runs
GET /ready    204 while it can serve clients, else 503 and why not
`

func public(mux *http.ServeMux, cfg Config) {
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, paths) // the client may be gone
	})
	mux.HandleFunc("GET /ping", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, _ *http.Request) {
		reasons := cfg.Ready()
		if len(reasons) == 0 {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(http.StatusServiceUnavailable)
		for _, reason := range reasons {
			_, _ = fmt.Fprintln(w, reason) // the client may be gone
		}
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(cfg.Metrics, promhttp.HandlerOpts{
		ErrorHandling: promhttp.HTTPErrorOnError,
	}))
}

// ErrNoFile is what Reload returns on a node that was started without a file.
var ErrNoFile = errors.New("this node was started without a configuration file: there is nothing to read again")
