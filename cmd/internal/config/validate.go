package config

import (
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"bondy/core/strict"
	"bondy/core/wamp"
)

// Names that a later release gives a meaning.
func laterSections() []string { return []string{"cluster"} }
func laterServices() []string { return []string{"gateway", "console"} }
func laterAuthMethods() []string {
	return []string{"cookie", "oauth2", "oidc", "oidcrp"}
}

// Bounds of what a configuration may say.
const (
	maxName            = 254 // bytes of a name
	maxDescription     = 512
	maxResumeTimeout   = 24 * time.Hour
	minMessageSize     = 1 * KiB
	maxMessageSize     = 256 * MiB
	maxRawSocketLength = 16 * MiB // section "RawSocket Transport"
)

// Validate checks what may stand together. The error joins everything that is
// wrong, an *Error with its key each.
func (c *Config) Validate() error { return c.problems().err() }

func (c *Config) problems() (p problems) {
	oneOf(&p, "mode", c.Mode, nil, ModeEdge, ModeCore)
	checkName(&p, "node", c.Node)
	if c.DataDir == "" {
		p.addf("data_dir", "must not be empty")
	}
	oneOf(&p, "log.level", c.Log.Level, nil, LevelDebug, LevelInfo, LevelWarn, LevelError)
	oneOf(&p, "log.format", c.Log.Format, nil, FormatText, FormatJSON)
	c.Audit.check(&p)
	c.Limits.check(&p)
	addresses := map[string]int{}
	for i := range c.Listeners {
		key, l := element("listener", i), &c.Listeners[i]
		l.check(&p, key)
		if first, taken := addresses[l.Address]; !taken {
			addresses[l.Address] = i
		} else if !strings.HasSuffix(l.Address, ":0") {
			p.addf(join(key, "address"), "%s is already the address of %s", l.Address, element("listener", first))
		}
	}
	realms := map[string]int{}
	for i := range c.Realms {
		key, r := element("realm", i), &c.Realms[i]
		r.check(&p, key, c.prototype(r))
		if first, taken := realms[r.URI]; taken {
			p.addf(join(key, "uri"), "%s is already defined by %s", r.URI, element("realm", first))
		} else {
			realms[r.URI] = i
		}
	}
	c.checkUplinks(&p)
	return p
}

func (l *Limits) check(p *problems) {
	positive(p, "limits.queue_soft", l.QueueSoft)
	positive(p, "limits.queue_hard", l.QueueHard)
	positive(p, "limits.queue_reserve", l.QueueReserve)
	positive(p, "limits.queue_budget", l.QueueBudget)
	positive(p, "limits.hello_timeout", l.HelloTimeout)
	positive(p, "limits.max_subscriptions_per_session", l.MaxSubscriptionsPerSession)
	positive(p, "limits.max_registrations_per_session", l.MaxRegistrationsPerSession)
	positive(p, "limits.max_pending_calls_per_session", l.MaxPendingCallsPerSession)
	notNegative(p, "limits.queue_grace", l.QueueGrace)
	notNegative(p, "limits.shutdown_grace", l.ShutdownGrace)
	notNegative(p, "limits.hibernate_after", l.HibernateAfter)
	notNegative(p, "limits.memory", l.Memory)
	notNegative(p, "limits.max_hellos_per_second_per_address", l.MaxHellosPerSecondPerAddress)
	notNegative(p, "limits.max_rows_per_realm", l.MaxRowsPerRealm)
	notNegative(p, "limits.max_bytes_per_realm", l.MaxBytesPerRealm)
	notNegative(p, "limits.max_changes_per_second_per_realm", l.MaxChangesPerSecondPerRealm)
	l.checkRealms(p)
	if l.QueueSoft > l.QueueHard {
		p.addf("limits.queue_soft", "%s is above queue_hard, %s", l.QueueSoft, l.QueueHard)
	}
	if l.QueueReserve > l.QueueBudget || l.QueueHard > l.QueueBudget-l.QueueReserve {
		p.addf("limits.queue_budget", "%s does not hold one full queue: queue_hard, %s, and queue_reserve, %s",
			l.QueueBudget, l.QueueHard, l.QueueReserve)
	}
}

// checkRealms checks the bounds of single realms, which need not exist yet.
func (l *Limits) checkRealms(p *problems) {
	seen := map[wamp.URI]int{}
	for i := range l.Realms {
		r, key := &l.Realms[i], element("limits.realm", i)
		if r.MaxRows != nil {
			notNegative(p, join(key, "max_rows"), *r.MaxRows)
		}
		uri := r.realm()
		if first, twice := seen[uri]; twice {
			p.addf(join(key, "uri"), "%s is already bounded by %s", r.URI, element("limits.realm", first))
		} else {
			seen[uri] = i
		}
		if r.URI == "" {
			p.addf(join(key, "uri"), "must not be empty")
		}
	}
}

