// SPDX-License-Identifier: GPL-3.0-or-later

package trace

import (
	"fmt"
	"sync"
	"syscall"

	"syd/syd/filter"
	"syd/syd/kernel"
)

// acquisition is a controlling terminal that the kernel would have given to who
// opened it. Only a task itself can acquire one: it is made to ask for it
// (TIOCSCTTY) on its way out of the open that a receiver made for it.
type acquisition struct {
	open       uint64 // the number of that call
	descriptor int    // of the terminal, and what the open returns
	// injected is what the task is given back. nil: it doesn't ask yet.
	injected *kernel.Injected
}

var ioctls = sync.OnceValue(func() map[uint32]uint64 {
	m := map[uint32]uint64{}
	filter.Numbers("ioctl", func(arch uint32, number int) { m[arch] = uint64(number) })
	return m
})

// acquires says whether the caller's open of fd, with flags, natively gives it a
// controlling terminal, if fd is a terminal that can be one and nobody's yet
// (drivers/tty/tty_io.c, tty_open): what TIOCSCTTY finds out itself.
func (n *notice) acquires(fd int, flags uint64) bool {
	if flags&oNoctty != 0 || flags&oAccess == oWrite {
		return false
	}
	file, err := kernel.Fstat(fd)
	if err != nil || file.Mode&syscall.S_IFMT != syscall.S_IFCHR || !kernel.MayControl(file.Rdev) {
		return false
	}
	theirs, err := kernel.TerminalOf(n.tid)
	if err != nil || theirs.Device != 0 {
		return false
	}
	status, err := n.learn()
	// A filter of the caller's own may kill it for the call that it doesn't make.
	return err == nil && theirs.Session == status.TGID && status.Filters == n.filters
}

// acquire has tid, which waits for its answer, ask for its controlling terminal
// once it has it. Any thread but the tracer's.
func (t *Tracer) acquire(tid int, open uint64, descriptor int) {
	t.push(&nudge{tid: tid, acquisition: &acquisition{open: open, descriptor: descriptor}})
}

// inject has e's task, in a stop, ask for the terminal that it is to acquire.
// Where the stop isn't the one on its way out of its open, it goes without.
func (t *Tracer) inject(e Event, task *task) {
	a := task.acquisition
	var info kernel.SyscallInfo
	if a.injected != nil || kernel.GetSyscallInfo(e.TID, &info) != nil {
		return
	}
	var err error
	a.injected, err = kernel.Inject(e.TID, a.open, int64(a.descriptor), ioctls()[info.Arch], [3]uint64{uint64(a.descriptor), kernel.TIOCSCTTY, 0})
	if err != nil {
		task.acquisition = nil
	}
}

// asks: tid is making the call that it was made to make.
func (t *Tracer) asks(tid int) bool {
	task := t.cache.tasks[tid]
	return task != nil && task.acquisition != nil && task.acquisition.injected != nil
}

// handleInjected goes on from the begin of the call that e's task was made to make
// to its end, and from there to where the task was.
func (t *Tracer) handleInjected(e Event, task *task) resume {
	var info kernel.SyscallInfo
	err := kernel.GetSyscallInfo(e.TID, &info)
	switch {
	case err == syscall.ESRCH, err == nil && kernel.Dying(e.TID):
		return none
	case err == nil && info.Op == kernel.SyscallEntry && info.Number != ioctls()[info.Arch]:
		// Another thread has changed the instruction.
		if err = kernel.SkipSyscall(e.TID, syscall.ENOSYS); err == nil {
			return syscallExit
		}
	case err == nil && info.Op == kernel.SyscallEntry:
		return syscallExit
	case err == nil && info.Op == kernel.SyscallExit:
		if err = task.acquisition.injected.Restore(e.TID); err == nil {
			task.acquisition = nil
			return cont
		}
	case err == nil:
		err = fmt.Errorf("op %d at a %v", info.Op, e.Kind)
	}
	if err == syscall.ESRCH {
		return none
	}
	return t.fault(e, "TIOCSCTTY", err)
}
