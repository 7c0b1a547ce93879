// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"syd/conformance/catalogue"
	"syd/conformance/engine"
	"syd/conformance/guest"
	"syd/conformance/report"
)

// kernelFlags is what `sydtest kernels` is told.
type kernelFlags struct {
	guest.Options
	selection  engine.Selection
	smoke      bool
	stress     bool
	guestJobs  int
	seed       int64
	require    bool
	json, html string
}

// words gathers a flag that may be given several times.
type words []string

func (w *words) String() string { return fmt.Sprint(*w) }

func (w *words) Set(word string) error {
	*w = append(*w, word)
	return nil
}

func parseKernels(args []string, stdout, stderr io.Writer) (*kernelFlags, int) {
	f := &kernelFlags{}
	var kernels, sysctls words
	set := newFlagSet("kernels", "kernels --syd PATH [OPTION...]", stdout, stderr)
	set.StringVar(&f.Syd, "syd", "", "the static build to judge (`PATH`, required)")
	set.StringVar(&f.Builds, "builds", "", "for kernels of another ARCH, `DIR`/ARCH has syd and sydtest (default: beside the build)")
	set.Var(&kernels, "kernel", "a `KERNEL`: debian:SERIES[:ARCH] or debian:VERSION[:ARCH], file:IMAGE, or host; may be repeated (default: ten of them)")
	set.StringVar(&f.selection.Label, "label", "", "only specs whose labels match the `EXPRESSION`, such as 'LCH && !smoke'")
	set.StringVar(&f.selection.Clause, "clause", "", "only specs of clauses that match the `PATTERN`, such as 'EVT-SIG-*'")
	set.StringVar(&f.selection.ID, "id", "", "only specs whose ID matches a `PATTERN[,PATTERN...]`, such as LCH-01.2")
	set.BoolVar(&f.smoke, "smoke", false, "only one or two quick specs of each family")
	set.BoolVar(&f.stress, "stress", false, "as root, also the specs that load the machine or wait for long")
	set.IntVar(&f.Jobs, "j", runtime.NumCPU(), "run `N` guests at a time")
	set.IntVar(&f.guestJobs, "guest-jobs", 2, "in a guest, run `N` specs at a time")
	set.IntVar(&f.CPUs, "cpus", 1, "give a guest `N` CPUs")
	set.Int64Var(&f.seed, "seed", 1, "the specs' order's `SEED`")
	set.Var(&sysctls, "sysctl", "in a guest, set `NAME=VALUE` first, such as kernel.yama.ptrace_scope=2; may be repeated")
	set.StringVar(&f.Method, "method", "auto", "emulate by `METHOD`: auto (KVM if a trial guest comes up by it), kvm or tcg")
	set.DurationVar(&f.Limit, "limit", 0, "end a guest after `TIME` (default: 5m for --smoke, 45m for all)")
	set.StringVar(&f.Cache, "cache", "", "keep kernels in `DIR` (default: sydtest/kernels in the user's cache)")
	set.BoolVar(&f.Offline, "offline", false, "fetch nothing: only kernels that are in the cache")
	set.BoolVar(&f.require, "require", false, "a kernel that is not to be had is a failure")
	set.StringVar(&f.json, "json", "", "write the grid with all runs as JSON to `FILE`")
	set.StringVar(&f.html, "html", "", "write the grid as one HTML page to `FILE`")
	if status, ok := set.noArguments(args); !ok {
		return nil, status
	}
	f.Job.Sysctls = map[string]string{}
	for _, s := range sysctls {
		name, value, ok := strings.Cut(s, "=")
		if !ok || name == "" || strings.Contains(name, "/") {
			fmt.Fprintf(stderr, "sydtest kernels: --sysctl %s: write NAME=VALUE, such as kernel.yama.ptrace_scope=2\n", s)
			return nil, report.ExitUsage
		}
		f.Job.Sysctls[name] = value
	}
	f.Specs = kernels
	if len(f.Specs) == 0 {
		f.Specs = guest.Default
	}
	if err := f.check(); err != nil {
		fmt.Fprintf(stderr, "sydtest kernels: %v\n", err)
		return nil, report.ExitUsage
	}
	return f, 0
}

func (f *kernelFlags) check() error {
	if err := checkBuild(&f.Syd); err != nil {
		return err
	}
	if f.Builds == "" {
		f.Builds = filepath.Dir(f.Syd)
	}
	for i, spec := range f.Specs {
		if err := guest.CheckSpec(spec); err != nil {
			return err
		}
		if slices.Contains(f.Specs[:i], spec) {
			return fmt.Errorf("--kernel %s is there twice", spec)
		}
	}
	for flag, n := range map[string]int{"-j": f.Jobs, "--guest-jobs": f.guestJobs, "--cpus": f.CPUs} {
		if n < 1 {
			return fmt.Errorf("%s %d: at least 1", flag, n)
		}
	}
	if !slices.Contains([]string{"auto", "kvm", "tcg"}, f.Method) {
		return fmt.Errorf("--method %s: auto, kvm or tcg", f.Method)
	}
	if f.smoke {
		if f.selection.ID != "" {
			return fmt.Errorf("--smoke names its specs itself: leave out --id")
		}
		f.selection.ID = strings.Join(catalogue.Overview, ",")
	}
	if f.Limit == 0 {
		f.Limit = 45 * time.Minute
		if f.selection.ID != "" {
			f.Limit = 5 * time.Minute
		}
	}
	if f.Cache == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			return fmt.Errorf("--cache: %w", err)
		}
		f.Cache = filepath.Join(dir, "sydtest", "kernels")
	}
	if err := checkOutputs(map[string]string{"--json": f.json, "--html": f.html}); err != nil {
		return err
	}
	return f.selection.Check()
}

