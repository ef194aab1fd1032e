package directory

import (
	"strings"

	"bondy/core/rbac"
	"bondy/core/wamp"
)

// Quota bounds what a realm holds; 0 is no bound. What files of the node say is not
// bounded by it.
type Quota struct {
	// Rows bounds the users, passwords, keys, meta, aliases, groups, memberships and
	// grants together, with the pairs of a subject and an address prefix in sources;
	// and apart from them the tickets.
	Rows int64
	// Bytes bounds what the former take; and apart from them the tickets, of which
	// each counts as 1 KiB.
	Bytes int64
}

// tickets is how many tickets there may be, 0 for any number, and by which of the
// bounds.
func (q Quota) tickets() (most int64, by string) {
	if n := q.Bytes / ticketBytes; q.Bytes > 0 && (q.Rows <= 0 || n < q.Rows) {
		return max(n, 1), "bytes"
	}
	return q.Rows, "rows"
}

// Usage is what a realm holds.
type Usage struct {
	// Rows and Bytes are as in Quota. Bytes are those of names and values, and a
	// fixed number for each row.
	Rows, Bytes int64
	// Tickets are tickets, and notes of when those of a user were revoked.
	Tickets int64
}

// What rows count beside names and values.
const (
	rowBytes      = 128
	passwordBytes = 512 // of any kind, so that a stronger one takes no more room
	ticketBytes   = 1 << 10
)

// row counts a row.
func (u *Usage) row(bytes int) {
	u.Rows++
	u.Bytes += rowBytes + int64(bytes)
}

// Usage is what the realm holds, which it takes no time to tell.
func (v *View) Usage() Usage {
	u := v.realm.usage
	u.Tickets = int64(v.realm.tickets.Len())
	return u
}

// Bound has what a realm may hold be what quota says at each change. Call it before
// the first one. quota is called with the Directory locked.
func (d *Directory) Bound(quota func(realm wamp.URI) Quota) { d.quota = quota }

// Quota is what a realm may hold.
func (d *Directory) Quota(realm wamp.URI) Quota { return d.quota(Canonical(realm)) }

// Refused is how many changes would have exceeded a Quota.
func (d *Directory) Refused() uint64 { return d.refused.Load() }

// Exceeds tells whether a realm holds more than its quota.
func (u Usage) Exceeds(q Quota) bool {
	tickets, _ := q.tickets()
	return q.Rows > 0 && u.Rows > q.Rows || q.Bytes > 0 && u.Bytes > q.Bytes || tickets > 0 && u.Tickets > tickets
}

// thing is what is counted at once, with all its rows: a user, a group, an alias, a
// source, or what a role is granted.
type thing struct {
	realm wamp.URI
	kind  Kind
	name  string
}

// thing is what a row is of; ok is false for rows that are not counted.
func (at rowAt) thing() (t thing, ok bool) {
	realm, rest, _ := strings.Cut(at.key, "\x00")
	t = thing{wamp.URI(realm), at.kind, rest}
	switch at.kind {
	case KindUser, KindGroup, KindAlias, KindSource:
	case KindPassword, KindKey:
		t.kind = KindUser
		t.name, _, _ = strings.Cut(rest, "\x00")
	case KindMeta, KindMember:
		kind, name, _ := strings.Cut(rest, "\x00")
		t.kind = KindGroup
		if kind == rowUser {
			t.kind = KindUser
		}
		t.name, _, _ = strings.Cut(name, "\x00")
	case KindGrant:
		kind, name, _ := strings.Cut(rest, "\x00")
		name, _, _ = strings.Cut(name, "\x00")
		t.name = rest[:len(kind)+1+len(name)] // the key of state.grants
	default: // the realm is not its administrator's, and others bound keys and tickets
		return t, false
	}
	return t, true
}

// count adds what a thing of the realm holds, nothing if it is not there.
func (u *Usage) count(st *state, t thing) {
	switch t.kind {
	case KindUser:
		if v, ok := st.users.Get(t.name); ok {
			u.user(v)
		}
	case KindGroup:
		if v, ok := st.groups.Get(t.name); ok {
			u.group(v)
		}
	case KindAlias:
		if v, ok := st.aliases.Get(t.name); ok {
			u.row(len(t.name) + len(v))
		}
	case KindSource:
		if v, ok := st.sources.Get(t.name); ok {
			u.source(v)
		}
	default:
		v, _ := st.grants.Get(t.name)
		u.grants(t.name, v)
	}
}

