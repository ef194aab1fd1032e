package node

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"bondy/core/peer"
	"bondy/transport"
	"bondy/uplink"
)

// listenerCollector exports what the listeners count. The labels are the
// addresses of the configuration and the reasons of refusals.
type listenerCollector struct {
	n *Node

	open, polls, hibernating, wakeups, accepted, refused, bytes *prometheus.Desc
}

func newListenerCollector(n *Node) prometheus.Collector {
	listener := []string{"listener"}
	return &listenerCollector{
		n:           n,
		open:        prometheus.NewDesc("bondy_connections", "Connections open.", listener, nil),
		polls:       prometheus.NewDesc("bondy_longpoll_transports", "Long-poll transports open.", listener, nil),
		hibernating: prometheus.NewDesc("bondy_sessions_hibernating", "Idle sessions that have given their goroutine and buffers back.", listener, nil),
		wakeups:     prometheus.NewDesc("bondy_session_wakeups_total", "How often a hibernating session woke up.", listener, nil),
		accepted:    prometheus.NewDesc("bondy_connections_accepted_total", "Connections accepted.", listener, nil),
		refused:     prometheus.NewDesc("bondy_connections_refused_total", "Connections that did not become a session, by reason.", []string{"listener", "reason"}, nil),
		bytes:       prometheus.NewDesc("bondy_bytes_total", "Bytes by direction.", []string{"listener", "direction"}, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *listenerCollector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect implements prometheus.Collector.
func (c *listenerCollector) Collect(ch chan<- prometheus.Metric) {
	for _, l := range c.n.listeners() {
		s, name := l.Stats(), address(l.ListenAddr())
		gauge(ch, c.open, float64(s.Open), name)
		gauge(ch, c.polls, float64(s.Polls), name)
		gauge(ch, c.hibernating, float64(s.Hibernating), name)
		counter(ch, c.wakeups, uint64(s.Wakeups), name)   //nolint:gosec // counts go up
		counter(ch, c.accepted, uint64(s.Accepted), name) //nolint:gosec // counts go up
		for reason, v := range s.Refused {
			counter(ch, c.refused, uint64(v), name, string(reason)) //nolint:gosec // counts go up
		}
		counter(ch, c.bytes, uint64(s.BytesIn), name, "in")   //nolint:gosec // counts go up
		counter(ch, c.bytes, uint64(s.BytesOut), name, "out") //nolint:gosec // counts go up
	}
}

// limited is what came too fast: connections by the bound of their listener or
// address, what the router counts, and changes of realms; and of how many addresses
// the rate was forgotten.
func (n *Node) limited() (counts map[string]uint64, forgotten uint64) {
	r := n.router.Stats()
	counts, forgotten = map[string]uint64{"listener": 0, "address": 0}, r.Forgotten
	for _, l := range n.listeners() {
		s := l.Stats()
		counts["listener"] += uint64(s.Refused[transport.RefusedRate])       //nolint:gosec // counts go up
		counts["address"] += uint64(s.Refused[transport.RefusedAddressRate]) //nolint:gosec // counts go up
		forgotten += s.Forgotten
	}
	for scope := range peer.RateScope(peer.NumRateScopes) {
		counts[scope.String()] = r.Counters.Limited[scope].Load()
	}
	counts["changes"] = n.pace.Refused()
	return counts, forgotten
}

// uplinkCollector exports the links between edges and cores: an edge each
// uplink by its name in the configuration, a core all edges together.
type uplinkCollector struct {
	n *Node

	up, rtt, queued, dials, probes, frames, bytes, refused, events, calls, denied *prometheus.Desc
}

func newUplinkCollector(n *Node) prometheus.Collector {
	name := []string{"uplink"}
	directed := []string{"uplink", "direction"}
	return &uplinkCollector{
		n:       n,
		up:      prometheus.NewDesc("bondy_uplink_links", "Links that are up.", name, nil),
		rtt:     prometheus.NewDesc("bondy_uplink_rtt_seconds", "Smoothed round-trip time.", name, nil),
		queued:  prometheus.NewDesc("bondy_uplink_queue_bytes", "Bytes that wait to be sent.", name, nil),
		dials:   prometheus.NewDesc("bondy_uplink_dials_total", "Tries to make a link.", name, nil),
		probes:  prometheus.NewDesc("bondy_uplink_probes_total", "Probes sent while the link was down.", name, nil),
		frames:  prometheus.NewDesc("bondy_uplink_messages_total", "Messages that crossed, by direction.", directed, nil),
		bytes:   prometheus.NewDesc("bondy_uplink_bytes_total", "Bytes of messages that crossed, by direction.", directed, nil),
		refused: prometheus.NewDesc("bondy_uplink_messages_refused_total", "Messages for which a lane had no room.", name, nil),
		events:  prometheus.NewDesc("bondy_uplink_events_received_total", "Events that came over open bridges.", name, nil),
		calls:   prometheus.NewDesc("bondy_uplink_calls_received_total", "Calls that came over open bridges.", name, nil),
		denied:  prometheus.NewDesc("bondy_uplink_denied_total", "Messages that rules or permissions on this side stopped.", name, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *uplinkCollector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect implements prometheus.Collector.
func (c *uplinkCollector) Collect(ch chan<- prometheus.Metric) {
	for _, u := range c.n.edges {
		st := u.dialer.Stats()
		links, queued, rtt := 0, 0, 0.0
		if l := u.dialer.Link(); l != nil {
			links, queued, rtt = 1, l.Stats().Queued, l.RTT().Seconds()
		}
		gauge(ch, c.up, float64(links), u.name)
		gauge(ch, c.rtt, rtt, u.name)
		gauge(ch, c.queued, float64(queued), u.name)
		counter(ch, c.dials, st.Dials, u.name)
		counter(ch, c.probes, st.ProbesSent, u.name)
		c.traffic(ch, st.Traffic, u.name)
		var events, calls, denied uint64
		for _, r := range u.edge.Status(context.Background()) {
			events, calls, denied = events+r.EventsIn, calls+r.CallsIn, denied+r.Denied
		}
		counter(ch, c.events, events, u.name)
		counter(ch, c.calls, calls, u.name)
		counter(ch, c.denied, denied, u.name)
	}
	if c.n.arrivals != nil {
		const all = "edges"
		links := c.n.arrivals.Links()
		queued := 0
		for _, l := range links {
			queued += l.Stats().Queued
		}
		gauge(ch, c.up, float64(len(links)), all)
		gauge(ch, c.queued, float64(queued), all)
		c.traffic(ch, c.n.arrivals.Stats().Traffic, all)
	}
}

func (c *uplinkCollector) traffic(ch chan<- prometheus.Metric, t uplink.Traffic, name string) {
	counter(ch, c.frames, t.Control.FramesIn+t.Data.FramesIn, name, "in")
	counter(ch, c.frames, t.Control.FramesOut+t.Data.FramesOut, name, "out")
	counter(ch, c.bytes, t.Control.BytesIn+t.Data.BytesIn, name, "in")
	counter(ch, c.bytes, t.Control.BytesOut+t.Data.BytesOut, name, "out")
	counter(ch, c.refused, t.Control.Refused+t.Data.Refused, name)
}

func gauge(ch chan<- prometheus.Metric, d *prometheus.Desc, v float64, labels ...string) {
	ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func counter(ch chan<- prometheus.Metric, d *prometheus.Desc, v uint64, labels ...string) {
	ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
}
