// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"debug/elf"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"syd/conformance"
	"syd/conformance/catalogue"
	"syd/conformance/guest"
	"syd/conformance/report"
	"syd/fixtures"
)

// staticBuild is a program that a guest could run. What it does is of no
// interest to an emulator that is a script.
func staticBuild(t *testing.T) string {
	t.Helper()
	self, err := elf.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer self.Close()
	if self.Section(".interp") != nil {
		t.Skip("this test is linked dynamically: CGO_ENABLED=0 go test")
	}
	dir := t.TempDir()
	if err := fixtures.Extract(dir); err != nil {
		t.Fatal(err)
	}
	return fixtures.Path(dir, "process")
}

// fakeImage is what passes for a kernel image at a first look.
func fakeImage(t *testing.T, name string) string {
	t.Helper()
	image := make([]byte, 2048)
	copy(image[0x202:], "HdrS")
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, image, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// fakeEmulator puts a script first in PATH. It logs its arguments and the job
// that is in the initial file system, then ends as a guest that panicked.
func fakeEmulator(t *testing.T) (log func() string) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "log")
	script := `#!/bin/sh
echo "began $*" >>` + path + `
next=
for word; do
	case $next in -initrd) LC_ALL=C grep -ao '{"runs":\[{"user.*\]}\]\(,"sysctls":{[^}]*}\)\?}' "$word" >>` + path + ` ;; esac
	next=$word
	case $word in file:*console.log) console=${word#file:} ;; esac
done
echo 'guest: init x Linux 6.12' >"$console"
sleep 0.5
echo '[   1.0] Kernel panic - not syncing: as asked' >>"$console"
echo ended >>` + path + "\n"
	for _, name := range []string{"qemu-system-x86_64", "qemu-system-aarch64"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return func() string {
		text, _ := os.ReadFile(path)
		_ = os.Remove(path)
		return string(text)
	}
}

func TestKernelsUsage(t *testing.T) {
	build, dir := staticBuild(t), t.TempDir()
	script := writeBuild(t, fakeBuild)
	arm := fakeImage(t, "arm")
	if err := os.WriteFile(arm, append(make([]byte, 0x38), "ARM\x64"...), 0o644); err != nil {
		t.Fatal(err)
	}
	noise := filepath.Join(dir, "noise")
	if err := os.WriteFile(noise, []byte("noise"), 0o644); err != nil {
		t.Fatal(err)
	}
	cache := []string{"--cache", dir, "--id", "SELF-01.1"}
	for _, c := range []struct {
		want  int
		words string
		args  []string
	}{
		{report.ExitUsage, "which build?", nil},
		{report.ExitUsage, "unexpected argument", []string{"--syd", build, "more"}},
		{report.ExitUsage, "write debian:SERIES", []string{"--syd", build, "--kernel", "6.12"}},
		{report.ExitUsage, "there twice", []string{"--syd", build, "--kernel", "host", "--kernel", "host"}},
		{report.ExitUsage, "write NAME=VALUE", []string{"--syd", build, "--sysctl", "kernel.x"}},
		{report.ExitUsage, "-j 0", []string{"--syd", build, "-j0"}},
		{report.ExitUsage, "--guest-jobs 0", []string{"--syd", build, "--guest-jobs", "0"}},
		{report.ExitUsage, "--cpus 0", []string{"--syd", build, "--cpus", "0"}},
		{report.ExitUsage, "auto, kvm or tcg", []string{"--syd", build, "--method", "xen"}},
		{report.ExitUsage, "leave out --id", []string{"--syd", build, "--smoke", "--id", "LCH-01.2"}},
		{report.ExitUsage, "--json: open", []string{"--syd", build, "--json", "/nonexistent/x"}},
		{report.ExitUsage, "--html: open", []string{"--syd", build, "--html", "/nonexistent/x"}},
		{report.ExitUsage, "--id", []string{"--syd", build, "--id", "["}},
		{guest.Dynamic.Status(), "-static", append([]string{"--syd", "/bin/sh", "--kernel", "host"}, cache...)},
		{guest.WrongArch.Status(), "no program", append([]string{"--syd", script, "--kernel", "host"}, cache...)},
		{guest.Unreadable.Status(), "no kernel image", append([]string{"--syd", build, "--kernel", "file:" + noise}, cache...)},
		{guest.WrongArch.Status(), "is a kernel for arm64", append([]string{"--syd", build, "--kernel", "file:" + arm}, cache...)},
		{report.ExitNothing, "without --offline", append([]string{"--syd", build, "--kernel", "debian:6.12", "--offline"}, cache...)},
		{guest.Lacking.Status(), "make arm64 builds it", append([]string{"--syd", build, "--kernel", "debian:6.12:arm64", "--builds", dir}, cache...)},
		{report.ExitUsage, "amd64, arm64", []string{"--syd", build, "--kernel", "debian:6.12:vax"}},
		{guest.Absent.Status(), "without --offline", append([]string{"--syd", build, "--kernel", "debian:6.12", "--offline", "--require"}, cache...)},
	} {
		// What is wrong with the words alone is found by this very process.
		var said strings.Builder
		status, out, errs := 0, "", ""
		if c.want == report.ExitUsage {
			status = run(append([]string{"kernels"}, c.args...), &said, &said)
			out = said.String()
		} else {
			status, out, errs = sydtest(t, append([]string{"kernels"}, c.args...)...)
		}
		if status != c.want || !strings.Contains(out+errs, c.words) {
			t.Errorf("%q: status %d, want %d with %q:\n%s%s", c.args, status, c.want, c.words, out, errs)
		}
	}
	var help strings.Builder
	status := run([]string{"kernels", "--help"}, &help, &help)
	for _, flag := range []string{"--syd", "--kernel", "--smoke", "-j", "--offline", "--require", "--builds", "--stress", "--sysctl", "--method", "--json", "--html", "--cache", "--label", "--id", "--clause", "--limit", "--seed", "--cpus", "--guest-jobs"} {
		if status != 0 || !strings.Contains(help.String(), flag+" ") {
			t.Errorf("the help lacks %s:\n%s", flag, &help)
		}
	}
}

