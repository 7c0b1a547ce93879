// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"syd/conformance/capability"
	"syd/conformance/catalogue"
	"syd/conformance/harness"
	"syd/conformance/report"
	"syd/fixtures"
)

// A listing is a table that can be printed in three ways.
type listing struct {
	head []string
	rows [][]string
	data any
}

// A clauseRow is a clause with the specs that cover it.
type clauseRow struct {
	catalogue.Clause
	Specs []string `json:"specs"`
}

// A capabilityRow is a capability without its probe.
type capabilityRow struct {
	Name     string `json:"name"`
	Required string `json:"required"`
}

func listVerb(args []string, stdout, stderr io.Writer) int {
	var asJSON, asMarkdown, clauses bool
	set := newFlagSet("list", "list [specs|clauses|capabilities|fixtures] [OPTION...]", stdout, stderr)
	set.BoolVar(&asJSON, "json", false, "as JSON")
	set.BoolVar(&asMarkdown, "markdown", false, "as a Markdown table")
	set.BoolVar(&clauses, "clauses", false, "the same as `list clauses`")
	// The word may come before or after the options.
	what := ""
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		what, args = args[0], args[1:]
	}
	if status, ok := set.parse(args); !ok {
		return status
	}
	if what == "" && set.NArg() > 0 {
		what = set.Arg(0)
	} else if set.NArg() > 0 {
		fmt.Fprintf(stderr, "sydtest list: unexpected argument %q\n", set.Arg(0))
		return report.ExitUsage
	}
	if clauses {
		what = "clauses"
	}
	l, err := list(what)
	if err != nil {
		fmt.Fprintf(stderr, "sydtest list: %v\n", err)
		return report.ExitUsage
	}
	switch {
	case asJSON:
		encoder := json.NewEncoder(stdout)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		err = encoder.Encode(l.data)
	case asMarkdown:
		err = l.markdown(stdout)
	default:
		err = l.table(stdout)
	}
	if err != nil {
		fmt.Fprintf(stderr, "sydtest list: %v\n", err)
		return report.ExitHarness
	}
	return 0
}

func list(what string) (listing, error) {
	switch what {
	case "", "specs":
		return listSpecs()
	case "clauses":
		return listClauses()
	case "capabilities":
		l := listing{head: []string{"CAPABILITY", "NEEDS"}}
		var data []capabilityRow
		for _, c := range capability.Table {
			l.rows = append(l.rows, []string{c.Name, c.Required()})
			data = append(data, capabilityRow{c.Name, c.Required()})
		}
		l.data = data
		return l, nil
	case "fixtures":
		l := listing{head: []string{"FIXTURE", "LANGUAGE", "PROVES"}, data: fixtures.Table}
		for _, f := range fixtures.Table {
			l.rows = append(l.rows, []string{f.Name, f.Language, f.Proves})
		}
		return l, nil
	}
	return listing{}, fmt.Errorf("there is no list of %q: say specs, clauses, capabilities or fixtures", what)
}

func specs() ([]catalogue.Spec, error) {
	all, problems := harness.Plan(1)
	if len(problems) > 0 {
		return nil, fmt.Errorf("the specs are declared wrongly:\n%s", strings.Join(problems, "\n"))
	}
	slices.SortFunc(all, func(a, b catalogue.Spec) int { return report.CompareIDs(a.ID, b.ID) })
	return all, nil
}

func listSpecs() (listing, error) {
	all, err := specs()
	l := listing{head: []string{"SPEC", "LABELS", "SENTENCE"}, data: all}
	for _, s := range all {
		var labels []string
		for _, label := range s.Labels {
			// Labels that the ID says already.
			if label != s.Clauses[0] && label != s.Family() {
				labels = append(labels, label)
			}
		}
		l.rows = append(l.rows, []string{s.ID, strings.Join(labels, ","), s.Sentence()})
	}
	return l, err
}

func listClauses() (listing, error) {
	all, err := specs()
	l := listing{head: []string{"CLAUSE", "LEVEL", "ORIGIN", "SPECS", "TEXT"}}
	data := []clauseRow{}
	for _, c := range catalogue.Clauses {
		row := clauseRow{Clause: c, Specs: []string{}}
		for _, s := range all {
			if slices.Contains(s.Clauses, c.ID) {
				row.Specs = append(row.Specs, s.ID)
			}
		}
		data = append(data, row)
		l.rows = append(l.rows, []string{c.ID, string(c.Level), string(c.Origin), fmt.Sprint(len(row.Specs)), c.Text})
	}
	l.data = data
	return l, err
}

func (l listing) table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, strings.Join(l.head, "\t"))
	for _, row := range l.rows {
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	return t.Flush()
}

func (l listing) markdown(w io.Writer) error {
	line := func(cells []string) error {
		escaped := make([]string, len(cells))
		for i, cell := range cells {
			escaped[i] = strings.ReplaceAll(cell, "|", `\|`)
		}
		_, err := fmt.Fprintf(w, "| %s |\n", strings.Join(escaped, " | "))
		return err
	}
	if err := line(l.head); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "|%s\n", strings.Repeat("---|", len(l.head))); err != nil {
		return err
	}
	for _, row := range l.rows {
		if err := line(row); err != nil {
			return err
		}
	}
	return nil
}
