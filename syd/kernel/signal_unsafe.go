// SPDX-License-Identifier: GPL-3.0-or-later

package kernel

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// SendSignal sends signal to the process behind pidfd (Linux 5.1).
func SendSignal(pidfd int, signal syscall.Signal) error {
	return result(syscall.RawSyscall6(unix.SYS_PIDFD_SEND_SIGNAL, uintptr(pidfd), uintptr(signal), 0, 0,
		GuardPidfdSendSignal.at(4), GuardPidfdSendSignal.at(5)))
}
