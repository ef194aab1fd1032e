package node

import (
	"github.com/prometheus/client_golang/prometheus"
)

// listenerCollector exports what the listeners count. The labels are the
// addresses of the configuration and the reasons of refusals.
type listenerCollector struct {
	n *Node

	open, accepted, refused, bytes *prometheus.Desc
}

func newListenerCollector(n *Node) prometheus.Collector {
	listener := []string{"listener"}
	return &listenerCollector{
		n:        n,
		open:     prometheus.NewDesc("bondy_connections", "Connections open.", listener, nil),
		accepted: prometheus.NewDesc("bondy_connections_accepted_total", "Connections accepted.", listener, nil),
		refused:  prometheus.NewDesc("bondy_connections_refused_total", "Connections that did not become a session, by reason.", []string{"listener", "reason"}, nil),
		bytes:    prometheus.NewDesc("bondy_bytes_total", "Bytes by direction.", []string{"listener", "direction"}, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *listenerCollector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect implements prometheus.Collector.
func (c *listenerCollector) Collect(ch chan<- prometheus.Metric) {
	for _, l := range c.n.listeners() {
		s, name := l.Stats(), address(l.ListenAddr())
		counter := func(d *prometheus.Desc, v int64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), append([]string{name}, labels...)...)
		}
		ch <- prometheus.MustNewConstMetric(c.open, prometheus.GaugeValue, float64(s.Open), name)
		counter(c.accepted, s.Accepted)
		for reason, v := range s.Refused {
			counter(c.refused, v, string(reason))
		}
		counter(c.bytes, s.BytesIn, "in")
		counter(c.bytes, s.BytesOut, "out")
	}
}
