package cli

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"bondy/core/wamp"
	"bondy/transport/client"
)

// connection is the flags that every client command has.
type connection struct {
	given                      *pflag.FlagSet
	url, realm, serializer     string
	timeout                    time.Duration
	authid, authmethod         string
	ticket, secret, keyFile    string
	authextra                  string
	caFile, certFile, tlsKFile string
}

func (c *connection) flags(f *pflag.FlagSet) {
	c.given = f
	f.StringVar(&c.url, "url", "ws://127.0.0.1:18080/ws", "router: ws://, wss://, tcp://HOST:PORT, tls://HOST:PORT or unix:PATH")
	f.StringVar(&c.realm, "realm", "realm1", "realm to join")
	f.StringVar(&c.serializer, "serializer", "json", "json, msgpack or cbor")
	f.DurationVar(&c.timeout, "timeout", 0, "how long to wait for an answer; 0 for 10s to connect and no limit after")
	f.StringVar(&c.authid, "authid", "", "authid to join as")
	f.StringVar(&c.authmethod, "authmethod", "", "anonymous, ticket, jwt, password, wampcra, wamp-scram, cryptosign, tls or trust; default by the credentials given, in the order cryptosign, wampcra, ticket, tls")
	f.StringVar(&c.ticket, "ticket", "", "ticket, or token of jwt; better in the environment as BONDY_TICKET, which comes after BONDY_SECRET")
	f.StringVar(&c.secret, "secret", "", "password, of wampcra and wamp-scram too; better in the environment as BONDY_SECRET, which comes before BONDY_TICKET")
	f.StringVar(&c.authextra, "authextra", "", "`JSON` object for authextra of HELLO, such as {\"client_ticket\": \"...\"}; better in the environment as BONDY_AUTHEXTRA")
	f.StringVar(&c.keyFile, "key-file", "", "file with the Ed25519 seed for cryptosign, in hexadecimal")
	f.StringVar(&c.caFile, "ca", "", "file with the CA certificates to trust (PEM)")
	f.StringVar(&c.certFile, "cert", "", "file with the client certificate (PEM)")
	f.StringVar(&c.tlsKFile, "key", "", "file with the key of the client certificate (PEM)")
}

// dial joins the realm.
func (c *connection) dial(ctx context.Context) (*client.Session, error) {
	cfg, err := c.config(io.Discard)
	if err != nil {
		return nil, err
	}
	return client.Dial(ctx, c.url, cfg)
}

// limit bounds a request by the timeout.
func (c *connection) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	if c.timeout <= 0 {
		return context.WithCancel(ctx)
	}
	cause := wamp.Errorf(wamp.ErrTimeout, "no answer within %s", c.timeout)
	return context.WithTimeoutCause(ctx, c.timeout, cause)
}

