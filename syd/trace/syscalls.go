// SPDX-License-Identifier: GPL-3.0-or-later

package trace

import (
	"syd/syd/filter"
	"syd/syd/kernel"
	"syd/syd/policy"
)

// row is one system call that the tracer decides on.
type row struct {
	name     string
	category policy.Category
	// enter decides at the seccomp-stop.
	enter func(*Tracer, call) resume
	// exit looks at the end of a call that enter let go with syscallExit.
	exit func(*Tracer, call) resume
}

// call is one system call at a stop.
type call struct {
	Event
	row  *row
	info kernel.SyscallInfo
}

// syscalls is THE table.
var syscalls = []row{
	{"execve", policy.Exec, enterExecve, nil},
	{"execveat", policy.Exec, enterExecveat, nil},
	{"chdir", policy.Chdir, enterChdir, exitChdir},
	{"fchdir", policy.Chdir, enterFchdir, exitChdir},
}

// Traced names the calls that p wants the tracer to see.
func Traced(p *policy.Policy) []string {
	var names []string
	for _, r := range syscalls {
		if p.Enabled(r.category) {
			names = append(names, r.name)
		}
	}
	return names
}

type syscallKey struct {
	arch   uint32
	number uint64
}

// numbers finds a row by the architecture and number that a stop reports.
type numbers map[syscallKey]*row

func newNumbers(p *policy.Policy) numbers {
	n := numbers{}
	for i := range syscalls {
		r := &syscalls[i]
		if !p.Enabled(r.category) {
			continue
		}
		filter.Numbers(r.name, func(arch uint32, number int) {
			n[syscallKey{arch, uint64(number)}] = r
		})
	}
	return n
}
