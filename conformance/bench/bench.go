// SPDX-License-Identifier: GPL-3.0-or-later

// Package bench measures what a build of syd costs, as ratios to native: both
// are measured in turn in one run, so that a slow or busy machine is slow for
// both. It prints an interval with every ratio, and never more than it knows.
package bench

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"syd/conformance/capability"
	"syd/conformance/report"
	"syd/fixtures"
)

// SchemaID names the version of the JSON report that Run is.
const SchemaID = "sydtest-bench-1"

// Options say what to measure.
type Options struct {
	// Build is the build's path, with the options in BuildOptions.
	Build        string
	BuildOptions []string
	// Vs is the words of another launcher to take as the base; none is native.
	Vs []string
	// Only are the names of the cases to measure; none is all.
	Only []string
	// Rounds replaces every case's own number of rounds; 0 leaves it.
	Rounds int
}

// A Run is one run: the JSON report.
type Run struct {
	Schema  string          `json:"schema"`
	Build   string          `json:"build"`
	Options []string        `json:"options"`
	Vs      []string        `json:"vs"`
	Host    report.HostInfo `json:"host"`
	// Load is the load average of the minute before: how busy the machine was.
	Load string `json:"load"`
	Rows []Row  `json:"rows"`
}

// A Row is one case, measured.
type Row struct {
	Case
	Verdict Verdict `json:"verdict"`
	// Base and Build   are the p50 of the rounds' p50.
	Base  float64 `json:"base_ns,omitempty"`
	Build float64 `json:"build_ns,omitempty"`
	*Estimate
	Rounds      []Round        `json:"rounds,omitempty"`
	Unsupported *report.Record `json:"unsupported,omitempty"`
	Message     string         `json:"message,omitempty"`
	// BaseFailed: what could not be measured is the base, not the build.
	BaseFailed bool `json:"base_failed,omitempty"`
}

// Measure runs the cases one after the other and adds their rows to run; each is
// called for a row as soon as it is known. An error is the machine's or the
// caller's, never the build's.
func Measure(ctx context.Context, o Options, run *Run, each func(Row)) error {
	dir, err := os.MkdirTemp("", "sydtest-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := fixtures.Extract(dir); err != nil {
		return err
	}
	for _, c := range Cases {
		c.budget = budget
		if len(o.Only) > 0 && !slices.Contains(o.Only, c.Name) {
			continue
		}
		if len(o.Vs) > 0 && !c.crowded() {
			c.Target, c.Goal = VsTarget, 0
		}
		if o.Rounds > 0 {
			c.rounds, c.budget = o.Rounds, 0
		}
		row := Row{Case: c}
		options, err := c.options(dir)
		if err != nil {
			return err
		}
		build := slices.Concat([]string{o.Build}, o.BuildOptions, options, []string{"--"})
		if c.crowded() {
			row.Unsupported = thisMachine.lacksRoom(c.tasks[1])
		}
		if row.Unsupported != nil {
			row.Verdict = Unsupported
		} else {
			sides := c.sides(fixtures.Path(dir, "bench"), fixtures.Path(dir, "nothing"), o.Vs, build)
			row.measure(ctx, sides, dir)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		run.Rows = append(run.Rows, row)
		each(row)
	}
	return nil
}

// NewRun says where and what will be measured; it has no rows yet.
func NewRun(o Options) *Run {
	load, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		load = []byte("unknown")
	}
	minute, _, _ := strings.Cut(strings.TrimSpace(string(load)), " ")
	return &Run{
		Schema: SchemaID, Build: o.Build, Options: o.BuildOptions, Vs: append([]string{}, o.Vs...), Load: minute, Rows: []Row{},
		Host: report.HostInfo{Kernel: capability.Release(), Arch: runtime.GOARCH, CPUs: runtime.NumCPU(), User: fmt.Sprint(os.Getuid())},
	}
}

// budget is when a case ends with fewer rounds than it has, on a machine that is
// slow or busy: the interval is then wider. What was measured has no say in it.
// The number of rounds that the caller asks for is kept.
const budget = 8 * time.Second

// measure fills in the row. Which side goes first changes from round to round,
// so that going second, with warm caches, is no advantage.
func (r *Row) measure(ctx context.Context, sides [2]side, dir string) {
	var samplers [2]sampler
	for i, s := range sides {
		opened, err := s.open(ctx, dir)
		if err != nil {
			r.fail(i, err)
			break
		}
		samplers[i] = opened
	}
	began := time.Now()
	for round := 0; round < r.Case.rounds && r.Verdict == ""; round++ {
		if round >= MinRounds && r.budget > 0 && time.Since(began) > r.budget {
			break
		}
		var p50 [2]float64
		for turn := range 2 {
			i := (round + turn) % 2
			samples, err := samplers[i].sample(ctx)
			if err != nil {
				r.fail(i, err)
				break
			}
			p50[i] = Median(samples)
		}
		if r.Verdict == "" {
			r.Rounds = append(r.Rounds, Round{p50[0], p50[1]})
		}
	}
	for i, s := range samplers {
		if s == nil {
			continue
		}
		if err := s.close(); err != nil && r.Verdict == "" {
			r.fail(i, err)
		}
	}
	if r.Verdict == "" {
		r.conclude()
	}
}

func (r *Row) fail(side int, err error) {
	r.Verdict, r.Message, r.Rounds = Failed, err.Error(), nil
	r.BaseFailed = side == 0 && !r.crowded()
}

func (r *Row) conclude() {
	var base, build []float64
	for _, round := range r.Rounds {
		base, build = append(base, round.Base), append(build, round.Build)
	}
	e := Compare(r.Rounds)
	r.Base, r.Build, r.Estimate = Median(base), Median(build), &e
	r.Verdict = judge(e, r.Target)
}
