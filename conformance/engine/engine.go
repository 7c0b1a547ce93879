// SPDX-License-Identifier: GPL-3.0-or-later

// Package engine runs the suite: it plans, hands specs to worker processes, and
// gathers their events into a report.
package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"syd/conformance/capability"
	"syd/conformance/catalogue"
	"syd/conformance/harness"
	"syd/conformance/report"
	"syd/fixtures"
)

// Options is what a run is asked to do.
type Options struct {
	Build        string
	Jobs         int
	Select       Selection
	Passes       int  // 1 or more
	UntilItFails bool // passes go on until one is red
	Seed         int64
	User         string // run as this user; only root can
	Foreign      bool
	Strict       bool
}

// An Observer is told of a run's progress, one call at a time.
type Observer interface {
	Began(run *report.Run, specs int)
	Started(spec catalogue.Spec)
	Ended(spec catalogue.Spec, e report.Event)
}

// A run in the making.
type runner struct {
	options  Options
	observer Observer
	dir      string
	exe      string
	owner    *syscall.Credential

	mu      sync.Mutex
	report  *report.Run
	results map[string]*report.Result
}

// Run runs the suite. An error is the harness's own; the build's failures are
// in the report, which is returned in either case once the run has begun.
func Run(ctx context.Context, options Options, observer Observer) (*report.Run, error) {
	began := time.Now()
	r := &runner{options: options, observer: observer, results: map[string]*report.Result{}}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("become a subreaper: %w", err)
	}
	if err := r.stage(); err != nil {
		return nil, err
	}
	defer os.RemoveAll(r.dir)
	factor, err := harness.Calibrate(filepath.Join(r.dir, "fixtures"))
	if err != nil {
		return nil, fmt.Errorf("calibrate: %w", err)
	}
	r.report = &report.Run{
		Schema: report.SchemaID, Seed: options.Seed, Passes: options.Passes, Foreign: options.Foreign, Strict: options.Strict,
		Shard: options.Select.shard(), Selection: options.Select.String(), Factor: factor,
		Started: began.UTC().Format(time.RFC3339), Host: r.host(), Problems: []string{}, Preflight: []string{},
	}
	r.preflight(ctx)
	harness.KillOrphans(func(int) bool { return false })
	err = r.passes(ctx)
	for _, result := range r.results {
		result.Settle()
		r.report.Specs = append(r.report.Specs, *result)
	}
	r.report.MS = float64(time.Since(began).Milliseconds())
	r.report.Count()
	return r.report, err
}

func (r *runner) passes(ctx context.Context) error {
	for pass := 1; pass <= r.options.Passes || r.options.UntilItFails; pass++ {
		// Every pass has an order of its own; the first is the seed's.
		seed := r.options.Seed + int64(pass) - 1
		all, problems := harness.Plan(seed)
		if len(problems) > 0 {
			return fmt.Errorf("the specs are declared wrongly:\n%s", strings.Join(problems, "\n"))
		}
		order, disabled := split(all)
		chosen, err := r.options.Select.choose(order)
		if err != nil {
			return err
		}
		off, err := r.options.Select.choose(disabled)
		if err != nil {
			return err
		}
		if pass == 1 {
			r.report.Planned = len(chosen) + len(off)
			total := r.report.Planned
			if !r.options.UntilItFails {
				total *= r.options.Passes
			}
			r.observer.Began(r.report, total)
		}
		r.report.Passes = pass
		for _, position := range off {
			r.take(disabled, report.Event{Kind: "end", ID: disabled[position].ID, Pass: pass, Position: position, Verdict: report.Disabled})
		}
		if err := r.pass(ctx, pass, seed, order, chosen); err != nil {
			return err
		}
		if r.options.UntilItFails && (r.red() || r.report.Planned == 0) {
			return nil
		}
	}
	return nil
}

func (r *runner) pass(ctx context.Context, pass int, seed int64, order []catalogue.Spec, chosen []int) error {
	p := &pool{
		exe: r.exe, seed: seed, pass: pass, owner: r.owner, order: order,
		config: harness.Config{
			Build: r.options.Build, FixtureDir: filepath.Join(r.dir, "fixtures"), WorkDir: r.dir, Factor: r.report.Factor,
		},
	}
	ended := map[int]bool{}
	p.tell = func(e report.Event) {
		if e.Kind == "end" {
			r.mu.Lock()
			ended[e.Position] = true
			r.mu.Unlock()
		}
		r.take(order, e)
	}
	var together, alone []int
	for _, position := range chosen {
		if order[position].Alone {
			alone = append(alone, position)
		} else {
			together = append(together, position)
		}
	}
	err := p.run(ctx, together, r.options.Jobs)
	if err == nil {
		err = p.run(ctx, alone, 1)
	}
	// Green is what was planned, ran and passed: what never reported is no pass.
	missing := 0
	for _, position := range chosen {
		if ended[position] {
			continue
		}
		if missing++; ctx.Err() == nil {
			r.take(order, report.Event{Kind: "end", ID: order[position].ID, Pass: pass, Position: position,
				Verdict: report.Error, Message: "planned, but never reported"})
		}
	}
	if missing > 0 {
		r.report.Problems = append(r.report.Problems, fmt.Sprintf("planned specs that did not report: %d", missing))
	}
	return err
}

