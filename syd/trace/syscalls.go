// SPDX-License-Identifier: GPL-3.0-or-later

package trace

import (
	"slices"

	"syd/syd/filter"
	"syd/syd/kernel"
	"syd/syd/policy"
)

// row is one system call that is decided on: by the tracer, which stops the task
// at it, or by a receiver, which makes the call for the task.
type row struct {
	name string
	// categories are those that may have to do with the call.
	categories []policy.Category
	// enter decides at the seccomp-stop.
	enter func(*Tracer, call) resume
	// exit looks at the end of a call that enter let go with syscallExit.
	exit func(*Tracer, call) resume
	// emulate makes the call for the task, or lets the kernel do so.
	emulate func(*notice) reply
	// when, if any, has the call decided on under any policy, with arguments for
	// which one of these holds; there are no categories then.
	when []filter.Condition
	// flags, if it is not 0, is one more than the argument that has the flags of
	// open(2): where nothing is decided on but changes, opens for reading aren't seen.
	flags int
	// api: while the sandbox is not locked, the call may be a command to it.
	api bool
	// emulating: the call is looked at wherever calls are made for tasks: it may
	// change what files the task sees, or as whom, or lead to files past their paths.
	// Of such a row, when says for which arguments.
	emulating bool
	// appends: the call is looked at where there are append-only files.
	appends bool
	// attribute: it gets, sets or removes an extended attribute.
	attribute bool
	// waits, if any, says of arguments with which the kernel makes the call itself
	// whether a signal may then interrupt it.
	waits func(args [6]uint64) bool
}

func of(all ...policy.Category) []policy.Category { return all }

// call is one system call at a stop.
type call struct {
	Event
	row  *row
	info kernel.SyscallInfo
	want kernel.Identity // at its end: what was checked
}

// syscalls is THE table.
var syscalls = []row{
	{name: "execve", categories: of(policy.Exec), enter: enterExecve},
	{name: "execveat", categories: of(policy.Exec), enter: enterExecveat},
	{name: "chdir", categories: of(policy.Chdir), enter: enterChdir, exit: exitChdir},
	{name: "fchdir", categories: of(policy.Chdir), enter: enterFchdir, exit: exitChdir},

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

// traced are the rows that have a task stop, emulated those that have it wait for
// a receiver. p is the policy that the sandbox starts with.
func traced(p *policy.Policy) []*row { return wanted(p, false) }

func wanted(p *policy.Policy, emulated bool) (rows []*row) {
	emulates := Emulates(p)
	for _, list := range [][]row{syscalls, files} {
		for i := range list {
			r := &list[i]
			if (r.emulate != nil) != emulated {
				continue
			}
			if r.emulating && emulates || !r.emulating && r.wanted(p) {
				rows = append(rows, r)
			}
		}
	}
	return rows
}

// wanted: under p, or what may become of it at run time, somebody has to look at
// the call for its own sake.
func (r *row) wanted(p *policy.Policy) bool {
	switch {
	case r.appends:
		return p.HasAppends() || open(p) && p.Enabled(policy.Write)
	case r.when != nil, r.api && open(p):
		return true
	}
	return slices.ContainsFunc(r.categories, func(c policy.Category) bool { return Intercepts(p, c) })
}

// conditions are those under which a wanted call is seen; none: always. One of them
// has to hold.
func (r *row) conditions(p *policy.Policy) []filter.Condition {
	if r.flags == 0 || open(p) || p.HasMasks() || slices.ContainsFunc(looking, func(c policy.Category) bool { return Intercepts(p, c) }) {
		return r.when
	}
	return changing(uint(r.flags - 1))
}

// looking are the categories that opens without a change may be about.
var looking = of(policy.Read, policy.Readdir, policy.Stat, policy.Walk)

// changing are the flags in argument arg with which open(2) may change or make a file.
func changing(arg uint) (all []filter.Condition) {
	for _, mode := range []uint64{oWrite, oRdwr, oAccess} {
		all = append(all, filter.Condition{Arg: arg, Mask: oAccess, Value: mode})
	}
	for _, flag := range []uint64{oCreate, oTrunc, oTmpfile} {
		all = append(all, filter.Condition{Arg: arg, Mask: flag, Value: flag})
	}
	return all
}

// open: the sandbox may be asked and told at run time.
func open(p *policy.Policy) bool { return p.Lock() != policy.LockUnset && p.Lock() != policy.LockOn }

// Intercepts says whether calls that category c is about are looked at in a
// sandbox that starts with p: what is off then stays off.
func Intercepts(p *policy.Policy, c policy.Category) bool {
	masks := c != policy.PID && p.HasMasks()
	appends := (c == policy.Write || c == policy.Truncate) && p.HasAppends()
	return p.Enabled(c) && (open(p) || p.Judges(c) || masks || appends)
}

// Emulates says whether receivers make calls for the tasks of a sandbox that
// starts with p.
func Emulates(p *policy.Policy) bool {
	for i := range files {
		if r := &files[i]; !r.emulating && r.wanted(p) {
			return true
		}
	}
	return false
}

// Judges says whether the tracer has to see how tasks end.
func judgesCalls(p *policy.Policy) bool {
	return slices.ContainsFunc(traced(p), func(r *row) bool { return r.when == nil })
}

// Rules are those of the filter that has the calls seen which p wants decided.
func Rules(p *policy.Policy) (rules []filter.Rule) {
	judged, seen := false, append(traced(p), wanted(p, true)...)
	for _, r := range seen {
		rule := filter.Rule{Syscall: r.name, Effect: filter.Trace, Why: "its handler decides"}
		if r.emulate != nil {
			rule.Effect, rule.Why = filter.Notify, "it is made for the caller"
		}
		judged = judged || r.when == nil
		if r.conditions(p) == nil {
			rules = append(rules, rule)
		}
	}
	if judged {
		rules = append(rules, filter.Readable...)
	}
	for _, r := range seen {
		rule := filter.Rule{Syscall: r.name, Effect: filter.Trace, Why: "it may be aimed at the supervisor"}
		switch {
		case r.flags != 0:
			rule.Effect, rule.Why = filter.Notify, "it may change a file"
		case r.emulate != nil:
			rule.Effect, rule.Why = filter.Notify, "files may look different to the caller after it"
		}
		for _, c := range r.conditions(p) {
			rule.Conditions = []filter.Condition{c}
			rules = append(rules, rule)
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

func numbersOf(rows []*row) numbers {
	n := numbers{}
	for _, r := range rows {
		filter.Numbers(r.name, func(arch uint32, number int) {
			n[syscallKey{arch, uint64(number)}] = r
		})
	}
	return n
}
