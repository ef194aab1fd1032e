package config

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"bondy/core/directory"
	"bondy/core/wamp"
)

// Config is everything that bondy.toml says. A value from Load, Parse or
// Default is complete: what the file left out has its default, paths are
// resolved, shorthands are spelled out.
type Config struct {
	// Mode is the recipe by which the node is built.
	Mode Mode `toml:"mode"`
	// Node is the name of this node, the host name by default.
	Node string `toml:"node"`
	// DataDir is the directory of all that the node keeps.
	DataDir string `toml:"data_dir"`
	// Log is how the node logs.
	Log Log `toml:"log"`
	// Audit is the audit log.
	Audit Audit `toml:"audit"`
	// Listeners are the addresses that the node serves. The ones of a file
	// replace the default ones.
	Listeners []Listener `toml:"listener"`
	// Limits bound what clients may use.
	Limits Limits `toml:"limits"`
	// Realms are the realms that the file defines. They replace the default
	// one.
	Realms []Realm `toml:"realm"`
	// RealmsDir is a folder of JSON documents that define more of them; empty is
	// none. With one, the default realm is not there.
	RealmsDir string `toml:"realms_dir"`
	// UplinkListener is where edges arrive, on a core; nil means nowhere.
	UplinkListener *UplinkListener `toml:"uplink_listener"`
	// Uplinks are the cores to which an edge bridges realms.
	Uplinks []Uplink `toml:"uplink"`
}

// Mode is the role of a node.
type Mode string

// The modes of a node.
const (
	ModeEdge Mode = "edge"
	ModeCore Mode = "core"
)

// Log is how the node logs.
type Log struct {
	// Level is the least severe level that is logged.
	Level LogLevel `toml:"level"`
	// Format is how a record is written.
	Format LogFormat `toml:"format"`
}

// LogLevel is the name of a severity.
type LogLevel string

// The log levels.
const (
	LevelDebug LogLevel = "debug"
	LevelInfo  LogLevel = "info"
	LevelWarn  LogLevel = "warn"
	LevelError LogLevel = "error"
)

// LogFormat is how a log record is written.
type LogFormat string

// The log formats.
const (
	FormatText LogFormat = "text"
	FormatJSON LogFormat = "json"
)

// Listener is one address and what is served there.
type Listener struct {
	// Address is host:port, or unix:/path.
	Address string `toml:"address"`
	// Services are what the listener offers; ServiceRawSocket stands alone.
	Services []Service `toml:"services"`
	// TLS is nil on a plain listener.
	TLS *TLS `toml:"tls"`
	// ProxyProtocol are the sources that must send a PROXY protocol header.
	ProxyProtocol []netip.Prefix `toml:"proxy_protocol"`
	// TrustedProxies are the HTTP proxies that are believed where a request
	// comes from.
	TrustedProxies []netip.Prefix `toml:"trusted_proxies"`
	// MaxConnections bounds the open connections.
	MaxConnections int `toml:"max_connections"`
	// MaxConnectionsPerAddress bounds those of one client address beyond
	// loopback; 0 is no bound.
	MaxConnectionsPerAddress int `toml:"max_connections_per_address"`
	// MaxConnectionsPerSecond bounds how fast connections come, and
	// MaxConnectionsPerSecondPerAddress those of one client address beyond
	// loopback; 0 is no bound.
	MaxConnectionsPerSecond           int `toml:"max_connections_per_second"`
	MaxConnectionsPerSecondPerAddress int `toml:"max_connections_per_second_per_address"`
	// Origins are the browser origins allowed beside none, loopback and the
	// same host: scheme://host[:port], *.example.com, or *.
	Origins []string `toml:"origins"`
	// PingInterval is the time between keepalive pings; 0 sends none. A
	// long-poll client must poll within two of them, or 1 min if 0.
	PingInterval time.Duration `toml:"ping_interval"`
	// MaxMessageSize is the longest message that a client may send.
	MaxMessageSize Size `toml:"max_message_size"`
	// HandshakeTimeout bounds the time until the transport stands: TLS,
	// the PROXY header and the upgrade or RawSocket handshake.
	HandshakeTimeout time.Duration `toml:"handshake_timeout"`
}

// Offers reports whether the listener serves s.
func (l *Listener) Offers(s Service) bool {
	return slices.Contains(l.Services, s)
}

// Service is something that a listener offers.
type Service string

// The services of a listener.
const (
	ServiceWebSocket Service = "websocket"
	ServiceRawSocket Service = "rawsocket"
	ServiceLongPoll  Service = "longpoll"
	ServiceAdmin     Service = "admin"
)

// TLS names the PEM files of a listener.
type TLS struct {
	// Cert is the certificate chain of the server.
	Cert string `toml:"cert"`
	// Key is its private key.
	Key string `toml:"key"`
	// ClientCA holds the authorities of client certificates; empty asks for
	// none.
	ClientCA string `toml:"client_ca"`
}

