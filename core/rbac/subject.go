package rbac

import (
	"fmt"
	"slices"

	"bondy/core/wamp"
)

// Subject is whose rights are asked for.
type Subject struct {
	// User is a user of the directory, whose groups are read anew with each
	// version; empty for none.
	User string
	// Groups are the subject's whatever the directory says: RoleAnonymous, or
	// those that came with a token.
	Groups []string
	// Narrow, if not empty, are the only roles that the subject wants of those
	// that it holds: names of groups, or of the user, which then has what is
	// granted to itself and not to its groups.
	Narrow []string
}

// key is equal for equal subjects.
func (s *Subject) key() string {
	return fmt.Sprintf("%q %q %q", s.User, s.Groups, s.Narrow) // quoted, so that no name can look like two
}

// normal is s with sorted lists of its own.
func (s *Subject) normal() Subject {
	sorted := func(list []string) []string {
		list = slices.Clone(list)
		slices.Sort(list)
		return slices.Compact(list)
	}
	return Subject{User: s.User, Groups: sorted(s.Groups), Narrow: sorted(s.Narrow)}
}

// held is a role with the one through which the subject has it.
type held struct {
	Role
	from int // its index; -1 for the subject itself
}

// roles are all that a subject has in a version of the directory, RoleAll
// first; the memory of the last is used again.
type roles struct {
	list, wide []held
	seen       map[Role]bool // of the list when it is long
}

// few roles are looked through; among more a map is faster.
const few = 16

// find looks the subject's roles up. The error says why the subject cannot be
// what it is.
func (rs *roles) find(d Directory, s *Subject) *wamp.Error {
	rs.begin()
	rs.wide = rs.wide[:0]
	if s.User != "" {
		rs.add(RoleUser, s.User, -1)
		groups, ok := d.UserGroups(s.User)
		if !ok {
			return wamp.Errorf(wamp.ErrNoSuchPrincipal, "%s is no user of this realm any more, or disabled", s.User)
		}
		for _, g := range groups {
			rs.add(RoleGroup, g, 1)
		}
	}
	for _, g := range s.Groups {
		rs.add(RoleGroup, g, -1)
	}
	rs.close(d)
	if len(s.Narrow) == 0 {
		return nil
	}
	rs.list, rs.wide = rs.wide, rs.list
	rs.begin()
	for _, name := range s.Narrow {
		named := func(h held) bool { return h.Name == name }
		i := slices.IndexFunc(rs.wide, named) // a user comes before the groups but RoleAll
		if i < 0 {
			return wamp.Errorf(wamp.ErrNoSuchRole, "%q is no role of this session any more", name)
		}
		rs.add(rs.wide[i].Kind, name, -1)
	}
	rs.close(d)
	return nil
}

// looked are the roles on which the outcome of find depends, those of the list
// among them.
func (rs *roles) looked() []held {
	if len(rs.wide) > 0 {
		return rs.wide
	}
	return rs.list
}

func (rs *roles) begin() {
	clear(rs.seen)
	rs.list = append(rs.list[:0], held{Role{RoleGroup, RoleAll}, -1})
}

// close adds the groups in which those groups are that are there.
func (rs *roles) close(d Directory) {
	for i := 0; i < len(rs.list); i++ {
		if rs.list[i].Kind != RoleGroup {
			continue
		}
		for _, g := range d.GroupParents(rs.list[i].Name) {
			rs.add(RoleGroup, g, i)
		}
	}
}

// add adds a role unless it is there.
func (rs *roles) add(kind RoleKind, name string, from int) {
	role := Role{kind, name}
	if !rs.has(role) {
		rs.list = append(rs.list, held{role, from})
		if rs.seen == nil {
			rs.seen = make(map[Role]bool)
		}
		if len(rs.list) > few {
			rs.seen[role] = true
		}
	}
}

func (rs *roles) has(role Role) bool {
	for _, h := range rs.list[:min(few, len(rs.list))] {
		if h.Role == role {
			return true
		}
	}
	return len(rs.list) > few && rs.seen[role]
}
