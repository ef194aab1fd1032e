package websocket

import "encoding/binary"

// unmask undoes a client's masking in place, 32 and 8 bytes at a time.
func unmask(b, key []byte) {
	half := uint64(binary.LittleEndian.Uint32(key))
	k := half<<32 | half
	if k == 0 {
		return
	}
	le := binary.LittleEndian
	for len(b) >= 32 {
		w := b[:32]
		le.PutUint64(w, le.Uint64(w)^k)
		le.PutUint64(w[8:], le.Uint64(w[8:])^k)
		le.PutUint64(w[16:], le.Uint64(w[16:])^k)
		le.PutUint64(w[24:], le.Uint64(w[24:])^k)
		b = b[32:]
	}
	for len(b) >= 8 {
		le.PutUint64(b, le.Uint64(b)^k)
		b = b[8:]
	}
	for i := range b {
		b[i] ^= byte(k >> (8 * i) & 0xff)
	}
}
