package store

import (
	"encoding/binary"
	"hash/fnv"
	"io"
)

// The layout of a bbolt file, format 2, as far as it is needed to verify one: two
// meta pages, the more recent valid one of which names the root of a B+ tree
// of buckets, each the root of a tree of rows. Numbers are in the byte order of
// the machine.
const (
	pageSize   = 4096 // what we create files with, whatever the machine's is
	headerSize = 16   // of a page, and of a bucket
	itemSize   = 16   // of an item's entry behind the page's header
	metaSize   = 64

	boltMagic  = 0xED0CDAED
	boltFormat = 2
	noFreelist = ^uint64(0) // we let bbolt find the free pages at open

	branchPage = 1
	leafPage   = 2
	bucketItem = 1

	// maxPageSize is the longest page there can be: bbolt leaves up to four
	// items together whatever their size.
	maxPageSize = headerSize + 4*(itemSize+MaxKey+sumSize+MaxValue) + pageSize
)

// meta is one of the two commit records.
type meta struct{ root, freelist, high, txid uint64 }

func parseMeta(b []byte) (meta, bool) {
	order := binary.NativeEndian
	hash := fnv.New64a()
	_, _ = hash.Write(b[:metaSize-8])
	ok := order.Uint32(b) == boltMagic && order.Uint32(b[4:]) == boltFormat && order.Uint32(b[8:]) == pageSize &&
		order.Uint64(b[56:]) == hash.Sum64()
	return meta{root: order.Uint64(b[16:]), freelist: order.Uint64(b[32:]), high: order.Uint64(b[40:]), txid: order.Uint64(b[48:])}, ok
}

// mendMeta finds the commit record that b was before one of its bits changed.
func mendMeta(b []byte) (meta, bool) {
	for bit := range metaSize * 8 {
		b[bit/8] ^= 1 << (bit % 8)
		m, ok := parseMeta(b)
		b[bit/8] ^= 1 << (bit % 8)
		if ok {
			return m, true
		}
	}
	return meta{}, false
}

// readMeta returns the latest commit record of a file of the given size. A
// record that is no longer valid may be one that a power loss kept from being
// written, and the one before it counts; but if it was whole once, a commit
// would be lost silently, and that is damage.
func readMeta(r io.ReaderAt, size int64) (meta, error) {
	if size < 2*pageSize {
		return meta{}, damaged("%d bytes are too few", size)
	}
	var latest meta
	var broken [][]byte
	for slot := range int64(2) {
		b := make([]byte, metaSize)
		if _, err := r.ReadAt(b, slot*pageSize+headerSize); err != nil {
			return meta{}, err
		}
		if m, ok := parseMeta(b); !ok {
			broken = append(broken, b)
		} else if m.txid >= latest.txid {
			latest = m
		}
	}
	if len(broken) == 2 {
		return meta{}, damaged("no valid commit record")
	}
	for _, b := range broken {
		if m, ok := mendMeta(b); ok && m.txid > latest.txid {
			return meta{}, damaged("the latest commit record is not valid")
		}
	}
	if latest.freelist != noFreelist {
		return meta{}, damaged("not a file of this store")
	}
	if latest.high > uint64(size)/pageSize {
		return meta{}, damaged("%d bytes of %d are left", size, latest.high*pageSize)
	}
	return latest, nil
}

// page is a page, or the page inside a small bucket, with its overflow.
type page struct {
	id       uint64
	kind     uint16
	count    uint16
	overflow uint32
	data     []byte
}

func parsePage(b []byte) page {
	order := binary.NativeEndian
	return page{id: order.Uint64(b), kind: order.Uint16(b[8:]), count: order.Uint16(b[10:]), overflow: order.Uint32(b[12:]), data: b}
}

// item is an entry of a page: of a branch, key and child; of a leaf, flags, key
// and value. The bytes alias the page.
type item struct {
	flags uint32
	key   []byte
	value []byte
	child uint64
}

// item returns the i-th item, or false when it does not lie within the page.
func (p page) item(i int) (item, bool) {
	order := binary.NativeEndian
	at, end := headerSize+i*itemSize, headerSize+int(p.count)*itemSize
	if end > len(p.data) {
		return item{}, false
	}
	var it item
	var pos, keySize, valueSize uint64
	if entry := p.data[at:]; p.kind == branchPage {
		pos, keySize, it.child = uint64(order.Uint32(entry)), uint64(order.Uint32(entry[4:])), order.Uint64(entry[8:])
	} else {
		it.flags, pos = order.Uint32(entry), uint64(order.Uint32(entry[4:]))
		keySize, valueSize = uint64(order.Uint32(entry[8:])), uint64(order.Uint32(entry[12:]))
	}
	start := uint64(at) + pos //nolint:gosec // at is a small positive number
	if start < uint64(end) || start+keySize+valueSize > uint64(len(p.data)) || keySize == 0 || keySize > MaxKey {
		return item{}, false
	}
	it.key = p.data[start : start+keySize]
	it.value = p.data[start+keySize : start+keySize+valueSize]
	return it, true
}
