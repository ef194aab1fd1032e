package uplink_test

import (
	"context"
	"crypto/tls"
	"log/slog"

	"bondy/uplink"
)

// echo sends back what comes.
type echo struct{}

func (echo) Up(*uplink.Link)          {}
func (echo) Down(*uplink.Link, error) {}

func (echo) Frame(l *uplink.Link, lane int, kind uint8, body []byte) {
	// A frame that finds the queue full is dropped here; a bridge would
	// answer it.
	_ = l.Send(uint64(lane), kind, body)
}

// A node that keeps a link to a core until its context ends.
func ExampleDialer() {
	keep := func(ctx context.Context, certificates *tls.Config, log *slog.Logger) error {
		d, err := uplink.NewDialer(uplink.DialerConfig{
			Config: uplink.Config{
				TLS:      certificates,
				Identify: identify,
				Handler:  echo{},
				Log:      log,
				Node:     "edge-1",
			},
			Endpoints: []string{"core.example.com:18092"},
		})
		if err != nil {
			return err
		}
		return d.Run(ctx)
	}
	_ = keep
}