// TestKernelsFlags sees each flag arrive where it must.
func TestKernelsFlags(t *testing.T) {
	build, log := staticBuild(t), fakeEmulator(t)
	cache := t.TempDir()
	kernel := "file:" + fakeImage(t, "one")
	call := func(args ...string) (string, string) {
		t.Helper()
		status, out, errs := sydtest(t, append([]string{"kernels", "--syd", build, "--kernel", kernel, "--cache", cache}, args...)...)
		if status != guest.Panicked.Status() {
			t.Errorf("%q: status %d\n%s%s", args, status, out, errs)
		}
		return log(), out
	}
	type job struct{ Runs []guest.JobRun }
	for _, c := range []struct {
		args  []string
		words []string // of the emulator's arguments and the job
	}{
		{nil, []string{"-smp 1", "tcg", `"-j","2"`, `"--seed","1"`, `"--label","!stress"`, `"--label","!stress \u0026\u0026 !PTH-03"`}},
		{[]string{"--stress"}, []string{`{"user":"root","args":["-j"`}},
		{[]string{"--id", "SELF-01.1", "--guest-jobs", "5", "--cpus", "3", "--seed", "77", "--method", "tcg"},
			[]string{`"--id","SELF-01.1"`, `"-j","5"`, "-smp 3", `"--seed","77"`, "-accel tcg", "method tcg for amd64: asked for"}},
		{[]string{"--label", "smoke", "--clause", "SELF-*"}, []string{`"--clause","SELF-*"`, `"--label","smoke"`, `"(smoke) \u0026\u0026 !stress \u0026\u0026 !PTH-03"`}},
		{[]string{"--smoke", "--sysctl", "kernel.a=1", "--sysctl", "kernel.b=2"}, []string{`"--id","API-06.1,`, `"sysctls":{"kernel.a":"1","kernel.b":"2"}`}},
	} {
		said, out := call(c.args...)
		for _, w := range c.words {
			if !strings.Contains(said+out, w) {
				t.Errorf("%q: no %q in:\n%s\n%s", c.args, w, said, out)
			}
		}
		var j job
		if i := strings.Index(said, `{"runs"`); i < 0 || json.Unmarshal([]byte(strings.SplitN(said[i:], "\n", 2)[0]), &j) != nil || len(j.Runs) != 2 {
			t.Errorf("%q: no job in:\n%s", c.args, said)
		}
	}
	// The script ends at once, and is no KVM guest's emulator either.
	status, _, errs := sydtest(t, "kernels", "--syd", build, "--kernel", kernel, "--cache", cache, "--id", "SELF-01.1", "--method", "kvm", "--limit", "1ms")
	if said := log(); status != guest.Panicked.Status() && status != guest.Overtime.Status() || !strings.Contains(said, "-accel kvm") || !strings.Contains(said, "sydtest.trial") {
		t.Errorf("status %d %s\n%s", status, errs, said)
	}
	if status, out, _ := sydtest(t, "kernels", "--syd", build, "--kernel", kernel, "--cache", cache, "--id", "SELF-01.1", "--limit", "100ms"); status != guest.Overtime.Status() {
		t.Errorf("--limit: status %d\n%s", status, out)
	}
	log()
	// Guests at once: with -j 1 one ends before the next begins.
	for jobs, want := range map[string]string{"1": "began ended began ended", "2": "began began ended ended"} {
		_, out, _ := sydtest(t, "kernels", "--syd", build, "--kernel", kernel, "--kernel", "file:"+fakeImage(t, "three"), "--cache", cache, "--id", "SELF-01.1", "-j", jobs)
		if got := strings.Join(regexp.MustCompile(`(?m)^(began|ended)`).FindAllString(log(), -1), " "); got != want {
			t.Errorf("-j %s: %s\n%s", jobs, got, out)
		}
	}
}