func (l *Listener) check(p *problems, key string) {
	checkAddress(p, join(key, "address"), l.Address)
	l.checkServices(p, join(key, "services"))
	if l.TLS != nil && (l.TLS.Cert == "" || l.TLS.Key == "") {
		p.addf(join(key, "tls"), "wants both cert and key")
	}
	positive(p, join(key, "max_connections"), l.MaxConnections)
	notNegative(p, join(key, "max_connections_per_address"), l.MaxConnectionsPerAddress)
	notNegative(p, join(key, "max_connections_per_second"), l.MaxConnectionsPerSecond)
	notNegative(p, join(key, "max_connections_per_second_per_address"), l.MaxConnectionsPerSecondPerAddress)
	if l.Offers(ServiceRawSocket) && len(l.TrustedProxies) > 0 {
		p.addf(join(key, "trusted_proxies"), "is for HTTP: rawsocket has proxy_protocol")
	}
	notNegative(p, join(key, "ping_interval"), l.PingInterval)
	positive(p, join(key, "handshake_timeout"), l.HandshakeTimeout)
	longest := maxMessageSize
	if l.Offers(ServiceRawSocket) {
		longest = maxRawSocketLength
	}
	if l.MaxMessageSize < minMessageSize || l.MaxMessageSize > longest {
		p.addf(join(key, "max_message_size"), "%s is not between %s and %s", l.MaxMessageSize, minMessageSize, longest)
	}
	for i, o := range l.Origins {
		checkOrigin(p, element(join(key, "origins"), i), o)
	}
}

func (l *Listener) checkServices(p *problems, key string) {
	if len(l.Services) == 0 {
		p.addf(key, "wants at least one of websocket, longpoll, rawsocket, admin")
	}
	for i, s := range l.Services {
		at := element(key, i)
		oneOf(p, at, s, laterServices(), ServiceWebSocket, ServiceLongPoll, ServiceRawSocket, ServiceAdmin)
		if slices.Contains(l.Services[:i], s) {
			p.addf(at, "%s is listed twice", s)
		}
	}
	if len(l.Services) > 1 && l.Offers(ServiceRawSocket) {
		p.addf(key, "rawsocket is no HTTP service and needs a listener of its own")
	}
}

// checkAddress checks the address of a listener.
func checkAddress(p *problems, key, address string) {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		if path == "" {
			p.addf(key, "unix: wants the path of the socket")
		}
		return
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil || strings.ContainsAny(host, "/ ") {
		p.addf(key, `%q is no address: want "host:port" or "unix:/path"`, address)
		return
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		p.addf(key, "port %q is not a number from 0 to 65535", port)
	}
}

// checkOrigin checks an allowed origin.
func checkOrigin(p *problems, key, origin string) {
	host, wildcard := strings.CutPrefix(origin, "*.")
	if !wildcard {
		if origin == "*" {
			return
		}
		_, host, _ = strings.Cut(origin, "://")
	}
	if host == "" || strings.ContainsAny(host, "/*?# ") {
		p.addf(key, `%q is no origin: want "https://example.com", "https://example.com:8443", "*.example.com" or "*"`, origin)
	}
}

// checkName checks the name of a node, user or group.
func checkName(p *problems, key, name string) {
	odd := func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }
	if name == "" || len(name) > maxName || !utf8.ValidString(name) || strings.ContainsFunc(name, odd) {
		p.addf(key, "want a name of 1 to %d bytes without spaces and control characters", maxName)
	}
}

// clients reports whether WAMP clients arrive by s.
func (s Service) clients() bool {
	return s == ServiceWebSocket || s == ServiceLongPoll || s == ServiceRawSocket
}

// oneOf checks that value is among the allowed ones; later are the names that
// a later release allows.
func oneOf[T ~string](p *problems, key string, value T, later []string, allowed ...T) {
	if slices.Contains(allowed, value) {
		return
	}
	if slices.Contains(later, string(value)) {
		p.addf(key, "this release does not have %q yet", value)
		return
	}
	names := make([]string, len(allowed))
	for i, a := range allowed {
		names[i] = string(a)
	}
	p.addf(key, "unknown %q, want one of %s%s", value, strings.Join(names, ", "), strict.Suggest(string(value), names))
}

func positive[T ~int | ~int64](p *problems, key string, n T) {
	if n <= 0 {
		p.addf(key, "must be more than 0")
	}
}

func notNegative[T ~int | ~int64](p *problems, key string, n T) {
	if n < 0 {
		p.addf(key, "must not be negative")
	}
}
