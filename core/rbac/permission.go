package rbac

import "bondy/core/wamp"

// Permission is one action that a grant allows.
type Permission uint8

// The permissions. Unregister, Unsubscribe and Cancel undo what a session
// holds; they are accepted in grants but need none, and Decide allows them.
const (
	Register Permission = iota
	Unregister
	Call
	Cancel
	Subscribe
	Unsubscribe
	Publish
	// DiscloseCaller lets a callee of a procedure, DisclosePublisher a
	// subscriber of a topic, learn who calls or publishes though that client
	// did not ask to be disclosed. DiscloseSessionInfo lets either learn more.
	DiscloseCaller
	DisclosePublisher
	DiscloseSessionInfo
	// Issue is about tickets, on the URIs below bondy.ticket.scope. Revoke and
	// Authenticate are accepted in grants and mean nothing.
	Issue
	Revoke
	Authenticate

	numPermissions
)

// names are those of the permissions, in their order.
func permissionNames() *[numPermissions]string {
	return &[...]string{
		"wamp.register", "wamp.unregister", "wamp.call", "wamp.cancel", "wamp.subscribe", "wamp.unsubscribe", "wamp.publish",
		"wamp.disclose_caller", "wamp.disclose_publisher", "wamp.disclose_session_info",
		"bondy.issue", "bondy.revoke", "bondy.authenticate",
	}
}

// String is the permission's name: wamp.call and so on.
func (p Permission) String() string {
	if p < numPermissions {
		return permissionNames()[p]
	}
	return "unknown"
}

// ParsePermission reads a permission's name.
func ParsePermission(name string) (Permission, bool) {
	for p, n := range permissionNames() {
		if n == name {
			return Permission(p), true
		}
	}
	return 0, false
}

// PermissionSet is a set of permissions.
type PermissionSet uint16

// Set makes a PermissionSet.
func Set(list ...Permission) (s PermissionSet) {
	for _, p := range list {
		s |= 1 << p
	}
	return s
}

// Has reports whether p is in the set.
func (s PermissionSet) Has(p Permission) bool { return s&(1<<p) != 0 }

// List is the set in the order of the permissions.
func (s PermissionSet) List() (list []Permission) {
	for p := range numPermissions {
		if s.Has(p) {
			list = append(list, p)
		}
	}
	return list
}

// Names are those of the permissions in the set, in their order.
func (s PermissionSet) Names() []string {
	var names []string
	for _, p := range s.List() {
		names = append(names, p.String())
	}
	return names
}

// Disclosing are the permissions that the options of a REGISTER, for p Register,
// or of a SUBSCRIBE need on the same URI, because they ask to be told of clients
// that did not ask to be disclosed. An option that is no boolean asks for
// nothing: who reads it refuses it.
func Disclosing(p Permission, options wamp.Dict) PermissionSet {
	if len(options) == 0 {
		return 0
	}
	asks := func(option string) bool { on, _ := options[option].(bool); return on }
	return Told(p, p == Register && asks("disclose_caller"), asks("_disclose_session_info") || asks("x_disclose_session_info"))
}

// Told are the permissions that who registered or subscribed needs to be told
// who calls or publishes, and of that client's session.
func Told(p Permission, who, session bool) (s PermissionSet) {
	if !who && !session {
		return 0
	}
	if p == Register {
		s = Set(DiscloseCaller)
	} else {
		s = Set(DisclosePublisher)
	}
	if session {
		s |= Set(DiscloseSessionInfo)
	}
	return s
}
