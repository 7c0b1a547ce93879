// SPDX-License-Identifier: GPL-3.0-or-later

package bench

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"syd/conformance/report"
	"syd/fixtures"
)

// env is a launcher that changes nothing.
var env = []string{"/usr/bin/env", "--"}

func fixtureDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := fixtures.Extract(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestEveryCaseRunsNatively(t *testing.T) {
	dir := fixtureDir(t)
	for _, c := range Cases {
		t.Run(c.Name, func(t *testing.T) {
			c.rounds = MinRounds
			if c.crowded() {
				c.tasks = [2]int{2, 20}
			}
			row := Row{Case: c}
			row.measure(t.Context(), c.sides(fixtures.Path(dir, "bench"), fixtures.Path(dir, "nothing"), nil, env), dir)
			if row.Estimate == nil || row.Base <= 0 || row.Build <= 0 || len(row.Rounds) != MinRounds {
				t.Errorf("%+v", row)
			}
		})
	}
}

func TestSides(t *testing.T) {
	want := map[string][2]string{
		"start":  {"old -- nothing", "new -- nothing"},
		"spawn":  {"old -- bench spawn 50 nothing", "new -- bench spawn 50 nothing"},
		"signal": {"old -- bench signal 1000", "new -- bench signal 1000"},
		"crowd":  {"new -- bench crowd 10 40", "new -- bench crowd 10000 40"},
	}
	for _, c := range Cases {
		words, ok := want[c.Name]
		if !ok {
			continue
		}
		both := c.sides("bench", "nothing", []string{"old", "--"}, []string{"new", "--"})
		for i, s := range both {
			got := strings.Join(s.argv, " ")
			if c.Name == "start" {
				got = strings.TrimPrefix(got, "bench spawn 5 ")
			}
			if got != words[i] {
				t.Errorf("%s: side %d runs %q, want %q", c.Name, i, got, words[i])
			}
		}
	}
}

// TestCrowdLivesWhileItIsMeasured counts the sleepers of a standing sampler, and
// looks that none is left.
func TestCrowdLivesWhileItIsMeasured(t *testing.T) {
	dir := fixtureDir(t)
	const count = 30
	s, err := startStanding(t.Context(), []string{fixtures.Path(dir, "bench"), "crowd", strconv.Itoa(count), "7"}, dir)
	if err != nil {
		t.Fatal(err)
	}
	group := s.cmd.Process.Pid
	samples, err := s.sample(t.Context())
	if err != nil || len(samples) != 7 {
		t.Errorf("%d samples, %v; want 7", len(samples), err)
	}
	if n := groupSize(t, group); n != count+1 {
		t.Errorf("%d processes are alive, want the fixture and %d sleepers", n, count)
	}
	if err := s.close(); err != nil {
		t.Error(err)
	}
	if n := groupSize(t, group); n != 0 {
		t.Errorf("%d processes are left", n)
	}
}

// groupSize counts a process group's members that are not dead: an orphan may
// wait for init to reap it.
func groupSize(t *testing.T, group int) int {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, path := range stats {
		content, err := os.ReadFile(path)
		if err != nil {
			continue // it is gone
		}
		_, rest, _ := bytes.Cut(content, []byte(") "))
		if fields := strings.Fields(string(rest)); len(fields) > 2 && fields[0] != "Z" && fields[2] == strconv.Itoa(group) {
			n++
		}
	}
	return n
}

func TestBudgetEndsACase(t *testing.T) {
	s := side{argv: []string{"/bin/echo", "sample 1"}}
	for budget, want := range map[time.Duration]int{time.Nanosecond: MinRounds, time.Hour: 2 * MinRounds, 0: 2 * MinRounds} {
		row := Row{Case: Case{rounds: 2 * MinRounds, budget: budget}}
		row.measure(t.Context(), [2]side{s, s}, t.TempDir())
		if len(row.Rounds) != want {
			t.Errorf("with a budget of %v there are %d rounds, want %d", budget, len(row.Rounds), want)
		}
	}
}

func TestWhatCannotBeMeasured(t *testing.T) {
	for name, test := range map[string]struct {
		script    string
		onRequest bool
		want      string
	}{
		"a status":            {"echo 'no such profile' >&2; exit 22", false, "exit status 22: no such profile"},
		"no samples":          {"echo hello", false, "it printed no samples"},
		"no number":           {"echo sample x", false, `"sample x" is no time`},
		"never ready":         {"exit 13", true, "exit status 13"},
		"ready, then dead":    {"echo ready; read line; kill -KILL $$", true, "signal: killed"},
		"measured, then bad":  {"echo ready; while read line; do echo sample 1; echo end; done; exit 3", true, "exit status 3"},
		"ready, then nothing": {"echo ready; read line", true, `its output ended before "end"`},
	} {
		t.Run(name, func(t *testing.T) {
			s := side{[]string{"/bin/sh", "-c", test.script}, test.onRequest}
			row := Row{Case: Case{rounds: MinRounds}}
			row.measure(t.Context(), [2]side{s, s}, t.TempDir())
			if row.Verdict != Failed || !strings.Contains(row.Message, test.want) {
				t.Errorf("%s: %q, want %q", row.Verdict, row.Message, test.want)
			}
		})
	}
}

func TestInterruptionEndsTheWholeGroup(t *testing.T) {
	for _, onRequest := range []bool{false, true} {
		ctx, cancel := context.WithCancel(t.Context())
		dir := t.TempDir()
		started := filepath.Join(dir, "started")
		go func() {
			defer cancel()
			for until := time.Now().Add(10 * time.Second); time.Now().Before(until); time.Sleep(time.Millisecond) {
				if content, err := os.ReadFile(started); err == nil && bytes.HasSuffix(content, []byte("\n")) {
					return
				}
			}
		}()
		s := side{[]string{"/bin/sh", "-c", "echo $$ >" + started + "; sleep 1000 & wait"}, onRequest}
		began := time.Now()
		row := Row{Case: Case{rounds: MinRounds}}
		row.measure(ctx, [2]side{s, s}, dir)
		if row.Verdict != Failed || time.Since(began) > 20*time.Second {
			t.Errorf("%s after %v", row.Verdict, time.Since(began))
		}
		content, err := os.ReadFile(started)
		if err != nil {
			t.Fatal(err)
		}
		group, err := strconv.Atoi(strings.TrimSpace(string(content)))
		if err != nil {
			t.Fatal(err)
		}
		left := groupSize(t, group)
		for until := time.Now().Add(10 * time.Second); left > 0 && time.Now().Before(until); time.Sleep(time.Millisecond) {
			left = groupSize(t, group)
		}
		if left > 0 {
			t.Errorf("%d processes are left", left)
			_ = syscall.Kill(-group, syscall.SIGKILL)
		}
	}
}

func TestVerdictsAndExitStatus(t *testing.T) {
	for _, test := range []struct {
		low, high    float64
		verdict      Verdict
		plain, check int
	}{
		{1.1, 1.3, OK, report.ExitGreen, report.ExitGreen},
		{1.3, 1.4, Unclear, report.ExitGreen, report.ExitGreen},
		{1.36, 1.4, Over, report.ExitGreen, report.ExitFailure},
	} {
		e := Estimate{Ratio: test.low, Low: test.low, High: test.high}
		verdict := judge(e, 1.35)
		r := Run{Rows: []Row{{Verdict: verdict, Estimate: &e}}}
		if verdict != test.verdict || r.ExitStatus(false) != test.plain || r.ExitStatus(true) != test.check {
			t.Errorf("%v: %s, statuses %d and %d", e, verdict, r.ExitStatus(false), r.ExitStatus(true))
		}
	}
	ok := Row{Verdict: OK, Estimate: &Estimate{1, 1, 1}}
	for want, rows := range map[int][]Row{
		report.ExitNothing: {{Verdict: Unsupported}},
		report.ExitFailure: {ok, {Verdict: Failed}},
		report.ExitHarness: {ok, {Verdict: Failed, BaseFailed: true}},
		report.ExitGreen:   {ok, {Verdict: Unsupported}},
	} {
		if got := (&Run{Rows: rows}).ExitStatus(false); got != want {
			t.Errorf("%+v: status %d, want %d", rows, got, want)
		}
	}
}

func TestDuration(t *testing.T) {
	for ns, want := range map[float64]string{4: "4.00 ns", 999.4: "999 ns", 999.6: "1.00 µs", 12345: "12.3 µs", 4.66e6: "4.66 ms", 2.5e9: "2.50 s"} {
		if got := Duration(ns); got != want {
			t.Errorf("%v: %s, want %s", ns, got, want)
		}
	}
}

func TestFixturesTimeWhatTheySay(t *testing.T) {
	dir := fixtureDir(t)
	output, err := exec.Command(fixtures.Path(dir, "bench"), "spawn", "3", "/bin/sleep", "0.02").Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Fields(string(output))
	if len(lines) != 6 {
		t.Fatalf("%q: want 3 samples", output)
	}
	for i := 1; i < len(lines); i += 2 {
		if ns, err := strconv.Atoi(lines[i]); err != nil || ns < 20_000_000 {
			t.Errorf("a program of 20 ms took %s ns", lines[i])
		}
	}
	if err := exec.Command(fixtures.Path(dir, "bench"), "spawn", "1", "/bin/false").Run(); err == nil {
		t.Error("a program that fails is timed as if nothing was wrong")
	}
}
