package node

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"bondy/cmd/internal/config"
	"bondy/core/auth"
	"bondy/core/directory"
	"bondy/core/strict"
	"bondy/core/unit"
	"bondy/core/wamp"
)

// documents are the realms that the file defines, and those of its folder.
func documents(cfg *config.Config) ([]directory.Document, error) {
	out := make([]directory.Document, 0, len(cfg.Realms))
	for i := range cfg.Realms {
		d, err := document(&cfg.Realms[i])
		if err != nil {
			return nil, fmt.Errorf("realm %s: %w", cfg.Realms[i].URI, err)
		}
		out = append(out, d)
	}
	if cfg.RealmsDir == "" {
		return out, nil
	}
	more, err := readFolder(cfg.RealmsDir)
	if err != nil {
		return nil, fmt.Errorf("realms_dir: %w", err)
	}
	return append(out, more...), nil
}

// document is a realm of the file. It says everything.
func document(r *config.Realm) (directory.Document, error) {
	d := directory.Document{
		URI: wamp.URI(r.URI), Manage: directory.Manage(r.Manage), Description: strict.Some(r.Description),
		IsPrototype: strict.Some(r.IsPrototype), PrototypeURI: strict.NonZero(wamp.URI(r.PrototypeURI)),
		IsSSORealm: strict.Some(r.IsSSORealm), SSORealmURI: strict.NonZero(wamp.URI(r.SSORealmURI)),
		AllowConnections: strict.FromPointer(r.AllowConnections), SecurityEnabled: strict.FromPointer(r.SecurityEnabled),
		AuthMethods: strict.Null[[]string](), Info: strict.Null[json.RawMessage](),
		DocumentSettings: settings(r),
	}
	if r.AuthMethods != nil {
		d.AuthMethods = strict.Some(methods(r.AuthMethods))
	}
	groups := make([]directory.GroupDocument, len(r.Groups))
	for i, g := range r.Groups {
		meta, err := object(g.Meta)
		if err != nil {
			return d, fmt.Errorf("groups[%d].meta: %w", i, err)
		}
		groups[i] = directory.GroupDocument{Name: g.Name, Groups: strict.Some(g.Groups), Meta: meta}
	}
	users := make([]directory.UserDocument, len(r.Users))
	for i := range r.Users {
		var err error
		if users[i], err = userDocument(&r.Users[i]); err != nil {
			return d, fmt.Errorf("users[%d].%w", i, err)
		}
	}
	sources := make([]directory.SourceDocument, len(r.Sources))
	for i, s := range r.Sources {
		sources[i] = directory.SourceDocument{ID: s.ID, Subjects: s.Subjects, CIDRs: s.CIDRs, Methods: methods(s.Methods), Action: string(s.Action)}
	}
	grants := make([]directory.GrantDocument, len(r.Grants))
	for i, g := range r.Grants {
		grants[i] = directory.GrantDocument{Roles: g.Roles, Permissions: g.Permissions}
		for _, res := range g.Resources {
			grants[i].Resources = append(grants[i].Resources, directory.ResourceDocument{URI: wamp.URI(res.URI), Match: strict.Some(string(res.Match))})
		}
	}
	d.Groups, d.Users, d.Sources, d.Grants = strict.Some(groups), strict.Some(users), strict.Some(sources), strict.Some(grants)
	return d, nil
}

