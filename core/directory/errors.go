package directory

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"bondy/core/wamp"
)

// Error URIs, which are the predecessor's where nothing else is said.
const (
	ErrNotFound      wamp.URI = "bondy.error.not_found"
	ErrAlreadyExists wamp.URI = "bondy.error.already_exists"
	ErrActiveUsers   wamp.URI = "bondy.error.active_users"
	ErrInUse         wamp.URI = "bondy.error.in_use"
	ErrNoSuchGroups  wamp.URI = "bondy.error.no_such_groups"
	ErrNoSuchUsers   wamp.URI = "bondy.error.no_such_users"
	ErrUnknownGroup  wamp.URI = "bondy.error.unknown_group"
	ErrUnknownRoles  wamp.URI = "bondy.error.unknown_roles"
	ErrDuplicate     wamp.URI = "bondy.error.duplicate_roles"
	ErrReservedName  wamp.URI = "bondy.error.reserved_name"
	ErrRange         wamp.URI = "bondy.error.property_range_limit"
	ErrInvalidSSO    wamp.URI = "bondy.error.invalid_sso_realm"
	ErrInconsistency wamp.URI = "bondy.error.inconsistency_error"
	ErrInvalidValue  wamp.URI = "bondy.error.invalid_value"
	ErrMissingValue  wamp.URI = "bondy.error.missing_required_value"
	ErrBadSignature  wamp.URI = "bondy.error.bad_signature"
	// ErrQuota is our own: the predecessor has no bound.
	ErrQuota wamp.URI = "bondy.error.quota_exceeded"
)

func invalid(format string, args ...any) error { return wamp.Errorf(ErrInvalidValue, format, args...) }

func inconsistent(format string, args ...any) error {
	return wamp.Errorf(ErrInconsistency, format, args...)
}

func noSuchRealm(uri wamp.URI) error {
	return wamp.Errorf(wamp.ErrNoSuchRealm, "there is no realm %q here", uri)
}

func noSuchUser(name string) error {
	return wamp.Errorf(wamp.ErrNoSuchPrincipal, "there is no user %q", name)
}

func noSuchGroup(name string) error {
	return wamp.Errorf(ErrUnknownGroup, "there is no group %q", name)
}

// quoted lists names.
func quoted(names []string) string {
	out := slices.Clone(names)
	for i, n := range out {
		out[i] = `"` + n + `"`
	}
	return strings.Join(out, ", ")
}

// at says where in a document an error is.
func at(err error, format string, args ...any) error {
	if e, ok := errors.AsType[*wamp.Error](err); ok {
		out := wamp.Errorf(e.URI, "%s: %s", fmt.Sprintf(format, args...), e.Message)
		out.Kwargs = e.Kwargs
		return out
	}
	return err
}
