// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"syd/conformance/harness"
	"syd/conformance/report"
)

// fakeBuild is a stand-in for syd: it drops the options and becomes the
// command, and misbehaves when a profile asks it to.
const fakeBuild = `#!/bin/sh
while [ $# -gt 0 ]; do
	case $1 in
	-V) echo "fake 1.0"; exit 0 ;;
	segv) kill -SEGV $$ ;;
	panic) printf 'panic: oh\n\ngoroutine 1 [running]:\n' >&2; exit 2 ;;
	hang) while :; do sleep 1000; done ;;
	--) shift; break ;;
	esac
	shift
done
export FAKE=yes
exec "$@"
`

func writeBuild(t *testing.T, script string) string {
	t.Helper()
	dir := t.TempDir()
	// Another user's workers read and write here.
	for d := dir; d != filepath.Dir(os.TempDir()) && d != "/" && d != os.TempDir(); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "syd")
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// suite runs `sydtest run` and returns its report, status and output.
func suite(t *testing.T, build string, args ...string) (*report.Run, int, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "report.json")
	status, out, errs := sydtest(t, append([]string{"run", "--syd", build, "--json", path}, args...)...)
	text := out + errs
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("no report (status %d): %s", status, text)
	}
	r := &report.Run{}
	if err := json.Unmarshal(content, r); err != nil {
		t.Fatal(err)
	}
	return r, status, text
}

func verdicts(r *report.Run) map[string]report.Verdict {
	all := map[string]report.Verdict{}
	for _, s := range r.Specs {
		all[s.ID] = s.Verdict
	}
	return all
}

func find(t *testing.T, r *report.Run, id string) report.Result {
	t.Helper()
	i := slices.IndexFunc(r.Specs, func(s report.Result) bool { return s.ID == id })
	if i < 0 {
		t.Fatalf("%s is not in the report", id)
	}
	return r.Specs[i]
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	r, status, text := suite(t, writeBuild(t, fakeBuild), "--clause", "SELF-01", "--seed", "2", "-j", "3")
	want := map[string]report.Verdict{
		"SELF-01.1": report.Pass, "SELF-01.2": report.Fail, "SELF-01.3": report.Error, "SELF-01.4": report.Fail,
		"SELF-01.5": report.Unsupported, "SELF-01.6": report.Fail, "SELF-01.7": report.Timeout, "SELF-01.8": report.Timeout,
		"SELF-01.9": report.Error, "SELF-01.10": report.Fail, "SELF-01.11": report.Fail, "SELF-01.12": report.Error,
		"SELF-01.13": report.Unsupported, "SELF-01.14": report.Fail, "SELF-01.15": report.Crash, "SELF-01.16": report.Crash,
		"SELF-01.17": report.Timeout, "SELF-01.18": report.Fail, "SELF-01.19": report.Disabled, "SELF-01.20": report.XFail,
		"SELF-01.21": report.XPass, "SELF-01.23": report.Pass, "SELF-01.24": report.Fail, "SELF-01.25": report.Fail,
		"SELF-01.26": report.Pass, "SELF-01.28": report.Error, "SELF-01.29": report.Error,
	}
	got := verdicts(r)
	for id, verdict := range want {
		if got[id] != verdict {
			t.Errorf("%s: %s, want %s", id, got[id], verdict)
		}
	}
	if status != report.ExitFailure {
		t.Errorf("status %d", status)
	}
	for id, words := range map[string]string{
		"SELF-01.3":  "the spec itself panicked: by itself",
		"SELF-01.4":  "without a record",
		"SELF-01.6":  "missing although Linux",
		"SELF-01.7":  "waited in vain for the end of time",
		"SELF-01.9":  "the worker died",
		"SELF-01.10": "left behind:\nprocesses:",
		"SELF-01.11": "file left",
		"SELF-01.12": "fixture broke at setup-word EINVAL",
		"SELF-01.14": "in the sandbox and not natively",
		"SELF-01.15": "the build died of SIGSEGV",
		"SELF-01.16": "a fault of the Go runtime",
		"SELF-01.17": "did not end in time",
		"SELF-01.20": "known divergence: it is so",
		"SELF-01.24": "left behind",
		"SELF-01.25": "the first",
		"SELF-01.28": "no process of the spec's",
		"SELF-01.29": "broken kill(-1)",
	} {
		if message := find(t, r, id).Message; !strings.Contains(message, words) {
			t.Errorf("%s: the message has no %q:\n%s", id, words, message)
		}
	}
	if details := find(t, r, "SELF-01.25").Details; !strings.Contains(details, "the second") {
		t.Errorf("SELF-01.25: a further failure is lost: %q", details)
	}
	if record := find(t, r, "SELF-01.5").Unsupported; record == nil || record.Observed != "no git" || record.Required == "" {
		t.Errorf("SELF-01.5: record %+v", record)
	}
	if r.Planned != len(r.Specs) || r.Executed != len(r.Specs)-3 {
		t.Errorf("planned %d, executed %d of %d", r.Planned, r.Executed, len(r.Specs))
	}
	for _, words := range []string{"FAIL     SELF-01.2", "cmd/sydtest/self_test.go:", "xfail SELF-01.20", "unsupported SELF-01.5", "the build FAILED"} {
		if !strings.Contains(text, words) {
			t.Errorf("the output has no %q:\n%s", words, text)
		}
	}
}

