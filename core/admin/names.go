package admin

import "bondy/core/wamp"

// former are the names that procedures had in early releases of the predecessor,
// and those of its documentation.
func former() map[wamp.URI]wamp.URI {
	return map[wamp.URI]wamp.URI{
		"bondy.security.add_user":        "bondy.user.add",
		"bondy.security.update_user":     "bondy.user.update",
		"bondy.security.delete_user":     "bondy.user.delete",
		"bondy.security.find_user":       "bondy.user.get",
		"bondy.security.list_users":      "bondy.user.list",
		"bondy.security.change_password": "bondy.user.change_password",
		"bondy.security.add_group":       "bondy.group.add",
		"bondy.security.update_group":    "bondy.group.update",
		"bondy.security.delete_group":    "bondy.group.delete",
		"bondy.security.find_group":      "bondy.group.get",
		"bondy.security.list_groups":     "bondy.group.list",
		"bondy.security.add_source":      "bondy.source.add",
		"bondy.security.delete_source":   "bondy.source.delete",
		"bondy.security.find_source":     "bondy.source.get",
		"bondy.security.list_sources":    "bondy.source.list",
		"bondy.security.create_realm":    "bondy.realm.create",
		"bondy.security.update_realm":    "bondy.realm.update",
		"bondy.security.delete_realm":    "bondy.realm.delete",
		"bondy.security.list_realms":     "bondy.realm.list",
		"bondy.security.enable":          "bondy.realm.security.enable",
		"bondy.security.disable":         "bondy.realm.security.disable",
		"bondy.security.is_enabled":      "bondy.realm.security.is_enabled",
		"bondy.security.status":          "bondy.realm.security.status",
	}
}

// deprecated are procedures that the predecessor keeps to say that they are gone.
func deprecated() []wamp.URI {
	return []wamp.URI{"bondy.oauth2.token.lookup", "bondy.oauth2.lookup_token"}
}
