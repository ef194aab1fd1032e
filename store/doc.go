// Package store keeps the node's durable rows in one bbolt file. DB is the
// file: locked against a second node, verified when it is opened, migrated to
// the schema of this release. Table is a typed table of rows in it, used inside
// a View, an Update or a Relaxed update.
//
// Damage. Every row carries a checksum over its table, key and value; every
// table has a summary of how many rows it holds and what their checksums sum
// up to. Open reads the whole file once, before bbolt sees it: the shape of
// each page in use, the order of all keys, all rows, all summaries. So a
// changed bit anywhere is found or is without effect. What changes under an
// open file is found by the checksum of the row that is read, and a fault or
// panic that a damaged page causes becomes ErrDamaged.
//
// Group commit. Updates run one after another in one open bbolt transaction and
// share its commit: while one commit waits for the disk, the updates that
// arrive meanwhile gather for the next. Every function runs exactly once; what a
// failing one changed is taken back row by row, without touching its neighbors.
//
// Locks: DB.mu is held while an update's function runs and during the commit.
// DB.countMu is innermost. A View takes neither.
package store
