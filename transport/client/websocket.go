package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/gorilla/websocket"

	"bondy/core/wamp"
)

// webSocket carries messages over WebSocket (section "WebSocket Transport").
type webSocket struct {
	conn    *websocket.Conn
	message int // websocket frame type of messages
	buf     bytes.Buffer
}

func dialWebSocket(ctx context.Context, a *address, cfg Config) (link, *wire, error) {
	var w *wire
	dial := func(ctx context.Context, network, target string) (net.Conn, error) {
		var top net.Conn
		var err error
		w, top, err = dialWire(ctx, a, cfg, network, target)
		return top, err
	}
	proto := subprotocol(cfg.Serializer)
	d := websocket.Dialer{
		NetDialContext:    dial,
		NetDialTLSContext: dial,
		Subprotocols:      []string{proto},
		ReadBufferSize:    cfg.IOBuffer,
		WriteBufferSize:   min(cfg.IOBuffer, 4<<10), // the wire has one more
	}
	conn, resp, err := d.DialContext(ctx, a.url.String(), nil)
	if resp != nil {
		defer func() { _ = resp.Body.Close() }()
	}
	if errors.Is(err, websocket.ErrBadHandshake) {
		return nil, nil, fmt.Errorf("WebSocket upgrade refused: %s (the path is usually /ws)", resp.Status)
	}
	if err != nil {
		return nil, nil, err
	}
	if conn.Subprotocol() != proto {
		_ = conn.Close()
		return nil, nil, fmt.Errorf("router does not speak the WebSocket sub-protocol %s", proto)
	}
	l := &webSocket{conn: conn, message: websocket.TextMessage}
	if cfg.Serializer.Binary() {
		l.message = websocket.BinaryMessage
	}
	conn.SetReadLimit(int64(cfg.MaxMessage))
	// The writer alone writes: it answers pings from its queue, and its
	// farewell is the answer to a close frame.
	conn.SetCloseHandler(func(int, string) error { return nil })
	return l, w, nil
}

func (l *webSocket) read() ([]byte, error) {
	kind, r, err := l.conn.NextReader()
	if err != nil {
		return nil, orderly(err)
	}
	if kind != l.message {
		return nil, wamp.Violationf("WebSocket frame of the wrong type")
	}
	const keep = 1 << 20
	if l.buf.Cap() > keep {
		l.buf = bytes.Buffer{} // one large message does not pin its size
	}
	l.buf.Reset()
	if _, err := l.buf.ReadFrom(r); err != nil {
		return nil, orderly(err)
	}
	return l.buf.Bytes(), nil
}

func (l *webSocket) write(kind frameKind, data []byte) error {
	switch kind {
	case framePing:
		return l.conn.WriteMessage(websocket.PingMessage, data)
	case framePong:
		return l.conn.WriteMessage(websocket.PongMessage, data)
	case frameClose:
		return l.conn.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""))
	default:
		return l.conn.WriteMessage(l.message, data)
	}
}

func (l *webSocket) onPing(f func([]byte) error) {
	l.conn.SetPingHandler(func(data string) error { return f([]byte(data)) })
}

func (l *webSocket) sendLimit() int { return 0 }

func (l *webSocket) close() error { return l.conn.Close() }

// orderly turns a close frame of a router that leaves in order into io.EOF.
func orderly(err error) error {
	if websocket.IsCloseError(err, websocket.CloseNormalClosure, websocket.CloseGoingAway) {
		return io.EOF
	}
	return err
}
