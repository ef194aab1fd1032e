package store_test

import (
	"encoding/binary"
	"hash/crc32"
	"hash/fnv"
)

// mendSums makes the checksums of the commit records right, and those of
// the rows that it finds on leaf pages.
func mendSums(b []byte) {
	order := binary.NativeEndian
	for at := 16; at+64 <= len(b) && at < 2*pageSize; at += pageSize {
		hash := fnv.New64a()
		hash.Write(b[at : at+56])
		order.PutUint64(b[at+56:], hash.Sum64())
	}
	for at := 2 * pageSize; at+pageSize <= len(b); at += pageSize {
		if page := b[at : at+pageSize]; order.Uint16(page[8:]) == 2 {
			mendLeaf(page, "", true)
		}
	}
}

func mendLeaf(page []byte, table string, root bool) {
	order := binary.NativeEndian
	for i := range int(order.Uint16(page[10:])) {
		at := 16 + 16*i
		if at+16 > len(page) {
			return
		}
		start := at + int(order.Uint32(page[at+4:]))
		middle := start + int(order.Uint32(page[at+8:]))
		end := middle + int(order.Uint32(page[at+12:]))
		if start > middle || middle > end || end > len(page) {
			return
		}
		key, value := page[start:middle], page[middle:end]
		switch {
		case root && order.Uint32(page[at:]) == 1 && len(value) >= 32:
			mendLeaf(value[16:], string(key), false)
		case len(value) >= 4:
			castagnoli := crc32.MakeTable(crc32.Castagnoli)
			head := binary.BigEndian.AppendUint64(append([]byte(table), 0), uint64(len(key)))
			binary.BigEndian.PutUint32(value, crc32.Update(0, castagnoli, append(append(head, key...), value[4:]...)))
		}
	}
}
