package history

import (
	"iter"
	"slices"
	"sync"
	"time"

	"bondy/core/broker"
	"bondy/core/wamp"
	"bondy/store"
)

// Log is the history of one topic or pattern of a realm. It implements
// broker.History.
type Log struct {
	store *Store
	name  string // what the keys of its rows begin with

	mu      sync.Mutex
	rule    broker.HistoryRule
	index   []entry // of all that is kept, in order
	size    int64
	waiting map[broker.Position][]byte // not yet written
	drop    []broker.Position          // rows that are to go
	ended   bool                       // its realm is gone: it takes and writes nothing
}

var _ broker.History = (*Log)(nil)

// entry is an event that is kept.
type entry struct {
	broker.Position
	size int64 // of its row in bytes
}

// change is what is written in one transaction.
type change struct {
	put  map[broker.Position][]byte
	drop []broker.Position
	more bool // there was more than fits
}

// maxChange bounds the rows of one transaction, in bytes, but for the last.
const maxChange = 1 << 20

// load fills the index.
func (l *Log) load() error {
	return l.store.db.View(func(tx *store.Tx) error {
		for row, err := range l.store.table.Rows(tx, l.name, "") {
			if err != nil {
				return err
			}
			p, err := parsePosition(row.Key[len(l.name):])
			if err != nil {
				return err
			}
			l.index = append(l.index, entry{p, rowSize(l.name, row.Value)})
			l.size += rowSize(l.name, row.Value)
		}
		return nil
	})
}

// Add implements broker.History.
func (l *Log) Add(r *broker.Record) bool {
	row, err := encode(r)
	size := rowSize(l.name, row)
	if err != nil || len(row) > store.MaxValue {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	i, found := l.find(r.Position)
	if found {
		return true
	}
	if l.ended || size > l.rule.MaxBytes || l.store.waiting.Load()+size > l.store.cfg.MaxWaiting {
		return false
	}
	l.index = slices.Insert(l.index, i, entry{r.Position, size})
	l.size += size
	l.waiting[r.Position] = row
	l.store.waiting.Add(size)
	l.trimLocked()
	l.store.signal()
	return true
}

// find is where p is in the index, or would be.
func (l *Log) find(p broker.Position) (int, bool) {
	return slices.BinarySearchFunc(l.index, p, func(e entry, p broker.Position) int { return e.Compare(p) })
}

// trimLocked drops the oldest that are beyond the bounds.
func (l *Log) trimLocked() {
	oldest := time.Time{}
	if l.rule.MaxAge > 0 {
		oldest = time.Now().Add(-l.rule.MaxAge)
	}
	n := 0
	for ; n < len(l.index); n++ {
		e := l.index[n]
		if len(l.index)-n <= l.rule.MaxEvents && l.size <= l.rule.MaxBytes && !e.Time().Before(oldest) {
			break
		}
		l.size -= e.size
		if row, ok := l.waiting[e.Position]; ok {
			delete(l.waiting, e.Position)
			l.store.waiting.Add(-rowSize(l.name, row))
		} else {
			l.drop = append(l.drop, e.Position)
		}
	}
	l.index = l.index[n:]
	if len(l.drop) > 0 {
		l.store.signal()
	}
}

// Limit implements broker.History.
func (l *Log) Limit(rule broker.HistoryRule) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rule = rule
	l.trimLocked()
}

// end has the log hold nothing any more.
func (l *Log) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, row := range l.waiting {
		l.store.waiting.Add(-rowSize(l.name, row))
	}
	l.ended, l.index, l.size, l.drop = true, nil, 0, nil
	clear(l.waiting)
}

func (l *Log) over() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ended
}

// Find implements broker.History.
func (l *Log) Find(publication wamp.ID) (broker.Position, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.index {
		if e.Publication == publication {
			return e.Position, true, nil
		}
	}
	return broker.Position{}, false, nil
}

// Records implements broker.History. The disk is read a few rows at a time, with
// no lock held.
func (l *Log) Records(from, before broker.Position, reverse bool) iter.Seq2[*broker.Record, error] {
	return func(yield func(*broker.Record, error) bool) {
		positions := l.between(from, before)
		if reverse {
			slices.Reverse(positions)
		}
		for some := range slices.Chunk(positions, 64) {
			records, err := l.read(some)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, r := range records {
				if !yield(r, nil) {
					return
				}
			}
		}
	}
}

func (l *Log) between(from, before broker.Position) []broker.Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trimLocked()
	i, _ := l.find(from)
	j, _ := l.find(before)
	var out []broker.Position
	for _, e := range l.index[i:max(i, j)] {
		out = append(out, e.Position)
	}
	return out
}

// read gives the records in these positions but those that went meanwhile.
func (l *Log) read(positions []broker.Position) ([]*broker.Record, error) {
	rows := l.memory(positions)
	err := l.store.db.View(func(tx *store.Tx) error {
		for i, p := range positions {
			if rows[i] != nil {
				continue
			}
			row, ok, err := l.store.table.Get(tx, l.key(p))
			if err != nil {
				return err
			}
			if ok {
				rows[i] = row
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var records []*broker.Record
	for i, row := range rows {
		if row == nil {
			continue
		}
		r, err := decode(row)
		if err != nil {
			return nil, err
		}
		r.Position = positions[i]
		records = append(records, r)
	}
	return records, nil
}

// memory gives the rows that are not yet written, nil for the others.
func (l *Log) memory(positions []broker.Position) [][]byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	rows := make([][]byte, len(positions))
	for i, p := range positions {
		rows[i] = l.waiting[p]
	}
	return rows
}

// take is what to write next. It stays readable in memory until it is written.
func (l *Log) take() change {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := change{put: make(map[broker.Position][]byte), drop: l.drop}
	l.drop = nil
	size := 0
	for p, row := range l.waiting {
		c.put[p] = row
		if size += len(row); size > maxChange {
			c.more = true
			break
		}
	}
	return c
}

func (c change) apply(tx *store.Tx, l *Log) error {
	if l.over() {
		return nil
	}
	for _, p := range c.drop {
		if err := l.store.table.Delete(tx, l.key(p)); err != nil {
			return err
		}
	}
	for p, row := range c.put {
		if err := l.store.table.Put(tx, l.key(p), row); err != nil {
			return err
		}
	}
	return nil
}

// giveBack undoes take after a failure.
func (l *Log) giveBack(c change) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop = append(l.drop, c.drop...)
}

// written ends take. What was trimmed meanwhile is on the disk now, and has to
// go again.
func (l *Log) written(c change) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for p, row := range c.put {
		if _, ok := l.waiting[p]; ok {
			delete(l.waiting, p)
			l.store.waiting.Add(-rowSize(l.name, row))
		} else {
			l.drop = append(l.drop, p)
		}
	}
}

func (l *Log) key(p broker.Position) string { return l.name + string(appendPosition(nil, p)) }
