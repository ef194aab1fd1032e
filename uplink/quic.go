package uplink

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/quic-go/quic-go"

	"bondy/uplink/wire"
)

// idleTimeout is QUIC's own, far behind ours, which decides.
const idleTimeout = 2 * time.Minute

// quicConfig bounds what a peer can open and send ahead. A peer that leaves
// one lane unread does not hold up the others: the window of the connection
// is that of all lanes together.
func quicConfig(c Config) *quic.Config {
	streams := c.Lanes + 1
	window := uint64(c.StreamWindow) //nolint:gosec // validated
	_, datagrams := c.Handler.(DatagramHandler)
	return &quic.Config{
		HandshakeIdleTimeout:           c.HandshakeTimeout,
		MaxIdleTimeout:                 max(idleTimeout, 4*c.IdlePing),
		InitialStreamReceiveWindow:     max(window/8, 1),
		MaxStreamReceiveWindow:         window,
		InitialConnectionReceiveWindow: max(uint64(streams)*window/8, 1), //nolint:gosec // positive
		MaxConnectionReceiveWindow:     uint64(streams) * window,         //nolint:gosec // positive
		MaxIncomingStreams:             -1,
		MaxIncomingUniStreams:          int64(streams),
		RequireStreamCreditRelease:     true, // never released: that many streams in a link's life
		EnableDatagrams:                datagrams,
	}
}

// quicConn is a conn over QUIC.
type quicConn struct {
	c            *quic.Conn
	hasDatagrams bool
}

func newQUICConn(c *quic.Conn) quicConn {
	d := c.ConnectionState().SupportsDatagrams
	return quicConn{c: c, hasDatagrams: d.Local && d.Remote}
}

func (q quicConn) open(lane int) (io.Writer, error) {
	s, err := q.c.OpenUniStream()
	if err != nil {
		return nil, q.cause(err)
	}
	if lane == wire.Control {
		s.SetPriority(0, true)
	}
	return quicWriter{s}, nil
}

func (q quicConn) accept() (io.Reader, error) {
	s, err := q.c.AcceptUniStream(q.c.Context())
	if err != nil {
		return nil, q.cause(err)
	}
	return quicReader{s}, nil
}

// cause prefers what ended the connection to what a call says of it.
func (q quicConn) cause(err error) error {
	if cause := context.Cause(q.c.Context()); cause != nil {
		err = cause
	}
	return explain(err)
}

func (q quicConn) datagrams() bool { return q.hasDatagrams }

func (q quicConn) sendDatagram(body []byte) error {
	if err := q.c.SendDatagram(body); err != nil {
		return explain(err)
	}
	return nil
}

func (q quicConn) receiveDatagram() ([]byte, error) {
	body, err := q.c.ReceiveDatagram(q.c.Context())
	if err != nil {
		return nil, q.cause(err)
	}
	return body, nil
}

func (q quicConn) close(code Code, reason string) {
	// CloseWithError has no error to give.
	_ = q.c.CloseWithError(quic.ApplicationErrorCode(code), reason)
}

func (q quicConn) state() tls.ConnectionState { return q.c.ConnectionState().TLS }
func (q quicConn) rtt() time.Duration         { return q.c.ConnectionStats().SmoothedRTT }
func (q quicConn) remote() net.Addr           { return q.c.RemoteAddr() }

type quicWriter struct{ s *quic.SendStream }

func (w quicWriter) Write(p []byte) (int, error) {
	n, err := w.s.Write(p)
	return n, explain(err)
}

type quicReader struct{ s *quic.ReceiveStream }

func (r quicReader) Read(p []byte) (int, error) {
	n, err := r.s.Read(p)
	return n, explain(err)
}

// Codes of QUIC for alerts of TLS.
const (
	cryptoError     = 0x100
	badCertificate  = cryptoError + 42
	unknownIssuer   = cryptoError + 48
	needCertificate = cryptoError + 116
	noSuchALPN      = cryptoError + 120
)

// explain says in our words what QUIC says in its own.
func explain(err error) error {
	if e, ok := errors.AsType[*quic.ApplicationError](err); ok {
		return &CloseError{Code: Code(e.ErrorCode), Reason: e.ErrorMessage, Remote: e.Remote}
	}
	_, idle := errors.AsType[*quic.IdleTimeoutError](err)
	if _, early := errors.AsType[*quic.HandshakeTimeoutError](err); early || idle {
		return errNoAnswer
	}
	if _, ok := errors.AsType[*quic.StreamLimitReachedError](err); ok {
		return fmt.Errorf("%w: peer allows fewer streams than lanes", wire.ErrMalformed)
	}
	if _, ok := errors.AsType[*quic.StreamError](err); ok {
		return fmt.Errorf("%w: peer gave up a lane", wire.ErrMalformed)
	}
	e, ok := errors.AsType[*quic.TransportError](err)
	if !ok {
		return err
	}
	switch {
	case e.ErrorCode == noSuchALPN:
		return fmt.Errorf("the two sides do not both speak %s: %w", ALPN, err)
	case certificate(e) && e.Remote:
		return fmt.Errorf("peer refused the certificate of this node: %w", err)
	case certificate(e):
		return fmt.Errorf("certificate of the peer refused: %w", err)
	}
	return err
}

// certificate says whether a certificate was refused, by either side.
func certificate(e *quic.TransportError) bool {
	return e.ErrorCode >= badCertificate && e.ErrorCode <= unknownIssuer || e.ErrorCode == needCertificate
}

// reached says whether the peer itself ended or refused the link, so that it
// is there and reachable.
func reached(err error) bool {
	if e, ok := errors.AsType[*CloseError](err); ok {
		return e.Code != CodeSilent
	}
	e, ok := errors.AsType[*quic.TransportError](err)
	return ok && (e.Remote || e.ErrorCode >= cryptoError)
}

// probeKey derives what both ends of the link can prove to each other later.
func probeKey(c conn) (wire.ProbeKey, error) {
	state := c.state()
	material, err := state.ExportKeyingMaterial("EXPORTER-bondy-link-probe", nil, wire.ProbeKeySize)
	if err != nil {
		return wire.ProbeKey{}, fmt.Errorf("derive probe key: %w", err)
	}
	return wire.NewProbeKey(material)
}
