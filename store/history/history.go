// Package history keeps the event history of realms on disk. Store is all of
// it, in a store of its own beside the node's other rows; Log is the history of
// one topic or pattern, a broker.History.
//
// An event waits in memory until Run writes it, together with what came in the
// same moment, so that publishers never wait for a disk and flash is written
// once a second at most. A crash costs what waited; an orderly end nothing.
// What is kept is known in memory by position and size, 24 bytes an event, so
// that only what a query asks for is read.
//
// Locks: Store.mu, then Log.mu; none is held while the disk is used.
package history

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"bondy/core/broker"
	"bondy/core/wamp"
	"bondy/store"
)

// Config of a Store; the zero value is good.
type Config struct {
	// Delay is how long events gather before they are written; 1 s when zero.
	Delay time.Duration
	// MaxWaiting bounds the events of all logs that wait, in bytes; 8 MiB when
	// zero. Events beyond it are lost, and the broker counts them.
	MaxWaiting int64
	// Log is told of a disk that takes nothing; nil is fine.
	Log *slog.Logger
}

// Store keeps logs. Safe for concurrent use.
type Store struct {
	db    *store.DB
	cfg   Config
	table store.Table[string, []byte]
	wake  chan struct{}

	waiting atomic.Int64

	mu   sync.Mutex
	logs map[string]*Log
}

// New uses db.
func New(db *store.DB, cfg Config) *Store {
	if cfg.Delay == 0 {
		cfg.Delay = time.Second
	}
	if cfg.MaxWaiting == 0 {
		cfg.MaxWaiting = 8 << 20
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Store{
		db: db, cfg: cfg, table: store.NewTable[string]("history", store.Raw()),
		wake: make(chan struct{}, 1), logs: make(map[string]*Log),
	}
}

// Open gives the log of a realm's rule with what the disk holds of it. Opening
// it again gives the same one. Errors are those of reading the store.
func (s *Store) Open(realm wamp.URI, rule broker.HistoryRule) (*Log, error) {
	name := fmt.Sprintf("%s\x00%s\x00%s\x00", realm, rule.Match, rule.URI)
	s.mu.Lock()
	defer s.mu.Unlock()
	l, ok := s.logs[name]
	if !ok {
		l = &Log{store: s, name: name, waiting: make(map[broker.Position][]byte)}
		if err := l.load(); err != nil {
			return nil, fmt.Errorf("open the history of %s %q in realm %s: %w", rule.Match, rule.URI, realm, err)
		}
		s.logs[name] = l
	}
	l.Limit(rule.WithDefaults())
	return l, nil
}

// Prune deletes what the disk holds of rules whose log was not opened.
func (s *Store) Prune() error {
	return s.db.Update(func(tx *store.Tx) error {
		for row, err := range s.table.Rows(tx, "", "") {
			if err != nil {
				return err
			}
			if !s.opened(row.Key) {
				if err := s.table.Delete(tx, row.Key); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// Forget ends the logs of a realm, also those that are open, and deletes what the
// disk holds of them. An error means that it is still there, until Prune.
func (s *Store) Forget(realm wamp.URI) error {
	prefix := string(realm) + "\x00"
	s.endLogs(prefix)
	return s.db.Update(func(tx *store.Tx) error {
		for row, err := range s.table.Rows(tx, prefix, "") {
			if err == nil {
				err = s.table.Delete(tx, row.Key)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Store) endLogs(prefix string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, l := range s.logs {
		if strings.HasPrefix(name, prefix) {
			l.end()
			delete(s.logs, name)
		}
	}
}

func (s *Store) opened(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(key) > positionSize && s.logs[key[:len(key)-positionSize]] != nil
}

// Run writes until ctx ends, and then what is left. An error means that the
// store takes nothing any more; a full one is tried again.
func (s *Store) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return s.write()
		case <-s.wake:
		}
		gather := time.NewTimer(s.cfg.Delay)
		select {
		case <-ctx.Done():
		case <-gather.C:
		}
		gather.Stop()
		err := s.write()
		if errors.Is(err, store.ErrFull) {
			s.cfg.Log.Warn("no room for the event history on disk", slog.Any("err", err))
			s.signal() // again, after the delay
			continue
		}
		if err != nil {
			return err
		}
	}
}

// signal has Run write.
func (s *Store) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// write brings the disk up to date with this moment.
func (s *Store) write() error {
	for _, l := range s.all() {
		for more := true; more; {
			c := l.take()
			more = c.more
			if len(c.put)+len(c.drop) == 0 {
				continue
			}
			if err := s.db.Update(func(tx *store.Tx) error { return c.apply(tx, l) }); err != nil {
				l.giveBack(c)
				return err
			}
			l.written(c)
		}
	}
	return nil
}

func (s *Store) all() []*Log {
	s.mu.Lock()
	defer s.mu.Unlock()
	logs := make([]*Log, 0, len(s.logs))
	for _, l := range s.logs {
		logs = append(logs, l)
	}
	slices.SortFunc(logs, func(a, b *Log) int { return cmp.Compare(a.name, b.name) })
	return logs
}
