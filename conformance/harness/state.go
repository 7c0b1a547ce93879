// SPDX-License-Identifier: GPL-3.0-or-later

package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	"golang.org/x/sys/unix"

	"syd/conformance/capability"
	"syd/conformance/report"
)

// specState is what the harness knows of the spec that runs now. A process runs
// one spec at a time.
type specState struct {
	id     string
	dir    string
	mounts []string

	mu          sync.Mutex
	verdict     report.Verdict // when it is not for Ginkgo's state to say
	message     string
	unsupported *report.Record
	procs       []*Proc
}

var running struct {
	sync.Mutex
	spec *specState
}

func current() *specState {
	running.Lock()
	defer running.Unlock()
	if running.spec == nil {
		panic("the harness was used outside of a spec")
	}
	return running.spec
}

// note records a verdict that Ginkgo has no word for; the first one stays.
func (s *specState) note(verdict report.Verdict, message string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.verdict == "" {
		s.verdict, s.message = verdict, message
	}
}

// broke ends the spec: the harness or a fixture is at fault.
func broke(format string, args ...any) {
	GinkgoHelper()
	message := fmt.Sprintf(format, args...)
	current().note(report.Error, message)
	Fail(message)
}

// timedOut ends the spec with the verdict timeout.
func timedOut(format string, args ...any) {
	GinkgoHelper()
	message := fmt.Sprintf(format, args...)
	current().note(report.Timeout, message)
	Fail(message)
}

// Unsupported ends the spec: this kernel or machine lacks a capability of the
// table. The record is checked: on a kernel that is new enough it is a failure.
func Unsupported(name, observed, probe string) {
	GinkgoHelper()
	required := ""
	if c, ok := capability.Find(name); ok {
		required = c.Required()
	}
	record := report.Record{Capability: name, Required: required, Observed: observed, Probe: probe}
	if why := capability.Validate(record, capability.Release()); why != "" {
		Fail(why)
	}
	s := current()
	s.mu.Lock()
	s.unsupported = &record
	s.mu.Unlock()
	Skip("unsupported: " + name)
}

// Require ends the spec as unsupported unless the capability's probe is good.
func Require(name string) {
	GinkgoHelper()
	answer, err := capability.Ask(name)
	if err != nil {
		broke("%v", err)
	}
	if !answer.OK {
		Unsupported(name, answer.Evidence+"; Linux "+capability.Release(), "capability "+name)
	}
}

// fixtureTrouble recognises a fixture's exit 70 and 77. The line on stderr has
// to be there too: `process exit 77` is no trouble.
func fixtureTrouble(r Result) (what, how string) {
	word := map[int]string{70: "broken", 77: "lacks"}[r.Status]
	if word == "" {
		return "", ""
	}
	for _, line := range lines(r.Stderr) {
		if rest, ok := strings.CutPrefix(line, word+" "); ok {
			return rest, word
		}
	}
	return "", ""
}

func giveUp(r Result, what, how string) {
	GinkgoHelper()
	if how == "lacks" {
		Unsupported(what, "the fixture says so; Linux "+capability.Release(), strings.Join(r.Argv[1:], " "))
	}
	broke("fixture broke at %s\n%s", what, r)
}

var (
	panicLine     = regexp.MustCompile(`(?m)^(panic: |fatal error: |SIGSEGV: |WARNING: DATA RACE)`)
	goroutineLine = regexp.MustCompile(`(?m)^(goroutine \d+ \[|runtime stack:|==================$)`)
)

// crashOf says how the build itself crashed, or "".
func crashOf(r Result, meant, quiet bool) string {
	if r.Signal != 0 && !meant {
		switch r.Signal {
		case unix.SIGSEGV, unix.SIGBUS, unix.SIGILL, unix.SIGFPE, unix.SIGABRT, unix.SIGTRAP, unix.SIGSYS, unix.SIGQUIT:
			return "the build died of " + SignalName(r.Signal)
		}
	}
	if !quiet && panicLine.MatchString(r.Stderr) && goroutineLine.MatchString(r.Stderr) {
		return "the build printed a fault of the Go runtime"
	}
	return ""
}

func begin(id string) *specState {
	dir, err := os.MkdirTemp(config.WorkDir, "spec")
	if err == nil {
		// Specs that change the user write here too.
		err = os.Chmod(dir, 0o1777)
	}
	s := &specState{id: id, dir: dir, mounts: mounts()}
	running.Lock()
	running.spec = s
	running.Unlock()
	if err != nil {
		broke("make the spec's directory: %v", err)
	}
	return s
}

// finish removes what the spec left, and says what that was.
func (s *specState) finish(failed bool) (left []string) {
	mine := func() []Process { return descendants(os.Getpid()) }
	// A sandbox's last processes are killed with it, not before it: they have a
	// second, unless the spec has failed anyway.
	deadline := time.Now().Add(Bound(time.Second))
	for !failed && len(mine()) > 0 && time.Now().Before(deadline) {
		time.Sleep(2 * time.Millisecond)
	}
	if rest := mine(); len(rest) > 0 {
		left = append(left, "processes:\n"+describe(rest))
		for until := time.Now().Add(5 * time.Second); len(rest) > 0 && time.Now().Before(until); rest = mine() {
			for _, p := range rest {
				p.kill()
			}
			time.Sleep(time.Millisecond)
		}
	}
	reapOrphans()
	for _, mount := range mounts() {
		if !slices.Contains(s.mounts, mount) {
			left = append(left, "mount "+mount)
			_ = unix.Unmount(mountPoint(mount), unix.MNT_DETACH)
		}
	}
	if err := os.RemoveAll(s.dir); err != nil {
		left = append(left, "its directory: "+err.Error())
	}
	if entries, err := os.ReadDir(config.WorkDir); err == nil {
		for _, entry := range entries {
			left = append(left, "file "+entry.Name()+" beside its directory")
			_ = os.RemoveAll(filepath.Join(config.WorkDir, entry.Name()))
		}
	}
	for _, p := range s.procs {
		p.close()
	}
	return left
}

// mounts is this namespace's mounts, one text each.
func mounts() []string {
	content, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil
	}
	return lines(string(content))
}

func mountPoint(line string) string {
	if fields := strings.Fields(line); len(fields) > 4 {
		return fields[4]
	}
	return ""
}
