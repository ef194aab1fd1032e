package audit

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"time"

	"bondy/core/audit"
)

// The actions of records that the log makes itself.
const (
	actionSegment = "bondy.audit.segment"
	actionMended  = "bondy.audit.mended"
	actionClosed  = "bondy.audit.closed"
)

// file is a chain on disk, at whose end records are appended. It belongs to one
// goroutine.
type file struct {
	dir      string
	series   series
	cfg      *Config
	beside   *file     // that of the other chain
	segments []segment // the last is written to
	out      *os.File
	head     audit.Head // of what is written
	durable  audit.Head // of what is synced
	torn     bool       // something may stand behind it
	unsynced bool
	buf      []byte
}

// open makes the file ready for appending. It returns how many bytes of an
// unfinished record it cut off, and whether there is damage beyond that, which
// stays as it is.
func (w *file) open() (cut int64, damaged bool, err error) {
	if w.segments, err = list(w.dir, w.series); err != nil {
		return 0, false, err
	}
	for len(w.segments) > 0 {
		last := &w.segments[len(w.segments)-1]
		t, err := readTail(last.path(w.dir))
		if err != nil {
			return 0, false, err
		}
		if w.head = t.head; t.damaged {
			return cut, true, w.rotate()
		}
		cut += last.size - t.good
		if t.good > 0 {
			last.size = t.good
			return cut, false, w.reopen(last)
		}
		if err := os.Remove(last.path(w.dir)); err != nil {
			return 0, false, err
		}
		w.segments = w.segments[:len(w.segments)-1]
	}
	return cut, false, w.rotate()
}

// reopen goes on with a file.
func (w *file) reopen(s *segment) (err error) {
	if w.out, err = os.OpenFile(s.path(w.dir), os.O_WRONLY, 0); err != nil {
		return err
	}
	w.unsynced = true
	if err = w.rewind(); err == nil {
		err = w.sync()
	}
	if err == nil && w.bytes() > w.cfg.MaxBytes {
		err = w.rotate()
	}
	return err
}

// rewind cuts off what stands behind the last record.
func (w *file) rewind() error {
	size := w.segments[len(w.segments)-1].size
	if err := w.out.Truncate(size); err != nil {
		return err
	}
	_, err := w.out.Seek(size, io.SeekStart)
	w.torn = err != nil
	return err
}

// bytes is the size of all files.
func (w *file) bytes() (sum int64) {
	for _, s := range w.segments {
		sum += s.size
	}
	return sum
}

// maxWrite is about how much is written at once, in bytes.
const maxWrite = 256 << 10

// append writes records and returns how many were written: all, unless there is
// an error.
func (w *file) append(records []audit.Record) (written int, err error) {
	next := w.head
	for i := range records {
		if besides(records[i]) {
			records[i].Beside = w.beside.durable.Text()
		}
		if len(w.buf) >= maxWrite {
			if err := w.write(next); err != nil {
				return written, err
			}
			written = i
		}
		before, end := next, len(w.buf)
		w.buf = next.Append(w.buf, &records[i])
		if w.segments[len(w.segments)-1].size+int64(len(w.buf)) <= w.cfg.MaxSegment {
			continue
		}
		w.buf = w.buf[:end]
		if err := w.write(before); err != nil {
			return written, err
		}
		written = i
		if err := w.rotate(); err != nil {
			return written, err
		}
		next = w.head
		w.buf = next.Append(w.buf, &records[i])
	}
	if err := w.write(next); err != nil {
		return written, err
	}
	return len(records), nil
}

// besides reports whether a record says how far the other chain has come.
func besides(r audit.Record) bool { return r.Kind == audit.Node }

// write writes the buffer, whose last record is head.
func (w *file) write(head audit.Head) error {
	defer func() { w.buf = w.buf[:0] }()
	if len(w.buf) == 0 {
		return nil
	}
	if w.torn {
		if err := w.rewind(); err != nil {
			return err
		}
	}
	if _, err := w.out.Write(w.buf); err != nil {
		w.torn = true
		_ = w.rewind() // or before the next
		return err
	}
	w.segments[len(w.segments)-1].size += int64(len(w.buf))
	w.head, w.unsynced = head, true
	return nil
}

// sync waits until the disk has what was written.
func (w *file) sync() error {
	if !w.unsynced {
		return nil
	}
	if err := w.out.Sync(); err != nil {
		return err
	}
	w.unsynced, w.durable = false, w.head
	return nil
}

// rotate begins another file, whose first record says which the oldest is that
// is kept, and then deletes those before it. On an error the log goes on
// with the file it has.
func (w *file) rotate() error {
	s := segment{series: w.series, number: 1}
	if n := len(w.segments); n > 0 {
		s.number = w.segments[n-1].number + 1
	}
	kept := w.segments
	for room := w.bytes(); len(kept) > 0 && room+w.cfg.MaxSegment > w.cfg.MaxBytes; kept = kept[1:] {
		room -= kept[0].size
	}
	header := audit.Record{Segment: s.number, Oldest: s.number, Beside: w.beside.durable.Text(), Event: audit.Event{
		Time: time.Now(), Kind: audit.Node, Outcome: audit.OK, Action: actionSegment, Object: s.name(),
	}}
	if len(kept) > 0 {
		header.Oldest = kept[0].number
	}
	head := w.head
	line := head.Append(nil, &header)
	s.size = int64(len(line))
	if w.torn {
		if err := w.rewind(); err != nil {
			return err
		}
	}
	if err := w.sync(); err != nil {
		return err
	}
	out, err := create(s.path(w.dir), line)
	if err != nil {
		return err
	}
	syncDir(w.dir)
	if w.out != nil {
		_ = w.out.Close() // it was synced
	}
	w.out, w.head, w.durable, w.torn = out, head, head, false
	w.segments = append(slices.Clone(w.dropOld(len(w.segments)-len(kept))), s)
	w.cfg.Log.Info("the audit log begins a file", slog.String("file", s.name()), slog.Uint64("record", head.Seq), slog.String("head", head.String()))
	return nil
}

// dropOld deletes the n oldest files and returns those that are left: no gap is in
// them, also where one cannot be deleted, which is tried again the next time.
func (w *file) dropOld(n int) []segment {
	for i, old := range w.segments[:n] {
		if err := os.Remove(old.path(w.dir)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			w.cfg.Log.Error("an old file of the audit log was not deleted", slog.Any("err", err))
			return w.segments[i:]
		}
	}
	return w.segments[n:]
}

// create makes a file with its first line, which is on disk when it returns.
func create(path string, line []byte) (*os.File, error) {
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600) //nolint:gosec // the operator chose the directory
	if err != nil {
		return nil, err
	}
	if _, err = out.Write(line); err == nil {
		err = out.Sync()
	}
	if err != nil {
		_ = out.Close()
		_ = os.Remove(path) // else it is overwritten the next time
		return nil, fmt.Errorf("begin a file of the audit log: %w", err)
	}
	return out, nil
}

// syncDir makes the names of files durable, where the system can.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil { //nolint:gosec // the operator chose the directory
		_ = d.Sync()
		_ = d.Close()
	}
}
