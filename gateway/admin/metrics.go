package admin

import (
	"github.com/prometheus/client_golang/prometheus"

	"bondy/core"
	"bondy/core/peer"
	"bondy/core/wamp"
)

// RouterCollector exports a router's figures. Labels are message types and
// drop reasons alone: nothing that a client can name becomes one.
func RouterCollector(stats func() core.Stats) prometheus.Collector {
	return &routerCollector{
		stats:    stats,
		realms:   prometheus.NewDesc("bondy_realms", "Realms defined.", nil, nil),
		sessions: prometheus.NewDesc("bondy_sessions", "WAMP sessions open.", nil, nil),
		detached: prometheus.NewDesc("bondy_sessions_detached", "WAMP sessions that lost their connection and wait for the client to resume them.", nil, nil),
		subs:     prometheus.NewDesc("bondy_subscriptions", "Topics and patterns that are subscribed to.", nil, nil),
		regs:     prometheus.NewDesc("bondy_registrations", "Procedures and patterns that are registered.", nil, nil),
		queued:   prometheus.NewDesc("bondy_queue_bytes", "Bytes that wait for clients that are behind.", nil, nil),
		messages: prometheus.NewDesc("bondy_messages_total", "WAMP messages by direction and type.", []string{"direction", "type"}, nil),
		dropped:  prometheus.NewDesc("bondy_events_dropped_total", "Events that a subscriber did not get, by reason.", []string{"reason"}, nil),
		slow:     prometheus.NewDesc("bondy_slow_sessions_closed_total", "Sessions closed because they read too slowly.", nil, nil),
		resumed:  prometheus.NewDesc("bondy_sessions_resumed_total", "Sessions that went on over another connection.", nil, nil),
		refused:  prometheus.NewDesc("bondy_sessions_detach_refused_total", "Sessions that ended with their connection because too many of the realm, or of one authid or address, had none.", nil, nil),
		retained: prometheus.NewDesc("bondy_retained_events", "Events retained for those who subscribe later.", nil, nil),
		kept:     prometheus.NewDesc("bondy_retained_bytes", "Bytes of the retained events.", nil, nil),
		noRoom:   prometheus.NewDesc("bondy_retain_refused_total", "Events that were to be retained and did not fit.", nil, nil),
		lost:     prometheus.NewDesc("bondy_history_lost_total", "Events that no event history could take.", nil, nil),
		full:     prometheus.NewDesc("bondy_sessions_refused_total", "Logins refused because the realm, or the user, had as many sessions as may be.", []string{"limit"}, nil),
	}
}

type routerCollector struct {
	stats func() core.Stats

	realms, sessions, detached, subs, regs, queued, messages, dropped, slow, resumed, refused, full *prometheus.Desc
	retained, kept, noRoom, lost                                                                    *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (c *routerCollector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect implements prometheus.Collector.
func (c *routerCollector) Collect(ch chan<- prometheus.Metric) {
	s := c.stats()
	gauge := func(d *prometheus.Desc, v float64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v)
	}
	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge(c.realms, float64(s.Realms))
	gauge(c.sessions, float64(s.Sessions))
	gauge(c.detached, float64(s.Detached))
	gauge(c.subs, float64(s.Subscriptions))
	gauge(c.regs, float64(s.Registrations))
	gauge(c.queued, float64(s.QueueBytes))
	for t := range wamp.MaxMessageType + 1 {
		if t.String() == "unknown" {
			continue
		}
		counter(c.messages, s.Counters.In[t].Load(), "in", t.String())
		counter(c.messages, s.Counters.Out[t].Load(), "out", t.String())
	}
	for r := range peer.DropReason(peer.NumDropReasons) {
		counter(c.dropped, s.Counters.Dropped[r].Load(), r.String())
	}
	counter(c.slow, s.Counters.SlowClosed.Load())
	counter(c.resumed, s.Counters.Resumed.Load())
	counter(c.refused, s.Counters.DetachRefused.Load())
	gauge(c.retained, float64(s.Retained))
	gauge(c.kept, float64(s.RetainedBytes))
	counter(c.noRoom, s.RetainRefused)
	counter(c.lost, s.HistoryLost)
	counter(c.full, s.Counters.RealmFull.Load(), "realm")
	counter(c.full, s.Counters.UserFull.Load(), "user")
}
