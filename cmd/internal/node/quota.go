package node

import (
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"bondy/core/directory"
	"bondy/core/wamp"
)

// quota is what a realm may hold.
func (n *Node) quota(realm wamp.URI) directory.Quota {
	rows, bytes := n.limits.Load().Realm(realm)
	return directory.Quota{Rows: int64(rows), Bytes: int64(bytes)}
}

// each goes through what realms hold and may hold.
func (n *Node) each(f func(uri wamp.URI, u directory.Usage, q directory.Quota)) {
	s := n.directory.Snapshot()
	for uri := range s.Realms() {
		if v, err := s.View(uri); err == nil {
			f(uri, v.Usage(), n.quota(uri))
		}
	}
}

// tellFull logs the realms that hold more than they may: they can only shrink.
func (n *Node) tellFull() {
	n.each(func(uri wamp.URI, u directory.Usage, q directory.Quota) {
		if u.Exceeds(q) {
			n.log.Warn("a realm holds more than it may, and takes nothing more", slog.String("realm", string(uri)),
				slog.Int64("rows", u.Rows), slog.Int64("max_rows", q.Rows), slog.Int64("bytes", u.Bytes), slog.Int64("max_bytes", q.Bytes),
				slog.Int64("tickets", u.Tickets))
		}
	})
}

// quotaCollector exports what realms hold, all together: the figures of one are in
// what bondy.realm.get returns.
type quotaCollector struct {
	n *Node

	rows, bytes, tickets, full, refused *prometheus.Desc
}

func newQuotaCollector(n *Node) prometheus.Collector {
	return &quotaCollector{
		n:       n,
		rows:    prometheus.NewDesc("bondy_directory_rows", "Rows of users, groups, grants and the like in all realms.", nil, nil),
		bytes:   prometheus.NewDesc("bondy_directory_bytes", "About how many bytes these rows have.", nil, nil),
		tickets: prometheus.NewDesc("bondy_directory_tickets", "Rows of tickets in all realms.", nil, nil),
		full:    prometheus.NewDesc("bondy_realms_nearly_full", "Realms that hold more than nine tenths of what they may.", nil, nil),
		refused: prometheus.NewDesc("bondy_quota_refused_total", "Changes refused because a realm would have held more than it may.", nil, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *quotaCollector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect implements prometheus.Collector.
func (c *quotaCollector) Collect(ch chan<- prometheus.Metric) {
	var sum directory.Usage
	full := 0
	c.n.each(func(_ wamp.URI, u directory.Usage, q directory.Quota) {
		sum.Rows, sum.Bytes, sum.Tickets = sum.Rows+u.Rows, sum.Bytes+u.Bytes, sum.Tickets+u.Tickets
		if u.Exceeds(directory.Quota{Rows: q.Rows - q.Rows/10, Bytes: q.Bytes - q.Bytes/10}) {
			full++
		}
	})
	gauge(ch, c.rows, float64(sum.Rows))
	gauge(ch, c.bytes, float64(sum.Bytes))
	gauge(ch, c.tickets, float64(sum.Tickets))
	gauge(ch, c.full, float64(full))
	counter(ch, c.refused, c.n.directory.Refused())
}
