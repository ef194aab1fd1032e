package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// Options of a DB; the zero value is good.
type Options struct {
	// Migrations bring a file from one schema version to the next: the first from
	// version 1 to 2, and so on. A new file begins at the last version. They
	// run in one transaction.
	Migrations []Migration
	// LockWait is how long Open waits for whoever holds the file; 1 s when zero.
	LockWait time.Duration
	// MaxSize bounds the file, in bytes; 1 GiB when zero. Open reads all
	// of it that is in use.
	MaxSize int64
	// RelaxedDelay is how long a relaxed update may wait for its commit; 1 s
	// when zero.
	RelaxedDelay time.Duration
	// BatchSize is how many bytes of rows may wait for a commit before it is
	// made; 1 MiB when zero.
	BatchSize int
	// OnLost is told when a commit failed that relaxed updates were waiting
	// for: how many rows they had changed, and why. It runs under the
	// writers' lock, so it must be quick and must not update the store. Nil is
	// fine.
	OnLost func(rows int, err error)
}

// Migration brings the rows of one schema version to the next.
type Migration func(*Tx) error

// Validate says which option makes no sense.
func (o Options) Validate() error {
	switch {
	case o.LockWait < 0:
		return errors.New("LockWait is negative")
	case o.MaxSize < 0 || o.MaxSize > 0 && o.MaxSize < minSize:
		return fmt.Errorf("MaxSize is less than %d", minSize)
	case o.RelaxedDelay < 0:
		return errors.New("RelaxedDelay is negative")
	case o.BatchSize < 0:
		return errors.New("BatchSize is negative")
	}
	return nil
}

const (
	growth  = 256 << 10 // bytes by which the file grows
	minSize = 4 * growth
)

func (o Options) withDefaults() Options {
	if o.LockWait == 0 {
		o.LockWait = time.Second
	}
	if o.MaxSize == 0 {
		o.MaxSize = 1 << 30
	}
	if o.RelaxedDelay == 0 {
		o.RelaxedDelay = time.Second
	}
	if o.BatchSize == 0 {
		o.BatchSize = 1 << 20
	}
	return o
}

// version is the schema version of this release.
func (o Options) version() uint32 { return uint32(len(o.Migrations) + 1) } //nolint:gosec // a short list

// DB is an open store. Its methods may be called concurrently, but none from
// inside a function that an update or a View runs, except View.
type DB struct {
	bolt *bbolt.DB
	path string
	opt  Options

	queued atomic.Int64 // updates between their call and holding mu

	mu     sync.Mutex // held while an update's function runs, and during commits
	batch  *batch     // what waits for the next commit; nil when nothing does
	failed error      // what ended writing, if anything did
	closed bool

	countMu sync.Mutex
	stats   Stats
}

// Open opens the store at path, and makes one (mode 0600) when there is no file.
// The directory must exist. Errors wrap ErrHeld, ErrDamaged, ErrNewer, what a
// migration returned, or what the system says; the file is as it was then.
func Open(path string, o Options) (*DB, error) {
	db, err := open(path, o)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	return db, nil
}

func open(path string, o Options) (*DB, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		if err := create(path, o); err != nil {
			return nil, err
		}
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0) //nolint:gosec // the operator chose the path
	if err != nil {
		return nil, err
	}
	db := &DB{path: path, opt: o}
	ready := false
	defer func() { // also when a migration panics
		if !ready && db.bolt != nil {
			_ = db.Close()
		} else if !ready {
			_ = f.Close()
		}
	}()
	if err := lock(f, o.LockWait); err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	version, err := verify(f, info.Size(), o.version())
	if err != nil {
		return nil, err
	}
	if db.bolt, err = openBolt(f, o); err != nil {
		return nil, err
	}
	if version < o.version() {
		if err := db.migrate(version); err != nil {
			return nil, err
		}
	}
	ready = true
	return db, nil
}

// openBolt opens f, which is locked already: locking it again succeeds. The map
// has room for the greatest size, because bbolt waits for all readers to end
// when it has to map the file anew.
func openBolt(f *os.File, o Options) (db *bbolt.DB, err error) {
	err = guard(func() error {
		db, err = bbolt.Open(f.Name(), 0o600, &bbolt.Options{
			OpenFile:        func(string, int, os.FileMode) (*os.File, error) { return f, nil },
			Timeout:         o.LockWait,
			NoFreelistSync:  true,
			FreelistType:    bbolt.FreelistMapType,
			PageSize:        pageSize,
			MaxSize:         int(o.MaxSize),
			InitialMmapSize: initialMap(o.MaxSize),
		})
		return err
	})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, ErrHeld
	}
	if err != nil {
		return nil, err
	}
	db.AllocSize = growth
	return db, nil
}

// View runs fn over what is committed: all that Update returned for, and of
// relaxed updates what a commit has reached. It blocks no update and is not
// blocked by one. Pages that a View can see are not reused until it ends, so
// long ones make the file grow. The error is fn's, or ErrClosed.
func (db *DB) View(fn func(*Tx) error) error {
	var t *bbolt.Tx
	if err := guard(func() (err error) { t, err = db.bolt.Begin(false); return err }); err != nil {
		return db.viewError(err)
	}
	tx := &Tx{bolt: t, tables: map[string]*table{}}
	defer func() {
		tx.done = true
		_ = guard(t.Rollback)
	}()
	err := fn(tx)
	if tx.fault != nil {
		return tx.fault
	}
	return err
}

func (db *DB) viewError(err error) error {
	if errors.Is(err, bolterrors.ErrDatabaseNotOpen) {
		return ErrClosed
	}
	return err
}

// WriteTo writes a copy of the store, with all updates made so far, that Open
// accepts. Updates go on meanwhile, and the file grows by what they write.
func (db *DB) WriteTo(w io.Writer) (int64, error) {
	if err := db.Flush(); err != nil {
		return 0, err
	}
	var n int64
	err := db.View(func(tx *Tx) (err error) {
		n, err = tx.bolt.WriteTo(w)
		return err
	})
	return n, err
}

// Close commits what waits, waits for Views to end, and gives the file free. The
// error is that of the commit or of the system. Closing again does nothing.
func (db *DB) Close() error {
	return errors.Join(db.finish(), guard(db.bolt.Close))
}

// finish commits what waits and lets no other update begin.
func (db *DB) finish() error {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.closed = true
	return db.commit()
}
