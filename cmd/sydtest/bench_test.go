// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"syd/conformance/bench"
	"syd/conformance/report"
)

// benchBuild writes a stand-in for syd, which notes what it is told in
// SCRIPT.said, does what else the script says, and becomes the command.
func benchBuild(t *testing.T, more string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "build")
	script := "#!/bin/sh\necho \"$*\" >>\"$0.said\"\n" + more + `
while [ $# -gt 0 ] && [ "$1" != -- ]; do shift; done
shift
exec "$@"
`
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func said(t *testing.T, build string) string {
	t.Helper()
	content, err := os.ReadFile(build + ".said")
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// measure runs `sydtest bench` for the least time and returns its report too.
func measure(t *testing.T, args ...string) (r bench.Run, status int, output string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bench.json")
	var stdout, stderr bytes.Buffer
	status = run(append([]string{"bench", "--rounds", "6", "--json", path}, args...), &stdout, &stderr)
	output = stdout.String() + stderr.String()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("status %d: %s", status, output)
	}
	if err := json.Unmarshal(content, &r); err != nil {
		t.Fatal(err)
	}
	return r, status, output
}

func TestBenchMeasuresTheBuild(t *testing.T) {
	build := benchBuild(t, "")
	r, status, output := measure(t, "--syd", build, "--only", "signal")
	if status != report.ExitGreen || len(r.Rows) != 1 || r.Schema != bench.SchemaID {
		t.Fatalf("status %d: %s", status, output)
	}
	row := r.Rows[0]
	if row.Name != "signal" || row.Estimate == nil || row.Base <= 0 || row.Build <= 0 {
		t.Errorf("%+v", row)
	}
	for _, words := range []string{build, "native", "NATIVE", "TARGET", "signal ", "its handler"} {
		if !strings.Contains(output, words) {
			t.Errorf("the output lacks %q:\n%s", words, output)
		}
	}
	if n := strings.Count(said(t, build), "\n"); n != 6 {
		t.Errorf("the build was started %d times, want once a round", n)
	}
}

func TestBenchOptions(t *testing.T) {
	build := benchBuild(t, "")
	measure(t, "--syd", build, "--only", "signal")
	if first, _, _ := strings.Cut(said(t, build), " -- "); first != "-p off" {
		t.Errorf("by default the build is told %q", first)
	}
	build = benchBuild(t, "")
	measure(t, "--syd", build, "--only", "signal", "--options", "-m  sandbox/all:off")
	if first, _, _ := strings.Cut(said(t, build), " -- "); first != "-m sandbox/all:off" {
		t.Errorf("with --options the build is told %q", first)
	}
}

func TestBenchVs(t *testing.T) {
	build, base := benchBuild(t, ""), benchBuild(t, "")
	r, _, output := measure(t, "--syd", build, "--only", "signal", "--vs", base+" -q --")
	if got := said(t, base); !strings.HasPrefix(got, "-q -- ") {
		t.Errorf("the base is told %q", got)
	}
	if r.Rows[0].Target != bench.VsTarget || strings.Join(r.Vs, " ") != base+" -q --" {
		t.Errorf("target %v, base %q", r.Rows[0].Target, r.Vs)
	}
	if strings.Contains(output, "NATIVE") || !strings.Contains(output, base) {
		t.Errorf("the table does not name the base:\n%s", output)
	}
}

func TestBenchOnly(t *testing.T) {
	r, _, _ := measure(t, "--syd", benchBuild(t, ""), "--only", "start,io")
	if len(r.Rows) != 2 || r.Rows[0].Name != "start" || r.Rows[1].Name != "io" {
		t.Errorf("%+v", r.Rows)
	}
}

func TestBenchRounds(t *testing.T) {
	build := benchBuild(t, "")
	for _, n := range []string{"6", "9"} {
		r, _, _ := measure(t, "--syd", build, "--only", "signal", "--rounds", n)
		if got := len(r.Rows[0].Rounds); n != string(rune('0'+got)) {
			t.Errorf("--rounds %s makes %d", n, got)
		}
	}
}

func TestBenchCheck(t *testing.T) {
	// What the build costs is made up: the machine has no say in the verdict.
	slow := benchBuild(t, "echo sample 1e12; exit 0")
	r, status, output := measure(t, "--syd", slow, "--only", "signal")
	if status != report.ExitGreen || r.Rows[0].Verdict != bench.Over || !strings.Contains(output, " over\n") {
		t.Errorf("without --check a slow build gives status %d: %s", status, output)
	}
	if _, status, output := measure(t, "--syd", slow, "--only", "signal", "--check"); status != report.ExitFailure {
		t.Errorf("with --check a slow build gives status %d: %s", status, output)
	}
	quick := benchBuild(t, "echo sample 1; exit 0")
	r, status, output = measure(t, "--syd", quick, "--only", "signal", "--check")
	if status != report.ExitGreen || r.Rows[0].Verdict != bench.OK || !strings.Contains(output, " ok\n") {
		t.Errorf("with --check a quick build gives status %d: %s", status, output)
	}
}

func TestBenchOfWhatCannotRun(t *testing.T) {
	broken := benchBuild(t, "echo 'no such profile' >&2; exit 22")
	_, status, output := measure(t, "--syd", broken, "--only", "signal,crowd")
	if status != report.ExitFailure || strings.Count(output, "exit status 22: no such profile") != 2 {
		t.Errorf("a build that fails gives status %d: %s", status, output)
	}
	_, status, output = measure(t, "--syd", benchBuild(t, ""), "--only", "signal", "--vs", broken)
	if status != report.ExitHarness || !strings.Contains(output, "no such profile") {
		t.Errorf("a base that fails gives status %d: %s", status, output)
	}
}

func TestBenchUsage(t *testing.T) {
	build := benchBuild(t, "")
	for want, args := range map[string][]string{
		"name it with --syd PATH": {},
		"no such file":            {"--syd", "/nonexistent"},
		"is a directory":          {"--syd", "/"},
		"--vs: ":                  {"--syd", build, "--vs", "/nonexistent --"},
		`there is no case "x"`:    {"--syd", build, "--only", "x"},
		"--rounds 5: from 6":      {"--syd", build, "--rounds", "5"},
		"--rounds 0: from 6":      {"--syd", build, "--rounds", "0"},
		"unexpected argument":     {"--syd", build, "signal"},
		"--programs goes with":    {"--syd", build, "--programs", "--check"},
		"not defined":             {"--fast"},
	} {
		var stdout, stderr bytes.Buffer
		status := run(append([]string{"bench"}, args...), &stdout, &stderr)
		if status != report.ExitUsage || !strings.Contains(stderr.String(), want) || strings.Count(stderr.String(), "\n") != 1 {
			t.Errorf("%q: status %d, %q, want %q", args, status, stderr.String(), want)
		}
	}
}

func TestBenchHelp(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if status := run([]string{"bench", "--help"}, &stdout, &stderr); status != 0 || stderr.Len() > 0 {
		t.Errorf("status %d, %s", status, stderr.String())
	}
	for _, flag := range []string{"--syd PATH", "--options OPTIONS", "--vs COMMAND", "--only NAME", "--rounds N", "--json FILE", "--check", "--programs"} {
		if !strings.Contains(stdout.String(), flag) {
			t.Errorf("the help lacks %s:\n%s", flag, stdout.String())
		}
	}
}
