// SPDX-License-Identifier: GPL-3.0-or-later

package trace

import (
	"syscall"

	"syd/syd/audit"
	"syd/syd/kernel"
)

// handleExit counts crashes. The event comes once a thread, with the status of
// its process: a process counts once.
func (t *Tracer) handleExit(e Event) resume {
	if t.guard == nil {
		return cont
	}
	msg, err := kernel.EventMessage(e.TID)
	switch {
	case err == syscall.ESRCH:
		return none
	case err != nil:
		t.fault(e, "PTRACE_GETEVENTMSG", err)
		return cont // it is dying already: SIGKILL does not end this stop
	}
	status := syscall.WaitStatus(msg)
	if !status.Signaled() || !dumpsCore(status.Signal()) {
		return cont
	}
	p := t.cache.process(t.cache.task(e.TID))
	if p.crashed {
		return cont
	}
	p.crashed = true
	j := t.judge
	return t.ask(e, func() answer { return j.crash(e.TID, status.Signal()) }, answer{resume: cont})
}

// crash counts a crash of the image that tid runs.
func (j judge) crash(tid int, signal syscall.Signal) answer {
	a := answer{resume: cont}
	image, err := kernel.Executable(tid)
	if err != nil {
		return a // it has none any more: nothing to suspend
	}
	defer image.Close()
	r := audit.Record{Level: audit.Info, Ctx: "segvguard", Op: "crash", Path: image.Path, Msg: signal.String()}
	if j.guard.crashed(image.Path) {
		r.Level, r.Op = audit.Warn, "suspend"
	}
	note(j.log, tid, r)
	return a
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
