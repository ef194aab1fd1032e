package directory_test

import (
	"fmt"
	"testing"

	"bondy/core/directory"
	"bondy/core/directory/directorytest"
	"bondy/core/id"
)

// BenchmarkUpdate makes small changes of a realm with many users, without a disk.
func BenchmarkUpdate(b *testing.B) {
	const many = 100_000
	d, err := directory.Open(nowhere{}, id.NewClock(1), directorytest.Salt)
	if err != nil {
		b.Fatal(err)
	}
	directorytest.Do(b, d, func(tx *directory.Tx) error {
		if err := tx.CreateRealm("r1", directory.Properties{}); err != nil {
			return err
		}
		if err := tx.AddGroup("r1", "g", nil, nil); err != nil {
			return err
		}
		for i := range many {
			if err := tx.AddUser("r1", directory.UserSpec{Name: fmt.Sprint("u", i), Groups: []string{"g"}}); err != nil {
				return err
			}
		}
		return nil
	})
	change := func(b *testing.B, f func(tx *directory.Tx, i int) error) {
		b.Helper()
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			directorytest.Do(b, d, func(tx *directory.Tx) error { return f(tx, i) })
		}
	}
	b.Run("disable", func(b *testing.B) {
		change(b, func(tx *directory.Tx, i int) error {
			off := i%2 == 0
			return tx.UpdateUser("r1", fmt.Sprint("u", i/2%many), directory.UserPatch{Disabled: &off})
		})
	})
	b.Run("group", func(b *testing.B) {
		change(b, func(tx *directory.Tx, i int) error {
			list := []string{}
			if i%2 == 1 {
				list = append(list, "g")
			}
			return tx.UpdateUser("r1", fmt.Sprint("u", i/2%many), directory.UserPatch{Groups: &list})
		})
	})
}

// nowhere is a directory.Log that keeps nothing.
type nowhere struct{}

func (nowhere) Load(directory.Kind, func(directory.Row) error) error { return nil }
func (nowhere) Commit([]directory.Row) error                         { return nil }
