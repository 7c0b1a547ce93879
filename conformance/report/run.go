// SPDX-License-Identifier: GPL-3.0-or-later

package report

import (
	"encoding/json"
	"io"
	"slices"
	"strings"
)

// SchemaID names the version of the JSON report that Run is.
const SchemaID = "sydtest-run-1"

// A Run is one run of the suite: the JSON report, and the source of all others.
type Run struct {
	Schema    string          `json:"schema"`
	Build     BuildInfo       `json:"build"`
	Host      HostInfo        `json:"host"`
	Seed      int64           `json:"seed"`
	Passes    int             `json:"passes"`
	Shard     string          `json:"shard,omitempty"`
	Selection string          `json:"selection,omitempty"`
	Foreign   bool            `json:"foreign"`
	Strict    bool            `json:"strict"`
	Factor    float64         `json:"time_factor"`
	Started   string          `json:"started"`
	MS        float64         `json:"ms"`
	Planned   int             `json:"planned"`
	Executed  int             `json:"executed"`
	Counts    map[Verdict]int `json:"counts"`
	Families  []Family        `json:"families"`
	Preflight []string        `json:"preflight"`
	Problems  []string        `json:"problems"`
	Specs     []Result        `json:"specs"`
}

// BuildInfo says what was judged.
type BuildInfo struct {
	Path    string `json:"path"`
	Version string `json:"version"`
	SHA256  string `json:"sha256"`
}

// HostInfo says where.
type HostInfo struct {
	Kernel string `json:"kernel"`
	Arch   string `json:"arch"`
	CPUs   int    `json:"cpus"`
	User   string `json:"user"`
}

// A Family counts the verdicts of one clause family.
type Family struct {
	Name   string          `json:"name"`
	Counts map[Verdict]int `json:"counts"`
}

// A Result is what became of one spec over all passes of a run.
type Result struct {
	ID          string    `json:"id"`
	Sentence    string    `json:"sentence"`
	Clauses     []string  `json:"clauses"`
	Family      string    `json:"family"`
	Verdict     Verdict   `json:"verdict"`
	MS          float64   `json:"ms"`
	Message     string    `json:"message,omitempty"`
	Details     string    `json:"details,omitempty"`
	Location    string    `json:"location,omitempty"`
	Unsupported *Record   `json:"unsupported,omitempty"`
	Attempts    []Attempt `json:"attempts"`
}

// An Attempt is one pass's verdict.
type Attempt struct {
	Pass    int     `json:"pass"`
	Verdict Verdict `json:"verdict"`
	MS      float64 `json:"ms"`
}

// Add takes one pass's result in.
func (r *Result) Add(pass int, e Event) {
	attempt := Attempt{Pass: pass, Verdict: e.Verdict, MS: e.MS}
	r.Attempts = append(r.Attempts, attempt)
	r.MS += e.MS
	// What is shown is the first red attempt, else the first of all.
	if len(r.Attempts) == 1 || r.Verdict.Green() && e.Verdict.Red(false) {
		r.Verdict, r.Message, r.Details, r.Location, r.Unsupported = e.Verdict, e.Message, e.Details, e.Location, e.Unsupported
	}
}

// Settle gives the spec its one verdict: passing here and failing there in one
// run is flaky, and never a pass.
func (r *Result) Settle() {
	has := func(test func(Verdict) bool) bool {
		return slices.ContainsFunc(r.Attempts, func(a Attempt) bool { return test(a.Verdict) })
	}
	if has(func(v Verdict) bool { return v == Pass }) && has(func(v Verdict) bool { return v == Fail || v == Timeout || v == Crash }) {
		r.Verdict = Flaky
	}
	slices.SortFunc(r.Attempts, func(a, b Attempt) int { return a.Pass - b.Pass })
}

// Count fills the run's counts from its specs and sorts everything, so that
// two reports of the same results are equal.
func (r *Run) Count() {
	slices.SortFunc(r.Specs, func(a, b Result) int { return CompareIDs(a.ID, b.ID) })
	r.Counts = map[Verdict]int{}
	for _, v := range Verdicts {
		r.Counts[v] = 0
	}
	r.Executed = 0
	families := map[string]map[Verdict]int{}
	for _, s := range r.Specs {
		r.Counts[s.Verdict]++
		if !s.Verdict.Skipped() {
			r.Executed++
		}
		if families[s.Family] == nil {
			families[s.Family] = map[Verdict]int{}
		}
		families[s.Family][s.Verdict]++
	}
	r.Families = []Family{}
	for name, counts := range families {
		r.Families = append(r.Families, Family{name, counts})
	}
	slices.SortFunc(r.Families, func(a, b Family) int { return strings.Compare(a.Name, b.Name) })
}

// Exit statuses of a run.
const (
	ExitGreen   = 0
	ExitFailure = 1
	ExitUsage   = 2
	ExitHarness = 3
	ExitNothing = 4
)

// ExitStatus is what sydtest run exits with.
func (r *Run) ExitStatus() int {
	failures := 0
	for v, n := range r.Counts {
		if v != Error && v.Red(r.Strict) {
			failures += n
		}
	}
	switch {
	case failures > 0:
		return ExitFailure
	case r.Counts[Error] > 0 || len(r.Problems) > 0:
		return ExitHarness
	case r.Executed == 0:
		return ExitNothing
	}
	return ExitGreen
}

// CompareIDs orders LCH-01.10 after LCH-01.9.
func CompareIDs(a, b string) int {
	clauseA, numberA, _ := strings.Cut(a, ".")
	clauseB, numberB, _ := strings.Cut(b, ".")
	if c := strings.Compare(clauseA, clauseB); c != 0 {
		return c
	}
	if len(numberA) != len(numberB) {
		return len(numberA) - len(numberB)
	}
	return strings.Compare(numberA, numberB)
}

// WriteJSON writes the report that conformance/report.schema.json describes.
func (r *Run) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(r)
}
