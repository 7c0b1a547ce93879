// SPDX-License-Identifier: GPL-3.0-or-later

package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"syd/conformance/report"
)

// columns are as wide as their widest usual text: a row is printed when it is
// known, not when all are.
const columns = "%-7s %10s %10s %7s  %-17s %7s %6s  %s\n"

// WriteHead begins the table.
func (r *Run) WriteHead(w io.Writer) {
	base := "native"
	column := "NATIVE"
	if len(r.Vs) > 0 {
		base, column = strings.Join(r.Vs, " "), "BASE"
	}
	fmt.Fprintf(w, "%s, compared with %s; Linux %s %s, %d CPUs, load %s\n\n",
		strings.Join(append([]string{r.Build}, r.Options...), " "), base, r.Host.Kernel, r.Host.Arch, r.Host.CPUs, r.Load)
	fmt.Fprintf(w, columns, "NAME", column, "SYD", "RATIO", "95% INTERVAL", "TARGET", "GOAL", "VERDICT")
}

// WriteRow prints one row.
func (r Row) WriteRow(w io.Writer) {
	goal := "-"
	if r.Goal != 0 {
		goal = number(r.Goal)
	}
	if r.Estimate == nil {
		fmt.Fprintf(w, columns, r.Name, "-", "-", "-", "-", number(r.Target), goal, r.Verdict)
		return
	}
	fmt.Fprintf(w, columns, r.Name, Duration(r.Base), Duration(r.Build), ratio(r.Ratio),
		ratio(r.Low)+" .. "+ratio(r.High), number(r.Target), goal, r.Verdict)
}

// WriteFoot explains the table: what was measured, and what could not be.
func (r *Run) WriteFoot(w io.Writer) {
	fmt.Fprintln(w)
	for _, row := range r.Rows {
		fmt.Fprintf(w, "%-7s %s\n", row.Name, row.What)
		if row.Message != "" {
			fmt.Fprintf(w, "        failed: %s\n", row.Message)
		}
		if u := row.Unsupported; u != nil {
			fmt.Fprintf(w, "        unsupported: needs %s; %s (%s)\n", u.Required, u.Observed, u.Probe)
		}
	}
	fmt.Fprint(w, "\nTimes are p50. A ratio is the median of the rounds' own, so it need not be the quotient of the two times.\n"+
		"ok: the interval ends below the target; over: it lies above; unclear: the target is inside (try more --rounds).\n")
}

// WriteJSON writes the report.
func (r *Run) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(r)
}

// ExitStatus is what sydtest bench exits with: a build that cannot be measured
// is its failure, a base that cannot is not. With check, a ratio that is surely
// above its target is a failure too.
func (r *Run) ExitStatus(check bool) int {
	measured, status := false, report.ExitGreen
	for _, row := range r.Rows {
		switch {
		case row.Verdict == Failed && row.BaseFailed:
			return report.ExitHarness
		case row.Verdict == Failed, check && row.Verdict == Over:
			status = report.ExitFailure
		}
		measured = measured || row.Estimate != nil
	}
	if status == report.ExitGreen && !measured {
		return report.ExitNothing
	}
	return status
}

func ratio(value float64) string { return fmt.Sprintf("%.*f", digits(value), value) }

func number(value float64) string { return fmt.Sprintf("%g", value) }
