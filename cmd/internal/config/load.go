package config

import (
	_ "embed" // for the default configuration
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

//go:embed default.toml
var defaultTOML string

// DefaultTOML is the configuration that a node runs without a file, with
// every key and what it means. It is the text of bondy.toml.example.
func DefaultTOML() string { return defaultTOML }

// Default is the configuration that a node runs without a file. Its paths are
// relative to the working directory.
func Default() (Config, error) { return Parse([]byte(defaultTOML), "default.toml") }

// Load reads the file at path; see Parse.
func Load(path string) (Config, error) {
	data, err := os.ReadFile(path) //nolint:gosec // the operator names the file
	if err != nil {
		return Config{}, fmt.Errorf("read configuration: %w", err)
	}
	return Parse(data, path)
}

// Parse reads a configuration from data. name is the path of the file, for
// messages and for the paths in it, which are relative to its directory.
// Strings may refer to environment variables as ${NAME}; $$ is a dollar sign.
// The error joins everything that is wrong, an *Error each, by line.
func Parse(data []byte, name string) (Config, error) {
	var tree map[string]any
	if err := toml.Unmarshal(data, &tree); err != nil {
		return Config{}, syntaxError(err, name)
	}
	var d decoder
	cfg := initial()
	d.table("", reflect.ValueOf(&cfg).Elem(), tree)
	if err := complete(&cfg, tree, filepath.Dir(name)); err != nil {
		return Config{}, err
	}
	found := d.problems
	for _, e := range cfg.problems() {
		if !d.covers(e.Key) {
			found = append(found, e)
		}
	}
	if _, own := tree["realm"]; !own && cfg.RealmsDir == "" && !d.covers("realm") {
		found = append(found, exposed(cfg.Listeners)...)
	}
	if len(found) > 0 {
		found.locate(name, keyLines(string(data)))
		return Config{}, found.err()
	}
	return cfg, nil
}

// syntaxError describes what the TOML parser found, without the text around
// it, which may hold secrets.
func syntaxError(err error, name string) error {
	if pe, ok := errors.AsType[toml.ParseError](err); ok {
		return &Error{File: name, Line: pe.Position.Line, Message: pe.Message}
	}
	return fmt.Errorf("%s: %w", name, err)
}

// complete gives what the file left out its default and resolves paths
// against dir.
func complete(cfg *Config, tree map[string]any, dir string) error {
	_, ownListeners := tree["listener"]
	_, ownRealms := tree["realm"]
	if !ownListeners || !ownRealms {
		def, err := Default()
		if err != nil {
			return err
		}
		if !ownListeners {
			cfg.Listeners = def.Listeners
		}
		if !ownRealms && cfg.RealmsDir == "" {
			cfg.Realms = def.Realms
		}
	}
	if _, own := tree["node"]; !own {
		name, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("node: no host name for a default: %w", err)
		}
		cfg.Node = name
	}
	cfg.DataDir = resolve(dir, cfg.DataDir)
	for i := range cfg.Listeners {
		cfg.Listeners[i].complete(dir)
	}
	if cfg.UplinkListener != nil {
		cfg.UplinkListener.TLS.resolve(dir)
	}
	for i := range cfg.Uplinks {
		u := &cfg.Uplinks[i]
		u.TLS.resolve(dir)
		for j := range u.Realms {
			u.Realms[j].KeyFile = resolve(dir, u.Realms[j].KeyFile)
		}
	}
	cfg.RealmsDir = resolve(dir, cfg.RealmsDir)
	for i := range cfg.Realms {
		r := &cfg.Realms[i]
		r.RouterKeyFile = resolve(dir, r.RouterKeyFile)
		for j := range r.Issuers {
			r.Issuers[j].JWKSFile = resolve(dir, r.Issuers[j].JWKSFile)
		}
		for j := range r.Grants {
			r.Grants[j].spellOut()
		}
	}
	return nil
}

// complete resolves the listener's paths against dir.
func (l *Listener) complete(dir string) {
	if path, ok := strings.CutPrefix(l.Address, "unix:"); ok && path != "" {
		l.Address = "unix:" + resolve(dir, path)
	}
	if l.TLS != nil {
		for _, path := range []*string{&l.TLS.Cert, &l.TLS.Key, &l.TLS.ClientCA} {
			*path = resolve(dir, *path)
		}
	}
}

// resolve makes path relative to dir, unless it is absolute or empty.
func resolve(dir, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// exposed refuses listeners through which the default realm, where anonymous
// clients may do everything, could be reached from other machines.
func exposed(listeners []Listener) (p problems) {
	for i, l := range listeners {
		host, _, err := net.SplitHostPort(l.Address)
		local := host == "localhost" || strings.HasPrefix(l.Address, "unix:")
		if err != nil || local || !slices.ContainsFunc(l.Services, Service.clients) {
			continue
		}
		if ip, err := netip.ParseAddr(host); err != nil || !ip.Unmap().IsLoopback() {
			p.addf(join(element("listener", i), "address"),
				"%s is beyond loopback, where the default realm is not served: define a [[realm]]", l.Address)
		}
	}
	return p
}