func TestHarnessWorks(t *testing.T) {
	t.Parallel()
	r, status, text := suite(t, writeBuild(t, fakeBuild), "--clause", "SELF-02")
	for id, verdict := range verdicts(r) {
		if !verdict.Green() && verdict != report.Unsupported {
			t.Errorf("%s: %s", id, verdict)
		}
	}
	if status != report.ExitGreen || r.Executed < 10 {
		t.Errorf("status %d, %d executed\n%s", status, r.Executed, text)
	}
}

func TestExitStatuses(t *testing.T) {
	t.Parallel()
	build := writeBuild(t, fakeBuild)
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		want  int
		words string
		args  []string
	}{
		{report.ExitGreen, "green", []string{"--syd", build, "--id", "SELF-01.1"}},
		{report.ExitFailure, "FAILED", []string{"--syd", build, "--id", "SELF-01.2"}},
		{report.ExitHarness, "BROKE", []string{"--syd", build, "--id", "SELF-01.3"}},
		{report.ExitNothing, "NOTHING RAN", []string{"--syd", build, "--id", "SELF-01.99"}},
		{report.ExitNothing, "NOTHING RAN", []string{"--syd", build, "--id", "SELF-01.5"}},
		{report.ExitUsage, "which build?", nil},
		{report.ExitUsage, "no such file", []string{"--syd", "/nonexistent"}},
		{report.ExitUsage, "is a directory", []string{"--syd", "/"}},
		{report.ExitUsage, "is not executable", []string{"--syd", plain}},
		{report.ExitUsage, "unexpected argument", []string{"--syd", build, "more"}},
		{report.ExitUsage, "at least 1", []string{"--syd", build, "-j0"}},
		{report.ExitUsage, "at least once", []string{"--syd", build, "--repeat", "0"}},
		{report.ExitUsage, "write I/N", []string{"--syd", build, "--shard", "3/2"}},
		{report.ExitUsage, "write I/N", []string{"--syd", build, "--shard", "1/2x"}},
		{report.ExitUsage, "no label expression", []string{"--syd", build, "--label", "a &&"}},
		{report.ExitUsage, "--id", []string{"--syd", build, "--id", "["}},
		{report.ExitUsage, "--json: open", []string{"--syd", build, "--json", "/nonexistent/report"}},
		{report.ExitUsage, "--junit: open", []string{"--syd", build, "--junit", "/nonexistent/report"}},
		{report.ExitUsage, "--help", []string{"--nonsense"}},
		{report.ExitHarness, "there is no user", []string{"--syd", build, "--user", "no-such-user"}},
		{0, "--until-it-fails", []string{"--help"}},
	} {
		status, out, errs := sydtest(t, append([]string{"run"}, c.args...)...)
		text := out + errs
		if status != c.want || !strings.Contains(text, c.words) {
			t.Errorf("run %v: status %d, want %d, and the words %q:\n%s", c.args, status, c.want, c.words, text)
		}
		if c.want == report.ExitUsage && strings.Count(text, "\n") != 1 {
			t.Errorf("run %v: an error of usage is one line:\n%s", c.args, text)
		}
	}
}