// left is what doesn't run in each kernel, by user, as in `make test`: what loads
// the machine or waits for long.
var left = map[string]string{"root": "!stress", "nobody": "!stress && !PTH-03"}

// plan says what runs in each kernel, as root and again as an ordinary user.
func (f *kernelFlags) plan(users []string) error {
	for _, user := range users {
		s := f.selection
		switch {
		case user == "root" && (f.stress || s.Label != "" || s.ID != "" || s.Clause != ""):
		case s.Label == "":
			s.Label = left[user]
		default:
			s.Label = "(" + s.Label + ") && " + left[user]
		}
		chosen, err := s.Plan()
		if err != nil {
			return err
		}
		for _, spec := range chosen {
			f.Capabilities = append(f.Capabilities, spec.Requires...)
		}
		f.Want = append(f.Want, guest.WantRun{User: user, Planned: len(chosen)})
		f.Job.Runs = append(f.Job.Runs, guest.JobRun{User: user, Args: append(s.Args(), "-j", strconv.Itoa(f.guestJobs), "--seed", strconv.FormatInt(f.seed, 10))})
	}
	return nil
}

func kernelsVerb(args []string, stdout, stderr io.Writer) int {
	f, status := parseKernels(args, stdout, stderr)
	if f == nil {
		return status
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	grid, err := f.run(ctx, stdout)
	if grid != nil {
		grid.WriteText(stdout)
		for path, write := range map[string]func(io.Writer) error{f.json: grid.WriteJSON, f.html: grid.WriteHTML} {
			if path == "" {
				continue
			}
			if problem := writeFile(path, write); problem != nil && err == nil {
				err = problem
			}
		}
	}
	if err != nil {
		return guest.StatusOf(told(ctx, stderr, "kernels", err))
	}
	return grid.ExitStatus(f.require)
}

func (f *kernelFlags) run(ctx context.Context, stdout io.Writer) (*guest.Grid, error) {
	var mu sync.Mutex
	f.Log = func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(stdout, format+"\n", args...)
	}
	var err error
	if f.Sydtest, err = os.Executable(); err != nil {
		return nil, err
	}
	if err := f.plan([]string{"root", "nobody"}); err != nil {
		return nil, err
	}
	f.Options.Host = f.host
	grid, err := guest.Suite(ctx, f.Options)
	if grid != nil {
		grid.Build = report.BuildInfo{Path: f.Syd, SHA256: engine.FileHash(f.Syd)}
		grid.Selection = f.selection.String()
	}
	return grid, err
}

// host is what a guest's first process does, on this kernel. An ordinary user
// runs what is planned for one, as himself.
func (f *kernelFlags) host(ctx context.Context) (*guest.Results, []guest.WantRun, error) {
	dir, err := os.MkdirTemp("", "sydtest-host-")
	if err != nil {
		return nil, nil, err
	}
	defer os.RemoveAll(dir)
	r := &guest.Results{Runs: map[string]*report.Run{}, End: &guest.End{}}
	var want []guest.WantRun
	for i, run := range f.Job.Runs {
		path := filepath.Join(dir, run.User+".json")
		args := append([]string{"run", "--syd", f.Syd, "--json", path}, run.Args...)
		switch {
		case run.User != "root" && os.Geteuid() == 0:
			args = append(args, "--user", run.User)
		case run.User == "root" && os.Geteuid() != 0:
			f.Log("NOTE host: not run as root, by who is not")
			continue
		}
		cmd := command(ctx, args...)
		output, failure := cmd.CombinedOutput()
		if cmd.ProcessState == nil {
			return nil, nil, failure
		}
		result := &report.Run{}
		data, err := os.ReadFile(path)
		if err == nil {
			err = json.Unmarshal(data, result)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("sydtest run as %s: %w: %s", run.User, err, bytes.TrimSpace(output))
		}
		want = append(want, f.Want[i])
		r.Runs[run.User] = result
		r.End.Kernel = result.Host.Kernel
		r.End.Runs = append(r.End.Runs, guest.EndRun{User: run.User, Status: cmd.ProcessState.ExitCode(), Planned: result.Planned, Specs: len(result.Specs)})
	}
	answers, err := command(ctx, "doctor", "--json").Output()
	if err != nil {
		return nil, nil, fmt.Errorf("sydtest doctor: %w", err)
	}
	r.Doctor = &guest.Doctor{}
	return r, want, json.Unmarshal(answers, r.Doctor)
}

// command is this program again.
func command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "/proc/self/exe", append(slices.Clone(selfArgs), args...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	return cmd
}

// selfArgs makes this program sydtest, where it is a test of it.
var selfArgs []string