// Limits bound what clients may use.
type Limits struct {
	// QueueSoft is how much may wait for one client without consequence.
	QueueSoft Size `toml:"queue_soft"`
	// QueueHard is where events are dropped, or the session is closed, at
	// once.
	QueueHard Size `toml:"queue_hard"`
	// QueueReserve is the room above QueueHard for what is no event.
	QueueReserve Size `toml:"queue_reserve"`
	// QueueGrace is how long a queue may stay above QueueSoft.
	QueueGrace time.Duration `toml:"queue_grace"`
	// QueueBudget is what all queues of the node may hold together.
	QueueBudget Size `toml:"queue_budget"`
	// HelloTimeout bounds the time from the transport's handshake to
	// WELCOME.
	HelloTimeout time.Duration `toml:"hello_timeout"`
	// ShutdownGrace is how long sessions may take to say GOODBYE when the
	// node stops.
	ShutdownGrace time.Duration `toml:"shutdown_grace"`
	// HibernateAfter is how long a session is quiet until it gives back the
	// memory that only a busy one needs; 0 is never.
	HibernateAfter time.Duration `toml:"hibernate_after"`
	// Memory is what the process may use; 0 leaves it to the environment.
	Memory Size `toml:"memory"`
	// MaxSubscriptionsPerSession bounds the subscriptions of a session.
	MaxSubscriptionsPerSession int `toml:"max_subscriptions_per_session"`
	// MaxRegistrationsPerSession bounds the registrations of a session.
	MaxRegistrationsPerSession int `toml:"max_registrations_per_session"`
	// MaxPendingCallsPerSession bounds the calls of a session that have no
	// final result yet.
	MaxPendingCallsPerSession int `toml:"max_pending_calls_per_session"`
	// MaxHellosPerSecondPerAddress bounds how fast one client address beyond
	// loopback opens sessions; 0 is no bound.
	MaxHellosPerSecondPerAddress int `toml:"max_hellos_per_second_per_address"`
	// MaxRowsPerRealm and MaxBytesPerRealm bound what a realm holds of users, groups,
	// grants and the like; 0 is no bound.
	MaxRowsPerRealm  int  `toml:"max_rows_per_realm"`
	MaxBytesPerRealm Size `toml:"max_bytes_per_realm"`
	// MaxChangesPerSecondPerRealm bounds how often the sessions of a realm change
	// something of it; 0 is no bound.
	MaxChangesPerSecondPerRealm int `toml:"max_changes_per_second_per_realm"`
	// Realms have bounds of their own.
	Realms []RealmLimits `toml:"realm"`
}

// RealmLimits are the bounds of one realm; what is nil is as for all realms.
type RealmLimits struct {
	// URI is the realm's.
	URI string `toml:"uri"`
	// MaxRows and MaxBytes are as MaxRowsPerRealm and MaxBytesPerRealm.
	MaxRows  *int  `toml:"max_rows"`
	MaxBytes *Size `toml:"max_bytes"`
}

// realm is the name under which the realm is kept.
func (l *RealmLimits) realm() wamp.URI { return directory.Canonical(wamp.URI(l.URI)) }

// Realm is how many rows and bytes a realm may hold; 0 is no bound.
func (l *Limits) Realm(uri wamp.URI) (rows int, bytes Size) {
	rows, bytes = l.MaxRowsPerRealm, l.MaxBytesPerRealm
	for _, r := range l.Realms {
		if r.realm() == uri {
			rows, bytes = *cmp.Or(r.MaxRows, &rows), *cmp.Or(r.MaxBytes, &bytes)
		}
	}
	return rows, bytes
}

// initial is the configuration before a file is read: every default but
// listeners, realms and the name of the node.
func initial() Config {
	return Config{
		Mode:    ModeEdge,
		DataDir: "bondy-data",
		Log:     Log{Level: LevelInfo, Format: FormatText},
		Audit:   Audit{Enabled: true, MaxSegment: 8 * MiB, MaxBytes: 64 * MiB},
		Limits: Limits{
			QueueSoft:                  1 * MiB,
			QueueHard:                  4 * MiB,
			QueueReserve:               4 * MiB,
			QueueGrace:                 10 * time.Second,
			QueueBudget:                256 * MiB,
			HelloTimeout:               10 * time.Second,
			ShutdownGrace:              10 * time.Second,
			HibernateAfter:             30 * time.Second,
			MaxSubscriptionsPerSession: 100_000,
			MaxRegistrationsPerSession: 100_000,
			MaxPendingCallsPerSession:  10_000,

			MaxHellosPerSecondPerAddress: 500,
			MaxRowsPerRealm:              1_000_000,
			MaxBytesPerRealm:             512 * MiB,
			MaxChangesPerSecondPerRealm:  50,
		},
	}
}

// setDefaults prepares a listener for decoding.
func (l *Listener) setDefaults() {
	l.MaxConnections = 100_000
	l.MaxConnectionsPerAddress = 1_000
	l.MaxConnectionsPerSecondPerAddress = 500
	l.PingInterval = 30 * time.Second
	l.MaxMessageSize = 16 * MiB
	l.HandshakeTimeout = 10 * time.Second
}