// ids is the IDs of the specs that a run with these flags executes.
func ids(t *testing.T, build string, args ...string) []string {
	t.Helper()
	r, _, _ := suite(t, build, args...)
	var all []string
	for _, s := range r.Specs {
		all = append(all, s.ID)
	}
	return all
}

func TestSelectionFlags(t *testing.T) {
	t.Parallel()
	build := writeBuild(t, fakeBuild)
	if got := ids(t, build, "--label", "SELF-01 && smoke"); !slices.Equal(got, []string{"SELF-01.1"}) {
		t.Errorf("--label: %v", got)
	}
	if got := ids(t, build, "--clause", "SELF-0[3]"); !slices.Equal(got, []string{"SELF-03.1"}) {
		t.Errorf("--clause: %v", got)
	}
	if got := ids(t, build, "--id", "SELF-01.2[16]"); !slices.Equal(got, []string{"SELF-01.21", "SELF-01.26"}) {
		t.Errorf("--id: %v", got)
	}
	if got := ids(t, build, "--id", "SELF-01.*", "--smoke"); !slices.Equal(got, []string{"SELF-01.1"}) {
		t.Errorf("--smoke: %v", got)
	}
	if got := ids(t, build, "--id", "SELF-01.22"); got != nil {
		t.Errorf("a slow spec ran without --slow: %v", got)
	}
	if got := ids(t, build, "--id", "SELF-01.22", "--slow"); !slices.Equal(got, []string{"SELF-01.22"}) {
		t.Errorf("--slow: %v", got)
	}
	var shards []string
	for _, part := range []string{"1/3", "2/3", "3/3"} {
		got := ids(t, build, "--id", "SELF-01.3[0-4]", "--shard", part)
		if len(got) == 0 || len(got) > 2 {
			t.Errorf("--shard %s: %v", part, got)
		}
		shards = append(shards, got...)
	}
	slices.Sort(shards)
	if len(slices.Compact(shards)) != 5 {
		t.Errorf("the shards are %v", shards)
	}
}

func TestRepeatFlags(t *testing.T) {
	t.Parallel()
	build := writeBuild(t, fakeBuild)
	r, status, _ := suite(t, build, "--id", "SELF-01.18", "--seed", "1", "--repeat", "3")
	flaky := find(t, r, "SELF-01.18")
	if flaky.Verdict != report.Flaky || len(flaky.Attempts) != 3 || r.Passes != 3 || status != report.ExitFailure {
		t.Errorf("--repeat 3: status %d, %+v", status, flaky)
	}
	r, status, _ = suite(t, build, "--id", "SELF-01.18", "--seed", "3", "--until-it-fails")
	if r.Passes != 2 || status != report.ExitFailure {
		t.Errorf("--until-it-fails: status %d after %d passes", status, r.Passes)
	}
	if r.Seed != 3 {
		t.Errorf("--seed: %d", r.Seed)
	}
	r, status, _ = suite(t, build, "--id", "SELF-01.18", "--seed", "5")
	if status != report.ExitGreen || find(t, r, "SELF-01.18").Verdict != report.Pass {
		t.Errorf("--seed 5: status %d", status)
	}
}

func TestStrictAndForeign(t *testing.T) {
	t.Parallel()
	build := writeBuild(t, fakeBuild)
	if _, status, _ := suite(t, build, "--id", "SELF-01.1[39]", "--strict"); status != report.ExitFailure {
		t.Errorf("--strict: status %d", status)
	}
	r, status, _ := suite(t, build, "--id", "SELF-03.1", "--foreign")
	if s := find(t, r, "SELF-03.1"); s.Verdict != report.XFail || !strings.HasPrefix(s.Message, "differs: ") || status != report.ExitGreen {
		t.Errorf("--foreign: status %d, %+v", status, s)
	}
	if r, _, _ = suite(t, build, "--id", "SELF-03.1"); find(t, r, "SELF-03.1").Verdict != report.Fail {
		t.Error("without --foreign a difference is a failure")
	}
	if r, _, _ = suite(t, build, "--id", "SELF-01.2", "--foreign"); find(t, r, "SELF-01.2").Verdict != report.Fail {
		t.Error("--foreign excuses a seed clause")
	}
}

