// SPDX-License-Identifier: GPL-3.0-or-later

package guest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"syd/conformance/capability"
	"syd/conformance/report"
)

// StatusOf is what an error makes sydtest exit with.
func StatusOf(err error) int {
	var p *Problem
	if errors.As(err, &p) {
		return p.Fate.Status()
	}
	return report.ExitHarness
}

// WriteJSON writes the grid with everything in it.
func (g *Grid) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(g)
}

// families is the rows of the grid.
func (g *Grid) families() []string {
	var names []string
	for _, cell := range g.Cells {
		for _, run := range cell.Runs {
			for _, f := range run.Families {
				if !slices.Contains(names, f.Name) {
					names = append(names, f.Name)
				}
			}
		}
	}
	slices.Sort(names)
	return names
}

// A Tally counts what became of one family's specs in all runs of a cell.
type Tally struct{ Green, Red, Skipped int }

// Tally counts a family; "" is all of them.
func (c *Cell) Tally(family string) (t Tally) {
	for _, run := range c.Runs {
		for _, s := range run.Specs {
			switch {
			case family != "" && s.Family != family:
			case s.Verdict.Red(run.Strict):
				t.Red++
			case s.Verdict.Skipped():
				t.Skipped++
			default:
				t.Green++
			}
		}
	}
	return t
}

// String is 12 for twelve green specs, 12-3 if three more are unsupported, and
// 2!12-3 if two are red.
func (t Tally) String() string {
	text := fmt.Sprint(t.Green)
	if t.Skipped > 0 {
		text += fmt.Sprintf("-%d", t.Skipped)
	}
	if t.Red > 0 {
		text = fmt.Sprintf("%d!%s", t.Red, text)
	}
	if t == (Tally{}) {
		return "."
	}
	return text
}

// Title is the short name of the cell's kernel.
func (c *Cell) Title() string {
	kind, rest, _ := strings.Cut(c.Spec, ":")
	switch kind {
	case "debian":
		return rest
	case "file":
		return rest[strings.LastIndex(rest, "/")+1:]
	}
	return c.Spec
}

// Answer is what a capability's probe said in the cell: yes, no where that is
// no wonder, MISSING where the kernel is new enough, ? when it was not asked.
func (c *Cell) Answer(name string) (word string, answer capability.Answer) {
	if c.Doctor == nil {
		return "?", answer
	}
	for _, a := range c.Doctor.Capabilities {
		switch {
		case a.Name != name:
		case a.OK:
			return "yes", a
		case Missing(a, c.Doctor.Kernel):
			return "MISSING", a
		default:
			return "no", a
		}
	}
	return "?", answer
}

// WriteText writes the grid, what is wrong in it, and the capabilities.
func (g *Grid) WriteText(w io.Writer) {
	t := &textTable{w: w}
	row := func(name string, value func(*Cell) string) {
		words := []string{name}
		for _, cell := range g.Cells {
			words = append(words, value(cell))
		}
		t.rows = append(t.rows, words)
	}
	row("", (*Cell).Title)
	row("", func(c *Cell) string { return strings.ToUpper(string(c.Fate)) })
	row("first spec", func(c *Cell) string { return seconds(c.FirstSpecMS) })
	row("took", func(c *Cell) string { return seconds(c.MS) })
	for _, family := range g.families() {
		row(family, func(c *Cell) string { return c.Tally(family).String() })
	}
	row("all", func(c *Cell) string { return c.Tally("").String() })
	fmt.Fprintln(w)
	t.write()
	fmt.Fprintln(w, "\n12 = twelve green specs, of root's run and nobody's; 12-3: and three unsupported; 2!12: two red, twelve green")
	for _, cell := range g.Cells {
		cell.explain(w)
	}
	fmt.Fprintln(w)
	t.rows = nil
	row("capability", (*Cell).Title)
	for _, c := range capability.Table {
		row(c.Name+" ("+c.Required()+")", func(cell *Cell) string {
			word, _ := cell.Answer(c.Name)
			return word
		})
	}
	t.write()
}

func seconds(ms float64) string {
	if ms == 0 {
		return "."
	}
	return fmt.Sprintf("%.1f s", ms/1000)
}

// explain says what is not plainly green in a cell: red specs with the first
// line of why, and what is unsupported by what is missing.
func (c *Cell) explain(w io.Writer) {
	if c.Fate != Green {
		fmt.Fprintf(w, "\n%s: %s: %s\n", c.Spec, c.Fate, c.Why)
	}
	if c.Note != "" {
		fmt.Fprintf(w, "%s: %s\n", c.Spec, c.Note)
	}
	for _, run := range c.Runs {
		for _, s := range run.Specs {
			if s.Verdict.Red(run.Strict) {
				first, _, _ := strings.Cut(strings.TrimSpace(s.Message), "\n")
				fmt.Fprintf(w, "  %s as %s: %s: %s\n      %s\n", s.ID, run.Host.User, s.Verdict, s.Sentence, first)
			}
		}
	}
	for _, u := range c.Unsupported() {
		fmt.Fprintf(w, "  %s: unsupported as %s for want of %s, which needs %s (%s): %s\n",
			c.Title(), u.User, u.Capability, u.Required, u.Observed, strings.Join(u.Specs, " "))
	}
	if c.Console != "" && len(c.Runs) == 0 {
		fmt.Fprintf(w, "  the end of its console:\n    %s\n", strings.ReplaceAll(c.Console, "\n", "\n    "))
	}
}

// An Unsupported is the specs of one run that one capability keeps from running.
type Unsupported struct {
	User string
	report.Record
	Specs []string
}

// Unsupported gathers them.
func (c *Cell) Unsupported() []Unsupported {
	var all []Unsupported
	for _, run := range c.Runs {
		for _, s := range run.Specs {
			if s.Unsupported == nil {
				continue
			}
			i := slices.IndexFunc(all, func(u Unsupported) bool {
				return u.User == run.Host.User && u.Capability == s.Unsupported.Capability
			})
			if i < 0 {
				i = len(all)
				all = append(all, Unsupported{User: run.Host.User, Record: *s.Unsupported})
			}
			all[i].Specs = append(all[i].Specs, s.ID)
		}
	}
	return all
}

// A textTable writes columns that are as wide as what is in them.
type textTable struct {
	w    io.Writer
	rows [][]string
}

func (t *textTable) write() {
	var widths []int
	for _, row := range t.rows {
		for i, word := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], len(word))
		}
	}
	for _, row := range t.rows {
		line := fmt.Sprintf("%-*s", widths[0], row[0])
		for i, word := range row[1:] {
			line += fmt.Sprintf("  %*s", widths[i+1], word)
		}
		fmt.Fprintln(t.w, strings.TrimRight(line, " "))
	}
}
