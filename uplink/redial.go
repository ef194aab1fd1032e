package uplink

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/quic-go/quic-go"

	"bondy/uplink/internal/step"
	"bondy/uplink/wire"
)

// redialer is a Dialer at work: the I/O around step.Redial. All but its
// goroutines belongs to Run.
type redialer struct {
	*Dialer
	redial *step.Redial
	events chan dialEvent // unbuffered; Run receives until ctx ends
	tasks  sync.WaitGroup

	attempt  uint64             // number of the last dial
	cancel   context.CancelFunc // of that dial; nil before the first
	endpoint int                // index of the next one to try

	good   int     // the endpoint of the last link
	prober *prober // of this outage; nil before the first probe
	target probeTarget
}

// dialEvent is what a goroutine of a redialer tells Run.
type dialEvent struct {
	step.RedialEvent
	attempt uint64 // 0 for an answered probe
	err     error
	// Of Established: the link, which is served when proceed is closed.
	link    *Link
	target  probeTarget
	proceed chan struct{}
}

var errNoAnswer = errors.New("no answer")

// tell returns false when the event came too late.
func (r *redialer) tell(ctx context.Context, e dialEvent) bool {
	select {
	case r.events <- e:
		return true
	case <-ctx.Done():
		return false
	}
}

// handle takes an event, unless it is of a dial that was given up.
func (r *redialer) handle(ctx context.Context, e dialEvent) {
	if e.attempt != 0 && e.attempt != r.attempt {
		return
	}
	switch e.Kind {
	case step.Established:
		r.links.Add(1)
		r.stopProbing()
		r.good, r.target = r.endpoint, e.target
		r.setState(StateUp, e.link, nil)
		close(e.proceed)
	case step.Lost:
		r.setState(StateWaiting, nil, e.err)
	case step.Failed:
		r.failed(ctx, e.err)
		r.endpoint = (r.endpoint + 1) % len(r.cfg.Endpoints)
	case step.Answered:
		r.answers.Add(1)
		r.endpoint = r.good
	case step.Tick:
	}
	r.step(ctx, e.RedialEvent)
}

// failed logs a dial's end, loudly when it says something new.
func (r *redialer) failed(ctx context.Context, err error) {
	level := slog.LevelDebug
	if last := r.Stats().Err; last == nil || last.Error() != err.Error() {
		level = slog.LevelWarn
	}
	r.cfg.Log.LogAttrs(ctx, level, "dial failed",
		slog.String("endpoint", r.cfg.Endpoints[r.endpoint]), slog.Any("err", err))
	r.setState(StateWaiting, nil, err)
}

// step does what the step function says.
func (r *redialer) step(ctx context.Context, e step.RedialEvent) {
	for _, effect := range r.redial.Step(time.Now(), e) {
		switch effect {
		case step.Dial:
			r.dial(ctx)
		case step.Probe:
			r.probe(ctx)
		}
	}
}

// dial starts a dial and gives up the one before.
func (r *redialer) dial(ctx context.Context) {
	if r.cancel != nil {
		r.cancel()
	}
	ctx, r.cancel = context.WithCancel(ctx)
	r.attempt++
	r.dials.Add(1)
	r.setState(StateDialing, nil, nil)
	attempt, endpoint := r.attempt, r.cfg.Endpoints[r.endpoint]
	r.tasks.Go(func() { r.connect(ctx, attempt, endpoint) })
}

// connect dials with a socket of its own, which follows a change of networks,
// and serves the link until it is down.
func (r *redialer) connect(ctx context.Context, attempt uint64, endpoint string) {
	failed := func(err error) {
		r.tell(ctx, dialEvent{
			RedialEvent: step.RedialEvent{Kind: step.Failed, Reached: reached(err)}, attempt: attempt, err: err,
		})
	}
	socket, err := r.cfg.ListenPacket(ctx, ":0")
	if err != nil {
		failed(fmt.Errorf("open socket: %w", err))
		return
	}
	defer func() { _ = socket.Close() }()
	transport := &quic.Transport{Conn: socket}
	defer func() { _ = transport.Close() }()
	e, err := r.establish(ctx, transport, attempt, endpoint)
	if err != nil {
		failed(err)
		return
	}
	r.tell(ctx, e)
	select {
	case <-e.proceed:
	case <-ctx.Done():
		e.link.Close("given up for a newer link")
		return
	}
	e.link.serve(ctx)
	err = e.link.Err()
	r.tell(ctx, dialEvent{
		RedialEvent: step.RedialEvent{Kind: step.Lost, Reached: reached(err)}, attempt: attempt, err: err,
	})
}

