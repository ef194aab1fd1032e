// Package session serves one connection: the handshake of a WAMP session, the
// rules of the protocol, and the dispatch of each message to permission check,
// broker and dealer, all in the connection's one goroutine.
//
// A connection on which nothing happens may fall asleep: its goroutine ends,
// what it needs to handle messages goes, and the Conn starts another goroutine
// when there is something to do. At any time at most one goroutine serves a
// connection.
package session

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"time"

	"bondy/core/peer"
	"bondy/core/wamp"
)

// door is one connection over all sessions that it carries, one after another
// (section "Transport and Session Lifetime").
type door struct {
	ctx     context.Context //nolint:containedctx // of the listener, for logins; goroutines come and go
	cfg     *Config
	conn    Conn
	done    func(Conn)
	session *Session // that is open
	*kit             // nil until there is a message
}

// Serve begins to serve conn and returns when its goroutine is needed no more,
// because the connection ended or because others go on with it. It calls done
// with conn once, when the connection has ended, everything that its sessions held is
// gone and conn is closed. ctx is for the logins; to end a connection, close it.
func Serve(ctx context.Context, conn Conn, cfg *Config, done func(Conn)) {
	d := &door{ctx: ctx, cfg: cfg, conn: conn, done: done}
	conn.ServedBy((*server)(d))
	d.serve()
}

// server is a door as its connection sees it.
type server door

// Flush implements Server.
func (s *server) Flush() { (*door)(s).flush() }

// Serve implements Server.
func (s *server) Serve() { (*door)(s).serve() }

// serve serves the connection until it ends or another goroutine goes on.
func (d *door) serve() {
	handed := false
	defer func() {
		switch {
		case handed: // the door is another goroutine's now
			return
		case d.kit != nil && d.routing: // a panic with shared state half changed ends the process
			return
		}
		if v := recover(); v != nil { // one anywhere else ends the connection
			d.cfg.Log.Error("panic while serving a connection", slog.Any("", d.subject()),
				slog.Any("panic", v), slog.String("stack", string(debug.Stack())))
			d.flush()
			d.kit = nil // it may be half changed
		}
		d.end()
	}()
	for {
		if d.session == nil {
			if !d.open() {
				return
			}
			handed = true
			d.rest()
			return
		}
		err := d.session.run()
		if errors.Is(err, ErrIdle) {
			if handed = d.sleep(); handed {
				return
			}
			continue
		}
		if err != nil {
			d.session.abort(err)
		}
		d.leave(err)
		if err != nil {
			return
		}
	}
}

// rest goes on with a session that was just opened elsewhere than on this
// goroutine, whose stack has grown.
func (d *door) rest() {
	if !d.sleep() {
		go d.serve()
	}
}

// sleep lets the connection fall asleep. If it reports true another goroutine
// may be serving already.
func (d *door) sleep() bool {
	d.flush()
	d.giveBack()
	return d.conn.Sleep()
}

// ready makes what handling a message needs.
func (d *door) ready() {
	if d.kit == nil {
		d.kit = d.cfg.kit(d.conn.Serializer())
	}
}

// giveBack undoes ready.
func (d *door) giveBack() {
	if d.kit != nil {
		d.cfg.kits[d.conn.Serializer()].Put(d.kit)
		d.kit = nil
	}
}

// flush ends what the messages until now began.
func (d *door) flush() {
	if d.kit != nil {
		d.batch.Flush()
	}
}

// open opens a session and reports whether there is one.
func (d *door) open() bool {
	d.ready()
	s := &Session{door: d}
	s.peer.Queue = peer.NewQueue(d.conn, &handshakeQueue, d.cfg.Budget, d.cfg.Counters, s.End)
	opened, err := s.open(d.ctx)
	if err != nil {
		s.abort(err)
		s.peer.Close()
		return false
	}
	d.session = opened
	d.cfg.Joined(d.conn, true)
	return true
}

// leave ends the open session because of err, unless it outlives the connection.
func (d *door) leave(err error) {
	s := d.session
	d.session = nil
	d.ready()
	if !s.detach(err) {
		s.leave()
	}
	d.cfg.Joined(d.conn, false)
	d.flush()
}

// end gives back everything and closes the connection.
func (d *door) end() {
	if d.session != nil {
		d.leave(nil)
	}
	d.flush()
	d.giveBack()
	d.conn.Close()
	d.cfg.Left(d.conn)
	d.done(d.conn)
}

// handshakeQueue bounds what waits before a realm says more.
var handshakeQueue = peer.Limits{Soft: 64 << 10, Hard: 64 << 10, Reserve: 64 << 10} //nolint:gochecknoglobals // constant

// read returns the next message, by t unless it is zero.
func (d *door) read(t time.Time) (wamp.Message, error) {
	if err := d.conn.SetReadDeadline(t); err != nil {
		return nil, err
	}
	return d.next()
}

func (d *door) next() (wamp.Message, error) {
	raw, err := d.conn.ReadMessage()
	if err != nil {
		return nil, err
	}
	if d.kit == nil {
		d.ready()
	}
	m, err := d.decoder.Decode(raw)
	if err != nil {
		return nil, err
	}
	d.batch.Received(m.Type())
	return m, nil
}

// subject is what a log line about the connection is about.
func (d *door) subject() slog.LogValuer {
	if d.session != nil {
		return d.session
	}
	return d
}

// LogValue implements slog.LogValuer with the attributes of the connection.
func (d *door) LogValue() slog.Value {
	info := d.conn.Info()
	return slog.GroupValue(slog.String("transport", info.Transport), slog.String("remote", info.Remote.String()))
}

// errLeft ends a session that the client ended, or whose connection is gone:
// there is nobody to tell.
var errLeft = errors.New("client left")

// abort tells the client why its session ends, where there is a client.
func (s *Session) abort(err error) {
	we, known := errors.AsType[*wamp.Error](err)
	switch {
	case known:
	case errors.Is(err, os.ErrDeadlineExceeded):
		we = wamp.Errorf(wamp.ErrTimeout, "no answer within %v", s.cfg.HelloTimeout)
	case errors.Is(err, errLeft), errors.Is(err, io.EOF):
		return
	default:
		s.cfg.Log.Debug("connection lost", slog.Any("", s), slog.Any("err", err))
		return
	}
	s.cfg.Log.Debug("session aborted", slog.Any("", s), slog.Any("err", err))
	s.ready()
	s.send(we.Abort())
}
