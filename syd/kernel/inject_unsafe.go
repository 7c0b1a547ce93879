// SPDX-License-Identifier: GPL-3.0-or-later

package kernel

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Injected is what a task is given back after a call that it was made to make.
type Injected struct {
	regs syscall.PtraceRegs
	mask uint64
}

// Inject has tid, in an EventStop on its way out of system call left that returned
// value, make call number once it is resumed, by the same instruction; at its
// syscall-exit-stop Restore is due. Until then no signal interrupts it but SIGKILL
// and SIGSTOP (PTRACE_SETSIGMASK, Linux 3.11). ENOENT: it is not on its way out of
// such a call. Preconditions: tracer thread.
func Inject(tid int, left uint64, value int64, number uint64, args [3]uint64) (*Injected, error) {
	i := &Injected{}
	if err := i.read(tid); err != nil {
		return nil, err
	}
	next := i.regs
	if !redirect(&next, tid, left, value, number, args) {
		return nil, unix.ENOENT
	}
	all := ^uint64(0)
	if err := ptraceTo(unix.PTRACE_GETSIGMASK, tid, unsafe.Sizeof(i.mask), unsafe.Pointer(&i.mask)); err != nil {
		return nil, err
	}
	if err := ptraceTo(unix.PTRACE_SETSIGMASK, tid, unsafe.Sizeof(all), unsafe.Pointer(&all)); err != nil {
		return nil, err
	}
	err := writeRegisters(tid, &next)
	if err != nil {
		ptraceTo(unix.PTRACE_SETSIGMASK, tid, unsafe.Sizeof(i.mask), unsafe.Pointer(&i.mask)) // else it is dead
	}
	return i, err
}

// Restore gives tid, in any stop, its registers and its signal mask back.
// Preconditions: tracer thread.
func (i *Injected) Restore(tid int) error {
	if err := writeRegisters(tid, &i.regs); err != nil {
		return err
	}
	return ptraceTo(unix.PTRACE_SETSIGMASK, tid, unsafe.Sizeof(i.mask), unsafe.Pointer(&i.mask))
}
