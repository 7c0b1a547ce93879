// SPDX-License-Identifier: GPL-3.0-or-later

package kernel

import (
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Operations of futex(2) among the threads of one process (uapi linux/futex.h).
const (
	futexWaitPrivate = 0x80
	futexWakePrivate = 0x81
)

// FutexWait sleeps while *word is value, until FutexWake, a signal or the end
// of limit (0: none): the caller looks at the word again.
func FutexWait(word *atomic.Uint32, value uint32, limit time.Duration) {
	var until *unix.Timespec
	if limit > 0 {
		ts := unix.NsecToTimespec(int64(limit))
		until = &ts
	}
	syscall.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), futexWaitPrivate, uintptr(value),
		uintptr(unsafe.Pointer(until)), 0, 0)
}

// FutexWake wakes one thread that sleeps on word.
func FutexWake(word *atomic.Uint32) {
	syscall.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), futexWakePrivate, 1, 0, 0, 0)
}

// ThreadID is the calling thread's TID.
func ThreadID() int { return unix.Gettid() }

// SignalThread sends signal to thread tid of this process.
func SignalThread(tid int, signal syscall.Signal) {
	syscall.RawSyscall(unix.SYS_TGKILL, uintptr(unix.Getpid()), uintptr(tid), uintptr(signal))
}

// CurrentCPU is the processor that the calling thread runs on, or just did;
// -1: unknown.
func CurrentCPU() int {
	var cpu uint32
	if _, _, errno := syscall.RawSyscall(unix.SYS_GETCPU, uintptr(unsafe.Pointer(&cpu)), 0, 0); errno != 0 {
		return -1
	}
	return int(cpu)
}

// SetThreadAffinity binds thread tid of this process to set.
func SetThreadAffinity(tid int, set *CPUSet) error { return unix.SchedSetaffinity(tid, set) }
