package directory_test

import (
	"fmt"
	"testing"

	"bondy/core/directory"
	"bondy/core/directory/directorytest"
)

// Whoever cannot log in costs about as much as who can, however many groups users
// are in and whether any of them has a password: of all users that take part in
// that, the groups of one are looked up. To see whether a user is enabled takes none.
func TestCostOfManyGroups(t *testing.T) {
	d := directorytest.Open(t, new(directorytest.Log))
	directorytest.Do(t, d, func(tx *directory.Tx) error {
		if err := tx.CreateRealm("r1", directory.Properties{}); err != nil {
			return err
		}
		var groups []string
		for i := range 100 {
			name := fmt.Sprint("g", i)
			if err := tx.AddGroup("r1", name, groups, nil); err != nil {
				return err
			}
			groups = append(groups, name)
		}
		for i := range 100 {
			if err := tx.AddUser("r1", directory.UserSpec{Name: fmt.Sprint("u", i), Groups: groups[99:]}); err != nil {
				return err
			}
		}
		return nil
	})
	v, err := d.View("r1")
	if err != nil {
		t.Fatal(err)
	}
	one := testing.AllocsPerRun(10, func() { v.User("u7") })
	twin := testing.AllocsPerRun(10, func() { v.Twin(7) })
	enabled := testing.AllocsPerRun(10, func() { v.UserGroups("u7") })
	if twin > 2*one+20 || enabled > 1 {
		t.Errorf("%v allocations for a user, %v for the twin of a name, %v for whether a user is enabled", one, twin, enabled)
	}
	if u, _ := v.User("u7"); len(u.Groups) != 100 {
		t.Errorf("%d groups", len(u.Groups))
	}
}
