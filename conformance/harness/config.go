// SPDX-License-Identifier: GPL-3.0-or-later

// Package harness is what specs are written with: it declares them, runs the
// build under test and the same command natively, watches processes and
// terminals, and leaves nothing behind.
package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"syd/conformance/capability"
	"syd/fixtures"
)

// Config is what a process that runs specs is told.
type Config struct {
	Build      string  `json:"build"`       // the build under test, absolute
	FixtureDir string  `json:"fixture_dir"` // where fixtures.Extract wrote
	WorkDir    string  `json:"work_dir"`    // this process's own, empty
	Factor     float64 `json:"factor"`      // calibration: bounds are multiplied by it
}

var config = Config{Factor: 1}

// Configure prepares this process to run specs: it becomes a subreaper, so that
// whatever a spec starts stays among its descendants.
func Configure(c Config) error {
	if err := resetLibcSignals(); err != nil {
		return err
	}
	if c.Factor < 1 {
		c.Factor = 1
	}
	config = c
	capability.FixtureDir = c.FixtureDir
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("become a subreaper: %w", err)
	}
	startReaper()
	return nil
}

// Build is the path of the build under test.
func Build() string { return config.Build }

// Fixture is the argv of an extracted fixture: Fixture("process", "exit", "7").
func Fixture(name string, args ...string) []string {
	return append([]string{fixtures.Path(config.FixtureDir, name)}, args...)
}

// ForeignFixture is the same program built for the second ABI (i386 on amd64);
// the spec must require the capability "i386".
func ForeignFixture(name string, args ...string) []string {
	return append([]string{fixtures.ForeignPath(config.FixtureDir, name)}, args...)
}

// Bound scales a base duration by the calibration of this machine.
func Bound(base time.Duration) time.Duration {
	return time.Duration(float64(base) * config.Factor)
}

// Options of the build that specs name; nothing is passed that a spec does not
// pass itself.
var (
	// Off turns all rules off and keeps the tracer.
	Off = []string{"-p", "off"}
	// OffWaitAll is Off, and the sandbox is served until its last process ends.
	OffWaitAll = []string{"-p", "off", "-m", "trace/exit_wait_all:1"}
)

// Rules is one -m option a rule: Rules("deny/exec+/bin/true").
func Rules(rules ...string) []string {
	var opts []string
	for _, rule := range rules {
		opts = append(opts, "-m", rule)
	}
	return slices.Clip(opts)
}

// OnlyExecChdir is Rules behind two commands that leave exec and chdir the only
// categories of paths that are decided on: a program's libraries are then read
// as ever, whatever the default of those categories is.
func OnlyExecChdir(rules ...string) []string {
	return Rules(append([]string{"sandbox/all:off", "sandbox/exec,chdir:on"}, rules...)...)
}

// TempDir is the running spec's own directory, which any user may write to. It
// is removed with all it holds when the spec ends.
func TempDir() string { return current().dir }

// File writes a file into the spec's directory and returns its path.
func File(name, content string, mode os.FileMode) string {
	path := filepath.Join(TempDir(), name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		broke("write %s: %v", name, err)
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		broke("write %s: %v", name, err)
	}
	if err := os.Chmod(path, mode); err != nil {
		broke("chmod %s: %v", name, err)
	}
	return path
}
