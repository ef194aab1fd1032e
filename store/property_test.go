package store_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"bondy/store"
)

// model is what a store must hold, by table and key.
type model map[string]map[string]string

func (m model) clone() model {
	c := model{}
	for name, rows := range m {
		c[name] = maps.Clone(rows)
	}
	return c
}

// rows draws a function for an update, and what the model is after it.
func (m model) draw(t *rapid.T) (func(*store.Tx) error, model) {
	after := m.clone()
	var ops []func(*store.Tx) error
	for range rapid.IntRange(0, 40).Draw(t, "ops") {
		name := rapid.SampledFrom([]string{"a", "b/c", "d"}).Draw(t, "table")
		key := fmt.Sprintf("%03d%s", rapid.IntRange(0, 300).Draw(t, "key"), strings.Repeat("k", rapid.SampledFrom([]int{0, 0, 30, 900}).Draw(t, "long")))
		value := strings.Repeat("v", rapid.SampledFrom([]int{0, 1, 100, 3000, 9000}).Draw(t, "value"))
		switch what := rapid.IntRange(0, 9).Draw(t, "op"); {
		case what < 6:
			ops = append(ops, put(name, key, value))
			if after[name] == nil {
				after[name] = map[string]string{}
			}
			after[name][key] = value
		case what < 9:
			ops = append(ops, func(tx *store.Tx) error { return raw(name).Delete(tx, key) })
			delete(after[name], key)
		default:
			prefix := key[:2]
			ops = append(ops, func(tx *store.Tx) error {
				for row, err := range raw(name).Rows(tx, prefix, "") {
					if err := errors.Join(err, raw(name).Delete(tx, row.Key)); err != nil {
						return err
					}
				}
				return nil
			})
			maps.DeleteFunc(after[name], func(key, _ string) bool { return strings.HasPrefix(key, prefix) })
		}
	}
	seen := after.clone()
	return func(tx *store.Tx) error {
		for _, op := range ops {
			if err := op(tx); err != nil {
				return err
			}
		}
		return seen.compare(tx) // an update sees what it did
	}, after
}

func (m model) compare(tx *store.Tx) error {
	for _, name := range []string{"a", "b/c", "d"} {
		keys := slices.Sorted(maps.Keys(m[name]))
		for row, err := range raw(name).Rows(tx, "", "") {
			if err != nil {
				return err
			}
			if len(keys) == 0 || row.Key != keys[0] || string(row.Value) != m[name][row.Key] {
				return fmt.Errorf("table %s: row %q, want %q", name, row.Key, keys[:min(1, len(keys))])
			}
			keys = keys[1:]
		}
		if len(keys) > 0 {
			return fmt.Errorf("table %s: %d rows are missing", name, len(keys))
		}
		if n, err := raw(name).Len(tx); n != len(m[name]) || err != nil {
			return fmt.Errorf("table %s: Len = %d, %w; want %d", name, n, err, len(m[name]))
		}
	}
	return nil
}

// TestModel compares a store with maps over random updates, failures, copies
// and openings, each of which verifies the file.
func TestModel(t *testing.T) {
	t.Parallel()
	errNo := errors.New("no")
	rapid.Check(t, func(rt *rapid.T) {
		path := temp(t)
		db, err := store.Open(path, store.Options{})
		if err != nil {
			rt.Fatal(err)
		}
		defer func() { _ = db.Close() }()
		m, committed := model{}, model{}
		rt.Repeat(map[string]func(*rapid.T){
			"update": func(rt *rapid.T) {
				fn, after := m.draw(rt)
				if err := db.Update(fn); err != nil {
					rt.Fatal(err)
				}
				m, committed = after, after
			},
			"relaxed": func(rt *rapid.T) {
				fn, after := m.draw(rt)
				if err := db.Relaxed(fn); err != nil {
					rt.Fatal(err)
				}
				m = after
			},
			"fail": func(rt *rapid.T) {
				fn, _ := m.draw(rt)
				failing := func(tx *store.Tx) error { return errors.Join(fn(tx), errNo) }
				if rapid.Bool().Draw(rt, "durable") {
					err = db.Update(failing)
				} else {
					err = db.Relaxed(failing)
				}
				if err == nil || err.Error() != errNo.Error() {
					rt.Fatalf("a failing update: %v", err)
				}
			},
			"flush": func(rt *rapid.T) {
				if err := db.Flush(); err != nil {
					rt.Fatal(err)
				}
				committed = m
			},
			"copy": func(rt *rapid.T) {
				if err := db.View(committed.compare); err != nil && db.View(m.compare) != nil { // or the delay was over
					rt.Fatal(err)
				}
				to := temp(t)
				if err := writeCopy(db, to); err != nil {
					rt.Fatal(err)
				}
				committed = m
				restored, err := store.Open(to, store.Options{})
				if err != nil {
					rt.Fatal(err)
				}
				if err := errors.Join(restored.View(m.compare), restored.Close()); err != nil {
					rt.Fatal(err)
				}
			},
			"reopen": func(rt *rapid.T) {
				if err := db.Close(); err != nil {
					rt.Fatal(err)
				}
				if db, err = store.Open(path, store.Options{}); err != nil {
					rt.Fatal(err)
				}
				committed = m
			},
			"": func(rt *rapid.T) {
				if err := db.View(committed.compare); err != nil && db.View(m.compare) != nil {
					rt.Fatal(err)
				}
			},
		})
	})
}
