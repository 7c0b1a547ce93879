// SPDX-License-Identifier: GPL-3.0-or-later

package trace

import (
	"syscall"

	"syd/syd/audit"
	"syd/syd/kernel"
)

// handleExit has it looked at where a task was when SIGKILL ended its chdir, and
// counts crashes. SIGKILL does not end this stop: whatever is found, it goes on.
func (t *Tracer) handleExit(e Event) resume {
	j, task := t.judge, t.cache.task(e.TID)
	signal, crashed := t.crashed(e)
	switch {
	case task.moved():
		c := call{Event: e, row: task.pending.row, want: task.pending.want}
		return t.ask(e, func() answer {
			if crashed {
				j.crash(e.TID, signal)
			}
			return j.left(c)
		}, unjudged)
	case crashed:
		return t.ask(e, func() answer {
			j.crash(e.TID, signal)
			return answer{resume: cont}
		}, answer{resume: cont})
	}
	task.pending = pending{}
	return cont
}

// unjudged ends the sandbox: who shares the working directory of the dead task may
// be where nobody is to be, and nobody can tell any more.
var unjudged = answer{resume: cont, leaves: true, status: statusUnknown}

// moved says whether the task has, or may have, changed the directory by a call
// whose end was not judged. A call that SIGKILL kept from being made still has the
// ENOSYS that the kernel begins with in its register (kernel/seccomp.c,
// __seccomp_filter; arch/x86/entry), and one that failed has its errno.
func (t *task) moved() bool {
	if !t.pending.isChdir() {
		return false
	}
	value, err := kernel.ReturnValue(t.tid)
	return err != nil || value == 0
}

// left is arrived for a task that is about to exit, which still has its directory.
func (j judge) left(c call) answer {
	a := j.arrived(c)
	a.resume = cont
	if a.fault != nil {
		a.leaves, a.status = true, statusUnknown
	}
	return a
}

// crashed says whether e's process crashes, and by which signal. The event comes
// once a thread, with the status of its process: a process counts once.
func (t *Tracer) crashed(e Event) (syscall.Signal, bool) {
	if t.guard == nil {
		return 0, false
	}
	msg, err := kernel.EventMessage(e.TID)
	switch {
	case err == syscall.ESRCH:
		return 0, false
	case err != nil:
		t.fault(e, "PTRACE_GETEVENTMSG", err)
		return 0, false
	}
	status := syscall.WaitStatus(msg)
	if !status.Signaled() || !dumpsCore(status.Signal()) {
		return 0, false
	}
	p := t.cache.process(t.cache.task(e.TID))
	if p.crashed {
		return 0, false
	}
	p.crashed = true
	return status.Signal(), true
}

// crash counts a crash of the image that tid runs.
func (j judge) crash(tid int, signal syscall.Signal) {
	image, err := kernel.Executable(tid)
	if err != nil {
		return // it has none any more: nothing to suspend
	}
	defer image.Close()
	r := audit.Record{Level: audit.Info, Ctx: "segvguard", Op: "crash", Path: image.Path, Msg: signal.String()}
	if j.guard.crashed(image.Path) {
		r.Level, r.Op = audit.Warn, "suspend"
	}
	note(j.log, tid, r)
}

// dumpsCore: signals whose default action is a core dump (signal(7)), whether
// or not one was written.
func dumpsCore(s syscall.Signal) bool {
	switch s {
	case syscall.SIGQUIT, syscall.SIGILL, syscall.SIGTRAP, syscall.SIGABRT, syscall.SIGBUS,
		syscall.SIGFPE, syscall.SIGSEGV, syscall.SIGSYS, syscall.SIGXCPU, syscall.SIGXFSZ:
		return true
	}
	return false
}
