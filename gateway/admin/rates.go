package admin

import "github.com/prometheus/client_golang/prometheus"

// RateCollector exports what came too fast: limited returns how much so far, by whose
// bound it was above, and of how many addresses the rate was forgotten.
func RateCollector(limited func() (scopes map[string]uint64, forgotten uint64)) prometheus.Collector {
	return &rateCollector{
		limited: limited,
		refused: prometheus.NewDesc("bondy_rate_limited_total",
			"Connections, logins and messages refused because they came too fast, by whose bound they were above.", []string{"scope"}, nil),
		forgotten: prometheus.NewDesc("bondy_rate_addresses_forgotten_total",
			"Addresses whose rate was forgotten because too many others came.", nil, nil),
	}
}

type rateCollector struct {
	limited            func() (map[string]uint64, uint64)
	refused, forgotten *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (c *rateCollector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect implements prometheus.Collector.
func (c *rateCollector) Collect(ch chan<- prometheus.Metric) {
	scopes, forgotten := c.limited()
	for scope, n := range scopes {
		ch <- prometheus.MustNewConstMetric(c.refused, prometheus.CounterValue, float64(n), scope)
	}
	ch <- prometheus.MustNewConstMetric(c.forgotten, prometheus.CounterValue, float64(forgotten))
}
