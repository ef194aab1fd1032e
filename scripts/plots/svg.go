package main

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// plot is how the bars of some figures are drawn.
type plot struct {
	name, title string
	log         bool // the axis begins at 1 and grows by factors
}

func plots() []plot {
	return []plot{
		{"cpu", "CPU of the router per message, in multiples of plain forwarding (logarithmic)", true},
		{"memory", "Memory of the router per idle session, KiB", false},
		{"latency", "Latency of calls, microseconds (logarithmic)", true},
	}
}

// The measures of a plot, in pixels.
const (
	width    = 760
	left     = 200 // where bars begin
	right    = 660 // where the axis ends
	top      = 48
	rowStep  = 20
	barThick = 13
	headStep = 24
	bottom   = 34
)

// style is for light and dark pages; the background makes plots legible where
// the reader's choice is not known.
const style = `<style>
  .page { fill: #ffffff } .ink { fill: #1f2328 } .soft { fill: #59636e } .grid { stroke: #d1d9e0 } .range { stroke: #1f2328 }
  .ours { fill: #0969da } .theirs { fill: #8c959f } .goal { stroke: #bc4c00 } .goaltext { fill: #bc4c00 }
  text { font: 12px system-ui, sans-serif } .strong { font-weight: 600 } .small { font-size: 11px }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117 } .ink { fill: #f0f6fc } .soft { fill: #9198a1 } .grid { stroke: #3d444d } .range { stroke: #f0f6fc }
    .ours { fill: #4493f8 } .theirs { fill: #767e88 } .goal { stroke: #f0883e } .goaltext { fill: #f0883e }
  }
</style>
`

// svg draws the figures as horizontal bars, one below the other.
func (p plot) svg(group Figures) []byte {
	height := top + bottom
	most := 1.0
	for _, s := range group {
		height += headStep + rowStep*len(s.Entries)
		most = max(most, s.Bar)
		for _, e := range s.Entries {
			most = max(most, e.Value, e.High)
		}
	}
	ticks := p.ticks(most)
	x := p.scale(ticks[len(ticks)-1])
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img">`, width, height, width, height)
	line("<title>%s</title>", html.EscapeString(p.title))
	b.WriteString(style)
	line(`<rect class="page" width="%d" height="%d"/>`, width, height)
	line(`<text class="ink strong" x="16" y="26">%s</text>`, html.EscapeString(p.title))
	for _, t := range ticks {
		line(`<path class="grid" d="M%.1f %dV%d"/>`, x(t), top-6, height-bottom+4)
		line(`<text class="soft small" x="%.1f" y="%d" text-anchor="middle">%s</text>`, x(t), height-bottom+20, number(t))
	}
	y := top
	for _, s := range group {
		goal := ""
		if s.Bar > 0 {
			goal = `<tspan class="goaltext small" dx="10">goal ` + number(s.Bar) + `</tspan>`
		}
		line(`<text class="ink strong" x="16" y="%d">%s%s</text>`, y+14, html.EscapeString(s.Name), goal)
		y += headStep
		first := y
		for _, e := range s.Entries {
			class := "theirs"
			if strings.HasPrefix(e.Who, "bondy") {
				class = "ours"
			}
			line(`<text class="ink" x="%d" y="%d" text-anchor="end">%s</text>`, left-8, y+11, html.EscapeString(e.Who))
			line(`<rect class="%s" x="%d" y="%d" width="%.1f" height="%d"/>`, class, left, y, max(x(e.Value)-left, 1), barThick)
			if e.High > 0 {
				line(`<path class="range" d="M%.1f %.1fH%.1f"/>`, x(e.Low), float64(y)+barThick/2.0, x(e.High))
			}
			line(`<text class="ink" x="%d" y="%d" text-anchor="end">%s</text>`, width-16, y+11, number(e.Value))
			y += rowStep
		}
		if s.Bar > 0 {
			line(`<path class="goal" d="M%.1f %dV%d" stroke-width="2" stroke-dasharray="4 3"/>`, x(s.Bar), first-4, y-3)
		}
	}
	line("</svg>")
	return []byte(b.String())
}

// scale maps a value to its place on the axis, which ends at most.
func (p plot) scale(most float64) func(v float64) float64 {
	return func(v float64) float64 {
		share := v / most
		if p.log {
			share = math.Log(max(v, 1)) / math.Log(most)
		}
		return left + share*(right-left)
	}
}

// ticks are round numbers from the beginning of the axis to the first that is
// not below most.
func (p plot) ticks(most float64) []float64 {
	if p.log {
		out, factors := []float64{1}, []float64{2, 2.5, 2}
		if most > 100 {
			factors = []float64{10}
		}
		for out[len(out)-1] < max(most, 2) {
			out = append(out, out[len(out)-1]*factors[(len(out)-1)%len(factors)])
		}
		return out
	}
	step := math.Pow(10, math.Floor(math.Log10(most)))
	for most/step < 4 {
		step /= 2
	}
	out := []float64{0}
	for out[len(out)-1] < most {
		out = append(out, out[len(out)-1]+step)
	}
	return out
}
