// Package bench measures a WAMP router from outside: how many calls and events
// it passes on, how long they take, and what it costs the router, if that runs
// on this machine. Run runs a Scenario and makes a Report.
package bench

import (
	"net/url"
	"slices"
	"time"
)

// Figure is one thing that was measured, over all runs.
type Figure struct {
	Name string `json:"name"`
	// Unit is empty for a plain number.
	Unit   string  `json:"unit"`
	Low    float64 `json:"low"`
	Median float64 `json:"median"`
	High   float64 `json:"high"`
}

// Report is what was measured, and what went wrong.
type Report struct {
	Scenario   string   `json:"scenario"`
	Settings   Scenario `json:"settings"`
	URL        string   `json:"url"`
	Realm      string   `json:"realm"`
	Serializer string   `json:"serializer"`
	// Runs is how many runs the figures are from. A run that was interrupted
	// counts if it had measured something.
	Runs        int     `json:"runs"`
	Duration    float64 `json:"duration_s"`
	Warmup      float64 `json:"warmup_s"`
	Rate        float64 `json:"rate"`
	Interrupted bool    `json:"interrupted"`
	// Router is the process id of the router, 0 if it could not be seen.
	Router  int      `json:"router_pid"`
	Figures []Figure `json:"figures"`

	// Refused counts requests that were answered with an ERROR, Lost calls
	// without an answer, publications without an acknowledgement and events
	// that did not come, Unsent what was due at the rate asked for and could
	// not begin, and Ended sessions that ended by themselves.
	Refused int64 `json:"refused"`
	Lost    int64 `json:"lost"`
	Unsent  int64 `json:"unsent"`
	Ended   int64 `json:"ended"`
	// Problem is what went wrong first, as far as there is a text.
	Problem string `json:"problem,omitempty"`

	// Histogram has the latencies of all runs.
	Histogram []Bar `json:"histogram,omitempty"`
}

// Failed reports whether anything went wrong.
func (r *Report) Failed() bool { return r.Refused+r.Lost+r.Unsent+r.Ended > 0 }

// report puts the samples together.
func (r *runner) report(s Scenario, samples []*sample) *Report {
	rep := &Report{
		Scenario: s.Name(), Settings: s, URL: redacted(r.URL), Realm: string(r.Client.Realm),
		Serializer: r.Client.Serializer.String(), Runs: len(samples),
		Duration: r.Duration.Seconds(), Warmup: r.Warmup.Seconds(), Rate: r.Rate, Router: int(r.process),
		Refused: r.refused, Lost: r.lost, Unsent: r.unsent, Ended: r.ended,
	}
	if r.first != nil {
		rep.Problem = r.first.Error()
	}
	for i, first := range samples[0].values {
		all := make([]float64, len(samples))
		for j, s := range samples {
			all[j] = s.values[i].value
		}
		slices.Sort(all)
		mid := len(all) / 2
		rep.Figures = append(rep.Figures, Figure{
			Name: first.name, Unit: first.unit,
			Low: all[0], Median: (all[mid] + all[len(all)-1-mid]) / 2, High: all[len(all)-1],
		})
	}
	var total Histogram
	for _, s := range samples {
		if s.latency != nil {
			total.Add(s.latency)
		}
	}
	rep.Histogram = total.Bars()
	return rep
}

// latency are the figures of a histogram.
func latency(h *Histogram) []value {
	us := func(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
	return []value{
		{"latency p50", "us", us(h.Quantile(.5))},
		{"latency p90", "us", us(h.Quantile(.9))},
		{"latency p99", "us", us(h.Quantile(.99))},
		{"latency p99.9", "us", us(h.Quantile(.999))},
		{"latency max", "us", us(h.Max())},
	}
}

// redacted is a URL without what only its user should know.
func redacted(target string) string {
	u, err := url.Parse(target)
	if err != nil {
		return ""
	}
	return u.Redacted()
}
