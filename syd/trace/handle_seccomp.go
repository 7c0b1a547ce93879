// SPDX-License-Identifier: GPL-3.0-or-later

package trace

import (
	"fmt"
	"syscall"

	"syd/syd/audit"
	"syd/syd/kernel"
	"syd/syd/policy"
)

// handleSeccomp finds the call's row by its architecture and number. The data
// that came with the stop decides nothing: a tracee's own filter can return
// TRACE with any data for any call. A call that no row is traced for ends as it
// would without a tracer, ENOSYS.
func (t *Tracer) handleSeccomp(e Event) resume {
	c, r, ok := t.stoppedCall(e, kernel.SyscallSeccomp)
	if !ok {
		return r
	}
	c.row = t.rows[syscallKey{c.info.Arch, c.info.Number}]
	if c.row == nil || !c.row.traces(c.info.Args) {
		return t.skip(c, syscall.ENOSYS)
	}
	return c.row.enter(t, c)
}

// handleSyscallExit ends a call that its handler let go with syscallExit.
func (t *Tracer) handleSyscallExit(e Event) resume {
	c, r, ok := t.stoppedCall(e, kernel.SyscallExit)
	if !ok {
		return r
	}
	task := t.cache.task(e.TID)
	c.row = task.pending.row
	if c.row == nil {
		return t.fault(e, "syscall-exit-stop", fmt.Errorf("nobody asked for it"))
	}
	r = c.row.exit(t, c)
	task.pending = pending{}
	return r
}

// stoppedCall reads the call that e stopped in, which must be a stop of kind
// op: anything else kills the tracee, but for the two events that can take it
// out of that stop and are told of next. Not ok: r is what to do.
func (t *Tracer) stoppedCall(e Event, op uint8) (c call, r resume, ok bool) {
	c.Event = e
	switch err := kernel.GetSyscallInfo(e.TID, &c.info); {
	case err == nil && c.info.Op == op:
		return c, none, true
	case err == syscall.ESRCH, err == nil && (kernel.Dying(e.TID) || kernel.Executing(e.TID)):
		return c, none, false
	case err != nil:
		return c, t.fault(e, "PTRACE_GET_SYSCALL_INFO", err), false
	}
	return c, t.fault(e, "PTRACE_GET_SYSCALL_INFO", fmt.Errorf("op %d at a %v", c.info.Op, e.Kind)), false
}

// eventMessage reads the number that came with e. Not ok: r is what to do.
func (t *Tracer) eventMessage(e Event) (msg uint64, r resume, ok bool) {
	msg, err := kernel.EventMessage(e.TID)
	switch err {
	case nil:
		return msg, none, true
	case syscall.ESRCH:
		return 0, none, false
	}
	return 0, t.fault(e, "PTRACE_GETEVENTMSG", err), false
}

// skip has the call not be done and return -errno.
func (t *Tracer) skip(c call, errno syscall.Errno) resume {
	switch err := kernel.SkipSyscall(c.TID, errno); err {
	case nil:
		return cont
	case syscall.ESRCH:
		return none
	default:
		return t.fault(c.Event, "skip syscall", err)
	}
}

// fail has the call fail with the errno that its resolution came to.
func (t *Tracer) fail(c call, err error) resume {
	if errno, ok := err.(syscall.Errno); ok {
		return t.skip(c, errno)
	}
	return t.fault(c.Event, c.row.name, err)
}

// judge asks the policy about o and carries out a denial; granted says that
// the call may go on.
func (t *Tracer) judge(c call, o kernel.Object) (r resume, granted bool) {
	action := t.policy.Decide(policy.Request{Category: c.row.category, Path: o.Path, Unnamed: o.Deleted})
	t.record(c.TID, action, c.row.category, c.row.name, o)
	if action.Allows() {
		return cont, true
	}
	switch action {
	case policy.Panic:
		t.leave(statusUnknown)
	case policy.Exit:
		t.leave(int(syscall.EACCES))
	case policy.Kill:
		return kill, false
	case policy.Stop:
		kernel.Kill(c.TID, syscall.SIGSTOP)
	case policy.Abort:
		kernel.Kill(c.TID, syscall.SIGABRT)
	}
	return t.skip(c, syscall.EACCES), false
}

// record writes what was decided about o, unless nothing is to be said.
func (t *Tracer) record(tid int, action policy.Action, category policy.Category, sys string, o kernel.Object) {
	if action == policy.Allow || action == policy.Filter || !t.log.Enabled(audit.Warn) {
		return
	}
	r := audit.Record{
		Level: audit.Warn, Ctx: "access", Cap: category.String(), Act: action.String(),
		Sys: sys, Path: o.Path, PID: tid, Cmd: kernel.CommandLine(tid),
		Tip: fmt.Sprintf("configure `allow/%s+%s'", category, o.Path),
	}
	if status, err := kernel.ReadStatus(tid); err == nil {
		r.UID = &status.UID
	}
	if cwd, err := kernel.WorkingDirectory(tid); err == nil {
		r.CWD = cwd.Path
		cwd.Close()
	}
	if o.Deleted {
		r.Tip = ""
	}
	t.log.Write(r)
}
