package uplink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"bondy/uplink/wire"
)

// dialed is the dialer's half of the handshake above TLS: hello, and the
// hello that accepts it. After an error the connection is closed.
func (l *Link) dialed(ctx context.Context, serial uint64) error {
	return l.shake(ctx, func() error {
		l.serial = serial
		if err := l.sayHello(); err != nil {
			return err
		}
		if err := l.hearHello(); err != nil {
			return err
		}
		l.settle()
		return nil
	})
}

// accepted is the listener's half. The admit function decides on a peer whose
// identity and hello are known; from then on the link is shared.
func (l *Link) accepted(ctx context.Context, admit func() error) error {
	return l.shake(ctx, func() error {
		if err := l.hearHello(); err != nil {
			return err
		}
		l.serial = l.hello.Serial
		l.settle()
		if err := admit(); err != nil {
			return err
		}
		return l.sayHello()
	})
}

func (l *Link) shake(ctx context.Context, hellos func() error) error {
	ctx, cancel := context.WithTimeout(ctx, l.cfg.HandshakeTimeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { l.conn.close(CodeSilent, "handshake took too long") })
	defer stop()
	err := l.identify()
	if err == nil {
		err = blame(hellos())
	}
	if err != nil {
		l.conn.close(told(err))
	}
	return err
}

// settle fixes what follows from the hello.
func (l *Link) settle() {
	l.lanes = l.lanes[:1+min(l.cfg.Lanes, l.hello.Lanes)]
	l.maxFrame = min(l.cfg.MaxFrame, l.hello.MaxFrame)
	l.log = l.log.With(slog.String("peer", l.peer.Name), slog.Uint64("link", l.serial))
}

func (l *Link) identify() error {
	peer, err := l.cfg.Identify(l.conn.state())
	if err != nil {
		return &CloseError{Code: CodeRefused, Reason: "identity refused: " + err.Error()}
	}
	l.peer = peer
	return nil
}

// sayHello opens the control lane.
func (l *Link) sayHello() error {
	control := l.lanes[wire.Control]
	stream, err := l.conn.open(wire.Control)
	if err != nil {
		return err
	}
	control.stream, control.opened = stream, true
	_, err = stream.Write(l.cfg.hello(l.serial).Append([]byte{wire.Control}))
	return err
}

// hearHello takes the first stream for the control lane and its first frame
// for the hello.
func (l *Link) hearHello() error {
	stream, err := l.conn.accept()
	if err != nil {
		return err
	}
	number, err := laneNumber(stream)
	switch {
	case err != nil:
		return err
	case number != wire.Control:
		return fmt.Errorf("%w: link begins with lane %d", wire.ErrMalformed, number)
	}
	l.control = wire.NewReader(counted{stream, &l.pulse}, wire.MaxHello, &l.shared.buffers)
	kind, body, err := l.control.Next()
	switch {
	case err != nil:
		return err
	case kind != wire.KindHello:
		return fmt.Errorf("%w: link begins with kind %d", wire.ErrMalformed, kind)
	}
	if l.hello, err = wire.ParseHello(body); err != nil {
		return err
	}
	if err := l.cfg.hello(0).Compatible(l.hello); err != nil {
		return &CloseError{Code: CodeVersion, Reason: err.Error()}
	}
	l.control.SetLimit(l.cfg.MaxFrame)
	return nil
}

// laneNumber reads the first byte of a stream.
func laneNumber(stream io.Reader) (int, error) {
	var number [1]byte
	if _, err := io.ReadFull(stream, number[:]); errors.Is(err, io.EOF) {
		return 0, fmt.Errorf("%w: empty lane", wire.ErrMalformed)
	} else if err != nil {
		return 0, err
	}
	return int(number[0]), nil
}