// config makes the client's settings of the flags; warnings go to log. Its
// errors are usage errors.
func (c *connection) config(log io.Writer) (client.Config, error) {
	if err := client.ValidateURL(c.url); err != nil {
		return client.Config{}, asUsage(err)
	}
	s, ok := wamp.ParseSerializer(c.serializer)
	if !ok {
		return client.Config{}, usagef("--serializer must be json, msgpack or cbor, got %q", c.serializer)
	}
	if c.timeout < 0 {
		return client.Config{}, usagef("--timeout must not be negative")
	}
	cfg := client.Config{
		Realm: wamp.URI(c.realm), Serializer: s, HandshakeTimeout: c.timeout,
		Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	var err error
	if cfg.Auth, err = c.auth(); err != nil {
		return client.Config{}, err
	}
	if cfg.TLS, err = c.tls(); err != nil {
		return client.Config{}, err
	}
	if cfg.Extra, err = parseObject("--authextra", cmp.Or(c.authextra, os.Getenv("BONDY_AUTHEXTRA"))); err != nil {
		return client.Config{}, err
	}
	return cfg, asUsage(cfg.Validate())
}

// auth picks the methods to offer: the one asked for, or one for each
// credential that was given, on the command line or else in the environment.
func (c *connection) auth() ([]client.Authenticator, error) {
	for _, name := range []string{"ticket", "secret", "key-file", "cert"} {
		if f := c.given.Lookup(name); f.Changed && f.Value.String() == "" { // lest it becomes an anonymous login
			return nil, usagef("--%s is empty", name)
		}
	}
	ticket, secret := c.ticket, c.secret
	if c.authmethod != "" || ticket+secret+c.keyFile == "" {
		if ticket == "" {
			ticket = os.Getenv("BONDY_TICKET")
		}
		if secret == "" {
			secret = os.Getenv("BONDY_SECRET")
		}
	}
	given := map[string]bool{
		"cryptosign": c.keyFile != "", "wampcra": secret != "", "wamp-scram": secret != "", "ticket": ticket != "", "password": secret != "",
		"jwt": ticket != "", "tls": c.certFile != "", "trust": true, "anonymous": true,
	}
	methods := []string{"cryptosign", "wampcra", "ticket", "tls"} // strongest first; tls may be there for the transport alone
	if c.authmethod != "" {
		methods = []string{c.authmethod}
		have, known := given[c.authmethod]
		if !known {
			return nil, usagef("--authmethod %q is unknown", c.authmethod)
		}
		if !have {
			return nil, usagef("--authmethod %s needs %s", c.authmethod, credential(c.authmethod))
		}
	}
	var out []client.Authenticator
	for _, m := range methods {
		if !given[m] {
			continue
		}
		if c.authid == "" && (m == "ticket" || m == "password" || m == "wampcra" || m == "wamp-scram" || m == "trust") {
			return nil, usagef("authentication by %s needs --authid", m)
		}
		switch m {
		case "cryptosign":
			key, err := readSeed(c.keyFile)
			if err != nil {
				return nil, asUsage(err)
			}
			out = append(out, client.Cryptosign(c.authid, key))
		case "wampcra":
			out = append(out, client.CRA(c.authid, secret))
		case "wamp-scram":
			out = append(out, client.SCRAM(c.authid, secret))
		case "ticket":
			out = append(out, client.Ticket(c.authid, ticket))
		case "password":
			out = append(out, client.Password(c.authid, secret))
		case "jwt":
			out = append(out, client.JWT(c.authid, ticket))
		case "trust":
			out = append(out, client.Trust(c.authid))
		case "tls":
			out = append(out, client.Certificate(c.authid))
		default:
			out = append(out, client.Anonymous())
		}
	}
	if len(out) == 0 && c.authid != "" { // it would become an anonymous login
		return nil, usagef("--authid %s needs a credential: --ticket, --secret, --key-file or --cert, or BONDY_TICKET or BONDY_SECRET in the environment; or name --authmethod", c.authid)
	}
	return out, nil
}

// credential says how the credential of a method is given.
func credential(method string) string {
	switch method {
	case "cryptosign":
		return "--key-file"
	case "tls":
		return "--cert"
	case "ticket", "jwt":
		return "--ticket, or BONDY_TICKET in the environment"
	}
	return "--secret, or BONDY_SECRET in the environment"
}

// tls is nil when no flag asks for anything but the system's roots.
func (c *connection) tls() (*tls.Config, error) {
	if c.caFile+c.certFile+c.tlsKFile == "" {
		return nil, nil //nolint:nilnil // nil is the default of client.Config
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.caFile != "" {
		pem, err := os.ReadFile(c.caFile)
		if err != nil {
			return nil, usagef("--ca: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, usagef("--ca: no certificate in %s", c.caFile)
		}
	}
	if (c.certFile == "") != (c.tlsKFile == "") {
		return nil, usagef("--cert and --key go together")
	}
	if c.certFile != "" {
		cert, err := tls.LoadX509KeyPair(c.certFile, c.tlsKFile)
		if err != nil {
			return nil, usagef("--cert and --key: %w", err)
		}
		cfg.Certificates = []tls.Certificate{cert}
	}
	return cfg, nil
}

// readSeed reads an Ed25519 seed in hexadecimal. Its errors never show the
// content.
func readSeed(path string) (ed25519.PrivateKey, error) {
	text, err := os.ReadFile(path) //nolint:gosec // the user names it
	if err != nil {
		return nil, fmt.Errorf("--key-file: %w", err)
	}
	seed, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("--key-file: %s must hold an Ed25519 seed, %d hexadecimal digits", path, 2*ed25519.SeedSize)
	}
	return ed25519.NewKeyFromSeed(seed), nil
}
