package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"bondy/core/auth"
	"bondy/core/directory"
	"bondy/core/wamp"
)

// logins turns what realms say of logging in into what package auth takes. The keys
// of an issuer that were fetched stay as long as a realm says the same of where they
// are. Safe for concurrent use.
type logins struct {
	client *http.Client
	log    *slog.Logger

	mu   sync.Mutex
	keys map[wamp.URI]map[keySource]*auth.KeySet
}

// keySource is where the keys of an issuer are, and how long they count.
type keySource struct {
	url, file     string
	refresh, keep time.Duration
}

func newLogins(log *slog.Logger) *logins {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableKeepAlives = true // the next fetch is an hour away
	return &logins{
		client: &http.Client{Transport: transport, CheckRedirect: trustedRedirect},
		log:    log,
		keys:   make(map[wamp.URI]map[keySource]*auth.KeySet),
	}
}

// config is what a realm with these properties, inherited ones included, and sources
// says of logging in. ok is false if it offers no method that can work, so that
// nobody is to be let in. Procedures that decide need a Caller.
func (l *logins) config(uri wamp.URI, p *directory.Properties, sources []auth.Source) (cfg auth.Config, ok bool, err error) {
	login := &p.Login
	cfg = auth.Config{
		SecurityDisabled: p.SecurityEnabled != nil && !*p.SecurityEnabled, Sources: sources, CertName: login.CertName,
		Trustroots: login.Trustroots, Dynamic: login.Dynamic,
	}
	for _, m := range p.AuthMethods {
		if works(m, login, sources) {
			cfg.Methods = append(cfg.Methods, m)
		}
	}
	if login.RouterKeyFile != "" {
		if cfg.RouterKey, err = readSeed(login.RouterKeyFile); err != nil {
			return cfg, false, fmt.Errorf("router_key_file: %w", err)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	old := l.keys[uri]
	l.keys[uri] = make(map[keySource]*auth.KeySet)
	for i := range login.Issuers {
		is := &login.Issuers[i]
		from := keySource{is.JWKSURL, is.JWKSFile, time.Duration(is.Refresh), time.Duration(is.Keep)}
		set := old[from]
		if set == nil {
			set = auth.NewKeySet(l.fetcher(from), from.refresh, from.keep)
			l.look(uri, from.file)
		}
		l.keys[uri][from] = set
		cfg.Issuers = append(cfg.Issuers, is.Auth(set))
	}
	return cfg, cfg.SecurityDisabled || len(cfg.Methods) > 0, nil
}

// look warns of a file with keys that cannot be read now; it may come before the first
// login.
func (l *logins) look(uri wamp.URI, file string) {
	if file == "" {
		return
	}
	f, err := os.Open(filepath.Clean(file))
	if err != nil {
		l.log.Warn("the keys of an issuer cannot be read: nobody can log in with its tokens before they can",
			slog.String("realm", string(uri)), slog.Any("err", err))
		return
	}
	_ = f.Close() // nothing was written
}

// issuerKeys tells of the files with keys that documents name which ones cannot be
// read now, and which ones have no keys.
func issuerKeys(docs []directory.Document) (missing, broken []string) {
	for _, d := range docs {
		for _, is := range d.Issuers.Value {
			if is.JWKSFile == "" {
				continue
			}
			text, err := readKeys(is.JWKSFile)
			if err != nil {
				missing = append(missing, fmt.Sprintf("realm %s: the keys of the issuer %q cannot be read, and nobody can log in with its tokens before they can: %v", d.URI, is.Issuer, err))
			} else if err := auth.CheckKeySet(text); err != nil {
				broken = append(broken, fmt.Sprintf("realm %s: the issuer %q has no keys in %s: %v", d.URI, is.Issuer, is.JWKSFile, err))
			}
		}
	}
	return missing, broken
}

// forget drops the keys of a realm that is gone.
func (l *logins) forget(uri wamp.URI) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.keys, uri)
}

// works tells whether a realm has what a method needs; one that inherits the method
// may lack it.
func works(method string, login *directory.Login, sources []auth.Source) bool {
	switch method {
	case auth.MethodTLS:
		return login.CertName != ""
	case auth.MethodJWT:
		return len(login.Issuers) > 0
	case auth.MethodTrust:
		return slices.ContainsFunc(sources, func(s auth.Source) bool { return !s.Deny && slices.Contains(s.Methods, method) })
	}
	return true
}

// maxKeys bounds a document with keys in bytes.
const maxKeys = 256 << 10

// fetcher gets the document with the keys. auth.KeySet gives it a deadline.
func (l *logins) fetcher(from keySource) func(context.Context) ([]byte, error) {
	if from.file != "" {
		return func(context.Context) ([]byte, error) { return readKeys(from.file) }
	}
	return func(ctx context.Context) ([]byte, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, from.url, nil)
		if err != nil {
			return nil, err
		}
		req.Header.Set("Accept", "application/jwk-set+json, application/json")
		resp, err := l.client.Do(req)
		if err != nil {
			return nil, err
		}
		defer func() { _ = resp.Body.Close() }() // it was only read
		if resp.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("%s: %s", redactedURL(req.URL), resp.Status)
		}
		return readAtMost(resp.Body)
	}
}

func readKeys(file string) ([]byte, error) {
	f, err := os.Open(filepath.Clean(file))
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	return readAtMost(f)
}

func readAtMost(r io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxKeys+1))
	if err == nil && len(text) > maxKeys {
		err = fmt.Errorf("a document of more than %d bytes", maxKeys)
	}
	return text, err
}

// redactedURL is a URL without its query, which may be secret.
func redactedURL(u *url.URL) string { return u.Scheme + "://" + u.Host + u.Path }

// maxRedirects bounds how often a fetch is sent elsewhere.
const maxRedirects = 5

// trustedRedirect keeps a fetch where keys may come from.
func trustedRedirect(req *http.Request, via []*http.Request) error {
	switch {
	case len(via) > maxRedirects:
		return fmt.Errorf("more than %d redirects", maxRedirects)
	case !directory.KeysFrom(req.URL):
		return errors.New("a redirect to where keys must not come from")
	}
	return nil
}