func TestJobs(t *testing.T) {
	t.Parallel()
	most := func(args ...string) (together int, alone bool) {
		build := writeBuild(t, fakeBuild)
		suite(t, build, append([]string{"--label", "SELF-01", "--id", "SELF-01.[23][0-9]"}, args...)...)
		content, err := os.ReadFile(filepath.Join(filepath.Dir(build), "overlap"))
		if err != nil {
			t.Fatal(err)
		}
		running, lonely := 0, false
		alone = true
		for _, line := range strings.Split(strings.TrimSpace(string(content)), "\n") {
			what, kind, _ := strings.Cut(line, " ")
			if what == "begin" {
				running++
			} else {
				running--
			}
			if kind == "alone" {
				lonely = what == "begin"
			}
			if lonely && running > 1 {
				alone = false
			}
			together = max(together, running)
		}
		return together, alone
	}
	if n, alone := most("-j1"); n != 1 || !alone {
		t.Errorf("-j1: %d at a time", n)
	}
	if n, alone := most("-j", "4"); n < 2 || n > 4 || !alone {
		t.Errorf("-j 4: %d at a time, alone %v", n, alone)
	}
}

func TestUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can run the suite as another user")
	}
	r, status, text := suite(t, writeBuild(t, fakeBuild), "--id", "SELF-02.[1789]", "--user", "nobody")
	if r.Host.User != "nobody" || find(t, r, "SELF-02.9").Verdict != report.Unsupported || status != report.ExitGreen {
		t.Errorf("--user nobody: status %d\n%s", status, text)
	}
}

func TestJUnit(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "report.xml")
	suite(t, writeBuild(t, fakeBuild), "--id", "SELF-01.[1235]", "--junit", path)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var suites struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Errors   int `xml:"errors,attr"`
		Skipped  int `xml:"skipped,attr"`
		Suites   []struct {
			Name string `xml:"name,attr"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(content, &suites); err != nil {
		t.Fatal(err)
	}
	if suites.Tests != 4 || suites.Failures != 1 || suites.Errors != 1 || suites.Skipped != 1 || len(suites.Suites) != 1 {
		t.Errorf("JUnit: %+v\n%s", suites, content)
	}
}

func TestNothingIsLeft(t *testing.T) {
	// The run's directory is where TMPDIR says.
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	suite(t, writeBuild(t, fakeBuild), "--id", "SELF-01.[129]")
	left, err := filepath.Glob(filepath.Join(dir, "sydtest-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left: %v %v", left, err)
	}
}

// TestEndedFromOutside interrupts and kills a run: what it had started goes too.
func TestEndedFromOutside(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGKILL} {
		build := writeBuild(t, fakeBuild)
		cmd := exec.Command("/proc/self/exe", sydtestFlag, "run", "--syd", build, "--id", "SELF-01.27", "--slow")
		dir := t.TempDir()
		cmd.Env = append(os.Environ(), "TMPDIR="+dir)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		pid := 0
		await(ctx, t, "the spec's process", func() bool {
			content, err := os.ReadFile(filepath.Join(filepath.Dir(build), "sleeper"))
			if err == nil {
				pid, _ = strconv.Atoi(string(content))
			}
			return pid > 0
		})
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		await(ctx, t, "the end of the spec's process", func() bool { return !harness.Alive(pid) })
		if sig == syscall.SIGKILL {
			continue
		}
		if left, _ := filepath.Glob(dir + "/*"); cmd.ProcessState.ExitCode() != report.ExitHarness || len(left) > 0 {
			t.Errorf("%v: %v, left %v\n%s", sig, cmd.ProcessState, left, &out)
		}
		if text := out.String(); !strings.Contains(text, "interrupted") || !strings.Contains(text, "planned specs that did not report: 1") {
			t.Errorf("%v: no word of it:\n%s", sig, text)
		}
	}
}

func await(ctx context.Context, t *testing.T, what string, condition func() bool) {
	t.Helper()
	for !condition() {
		select {
		case <-ctx.Done():
			t.Fatalf("waited in vain for %s", what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}