// take records an event and tells the observer.
func (r *runner) take(order []catalogue.Spec, e report.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.Position >= len(order) || order[e.Position].ID != e.ID {
		r.report.Problems = append(r.report.Problems, fmt.Sprintf("a worker ran %s where another spec was planned", e.ID))
		return
	}
	spec := order[e.Position]
	if e.Kind == "start" {
		r.observer.Started(spec)
		return
	}
	e = judge(spec, e, r.options.Foreign)
	result := r.results[spec.ID]
	if result == nil {
		result = &report.Result{ID: spec.ID, Sentence: spec.Sentence(), Clauses: spec.Clauses, Family: spec.Family()}
		r.results[spec.ID] = result
	}
	result.Add(e.Pass, e)
	r.observer.Ended(spec, e)
}

// judge applies what the catalogue knows of the spec to its verdict.
func judge(spec catalogue.Spec, e report.Event, foreign bool) report.Event {
	failed := e.Verdict == report.Fail || e.Verdict == report.Timeout
	if d, known := catalogue.FindDivergence(spec.ID); known {
		switch {
		case failed:
			e.Verdict, e.Message = report.XFail, "known divergence: "+d.Reason+"\n"+e.Message
		case e.Verdict == report.Pass:
			e.Verdict, e.Message = report.XPass, "listed as a divergence, but passes: "+d.Reason
		}
		return e
	}
	if foreign && failed && spec.Ours() {
		e.Verdict, e.Message = report.XFail, "differs: "+e.Message
	}
	return e
}

func (r *runner) red() bool {
	for _, result := range r.results {
		if result.Verdict.Red(r.options.Strict) {
			return true
		}
	}
	return false
}

func split(all []catalogue.Spec) (order, disabled []catalogue.Spec) {
	for _, spec := range all {
		if spec.Has(harness.LabelDisabled) {
			disabled = append(disabled, spec)
		} else {
			order = append(order, spec)
		}
	}
	return order, disabled
}

// stage prepares the run's directory: fixtures, and for another user's run
// copies of the build and of this program where that user can read them.
func (r *runner) stage() error {
	dir, err := os.MkdirTemp("", "sydtest-")
	if err != nil {
		return err
	}
	r.dir = dir
	fail := func(err error) error {
		os.RemoveAll(dir)
		return err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return fail(err)
	}
	if err := fixtures.Extract(filepath.Join(dir, "fixtures")); err != nil {
		return fail(err)
	}
	capability.FixtureDir = filepath.Join(dir, "fixtures")
	r.exe = "/proc/self/exe"
	if r.options.User == "" {
		return nil
	}
	if r.owner, err = credential(r.options.User); err != nil {
		return fail(err)
	}
	if r.exe, err = os.Executable(); err != nil {
		return fail(err)
	}
	for name, path := range map[string]*string{"build": &r.options.Build, "sydtest": &r.exe} {
		if r.reaches(*path) {
			continue
		}
		staged := filepath.Join(dir, name)
		if err := copyFile(*path, staged); err != nil {
			return fail(err)
		}
		*path = staged
	}
	return nil
}

// reaches says whether the run's user can read and execute a file where it is.
func (r *runner) reaches(path string) bool {
	look := exec.Command("/bin/sh", "-c", `[ -r "$1" ] && [ -x "$1" ]`, "sh", path)
	look.Dir = "/"
	look.SysProcAttr = &syscall.SysProcAttr{Credential: r.owner}
	return look.Run() == nil
}

func credential(name string) (*syscall.Credential, error) {
	account, err := user.Lookup(name)
	if err != nil {
		if account, err = user.LookupId(name); err != nil {
			return nil, fmt.Errorf("--user: there is no user %s", name)
		}
	}
	uid, err := strconv.ParseUint(account.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(account.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	if os.Geteuid() != 0 && int(uid) != os.Geteuid() {
		return nil, fmt.Errorf("--user %s: only root can run the suite as another user", name)
	}
	if int(uid) == os.Geteuid() {
		return nil, nil
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	if err := out.Close(); err != nil {
		return err
	}
	return os.Chmod(to, 0o755)
}

func (r *runner) host() report.HostInfo {
	name := r.options.User
	if name == "" {
		name = strconv.Itoa(os.Geteuid())
		if account, err := user.Current(); err == nil {
			name = account.Username
		}
	}
	return report.HostInfo{Kernel: capability.Release(), Arch: runtime.GOARCH, CPUs: runtime.NumCPU(), User: name}
}

// FileHash is a file's SHA-256 in hexadecimal, "" if it cannot be read.
func FileHash(path string) string {
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return ""
	}
	return hex.EncodeToString(hash.Sum(nil))
}
