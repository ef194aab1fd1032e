package store

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// Limits of a row, in bytes.
const (
	MaxKey   = 32 << 10
	MaxValue = 4 << 20
)

// A row is stored as its checksum, four bytes, and the value. The checksum is a
// CRC-32C over table, key and value, so that a row is valid in its place alone.
const sumSize = 4

// summary is what a table must hold: how many rows, and the sum of their
// checksums.
type summary struct{ rows, sum uint64 }

func (s *summary) add(row []byte) {
	s.rows++
	s.sum += uint64(checksum(row))
}

func (s *summary) remove(row []byte) {
	s.rows--
	s.sum -= uint64(checksum(row))
}

func (s *summary) encode() []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, s.rows), s.sum)
}

func decodeSummary(value []byte) (summary, error) {
	if len(value) != 16 {
		return summary{}, damaged("summary of %d bytes", len(value))
	}
	return summary{binary.BigEndian.Uint64(value), binary.BigEndian.Uint64(value[8:])}, nil
}

// seal makes the stored form of a row.
func seal(table string, key, value []byte) []byte {
	row := make([]byte, sumSize, sumSize+len(value))
	row = append(row, value...)
	binary.BigEndian.PutUint32(row, crc(table, key, value))
	return row
}

// unseal returns the value of a stored row; it aliases row.
func unseal(table string, key, row []byte) ([]byte, error) {
	if len(row) < sumSize || checksum(row) != crc(table, key, row[sumSize:]) {
		return nil, damaged("wrong checksum of a row in table %q", table)
	}
	return row[sumSize:], nil
}

func checksum(row []byte) uint32 { return binary.BigEndian.Uint32(row) }

func crc(table string, key, value []byte) uint32 {
	castagnoli := crc32.MakeTable(crc32.Castagnoli) // made once, by crc32
	head := make([]byte, 0, 128)
	head = append(append(head, table...), 0)
	head = binary.BigEndian.AppendUint64(head, uint64(len(key)))
	sum := crc32.Update(0, castagnoli, head)
	sum = crc32.Update(sum, castagnoli, key)
	return crc32.Update(sum, castagnoli, value)
}

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDamaged, fmt.Sprintf(format, args...))
}
