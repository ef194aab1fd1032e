// Package directory holds what a node knows of realms and of who is in them:
// users, aliases, groups, memberships, sources, grants, signing keys and tickets.
//
// Each of these is a row of its own, so that two administrators who change
// different things do not conflict. A Log keeps the rows; in memory they are
// one immutable Snapshot, which readers use without locks. Directory.Update
// makes a Tx for a function that changes things, commits its rows in one step,
// puts a new Snapshot in place and tells the observers what changed.
//
// Users, groups and realms have incarnations, to which the rows that mention
// them refer. A row that refers to another incarnation counts as absent, so
// that a user who is created again has nothing of the one before.
//
// A View is a realm as logins and permissions see it: with what it inherits
// from its prototype, and with the credentials that are in its SSO realm.
package directory
