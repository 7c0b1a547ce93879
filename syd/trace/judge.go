// SPDX-License-Identifier: GPL-3.0-or-later

package trace

import (
	"fmt"
	"path"
	"syscall"

	"syd/syd/audit"
	"syd/syd/kernel"
	"syd/syd/policy"
)

// judge answers the tracer's questions, on worker threads. What it has is
// constant or safe for any thread; it must not be given anything else.
type judge struct {
	*sandbox
	log   *audit.Log
	guard *segvGuard
	home  kernel.Identity // where the eldest begins, whatever the rules say
	user  int             // who we are
}

// fail is the answer to a call whose resolution came to err.
func fail(err error) answer {
	if errno, ok := err.(syscall.Errno); ok {
		return answer{resume: cont, errno: errno}
	}
	return answer{fault: err}
}

// denied is the answer to a call that nobody could be asked about.
var denied = answer{resume: cont, errno: syscall.EACCES}

// object asks the policy about o; granted says that the call may go on.
func (j judge) object(c call, o kernel.Object) (a answer, granted bool) {
	action := j.policy().Decide(policy.Request{Category: c.row.categories[0], Path: o.Path, Unnamed: o.Deleted})
	j.record(c.TID, action, c.row.categories[0], c.row.name, o)
	if action.Allows() {
		if !j.passes(c, o) {
			return answer{resume: cont, errno: syscall.ENOENT}, false
		}
		return answer{resume: cont}, true
	}
	a = denied
	if c.row.categories[0] == policy.Chdir && !o.Deleted && !j.policy().Decide(policy.Request{Category: policy.Stat, Path: o.Path}).Allows() {
		a.errno = syscall.ENOENT // what may not be seen is not there
	}
	switch action {
	case policy.Panic:
		a.leaves, a.status = true, statusUnknown
	case policy.Exit:
		a.leaves, a.status = true, int(syscall.EACCES)
	case policy.Kill:
		a = answer{resume: kill}
	case policy.Stop:
		a.signal = syscall.SIGSTOP
	case policy.Abort:
		a.signal = syscall.SIGABRT
	}
	return a, false
}

// passes says whether the way to o may be gone (walk). What the policy makes of
// o itself has been said before: a program that may not be executed is denied, not
// missing.
func (j judge) passes(c call, o kernel.Object) bool {
	p := j.policy()
	if o.Deleted || !p.Judges(policy.Walk) {
		return true
	}
	for dir := path.Dir(o.Path); dir != "/"; dir = path.Dir(dir) {
		action := p.Decide(policy.Request{Category: policy.Walk, Path: dir})
		j.record(c.TID, action, policy.Walk, c.row.name, kernel.Object{Path: dir})
		if !action.Allows() {
			return false
		}
	}
	return true
}

// record writes what was decided about o, unless nothing is to be said or it is a
// lesson.
func (j judge) record(tid int, action policy.Action, category policy.Category, sys string, o kernel.Object) {
	if action == policy.Allow || action == policy.Filter || action == policy.Warn && j.lessons.Take(category, o.Path) {
		return
	}
	r := audit.Record{
		Level: audit.Warn, Ctx: "access", Cap: category.String(), Act: action.String(), Sys: sys, Path: o.Path,
	}
	if !o.Deleted { // else no rule can allow it
		r.Tip = fmt.Sprintf("configure `allow/%s+%s'", category, policy.Exactly(o.Path))
	}
	note(j.log, tid, r)
}

// note writes r with what there is to say about the process that tid is of. It
// runs on a worker: the command line is the process's own memory.
func note(log *audit.Log, tid int, r audit.Record) {
	if !log.Enabled(r.Level) {
		return
	}
	r.PID, r.Cmd = tid, kernel.CommandLine(tid)
	if status, err := kernel.ReadStatus(tid); err == nil {
		r.PID, r.UID = status.TGID, &status.UID
	}
	if cwd, err := kernel.WorkingDirectory(tid); err == nil {
		r.CWD = cwd.Path
		cwd.Close()
	}
	log.Write(r)
}