func (u *Usage) user(v *User) {
	u.row(len(v.Name) + len(v.SSO))
	if v.Password != nil {
		u.row(len(v.Name) + passwordBytes)
	}
	for _, k := range v.Keys {
		u.row(len(v.Name) + len(k))
	}
	u.about(v.Name, v.Meta, v.Groups)
}

func (u *Usage) group(v *Group) {
	u.row(len(v.Name))
	u.about(v.Name, v.Meta, v.Groups)
}

func (u *Usage) about(name string, meta []byte, groups []string) {
	if meta != nil {
		u.row(len(name) + len(meta))
	}
	for _, g := range groups {
		u.row(len(name) + len(g))
	}
}

// source counts a row for each subject at each prefix: so many rules are in memory.
func (u *Usage) source(v *Source) {
	u.Bytes += int64(len(v.ID) + len(v.Meta))
	for _, name := range v.Subjects {
		for range max(1, len(v.Prefixes)) {
			u.row(len(name))
		}
	}
}

func (u *Usage) grants(role string, list []rbac.RoleGrant) {
	for i := range list {
		u.row(len(role) + len(list[i].Resource.URI))
	}
}

// count is what a realm holds, looked at one by one.
func (st *state) count() (u Usage) {
	for v := range from(st.users, "") {
		u.user(v)
	}
	for v := range from(st.groups, "") {
		u.group(v)
	}
	for alias, name := range pairs(st.aliases, "") {
		u.row(len(alias) + len(name))
	}
	for v := range from(st.sources, "") {
		u.source(v)
	}
	for role, list := range pairs(st.grants, "") {
		u.grants(role, list)
	}
	return u
}

// was is a realm as it was before, nil for one that was made since.
func (tx *Tx) was(d *state) *state {
	old, ok := tx.before.realms.Get(string(d.realm.URI))
	if !ok || old.realm.Incarnation != d.realm.Incarnation {
		return nil
	}
	return old
}

// account brings the usage of realms up to date, by looking at what rows were
// touched of.
func (tx *Tx) account() {
	if tx.counted == len(tx.order) {
		return
	}
	tx.counted = len(tx.order)
	for _, d := range tx.drafts {
		if d != nil {
			d.usage = Usage{}
			if old := tx.was(d); old != nil {
				d.usage = old.usage
			}
		}
	}
	seen := make(map[thing]bool)
	for _, at := range tx.order {
		t, ok := at.thing()
		d := tx.drafts[t.realm]
		if !ok || d == nil || seen[t] {
			continue
		}
		seen[t] = true
		d.usage.count(d, t)
		if old := tx.was(d); old != nil {
			var less Usage
			less.count(old, t)
			d.usage.Rows -= less.Rows
			d.usage.Bytes -= less.Bytes
		}
	}
}

// checkQuota refuses what makes a realm hold more, and more than it may.
func (tx *Tx) checkQuota() error {
	if tx.file {
		return nil
	}
	for uri, d := range tx.drafts {
		if d == nil {
			continue
		}
		var was Usage
		if old := tx.was(d); old != nil {
			was = old.usage
		}
		q := tx.quota(uri)
		if d.usage.Rows > was.Rows && q.Rows > 0 && d.usage.Rows > q.Rows {
			return quotaError(uri, "rows", "rows", was.Rows, d.usage.Rows, q.Rows)
		}
		if d.usage.Bytes > was.Bytes && q.Bytes > 0 && d.usage.Bytes > q.Bytes {
			return quotaError(uri, "bytes", "bytes", was.Bytes, d.usage.Bytes, q.Bytes)
		}
	}
	return nil
}

// TicketRoom fails when a realm has as many tickets as it may: what revokes tickets
// needs none.
func (tx *Tx) TicketRoom(realm wamp.URI) error {
	d, err := tx.draft(realm)
	if err != nil {
		return err
	}
	n, q := int64(d.tickets.Len()), tx.quota(d.realm.URI)
	if most, by := q.tickets(); most > 0 && n >= most {
		return quotaError(d.realm.URI, "tickets", by, n, n+1, most)
	}
	return nil
}

// quotaError says what to do, and to programs the figures.
func quotaError(realm wamp.URI, what, by string, count, wanted, limit int64) error {
	e := wamp.Errorf(ErrQuota, "the realm %q has %d %s, this would make it %d, and it may have %d: delete what is not needed, or have the node's operator raise max_%s_per_realm in [limits], or max_%[6]s in [[limits.realm]]",
		realm, count, what, wanted, limit, by)
	e.Kwargs = wamp.Dict{"key": what, "count": count, "value": wanted, "limit": limit}
	return e
}
