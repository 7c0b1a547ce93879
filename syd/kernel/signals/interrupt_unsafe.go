// SPDX-License-Identifier: GPL-3.0-or-later

package signals

// #cgo CFLAGS: -std=gnu11 -O2 -Wall
// #include "interrupt.h"
import "C"

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// Interruption is the signal that ends a thread's wait with EINTR. The kernel
// never sends it, nor do libc and the Go runtime. No real-time signal will do:
// who has queued RLIMIT_SIGPENDING of them, any process of the same user, keeps
// tgkill(2) from sending one more (EAGAIN; kernel/signal.c, __send_signal_locked).
const Interruption = syscall.SIGSTKFLT

// Interruptible makes Interruption end waits of the calling thread, which must
// be locked. Once a process.
func Interruptible() error {
	if errno := C.signals_interrupt(C.int(Interruption)); errno != 0 {
		return syscall.Errno(errno)
	}
	return Unblock(Interruption)
}

// OnlyInterruption blocks every signal in the calling thread, which is locked,
// but Interruption and those that the thread's own faults raise. The runtime's
// preemption signal among them: its goroutine is preempted where it calls.
func OnlyInterruption() error {
	var all unix.Sigset_t
	for i := range all.Val {
		all.Val[i] = ^uint64(0)
	}
	for _, s := range []syscall.Signal{Interruption, syscall.SIGSEGV, syscall.SIGBUS, syscall.SIGFPE, syscall.SIGILL,
		syscall.SIGTRAP, syscall.SIGSYS, syscall.SIGABRT} {
		all.Val[0] &^= 1 << (s - 1)
	}
	return unix.PthreadSigmask(unix.SIG_SETMASK, &all, nil)
}
