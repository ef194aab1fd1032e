package store_test

import (
	"fmt"
	"os"
	"path/filepath"

	"bondy/store"
)

func Example() {
	dir, err := os.MkdirTemp("", "store")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)

	type grant struct{ Permissions []string }
	grants := store.NewTable[string]("grants", store.JSON[grant]())

	db, err := store.Open(filepath.Join(dir, "node.db"), store.Options{})
	if err != nil {
		panic(err)
	}
	defer db.Close()
	err = db.Update(func(tx *store.Tx) error {
		return grants.Put(tx, "realm1/alice", grant{[]string{"call"}})
	})
	if err != nil {
		panic(err) // nothing was changed
	}
	err = db.View(func(tx *store.Tx) error {
		for row, err := range grants.Rows(tx, "realm1/", "") {
			if err != nil {
				return err
			}
			fmt.Println(row.Key, row.Value.Permissions)
		}
		return nil
	})
	if err != nil {
		panic(err)
	}
	// Output: realm1/alice [call]
}
