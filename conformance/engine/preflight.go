// SPDX-License-Identifier: GPL-3.0-or-later

package engine

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"syd/conformance/harness"
	"syd/conformance/report"
	"syd/fixtures"
)

// preflight looks whether the build is a syd at all. What it finds is said in
// words at the head of the run; the specs run all the same and give the
// verdicts, so that a broken build is reported spec by spec.
func (r *runner) preflight(ctx context.Context) {
	build := r.options.Build
	r.report.Build = report.BuildInfo{Path: build, SHA256: FileHash(build)}
	version, err := r.try(ctx, build, "-V")
	first, _, _ := strings.Cut(strings.TrimSpace(version), "\n")
	r.report.Build.Version = first
	if err != nil {
		r.complain("`%s -V` does not print a version and exit 0: %v", build, err)
	}
	fixture := fixtures.Path(filepath.Join(r.dir, "fixtures"), "process")
	for _, code := range []int{0, 7} {
		_, err := r.try(ctx, build, "-p", "off", "--", fixture, "exit", fmt.Sprint(code))
		var exit *exec.ExitError
		switch {
		case code == 0 && err == nil:
		case code == 7 && asExit(err, &exit) && exit.ExitCode() == 7:
		case err == nil:
			r.complain("a program that exits %d in the sandbox gives status 0", code)
		default:
			r.complain("a program that exits %d in the sandbox gives: %v", code, err)
		}
	}
	if len(r.report.Preflight) > 0 {
		r.complain("%s does not behave as a syd; all specs run nevertheless", build)
	}
}

func asExit(err error, exit **exec.ExitError) bool {
	e, ok := err.(*exec.ExitError)
	*exit = e
	return ok
}

func (r *runner) complain(format string, args ...any) {
	r.report.Preflight = append(r.report.Preflight, fmt.Sprintf(format, args...))
}

func (r *runner) try(ctx context.Context, argv ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(r.report.Factor*float64(10*time.Second)))
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = r.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: r.owner}
	cmd.WaitDelay = time.Second
	cmd.Cancel = func() error {
		harness.KillTree(cmd.Process.Pid)
		return nil
	}
	output, err := cmd.Output()
	if ctx.Err() != nil {
		return string(output), fmt.Errorf("no end after %v", time.Duration(r.report.Factor*float64(10*time.Second)))
	}
	return string(output), err
}
