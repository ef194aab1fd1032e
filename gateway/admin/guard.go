package admin

import (
	"github.com/prometheus/client_golang/prometheus"

	"bondy/core/auth"
)

// GuardCollector exports what stands between logins and those who guess, and
// between logins and the machine.
func GuardCollector(guard *auth.Guard, gate *auth.Gate) prometheus.Collector {
	return &guardCollector{
		guard: guard, gate: gate,
		refused: prometheus.NewDesc("bondy_guard_refused_total", "Logins refused because too many before them had failed.", nil, nil),
		evicted: prometheus.NewDesc("bondy_guard_evicted_total", "Counts of failed logins that made room for others.", nil, nil),
		busy:    prometheus.NewDesc("bondy_guard_busy_total", "Logins turned away because too many others were computed.", nil, nil),
	}
}

type guardCollector struct {
	guard *auth.Guard
	gate  *auth.Gate

	refused, evicted, busy *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (c *guardCollector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect implements prometheus.Collector.
func (c *guardCollector) Collect(ch chan<- prometheus.Metric) {
	refused, evicted := c.guard.Stats()
	for d, v := range map[*prometheus.Desc]uint64{c.refused: refused, c.evicted: evicted, c.busy: c.gate.TurnedAway()} {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v))
	}
}
