package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
)

// metaTable is the bucket of the store's own rows. It sorts before all tables,
// and its layout is the same in all releases.
const (
	metaTable     = "_store"
	versionKey    = "version" // row format and schema version, four bytes each
	summaryPrefix = "rows/"   // and the table: its summary
)

// rowFormat is the version of how tables and rows are laid out, as opposed to the
// schema, which is what rows there are.
const rowFormat = 1

// maxDepth of a tree; 2^64 pages would fit.
const maxDepth = 64

// verify reads the whole file and returns its schema version. It calls nothing
// of bbolt's and meets any bytes without a panic. The error wraps ErrDamaged, or
// ErrNewer when the schema is above newest, unless it comes from reading.
func verify(r io.ReaderAt, size int64, newest uint32) (schema uint32, err error) {
	m, err := readMeta(r, size)
	if err != nil {
		return 0, err
	}
	w := &walker{file: r, high: m.high, seen: make([]uint64, m.high/64+1)}
	stored, found := map[string]summary{}, map[string]summary{}
	err = w.tree(m.root, 0, nil, nil, func(depth int, bucket item) error {
		if bucket.flags != bucketItem {
			return damaged("a row outside of any table")
		}
		table := string(bucket.key)
		if table == metaTable {
			return w.bucket(bucket.value, depth, func(_ int, it item) error {
				value, err := unsealItem(table, it)
				if err != nil {
					return err
				}
				if name, ok := strings.CutPrefix(string(it.key), summaryPrefix); ok {
					stored[name], err = decodeSummary(value)
				} else if string(it.key) == versionKey {
					schema, err = decodeVersion(value, newest)
				}
				return err
			})
		}
		var s summary
		err := w.bucket(bucket.value, depth, func(_ int, it item) error {
			if _, err := unsealItem(table, it); err != nil {
				return err
			}
			s.add(it.value)
			return nil
		})
		found[table] = s
		return err
	})
	if err != nil {
		return 0, err
	}
	if schema == 0 {
		return 0, damaged("no schema version")
	}
	for table := range found {
		if _, ok := stored[table]; !ok {
			stored[table] = summary{} // made by an update that failed; empty then
		}
	}
	for table, want := range stored {
		if found[table] != want {
			return 0, damaged("table %q should have %d rows, not these %d", table, want.rows, found[table].rows)
		}
	}
	return schema, nil
}

func unsealItem(table string, it item) ([]byte, error) {
	if it.flags != 0 {
		return nil, damaged("a table inside table %q", table)
	}
	return unseal(table, it.key, it.value)
}

func encodeVersion(schema uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, rowFormat), schema)
}

func decodeVersion(value []byte, newest uint32) (schema uint32, err error) {
	if len(value) < 8 {
		return 0, damaged("version of %d bytes", len(value))
	}
	format, schema := binary.BigEndian.Uint32(value), binary.BigEndian.Uint32(value[4:])
	if format > rowFormat || schema > newest {
		return 0, fmt.Errorf("%w: it has version %d.%d, this one knows up to %d.%d", ErrNewer, format, schema, rowFormat, newest)
	}
	if format == 0 || schema == 0 {
		return 0, damaged("version %d.%d", format, schema)
	}
	return schema, nil
}

// walker goes through the trees of a file. It meets every page once, so that its
// work is bounded by the file's size, whatever the pages say.
type walker struct {
	file io.ReaderAt
	high uint64   // the first page id that is not in use
	seen []uint64 // a bit per page
	bufs [][]byte // a page per depth
}

// visit gets the leaf items in order; depth is where it may go on with tree.
type visit func(depth int, it item) error

// bucket visits the items of the bucket whose stored form is value.
func (w *walker) bucket(value []byte, depth int, fn visit) error {
	if len(value) < headerSize {
		return damaged("bucket of %d bytes", len(value))
	}
	if root := binary.NativeEndian.Uint64(value); root != 0 {
		return w.tree(root, depth, nil, nil, fn)
	}
	if len(value) < 2*headerSize {
		return damaged("inline bucket of %d bytes", len(value))
	}
	p := parsePage(value[headerSize:])
	if p.kind != leafPage || p.id != 0 || p.overflow != 0 {
		return damaged("inline bucket of kind %d", p.kind)
	}
	return w.page(p, depth, nil, nil, fn)
}

// tree visits the items below page id, whose first key must be low and whose
// others less than high, unless these are nil. (bbolt finds a page that it wrote
// anew in the parent by its first key, so another key there is not harmless.)
func (w *walker) tree(id uint64, depth int, low, high []byte, fn visit) error {
	p, err := w.read(id, depth)
	if err != nil {
		return err
	}
	if p.kind == branchPage && p.count == 0 {
		return damaged("page %d is an empty branch", id)
	}
	return w.page(p, depth+1, low, high, fn)
}

func (w *walker) page(p page, depth int, low, high []byte, fn visit) error {
	for i := range int(p.count) {
		it, ok := p.item(i)
		if !ok {
			return damaged("page %d: item %d is out of the page", p.id, i)
		}
		switch order := bytes.Compare(it.key, low); {
		case i == 0 && low != nil && order != 0, i > 0 && order <= 0, high != nil && bytes.Compare(it.key, high) >= 0:
			return damaged("page %d: item %d is out of order", p.id, i)
		}
		low = it.key
		err := error(nil)
		if p.kind == leafPage {
			err = fn(depth, it)
		} else {
			next := high
			if following, ok := p.item(i + 1); ok && i+1 < int(p.count) {
				next = following.key
			}
			err = w.tree(it.child, depth, it.key, next, fn)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// read reads a page with its overflow into the buffer of its depth.
func (w *walker) read(id uint64, depth int) (page, error) {
	if depth > maxDepth {
		return page{}, damaged("page %d: too deep", id)
	}
	for len(w.bufs) <= depth {
		w.bufs = append(w.bufs, make([]byte, pageSize))
	}
	if err := w.fill(id, depth, pageSize); err != nil {
		return page{}, err
	}
	p := parsePage(w.bufs[depth])
	if p.id != id || p.kind != branchPage && p.kind != leafPage {
		return page{}, damaged("page %d: says it is page %d of kind %d", id, p.id, p.kind)
	}
	if size := (uint64(p.overflow) + 1) * pageSize; size > pageSize {
		if size > maxPageSize {
			return page{}, damaged("page %d: too long", id)
		}
		if err := w.fill(id, depth, int(size)); err != nil {
			return page{}, err
		}
		p.data = w.bufs[depth][:size]
	} else {
		p.data = p.data[:pageSize]
	}
	for used := id; used <= id+uint64(p.overflow); used++ {
		if w.seen[used/64]&(1<<(used%64)) != 0 {
			return page{}, damaged("page %d: in use twice", used)
		}
		w.seen[used/64] |= 1 << (used % 64)
	}
	return p, nil
}

func (w *walker) fill(id uint64, depth, size int) error {
	if id < 2 || id >= w.high || uint64(size)/pageSize > w.high-id { //nolint:gosec // size is positive
		return damaged("page %d: out of the file", id)
	}
	if len(w.bufs[depth]) < size {
		w.bufs[depth] = make([]byte, size)
	}
	_, err := w.file.ReadAt(w.bufs[depth][:size], int64(id)*pageSize) //nolint:gosec // below high, which the file's size bounds
	return err
}
