// Package session serves one connection: the handshake of a WAMP session, the
// rules of the protocol, and the dispatch of each message to permission check,
// broker and dealer, all in the connection's one goroutine.
package session

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"time"

	"bondy/core/codec"
	"bondy/core/peer"
	"bondy/core/wamp"
)

// door is one connection over all sessions that it carries, one after another
// (section "Transport and Session Lifetime").
type door struct {
	cfg     *Config
	conn    Conn
	decoder *codec.Decoder
	batch   *peer.Batch
	log     *slog.Logger
	routing bool // inside broker or dealer
}

// Serve serves conn until it ends and returns after everything that its
// sessions held is gone. It closes conn.
func Serve(ctx context.Context, conn Conn, cfg *Config) {
	d := &door{
		cfg: cfg, conn: conn,
		decoder: codec.NewDecoder(conn.Serializer(), cfg.Codec),
		batch:   peer.NewBatch(cfg.Counters),
		log: cfg.Log.With(slog.String("transport", conn.Info().Transport),
			slog.String("remote", conn.Info().Remote.String())),
	}
	defer conn.Close()
	defer d.batch.Flush()
	defer d.recover()
	stop := context.AfterFunc(ctx, conn.Close)
	defer stop()
	conn.OnWait(d.batch.Flush)
	for d.session(ctx) {
		d.batch.Flush()
	}
}

// recover turns a panic outside broker and dealer into the end of one
// connection; inside, shared state may be half changed and the process ends.
func (d *door) recover() {
	if d.routing {
		return
	}
	if v := recover(); v != nil {
		d.log.Error("panic while serving a connection", slog.Any("panic", v), slog.String("stack", string(debug.Stack())))
	}
}

// session serves one session from HELLO to its end and reports whether the
// connection may carry another.
func (d *door) session(ctx context.Context) bool {
	s := &Session{door: d}
	s.queue = peer.NewQueue(d.conn, &handshakeQueue, d.cfg.Budget, d.cfg.Counters, d.conn.Close)
	defer func() { s.queue.Close() }()
	if err := s.open(ctx); err != nil {
		s.abort(err)
		return false
	}
	d.cfg.Joined(d.conn, true)
	defer d.cfg.Joined(d.conn, false)
	defer s.leave()
	err := s.run()
	if err != nil {
		s.abort(err)
	}
	return err == nil
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
	m, err := d.decoder.Decode(raw)
	if err != nil {
		return nil, err
	}
	d.batch.Received(m.Type())
	return m, nil
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
		s.log.Debug("connection lost", slog.Any("err", err))
		return
	}
	if we.URI == wamp.ErrAuthenticationDenied {
		s.log.Info("login refused", slog.Any("err", err))
	} else {
		s.log.Debug("session aborted", slog.Any("err", err))
	}
	s.send(we.Abort())
}
