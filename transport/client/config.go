package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"bondy/core/wamp"
)

// MaxMessageSize is the largest message in bytes that RawSocket can carry, and
// the default of Config.MaxMessage.
const MaxMessageSize = 16 << 20

// Config says how to join a realm. Only Realm is required.
type Config struct {
	// Realm to join.
	Realm wamp.URI
	// Serializer of the session; MessagePack if zero.
	Serializer wamp.Serializer
	// Auth lists the authentication methods to offer, preferred first. The
	// router picks one. With none the client joins anonymously.
	Auth []Authenticator
	// Extra is HELLO.Details.authextra, beside what the methods add to it.
	Extra wamp.Dict
	// TLS is used by wss, tls and tcps URLs; nil means the system's roots.
	// The server name is filled in from the URL when it is empty.
	TLS *tls.Config
	// Dial opens the connection below TLS; nil means net.Dialer's.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Logger gets what the session copes with; nil discards it.
	Logger *slog.Logger
	// Features overrides what HELLO announces, by role and feature: false
	// withholds a feature that the client has, true announces another one
	// that the caller implements by itself.
	Features map[string]map[string]bool
	// Intercept, if set, gets each message of an open session before the
	// session does, on the goroutine that reads; true means that the session
	// is not to see it. The message is valid until Intercept returns, which
	// must not wait. It takes the answers of what Session.Post sent.
	Intercept func(s *Session, m wamp.Message) bool

	// MaxMessage is the largest message to receive, in bytes, up to
	// MaxMessageSize (the default). RawSocket rounds it up to a power of two.
	MaxMessage int
	// MaxInvocations is how many invocation handlers run at once; 64 if zero.
	MaxInvocations int
	// ReadAhead bounds the payload bytes that were read and wait for a
	// handler; 16 MiB if zero.
	ReadAhead int
	// IOBuffer is the size in bytes of each buffer between the session and the
	// socket; 16 KiB if zero. Who holds many sessions that do little wants less.
	IOBuffer int
	// SendBuffer is how many bytes may wait to be written before requests
	// wait; 4 MiB if zero.
	SendBuffer int

	// HandshakeTimeout bounds Dial as a whole; 10 s if zero.
	HandshakeTimeout time.Duration
	// WriteTimeout ends the session when the router takes no bytes for so
	// long; 30 s if zero.
	WriteTimeout time.Duration
	// CloseTimeout bounds how long Close waits for the router's GOODBYE;
	// 5 s if zero.
	CloseTimeout time.Duration
	// KeepAlive is how often the client pings; the session ends when nothing
	// arrives for twice as long. 30 s if zero, never if negative.
	KeepAlive time.Duration
}

// Validate names the first setting that can't be used.
func (c Config) Validate() error {
	switch {
	case !c.Realm.Valid(wamp.MatchExact, false):
		return fmt.Errorf("realm: %q is not a URI", c.Realm)
	case c.Serializer >= wamp.NumSerializers:
		return fmt.Errorf("serializer: %d is unknown", c.Serializer)
	case c.MaxMessage < 0 || c.MaxMessage > MaxMessageSize:
		return fmt.Errorf("max message: %d is not in 0..%d", c.MaxMessage, MaxMessageSize)
	case c.MaxInvocations < 0 || c.ReadAhead < 0 || c.IOBuffer < 0 || c.SendBuffer < 0:
		return errors.New("limits must not be negative")
	case c.HandshakeTimeout < 0 || c.WriteTimeout < 0 || c.CloseTimeout < 0:
		return errors.New("timeouts must not be negative")
	}
	_, err := authID(c.Auth)
	return err
}

func (c Config) withDefaults() Config {
	setDefault(&c.Serializer, wamp.MessagePack)
	setDefault(&c.MaxMessage, MaxMessageSize)
	setDefault(&c.MaxInvocations, 64)
	setDefault(&c.ReadAhead, 16<<20)
	setDefault(&c.IOBuffer, 16<<10)
	setDefault(&c.SendBuffer, 4<<20)
	setDefault(&c.HandshakeTimeout, 10*time.Second)
	setDefault(&c.WriteTimeout, 30*time.Second)
	setDefault(&c.CloseTimeout, 5*time.Second)
	setDefault(&c.KeepAlive, 30*time.Second)
	if c.Dial == nil {
		c.Dial = new(net.Dialer).DialContext
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func setDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}
