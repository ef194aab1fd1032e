package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"
)

// create makes the file of a new store under another name and gives it its own
// when it is complete, so that a store is never there by half. That another
// process was faster is no error.
func create(path string, o Options) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	db, err := openBolt(tmp, o)
	if err != nil {
		_ = tmp.Close()
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		rows, err := tx.CreateBucket([]byte(metaTable))
		if err != nil {
			return err
		}
		return rows.Put([]byte(versionKey), seal(metaTable, []byte(versionKey), encodeVersion(o.version())))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		return err
	}
	if err := os.Link(tmp.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(path)
}

// migrate keeps a copy of the file, of schema version have, and runs what
// brings it to the current one.
func (db *DB) migrate(have uint32) error {
	if err := db.keep(fmt.Sprintf("%s.v%d", db.path, have)); err != nil {
		return fmt.Errorf("copy before migrating: %w", err)
	}
	return db.Update(func(tx *Tx) error {
		for version := have; version < db.opt.version(); version++ {
			if err := db.opt.Migrations[version-1](tx); err != nil {
				return fmt.Errorf("migrate from version %d: %w", version, err)
			}
		}
		tx.version = db.opt.version()
		return nil
	})
}

// keep writes a copy to path, durably and as a whole.
func (db *DB) keep(path string) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	_, err = db.WriteTo(tmp)
	if err == nil {
		err = tmp.Sync()
	}
	if err := errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	return syncDir(path)
}
