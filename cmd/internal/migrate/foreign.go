package migrate

import (
	"bytes"
	"encoding/json"
	"slices"

	"bondy/core/directory"
	"bondy/core/strict"
)

// The predecessor's realms, as its security file and its list procedures have
// them. What it computes is read and dropped.
type (
	foreignRealm struct {
		line
		URI              string                     `json:"uri"`
		Description      string                     `json:"description"`
		IsPrototype      bool                       `json:"is_prototype"`
		PrototypeURI     string                     `json:"prototype_uri"`
		IsSSORealm       bool                       `json:"is_sso_realm"`
		SSORealmURI      string                     `json:"sso_realm_uri"`
		AllowConnections strict.Field[bool]         `json:"allow_connections"`
		SecurityEnabled  strict.Field[bool]         `json:"security_enabled"`
		AuthMethods      strict.Field[[]string]     `json:"authmethods"`
		Info             map[string]json.RawMessage `json:"info"`
		Groups           []foreignGroup             `json:"groups"`
		Users            []foreignUser              `json:"users"`
		Sources          []foreignSource            `json:"sources"`
		Grants           []foreignGrant             `json:"grants"`

		PrivateKeys    json.RawMessage `json:"private_keys"`
		EncryptionKeys json.RawMessage `json:"encryption_keys"`
		PublicKeys     json.RawMessage `json:"public_keys"`
		PasswordOpts   json.RawMessage `json:"password_opts"`
		SecurityStatus json.RawMessage `json:"security_status"`
	}
	foreignGroup struct {
		line
		computed
		Name   string          `json:"name"`
		Groups []string        `json:"groups"`
		Meta   json.RawMessage `json:"meta"`
	}
	foreignUser struct {
		line
		computed
		Username          string             `json:"username"`
		Password          json.RawMessage    `json:"password"`
		PasswordOpts      json.RawMessage    `json:"password_opts"`
		AuthorizedKeys    []string           `json:"authorized_keys"`
		Groups            []string           `json:"groups"`
		SSORealmURI       string             `json:"sso_realm_uri"`
		Enabled           strict.Field[bool] `json:"enabled"`
		Meta              json.RawMessage    `json:"meta"`
		Aliases           []string           `json:"aliases"`
		HasPassword       bool               `json:"has_password"`
		HasAuthorizedKeys bool               `json:"has_authorized_keys"`

		renamed []renaming
	}
	foreignSource struct {
		line
		computed
		Usernames  directory.Names `json:"usernames"`
		Username   string          `json:"username"`
		AuthMethod string          `json:"authmethod"`
		CIDR       string          `json:"cidr"`
		Meta       json.RawMessage `json:"meta"`
	}
	foreignGrant struct {
		line
		computed
		Roles       directory.Names               `json:"roles"`
		Permissions []string                      `json:"permissions"`
		Resources   []foreignResource             `json:"resources"`
		Resource    strict.Field[foreignResource] `json:"resource"`
		URI         strict.Field[string]          `json:"uri"`
		Match       string                        `json:"match"`
		Meta        json.RawMessage               `json:"meta"`
	}
	foreignResource struct {
		URI   string `json:"uri"`
		Match string `json:"match"`
	}
	computed struct {
		Type    string          `json:"type"`
		Version json.RawMessage `json:"version"`
	}
)

// line is where something begins.
type line struct{ at int }

// SetLine implements strict.Lined.
func (l *line) SetLine(at int) { l.at = at }

// read reads a security file: one realm, or several in an array.
func read(text []byte, unknown func(line int, path string)) ([]foreignRealm, error) {
	dec := strict.Decoder{Unknown: unknown}
	var list []foreignRealm
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		text = slices.Concat([]byte("["), text, []byte("]"))
	}
	err := dec.Decode(text, &list)
	return list, err
}
