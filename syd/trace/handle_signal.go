// SPDX-License-Identifier: GPL-3.0-or-later

package trace

import (
	"sync"
	"syscall"

	"syd/syd/filter"
	"syd/syd/kernel"
)

// handleSignal delivers the signal, with the siginfo that it came with.
func (t *Tracer) handleSignal(e Event) resume {
	task := t.cache.task(e.TID)
	deliver := resume{op: opCont, signal: e.Signal}
	errnos := []syscall.Errno{syscall.EINTR, errRestart, errOurs}
	if t.receivers == nil {
		errnos = errnos[:1]
	}
	call, errno, ok := kernel.Interrupted(e.TID, errnos...)
	switch {
	case !ok:
		return t.mendUnseen(e, task, deliver)
	case errno != syscall.EINTR:
		t.mendEmulated(e.TID, task, call, errno)
	case unlimitedWait(call):
		return t.ask(e, func() answer {
			return answer{resume: deliver, restart: ignores(e.TID, e.Signal)}
		}, answer{resume: deliver})
	}
	return deliver
}

// Errnos that only the kernel itself sees (include/linux/errno.h): it makes of
// them EINTR or a restart of the call. ERESTARTSYS: as the handler says that runs.
// ERESTARTNOINTR: always a restart. ERESTARTNOHAND: if no handler runs.
const (
	errRestart       = 512
	errRestartNoIntr = 513
	errRestartNoHand = 514
)

// mendEmulated has a signal interrupt a call that waits for a receiver, or that
// one makes, if natively it would: no call on a path ends with EINTR but those
// that a receiver found waiting for something.
func (t *Tracer) mendEmulated(tid int, task *task, call kernel.SyscallInfo, errno syscall.Errno) {
	row := t.receivers.rows[syscallKey{call.Arch, call.Number}]
	switch {
	case row == nil:
	case errno == errOurs:
		kernel.SetReturn(tid, -errRestart)
		task.interrupted = call
	case call.Number == task.interrupted.Number && call.Args == task.interrupted.Args:
		// By another signal already, or it waits for what it waited for then.
	case row.waits != nil && row.waits(call.Args):
		// Perhaps the kernel made the call itself.
	default:
		kernel.SetReturn(tid, -errRestartNoIntr)
	}
}

// endStopped lets EINTR stand where a stop interrupted the call, as natively
// (signal(7), interruption by stop signals): the SIGCONT that follows, mostly
// without a handler, would else be taken for the interruption and mended.
func endStopped(e Event) {
	if call, _, ok := kernel.Interrupted(e.TID, syscall.EINTR); ok && unlimitedWait(call) {
		kernel.Finish(e.TID)
	}
}

// interruptible maps calls that answer EINTR, whatever SA_RESTART says (signal(7)), to
// whether the arguments set no limit. None of them has done anything when it is
// interrupted.
var interruptible = sync.OnceValue(func() map[syscallKey]func([6]uint64) bool {
	milliseconds := func(a [6]uint64) bool { return int32(a[3]) < 0 }
	m := map[syscallKey]func([6]uint64) bool{}
	for name, unlimited := range map[string]func([6]uint64) bool{
		"epoll_wait":      milliseconds,
		"epoll_pwait":     milliseconds,
		"epoll_pwait2":    func(a [6]uint64) bool { return a[3] == 0 },
		"semop":           func([6]uint64) bool { return true },
		"semtimedop":      func(a [6]uint64) bool { return a[3] == 0 },
		"rt_sigtimedwait": func(a [6]uint64) bool { return a[2] == 0 },
		"io_getevents":    func(a [6]uint64) bool { return a[4] == 0 },
	} {
		filter.Numbers(name, func(arch uint32, number int) {
			m[syscallKey{arch, uint64(number)}] = unlimited
		})
	}
	return m
})

func unlimitedWait(c kernel.SyscallInfo) bool {
	unlimited := interruptible()[syscallKey{c.Arch, c.Number}]
	return unlimited != nil && unlimited(c.Args)
}

// ignores says whether tid would not have been sent the signal natively. On a
// worker thread.
func ignores(tid int, s syscall.Signal) bool {
	status, err := kernel.ReadStatus(tid)
	if err != nil {
		return false
	}
	bit := uint64(1) << (s - 1)
	if status.Ignored&bit != 0 {
		return true
	}
	switch s {
	case syscall.SIGCHLD, syscall.SIGURG, syscall.SIGWINCH, syscall.SIGCONT:
		return status.Caught&bit == 0
	}
	return false
}