// establish makes a link over a new connection.
func (r *redialer) establish(ctx context.Context, transport *quic.Transport, attempt uint64, endpoint string) (dialEvent, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, r.cfg.HandshakeTimeout, errNoAnswer)
	defer cancel()
	address, host, err := resolve(ctx, endpoint, attempt)
	if err != nil {
		return dialEvent{}, fmt.Errorf("resolve: %w", err)
	}
	c, err := transport.Dial(ctx, address, serverTLS(r.tls, host), r.quic)
	if err != nil {
		return dialEvent{}, explain(err)
	}
	link := newLink(&r.cfg.Config, newQUICConn(c), &r.shared, r.cfg.live(true))
	if err := link.dialed(ctx, attempt); err != nil {
		return dialEvent{}, err
	}
	key, err := probeKey(link.conn)
	if err != nil {
		link.fail(err)
		return dialEvent{}, err
	}
	return dialEvent{
		RedialEvent: step.RedialEvent{Kind: step.Established}, attempt: attempt,
		link: link, target: probeTarget{key: key, address: address}, proceed: make(chan struct{}),
	}, nil
}

// serverTLS expects the certificate to name the host, unless it was told
// another name.
func serverTLS(cfg *tls.Config, host string) *tls.Config {
	if cfg.ServerName != "" {
		return cfg
	}
	cfg = cfg.Clone()
	cfg.ServerName = host
	return cfg
}

// resolve gives another address of a host that has many at each attempt.
func resolve(ctx context.Context, endpoint string, attempt uint64) (*net.UDPAddr, string, error) {
	host, service, err := net.SplitHostPort(endpoint)
	if err != nil {
		return nil, "", err
	}
	port, err := net.DefaultResolver.LookupPort(ctx, "udp", service)
	if err != nil {
		return nil, "", err
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, "", err
	}
	ip := ips[attempt%uint64(len(ips))].Unmap()
	return &net.UDPAddr{IP: ip.AsSlice(), Port: port, Zone: ip.Zone()}, host, nil
}

// probeTarget is whom to probe, known from the last link.
type probeTarget struct {
	key     wire.ProbeKey
	address *net.UDPAddr
}

// prober sends the probes of one outage.
type prober struct {
	target probeTarget
	socket net.PacketConn
	nonce  uint64
}

// probe sends one probe; a socket that doesn't work is replaced at the next.
func (r *redialer) probe(ctx context.Context) {
	if r.prober == nil {
		r.prober = &prober{target: r.target}
	}
	p := r.prober
	if p.socket == nil {
		socket, err := r.cfg.ListenPacket(ctx, ":0")
		if err != nil {
			r.cfg.Log.Debug("probe socket", slog.Any("err", err))
			return
		}
		p.socket = socket
		r.tasks.Go(func() { r.hear(ctx, socket, p.target.key) })
	}
	p.nonce++
	packet := p.target.key.Probe(wire.ProbeRequest, p.nonce)
	if _, err := p.socket.WriteTo(packet[:], p.target.address); err != nil {
		r.cfg.Log.Debug("send probe", slog.Any("err", err))
		_ = p.socket.Close()
		p.socket = nil
		return
	}
	r.probes.Add(1)
}

// hear tells Run about answers until the socket is closed.
func (r *redialer) hear(ctx context.Context, socket net.PacketConn, key wire.ProbeKey) {
	defer func() { _ = socket.Close() }()
	buf := make([]byte, wire.ProbeSize+1)
	for {
		n, _, err := socket.ReadFrom(buf)
		if err != nil {
			return
		}
		p, err := wire.ParseProbe(buf[:n])
		if err != nil {
			continue
		}
		if key.Answers(p) && !r.tell(ctx, dialEvent{RedialEvent: step.RedialEvent{Kind: step.Answered}}) {
			return
		}
	}
}

// stopProbing ends the probes of an outage.
func (r *redialer) stopProbing() {
	if r.prober != nil && r.prober.socket != nil {
		_ = r.prober.socket.Close()
	}
	r.prober = nil
}
