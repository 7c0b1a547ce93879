// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "syd/conformance/harness"
	"syd/conformance/report"
)

// wrongBuild is the real build, or another program, made wrong in one way. The
// suite must find it so: by these specs, in these words, and without a verdict
// that blames itself.
type wrongBuild struct {
	name string
	// script is a shell script; REAL in it is the real build. Without it,
	// program is what is judged, or the real build's sources with edits.
	script, program string
	edits           []edit
	// flags select specs; those whose IDs match one of fails must be red, those
	// of passes green. A pattern that no spec in the selection matches is an
	// error, unless the selection is empty: the specs are not written yet.
	flags  []string
	fails  []string
	passes []string
	// verdict is what the failing ones get; empty: fail.
	verdict report.Verdict
	words   string
}

var wrongBuilds = []wrongBuild{
	{
		name: "drops the exit code", script: `REAL "$@"; exit 0`,
		flags: []string{"--id", "LCH-0[128].[23]"}, fails: []string{"LCH-01.[23]", "LCH-02.[23]", "LCH-08.2"},
		words: "a program that exits 7 in the sandbox gives status 0",
	},
	{
		name: "adds 128 twice", script: `REAL "$@"; s=$?; [ $s -gt 128 ] && s=$(((s + 128) % 256)); exit $s`,
		flags: []string{"--id", "LCH-02.[1234]"}, fails: []string{"LCH-02.[1234]"},
		words: "expected it to die of SIGSYS (status 159)",
	},
	{
		name: "reports a death as SIGKILL's only", script: `REAL "$@"; s=$?; [ $s -gt 128 ] && s=137; exit $s`,
		flags: []string{"--id", "LCH-02.[1234]"}, fails: []string{"LCH-02.[123]"}, passes: []string{"LCH-02.4"},
		words: "expected it to die of",
	},
	{
		name: "does not take its sandbox with it when killed", script: `REAL "$@" & wait $!`,
		flags: []string{"--id", "LCH-14.4"}, fails: []string{"LCH-14.4"},
		words: "LCH-14.4",
	},
	{
		name: "leaves orphans", script: `while [ "$1" != -- ]; do shift; done; shift; "$@"`,
		flags: []string{"--id", "SELF-01.24"}, fails: []string{"SELF-01.24"},
		words: "left behind",
	},
	{
		name: "swallows SIGUSR1",
		script: `trap : USR1; REAL "$@" & pid=$!
while :; do wait $pid; s=$?; kill -0 $pid 2>/dev/null || exit $s; done`,
		flags: []string{"--id", "SELF-04.1"}, fails: []string{"SELF-04.1"}, verdict: report.Timeout,
		words: "got SIGUSR1",
	},
	{
		name: "forgets the rules", script: `while [ "$1" != -- ]; do shift; done; exec REAL -p off "$@"`,
		flags: []string{"--clause", "EVT-EXE-03", "--smoke"}, fails: []string{"EVT-EXE-03.*"},
		words: "EACCES",
	},
	{
		name: "allows a listener", script: `while [ "$1" != -- ]; do shift; done; shift; exec "$@"`,
		flags: []string{"--id", "EVT-SCM-03.[18]"}, fails: []string{"EVT-SCM-03.8"}, passes: []string{"EVT-SCM-03.1"},
		words: "expected the call to be denied with EBUSY, got: ok",
	},
	{
		name: "adds lines to the output", script: `echo starting; exec REAL "$@"`,
		flags: []string{"--id", "LCH-08.[123]"}, fails: []string{"LCH-08.[23]"}, passes: []string{"LCH-08.1"},
		words: "only sandboxed: starting",
	},
	{
		name:   "panics at its end",
		script: `REAL "$@"; printf 'panic: oh no\n\ngoroutine 1 [running]:\nmain.main()\n' >&2; exit 2`,
		flags:  []string{"--id", "LCH-0[28].1"}, fails: []string{"LCH-0[28].1"}, verdict: report.Crash,
		words: "the build printed a fault of the Go runtime",
	},
	{
		name: "dies of a fault", script: `REAL "$@"; kill -SEGV $$`,
		flags: []string{"--id", "LCH-0[28].1"}, fails: []string{"LCH-0[28].1"}, verdict: report.Crash,
		words: "the build died of SIGSEGV",
	},
	{
		name: "is env", program: "env",
		flags: []string{"--smoke"}, fails: []string{"LCH-0[128].1", "EVT-EXE-*"},
		words: "does not behave as a syd",
	},
	{
		name: "is cat", program: "cat",
		flags: []string{"--smoke"}, fails: []string{"LCH-0[128].1", "EVT-EXE-*"},
		words: "does not print a version and exit 0",
	},
}

