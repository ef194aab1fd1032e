package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Figures is the content of figures.json.
type Figures []Scenario

// Scenario is what was measured in one way.
type Scenario struct {
	// Plot is the plot and the table where it stands: cpu, memory or latency.
	Plot string `json:"plot"`
	Name string `json:"name"`
	// Unit of the values, for the heading of the table.
	Unit string `json:"unit"`
	// Bar is the figure to stay below, 0 for none.
	Bar     float64 `json:"bar"`
	Entries []Entry `json:"entries"`
}

// Entry is the figure of one router. Low and High are 0 if there is only one.
type Entry struct {
	Who   string  `json:"who"`
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

// Parse reads figures.json and names the first thing that is wrong in it.
func Parse(text []byte) (Figures, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	var all Figures
	if err := d.Decode(&all); err != nil {
		return nil, fmt.Errorf("figures.json: %w", err)
	}
	for _, s := range all {
		known := slices.ContainsFunc(plots(), func(p plot) bool { return p.name == s.Plot })
		if !known || s.Name == "" || len(s.Entries) == 0 || s.Bar < 0 {
			return nil, fmt.Errorf("figures.json: scenario %q: want a known plot, a name and entries", s.Name)
		}
		for _, e := range s.Entries {
			if e.Who == "" || e.Value <= 0 || e.High < e.Low || e.High > 0 && (e.Value < e.Low || e.Value > e.High || e.Low <= 0) {
				return nil, fmt.Errorf("figures.json: scenario %q: %+v: want who, and value from low to high, above 0", s.Name, e)
			}
		}
	}
	return all, nil
}

// of are the scenarios of one plot.
func (f Figures) of(plot string) Figures {
	return slices.DeleteFunc(slices.Clone(f), func(s Scenario) bool { return s.Plot != plot })
}

// table is a table in Markdown, with a column for everybody who has a figure.
func table(group Figures) string {
	var who []string
	bars := false
	for _, s := range group {
		bars = bars || s.Bar > 0
		for _, e := range s.Entries {
			if !slices.Contains(who, e.Who) {
				who = append(who, e.Who)
			}
		}
	}
	head := slices.Concat([]string{"", "unit"}, who)
	if bars {
		head = append(head, "goal")
	}
	rows := [][]string{head, slices.Repeat([]string{"---"}, len(head))}
	for _, s := range group {
		row := []string{s.Name, s.Unit}
		for _, name := range who {
			cell := ""
			if i := slices.IndexFunc(s.Entries, func(e Entry) bool { return e.Who == name }); i >= 0 {
				cell = s.Entries[i].String()
			}
			row = append(row, cell)
		}
		if bars {
			row = append(row, positive(s.Bar))
		}
		rows = append(rows, row)
	}
	var b strings.Builder
	for _, row := range rows {
		b.WriteString("| " + strings.Join(row, " | ") + " |\n")
	}
	return b.String()
}

// String is the value, with the lowest and the highest if they are known.
func (e Entry) String() string {
	if e.High == 0 {
		return number(e.Value)
	}
	return fmt.Sprintf("%s (%s..%s)", number(e.Value), number(e.Low), number(e.High))
}

func positive(v float64) string {
	if v == 0 {
		return ""
	}
	return number(v)
}

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// replace puts text between the markers of name in a page.
func replace(page []byte, name, text string) ([]byte, error) {
	begin, end := "<!-- figures:"+name+" -->\n", "<!-- /figures:"+name+" -->\n"
	before, rest, ok := bytes.Cut(page, []byte(begin))
	_, after, closed := bytes.Cut(rest, []byte(end))
	if !ok || !closed {
		return nil, fmt.Errorf("no lines %q and %q", strings.TrimSpace(begin), strings.TrimSpace(end))
	}
	return slices.Concat(before, []byte(begin+text+end), after), nil
}
