package admin

import (
	"github.com/prometheus/client_golang/prometheus"

	"bondy/core/audit"
)

// AuditCollector exports the figures of the audit log.
func AuditCollector(stats func() audit.Stats) prometheus.Collector {
	return &auditCollector{
		stats:    stats,
		records:  prometheus.NewDesc("bondy_audit_records_total", "Records written to the audit log.", nil, nil),
		repeated: prometheus.NewDesc("bondy_audit_repeated_total", "Events that were counted into records of others like them.", nil, nil),
		dropped:  prometheus.NewDesc("bondy_audit_dropped_total", "Events that are in no record of the audit log, by reason.", []string{"reason"}, nil),
		bytes:    prometheus.NewDesc("bondy_audit_bytes", "Bytes of the audit log on disk.", nil, nil),
		files:    prometheus.NewDesc("bondy_audit_files", "Files of the audit log on disk.", nil, nil),
	}
}

type auditCollector struct {
	stats func() audit.Stats

	records, repeated, dropped, bytes, files *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (c *auditCollector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect implements prometheus.Collector.
func (c *auditCollector) Collect(ch chan<- prometheus.Metric) {
	s := c.stats()
	send := func(d *prometheus.Desc, t prometheus.ValueType, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, t, v, labels...)
	}
	send(c.records, prometheus.CounterValue, float64(s.Records))
	send(c.repeated, prometheus.CounterValue, float64(s.Repeated))
	for why := range audit.Drop(audit.NumDrops) {
		send(c.dropped, prometheus.CounterValue, float64(s.Dropped[why]), why.String())
	}
	send(c.bytes, prometheus.GaugeValue, float64(s.Bytes))
	send(c.files, prometheus.GaugeValue, float64(s.Segments))
}