func settings(r *config.Realm) directory.DocumentSettings {
	d := directory.DocumentSettings{
		SlowConsumer: strict.Some(string(r.SlowConsumer)), URIStrictness: strict.Some(string(r.URIStrictness)),
		Features: strict.Some(string(r.Features)), RequestIDs: strict.Some(string(r.RequestIDs)),
		CallTimeout: duration(r.CallTimeout), CallTimeoutMax: duration(r.CallTimeoutMax),
		MaxSessions: strict.Some(r.MaxSessions), MaxUserSessions: strict.Some(r.MaxSessionsPerUser),
		MaxRate: strict.Some(r.MaxMessagesPerSecond), MaxUserRate: strict.Some(r.MaxMessagesPerSecondPerUser),
		MaxTotalRate:  strict.Some(r.MaxMessagesPerSecondTotal),
		ResumeTimeout: duration(r.ResumeTimeout), MaxDetached: strict.Some(r.MaxDetachedSessions), Disclosure: strict.Some(r.Disclosure),
		Retention: strict.Some(directory.RetentionDocument{
			MaxEvents: strict.Some(r.Retention.MaxEvents), MaxBytes: strict.Some(r.Retention.MaxBytes),
			MaxSize: strict.Some(r.Retention.MaxSize), TTL: duration(r.Retention.TTL),
		}),
		TLS: strict.Null[directory.TLSDocument](), RouterKeyFile: strict.NonZero(r.RouterKeyFile),
		Authorizer: strict.NonZero(wamp.URI(r.Authorizer)), AuthorizerCache: duration(r.AuthorizerCache),
	}
	policy := r.Tickets.Policy()
	d.Tickets = strict.Some(directory.TicketsDocument{
		MaxLifetime: duration(policy.MaxLifetime), MaxPerUser: strict.Some(policy.MaxPerUser), Methods: strict.Null[[]string](),
	})
	if policy.Methods != nil {
		d.Tickets.Value.Methods = strict.Some(policy.Methods)
	}
	history := make([]directory.HistoryDocument, len(r.History))
	for i, h := range r.History {
		history[i] = directory.HistoryDocument{
			URI: wamp.URI(h.URI), Match: string(h.Match), MaxEvents: h.MaxEvents, MaxBytes: h.MaxBytes,
			MaxAge: unit.Duration(h.MaxAge), Storage: string(h.Storage),
		}
	}
	trust := make([]directory.TrustDocument, len(r.Trust))
	for i, t := range r.Trust {
		trust[i] = directory.TrustDocument(t)
	}
	issuers := make([]directory.Issuer, len(r.Issuers))
	for i, s := range r.Issuers {
		issuers[i] = directory.Issuer{
			Issuer: s.Issuer, Audience: s.Audience, JWKSURL: s.JWKSURL, JWKSFile: s.JWKSFile,
			Refresh: unit.Duration(s.Refresh), Keep: unit.Duration(s.Keep), Algorithms: s.Algorithms,
			Leeway: unit.Duration(s.Leeway), Require: s.Require, AuthID: s.AuthID, Prefix: s.Prefix,
			GroupsClaim: s.GroupsClaim, GroupsMap: s.GroupsMap, Groups: s.Groups,
		}
	}
	roots := make([]directory.TrustrootDocument, len(r.Trustroots))
	for i, t := range r.Trustroots {
		roots[i] = directory.TrustrootDocument{
			Address: t.Address, ChainID: uint64(t.ChainID), Contract: t.Contract, Realm: t.Realm, //nolint:gosec // not negative
			Block: uint64(t.Block), Groups: t.Groups, //nolint:gosec // not negative
		}
	}
	dynamic := make(map[string]wamp.URI, len(r.Dynamic))
	for method, procedure := range r.Dynamic {
		dynamic[method] = wamp.URI(procedure)
	}
	if r.TLS != nil {
		d.TLS = strict.Some(directory.TLSDocument{AuthID: auth.CertName(r.TLS.AuthID)})
	}
	d.History, d.Trust, d.Issuers = strict.Some(history), strict.Some(trust), strict.Some(issuers)
	d.Trustroots, d.Dynamic = strict.Some(roots), strict.Some(dynamic)
	return d
}