// TestKernelsReports runs on this kernel, and reads all three reports.
func TestKernelsReports(t *testing.T) {
	staticBuild(t)
	build := realBuild(t)
	dir := t.TempDir()
	jsonPath, htmlPath := filepath.Join(dir, "grid.json"), filepath.Join(dir, "grid.html")
	status, out, errs := sydtest(t, "kernels", "--syd", build, "--kernel", "host", "--kernel", "debian:5.10", "--offline", "--cache", dir,
		"--id", "SELF-01.[125]", "--json", jsonPath, "--html", htmlPath)
	if status != report.ExitFailure || !strings.Contains(out, "SELF-01.2 as") || !strings.Contains(out, "for want of git") {
		t.Fatalf("status %d\n%s%s", status, out, errs)
	}
	data, err := os.ReadFile(jsonPath)
	if err != nil {
		t.Fatal(err)
	}
	var grid guest.Grid
	if err := json.Unmarshal(data, &grid); err != nil {
		t.Fatal(err)
	}
	checkGridSchema(t, data, &grid)
	if len(grid.Cells) != 2 || grid.Cells[0].Fate != guest.Failed || grid.Cells[1].Fate != guest.Absent || grid.Build.SHA256 == "" {
		t.Errorf("%+v", grid)
	}
	if !slices.ContainsFunc(grid.Cells[0].Runs[0].Specs, func(s report.Result) bool { return s.ID == "SELF-01.2" && s.Verdict == report.Fail }) {
		t.Error("the red spec is not in the JSON")
	}
	html, err := os.ReadFile(htmlPath)
	if err != nil {
		t.Fatal(err)
	}
	for _, words := range []string{"SELF-01.2", "<details>", "pidfd_open", "absent", fmt.Sprint(grid.Cells[0].Release)} {
		if !strings.Contains(string(html), words) {
			t.Errorf("the page lacks %q", words)
		}
	}
	if strings.Contains(string(html), "src=") || strings.Contains(string(html), "href=") {
		t.Error("the page needs other files")
	}
}

// checkGridSchema holds a grid and its runs against the published schemas.
func checkGridSchema(t *testing.T, data []byte, grid *guest.Grid) {
	t.Helper()
	problems := againstSchema(t, guest.Schema, data)
	for _, c := range grid.Cells {
		for _, run := range c.Runs {
			text, err := json.Marshal(run)
			if err != nil {
				t.Fatal(err)
			}
			problems = append(problems, againstSchema(t, conformance.ReportSchema, text)...)
		}
	}
	for _, problem := range problems {
		t.Error(problem)
	}
	for _, broken := range []struct{ from, to, words string }{
		{`"fate": "failed"`, `"fate": "fine"`, "fine"},
		{`"kernels"`, `"guests"`, "kernels"},
		{`"accel"`, `"speed"`, "speed"},
		{`"schema": "sydtest-run-1"`, `"schema": "sydtest-run-0"`, "sydtest-run-0"},
	} {
		changed := strings.Replace(string(data), broken.from, broken.to, 1)
		if problems := againstSchema(t, guest.Schema, []byte(changed)); !strings.Contains(strings.Join(problems, "\n"), broken.words) {
			t.Errorf("%s passes for a grid: %v", broken.to, problems)
		}
	}
}

// TestGridSchemaKnowsFates: each fate is one that the schema allows.
func TestGridSchemaKnowsFates(t *testing.T) {
	for _, row := range guest.Fates {
		if !strings.Contains(guest.Schema, strconv.Quote(string(row.Fate))) {
			t.Errorf("the schema lacks %q", row.Fate)
		}
	}
}

// TestOverview holds the list of `--smoke` against the specs: all are smoke specs,
// and no family that has any is left out.
func TestOverview(t *testing.T) {
	all, err := specs()
	if err != nil {
		t.Fatal(err)
	}
	families, covered, found := map[string]bool{}, map[string]bool{}, 0
	for _, s := range all {
		if !s.Has("smoke") || s.Family() == "SELF" {
			continue
		}
		families[s.Family()] = true
		if slices.Contains(catalogue.Overview, s.ID) {
			covered[s.Family()] = true
			found++
		}
	}
	for family := range families {
		if !covered[family] {
			t.Errorf("no spec of %s", family)
		}
	}
	if found != len(catalogue.Overview) {
		t.Errorf("%d of %d are smoke specs", found, len(catalogue.Overview))
	}
}

func TestRunVerbose(t *testing.T) {
	build := writeBuild(t, fakeBuild)
	_, _, text := suite(t, build, "--id", "SELF-01.1", "--verbose")
	if !strings.Contains(text, "\nstart SELF-01.1\n") || !strings.Contains(text, "\nend SELF-01.1 pass\n") {
		t.Error(text)
	}
	if _, _, text := suite(t, build, "--id", "SELF-01.1"); strings.Contains(text, "start SELF") {
		t.Error(text)
	}
}
