// SPDX-License-Identifier: GPL-3.0-or-later

package kernel

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// SendSignal sends signal to the process behind pidfd (Linux 5.1).
func SendSignal(pidfd int, signal syscall.Signal) error {
	return result(syscall.RawSyscall6(unix.SYS_PIDFD_SEND_SIGNAL, uintptr(pidfd), uintptr(signal), 0, 0,
		GuardPidfdSendSignal.at(4), GuardPidfdSendSignal.at(5)))
}

// PID is this process's number.
func PID() int { return unix.Getpid() }

// SigactionRaw is rt_sigaction(2) on the kernel's struct sigaction: handler,
// flags, restorer and mask, of which 64 bits each. Either pointer may be nil.
func SigactionRaw(signal syscall.Signal, action, old *[4]uint64) error {
	return result(syscall.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(signal), uintptr(unsafe.Pointer(action)),
		uintptr(unsafe.Pointer(old)), 8, GuardSigaction.at(4), GuardSigaction.at(5)))
}