func userDocument(u *config.User) (directory.UserDocument, error) {
	meta, err := object(u.Meta)
	if err != nil {
		return directory.UserDocument{}, fmt.Errorf("meta: %w", err)
	}
	keys := make([]directory.PublicKey, len(u.AuthorizedKeys))
	for i, text := range u.AuthorizedKeys {
		if err := keys[i].UnmarshalText([]byte(text)); err != nil {
			return directory.UserDocument{}, fmt.Errorf("authorized_keys[%d]: %w", i, err)
		}
	}
	d := directory.UserDocument{
		Username: u.Username, KDF: strict.Some(auth.KDF(u.KDF)), AuthorizedKeys: strict.Some(keys),
		Groups: strict.Some(u.Groups), Aliases: strict.Some(u.Aliases), SSORealmURI: strict.NonZero(wamp.URI(u.SSORealmURI)),
		Enabled: strict.Some(u.Enabled), Meta: meta,
	}
	if u.SSORealmURI != "" { // what is not said here is the SSO realm's business
		if len(keys) == 0 {
			d.AuthorizedKeys = strict.Field[[]directory.PublicKey]{}
		}
		if len(u.Aliases) == 0 {
			d.Aliases = strict.Field[[]string]{}
		}
	}
	if text := u.Password.Reveal(); text != "" {
		d.Password = strict.Some(auth.Secret(text))
	}
	if text := u.PasswordHash.Reveal(); text != "" {
		d.PasswordHash.Present = true
		if err := d.PasswordHash.Value.UnmarshalText([]byte(text)); err != nil {
			return d, fmt.Errorf("password_hash: %w", err)
		}
	}
	return d, nil
}

func duration(d time.Duration) strict.Field[unit.Duration] { return strict.Some(unit.Duration(d)) }

// object is free data as JSON.
func object(meta map[string]any) (strict.Field[json.RawMessage], error) {
	if len(meta) == 0 {
		return strict.Null[json.RawMessage](), nil
	}
	text, err := json.Marshal(meta)
	return strict.Some(json.RawMessage(text)), err
}

// Bounds of a folder of documents.
const (
	maxDocuments    = 10_000
	maxDocumentSize = 256 << 20 // bytes of a file
)

// readFolder reads the documents *.json in a folder, in the order of their names.
// Paths in them are relative to it.
func readFolder(dir string) ([]directory.Document, error) {
	entries, err := os.ReadDir(dir) // sorted by name
	if err != nil {
		return nil, err
	}
	entries = slices.DeleteFunc(entries, func(e os.DirEntry) bool { return e.IsDir() || filepath.Ext(e.Name()) != ".json" })
	if len(entries) > maxDocuments {
		return nil, fmt.Errorf("%s: more than %d documents", dir, maxDocuments)
	}
	var out []directory.Document
	for _, e := range entries {
		docs, err := readDocuments(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		for i := range docs {
			relate(dir, &docs[i])
		}
		out = append(out, docs...)
	}
	return out, nil
}

func readDocuments(path string) ([]directory.Document, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case info.Size() > maxDocumentSize:
		return nil, fmt.Errorf("%s: longer than %d bytes", path, maxDocumentSize)
	}
	text, err := os.ReadFile(path) //nolint:gosec // the operator names the folder
	if err != nil {
		return nil, err
	}
	docs, err := directory.ParseDocuments(bytes.TrimPrefix(text, []byte("\ufeff")))
	if err == nil {
		return docs, nil
	}
	lines := strings.Split(err.Error(), "\n")
	for i, line := range lines {
		lines[i] = path + ":" + strings.TrimPrefix(line, "line ")
	}
	return nil, errors.New(strings.Join(lines, "\n"))
}

// relate makes the paths in a document relative to dir.
func relate(dir string, d *directory.Document) {
	resolve := func(path *string) {
		if *path != "" && !filepath.IsAbs(*path) {
			*path = filepath.Join(dir, *path)
		}
	}
	resolve(&d.RouterKeyFile.Value)
	for i := range d.Issuers.Value {
		resolve(&d.Issuers.Value[i].JWKSFile)
	}
}