// The suite's own specs of forwarding wait long, as they should; this one asks
// the same and knows soon.
var _ = Describe("SIGUSR1 to the supervisor", func() {
	Spec("SELF-04.1", "reaches the eldest", func(ctx context.Context) {
		run := Start(ctx, Off, "sh", "-c", "trap 'echo got SIGUSR1; exit 3' USR1; echo ready; while :; do sleep 0.05; done")
		run.WaitLine(ctx, "ready")
		run.Signal(syscall.SIGUSR1)
		run.WaitLine(ctx, "got SIGUSR1")
		Expect(run.Wait(ctx)).To(ExitWith(3))
	}, TimeLimit(3*time.Second))
})

func realBuild(t *testing.T) string {
	t.Helper()
	build, err := filepath.Abs("../../bin/syd")
	if err != nil {
		t.Fatal(err)
	}
	if named := os.Getenv("SYDTEST_SYD"); named != "" {
		build = named
	}
	if _, err := os.Stat(build); err != nil {
		t.Fatalf("there is no real build to make wrong: %v (run `make build`)", err)
	}
	return build
}

// write makes the build's file.
func (w wrongBuild) write(t *testing.T, real string) string {
	t.Helper()
	if w.edits != nil {
		return buildEdited(t, w.edits)
	}
	if w.program == "" {
		return writeBuild(t, "#!/bin/sh\n"+strings.ReplaceAll(w.script, "REAL", "'"+real+"'")+"\n")
	}
	program, err := exec.LookPath(w.program)
	if err != nil {
		t.Fatal(err)
	}
	return program
}

func matching(all map[string]report.Verdict, pattern string) []string {
	var ids []string
	for id := range all {
		if ok, _ := path.Match(pattern, id); ok {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, report.CompareIDs)
	return ids
}

// slowBuilds are more of them, which make slow judges: to build each takes longer
// than to judge it.
var slowBuilds []wrongBuild

// judgedBuilds are those that this run judges.
func judgedBuilds() []wrongBuild {
	if testing.Short() {
		return wrongBuilds
	}
	return slices.Concat(wrongBuilds, slowBuilds)
}

// TestBuildsMadeWrong judges real programs that are wrong in one way each.
func TestBuildsMadeWrong(t *testing.T) {
	real := realBuild(t)
	for _, w := range judgedBuilds() {
		t.Run(strings.ReplaceAll(w.name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			r, status, text := suite(t, w.write(t, real), w.flags...)
			if r.Planned == 0 {
				t.Fatalf("no spec is selected by %v", w.flags)
			}
			want := w.verdict
			if want == "" {
				want = report.Fail
			}
			all := verdicts(r)
			expect := func(patterns []string, verdict report.Verdict) {
				for _, pattern := range patterns {
					ids := matching(all, pattern)
					if len(ids) == 0 {
						t.Errorf("no spec %s among %v", pattern, all)
					}
					for _, id := range ids {
						if all[id] != verdict {
							t.Errorf("%s is %q, not %q", id, all[id], verdict)
						}
					}
				}
			}
			expect(w.fails, want)
			expect(w.passes, report.Pass)
			if r.Counts[report.Error] > 0 || len(r.Problems) > 0 {
				t.Errorf("the suite blames itself: %v %v", all, r.Problems)
			}
			if status != report.ExitFailure {
				t.Errorf("status %d, not %d", status, report.ExitFailure)
			}
			if !strings.Contains(text, w.words) {
				t.Errorf("the words %q are missing", w.words)
			}
			if strings.Contains(text, "goroutine ") && want != report.Crash {
				t.Error("a stack is shown to somebody who judges a build")
			}
			if t.Failed() {
				t.Log(text)
			}
		})
	}
}

// TestRealBuild has the same specs pass where nothing is wrong: else the test
// above shows nothing.
func TestRealBuild(t *testing.T) {
	real := realBuild(t)
	seen := map[string]bool{}
	for _, w := range judgedBuilds() {
		flags := strings.Join(w.flags, " ")
		if seen[flags] || testing.Short() && flags == "--smoke" { // make suite runs all of these
			continue
		}
		seen[flags] = true
		t.Run(strings.ReplaceAll(flags, " ", ""), func(t *testing.T) {
			t.Parallel()
			r, status, text := suite(t, real, w.flags...)
			if r.Planned == 0 {
				t.Fatalf("no spec is selected by %v", w.flags)
			}
			if status != report.ExitGreen {
				t.Errorf("status %d\n%s", status, text)
			}
			if !strings.Contains(text, "green: ") {
				t.Errorf("no word of success\n%s", text)
			}
		})
	}
}
