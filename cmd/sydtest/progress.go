// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"syd/conformance/catalogue"
	"syd/conformance/report"
)

// progress shows a run as it goes: one line that is rewritten on a terminal,
// plain lines elsewhere. Failures are shown in full when they happen.
type progress struct {
	out      io.Writer
	terminal bool
	width    int
	strict   bool
	verbose  bool // a line for each start and end, for who reads a log from elsewhere

	mu      sync.Mutex
	began   time.Time
	specs   int
	done    int
	red     int
	skipped int
	mark    int // the last tenth that was told in plain lines
	drawn   time.Time
	line    bool // a progress line stands on the terminal
}

func newProgress(out io.Writer, strict bool) *progress {
	p := &progress{out: out, strict: strict}
	if file, ok := out.(*os.File); ok {
		if size, err := unix.IoctlGetWinsize(int(file.Fd()), unix.TIOCGWINSZ); err == nil {
			p.terminal, p.width = true, max(40, int(size.Col))
		}
	}
	return p
}

// Began implements engine.Observer.
func (p *progress) Began(r *report.Run, specs int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.began, p.specs = time.Now(), specs
	version := r.Build.Version
	if version == "" {
		version = "no version"
	}
	fmt.Fprintf(p.out, "build   %s (%s)\n", r.Build.Path, version)
	fmt.Fprintf(p.out, "host    Linux %s %s, %d CPUs, user %s\n", r.Host.Kernel, r.Host.Arch, r.Host.CPUs, r.Host.User)
	fmt.Fprintf(p.out, "run     %d specs, seed %d, time factor %.1f\n", specs, r.Seed, r.Factor)
	for _, line := range r.Preflight {
		fmt.Fprintf(p.out, "NOTE    %s\n", line)
	}
}

// Started implements engine.Observer.
func (p *progress) Started(spec catalogue.Spec) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.verbose {
		p.erase()
		fmt.Fprintf(p.out, "start %s\n", spec.ID)
		return
	}
	p.draw(spec.ID)
}

// Ended implements engine.Observer.
func (p *progress) Ended(spec catalogue.Spec, e report.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
	if e.Verdict.Skipped() {
		p.skipped++
	}
	if e.Verdict.Red(p.strict) {
		p.red++
		p.erase()
		fmt.Fprintf(p.out, "%-8s %s  %s  (%.0f ms)\n", strings.ToUpper(string(e.Verdict)), spec.ID, spec.Sentence(), e.MS)
		p.indent(e.Message)
		if e.Unsupported != nil {
			p.indent(fmt.Sprintf("needs %s; observed: %s", e.Unsupported.Required, e.Unsupported.Observed))
		}
		if e.Location != "" {
			p.indent("at " + e.Location)
		}
		p.indent(e.Details)
	}
	if p.verbose {
		p.erase()
		fmt.Fprintf(p.out, "end %s %s\n", spec.ID, e.Verdict)
		return
	}
	if p.terminal {
		p.draw(spec.ID)
		return
	}
	if p.specs > 0 && p.done*10/p.specs > p.mark {
		p.mark = p.done * 10 / p.specs
		fmt.Fprintf(p.out, "%d/%d done, %d failed, %s\n", p.done, p.specs, p.red, time.Since(p.began).Round(100*time.Millisecond))
	}
}

func (p *progress) indent(text string) {
	text = strings.TrimSpace(text)
	if text == "" {
		return
	}
	for _, line := range strings.Split(text, "\n") {
		fmt.Fprintf(p.out, "    %s\n", line)
	}
}

func (p *progress) draw(id string) {
	if !p.terminal || time.Since(p.drawn) < 50*time.Millisecond {
		return
	}
	p.drawn = time.Now()
	eta := "?"
	if p.done > 0 && p.specs >= p.done {
		left := time.Since(p.began) / time.Duration(p.done) * time.Duration(p.specs-p.done)
		eta = left.Round(time.Second).String()
	}
	text := fmt.Sprintf("%d/%d  %d failed  %d skipped  ETA %s  %s", p.done, p.specs, p.red, p.skipped, eta, id)
	if len(text) >= p.width {
		text = text[:p.width-1]
	}
	fmt.Fprintf(p.out, "\r\x1b[K%s", text)
	p.line = true
}

func (p *progress) erase() {
	if p.line {
		fmt.Fprint(p.out, "\r\x1b[K")
		p.line = false
	}
}

// summary is the end of the run: what was skipped and why, counts by family,
// the verdict in one line.
func (p *progress) summary(r *report.Run) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
	fmt.Fprintln(p.out)
	var used []report.Verdict
	for _, v := range report.Verdicts {
		if r.Counts[v] > 0 {
			used = append(used, v)
		}
	}
	if len(used) > 0 {
		fmt.Fprintf(p.out, "%-10s", "")
		for _, v := range used {
			fmt.Fprintf(p.out, "%12s", v)
		}
		fmt.Fprintln(p.out)
		for _, family := range r.Families {
			p.row(family.Name, family.Counts, used)
		}
		p.row("all", r.Counts, used)
	}
	for _, s := range r.Specs {
		switch {
		case s.Unsupported != nil:
			fmt.Fprintf(p.out, "unsupported %s: needs %s (%s)\n", s.ID, s.Unsupported.Required, s.Unsupported.Observed)
		case s.Verdict == report.XFail:
			first, _, _ := strings.Cut(s.Message, "\n")
			fmt.Fprintf(p.out, "xfail %s: %s\n", s.ID, first)
		}
	}
	for _, problem := range r.Problems {
		fmt.Fprintf(p.out, "PROBLEM %s\n", problem)
	}
	word := map[int]string{
		report.ExitGreen: "green", report.ExitFailure: "the build FAILED", report.ExitHarness: "the harness BROKE", report.ExitNothing: "NOTHING RAN",
	}[r.ExitStatus()]
	fmt.Fprintf(p.out, "%s: %d of %d specs executed in %.1f s", word, r.Executed, r.Planned, r.MS/1000)
	if r.Passes > 1 {
		fmt.Fprintf(p.out, ", %d times", r.Passes)
	}
	fmt.Fprintf(p.out, ", seed %d\n", r.Seed)
}

func (p *progress) row(name string, counts map[report.Verdict]int, used []report.Verdict) {
	fmt.Fprintf(p.out, "%-10s", name)
	for _, v := range used {
		if counts[v] == 0 {
			fmt.Fprintf(p.out, "%12s", ".")
		} else {
			fmt.Fprintf(p.out, "%12d", counts[v])
		}
	}
	fmt.Fprintln(p.out)
}
