package bench

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"
)

// WriteTable writes the report for people, with the histogram if there is one.
func (r *Report) WriteTable(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n%s, realm %s, %s\n", r.Scenario, r.Settings, r.URL, r.Realm, r.Serializer)
	fmt.Fprintf(&b, "%s%s\n\n", r.loop(), r.cut())
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	line := func(cells ...string) { _, _ = fmt.Fprintln(t, strings.Join(cells, "\t")+"\t") } // b takes all
	line("", "unit", "median", "lowest", "highest")
	for _, f := range r.Figures {
		line(f.Name, f.Unit, short(f.Median), short(f.Low), short(f.High))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if r.Router == 0 {
		b.WriteString("\nThe router's process cannot be seen from here: no CPU time and memory of it.\n")
	}
	fmt.Fprintf(&b, "\nrefused %d, lost %d, not sent in time %d, sessions ended %d\n", r.Refused, r.Lost, r.Unsent, r.Ended)
	if r.Problem != "" {
		fmt.Fprintf(&b, "first problem: %s\n", r.Problem)
	}
	r.bars(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

// loop says how the load was made.
func (r *Report) loop() string {
	times := many(r.Runs, "run")
	if idle, ok := r.Settings.(Idle); ok {
		return fmt.Sprintf("%s of %s", times, idle.Hold)
	}
	text := fmt.Sprintf("%s of %gs after %gs", times, r.Duration, r.Warmup)
	if r.Rate > 0 {
		text += fmt.Sprintf(", %g a second, latency from when each was due", r.Rate)
	}
	return text
}

func (r *Report) cut() string {
	if r.Interrupted {
		return " (interrupted)"
	}
	return ""
}

// bars writes the histogram.
func (r *Report) bars(b *strings.Builder) {
	const width = 50
	var total, most uint64
	for _, bar := range r.Histogram {
		total, most = total+bar.Count, max(most, bar.Count)
	}
	if total == 0 {
		return
	}
	b.WriteString("\nlatency of all runs\n")
	var sum uint64
	for _, bar := range r.Histogram {
		sum += bar.Count
		length := int(math.Ceil(width * float64(bar.Count) / float64(most)))
		fmt.Fprintf(b, "%10s |%-*s %8.4f%% %d\n", brief(bar.To), width, strings.Repeat("#", length), 100*float64(sum)/float64(total), bar.Count)
	}
}

// brief is a duration in nanoseconds with three digits.
func brief(ns uint64) string {
	v, unit := float64(ns), "ns"
	for _, next := range []string{"us", "ms", "s"} {
		if v < 1000 {
			break
		}
		v, unit = v/1000, next
	}
	return strconv.FormatFloat(v, 'g', 3, 64) + unit
}

// short is a number with four digits.
func short(v float64) string {
	switch a := math.Abs(v); {
	case a >= 1e7:
		return strconv.FormatFloat(v/1e6, 'f', 1, 64) + "M"
	case a >= 1e4:
		return strconv.FormatFloat(v/1e3, 'f', 1, 64) + "k"
	case a >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	default:
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
}
