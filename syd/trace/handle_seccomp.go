// SPDX-License-Identifier: GPL-3.0-or-later

package trace

import (
	"fmt"
	"syscall"

	"syd/syd/kernel"
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
	task := t.cache.task(e.TID)
	if t.asks(e.TID) {
		return t.handleInjected(e, task)
	}
	c, r, ok := t.stoppedCall(e, kernel.SyscallExit)
	if !ok {
		return r
	}
	c.row, c.want = task.pending.row, task.pending.want
	if c.row == nil {
		return t.fault(e, "syscall-exit-stop", fmt.Errorf("nobody asked for it"))
	}
	r = c.row.exit(t, c)
	if task.open == nil { // else it is pending until there is an answer
		task.pending = pending{}
	}
	return r
}

// stoppedCall reads the call that e stopped in, which must be a stop of kind
// op: anything else kills the tracee. Not ok: r is what to do. When an exec has
// taken the number over, ptrace answers ESRCH until its event was waited for
// (kernel/ptrace.c, looks_like_a_spurious_pid, since Linux 5.13).
func (t *Tracer) stoppedCall(e Event, op uint8) (c call, r resume, ok bool) {
	c.Event = e
	switch err := kernel.GetSyscallInfo(e.TID, &c.info); {
	case err == nil && c.info.Op == op:
		return c, none, true
	case err == syscall.ESRCH, err == nil && kernel.Dying(e.TID):
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
