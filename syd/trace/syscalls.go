// SPDX-License-Identifier: GPL-3.0-or-later

package trace

import (
	"slices"

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
	// when, if any, has the call traced under any policy, with arguments for
	// which one of these holds; category is none then.
	when []filter.Condition
}

// call is one system call at a stop.
type call struct {
	Event
	row  *row
	info kernel.SyscallInfo
	want kernel.Identity // at its end: what was checked
}

// syscalls is THE table.
var syscalls = []row{
	{name: "execve", category: policy.Exec, enter: enterExecve},
	{name: "execveat", category: policy.Exec, enter: enterExecveat},
	{name: "chdir", category: policy.Chdir, enter: enterChdir, exit: exitChdir},
	{name: "fchdir", category: policy.Chdir, enter: enterFchdir, exit: exitChdir},

	{name: "prlimit64", enter: enterNamed, when: named(0)},
	{name: "sched_setaffinity", enter: enterNamed, when: named(0)},
	{name: "sched_getaffinity", enter: enterNamed, when: named(0)},
	{name: "sched_setscheduler", enter: enterNamed, when: named(0)},
	{name: "sched_getscheduler", enter: enterNamed, when: named(0)},
	{name: "sched_setparam", enter: enterNamed, when: named(0)},
	{name: "sched_getparam", enter: enterNamed, when: named(0)},
	{name: "sched_setattr", enter: enterNamed, when: named(0)},
	{name: "sched_getattr", enter: enterNamed, when: named(0)},
	{name: "sched_rr_get_interval", enter: enterNamed, when: named(0)},
	{name: "sched_rr_get_interval_time64", enter: enterNamed, when: named(0)}, // 32-bit ABIs, Linux 5.1
	{name: "perf_event_open", enter: enterPerf, when: named(1)},
	{name: "setpriority", enter: enterSetpriority, when: whoever(prioProcess)},
	{name: "ioprio_set", enter: enterIoprioSet, when: whoever(prioProcess + ioprioBase)},
}

// Traced names the calls that p wants judged.
func Traced(p *policy.Policy) []string {
	var names []string
	for _, r := range syscalls {
		if r.when == nil && p.Enabled(r.category) {
			names = append(names, r.name)
		}
	}
	return names
}

// Rules are those of the filter that has the tracer see its calls under p.
func Rules(p *policy.Policy) []filter.Rule {
	rules := filter.Traced(Traced(p)...)
	if len(rules) > 0 {
		rules = append(rules, filter.Readable...)
	}
	for _, r := range syscalls {
		for _, c := range r.when {
			rules = append(rules, filter.Rule{Syscall: r.name, Effect: filter.Trace,
				Conditions: []filter.Condition{c}, Why: "it may be aimed at the supervisor"})
		}
	}
	return rules
}

// traces: the filter has the tracer see a call with these arguments. It may be
// seen all the same when the tracee's own filter asks for a tracer.
func (r *row) traces(args [6]uint64) bool {
	return r.when == nil || slices.ContainsFunc(r.when, func(c filter.Condition) bool { return c.Holds(args) })
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
		if r.when == nil && !p.Enabled(r.category) {
			continue
		}
		filter.Numbers(r.name, func(arch uint32, number int) {
			n[syscallKey{arch, uint64(number)}] = r
		})
	}
	return n
}
