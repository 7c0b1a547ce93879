// SPDX-License-Identifier: GPL-3.0-or-later

package kernel

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// SendSignal sends signal to the process behind pidfd (Linux 5.1).
func SendSignal(pidfd int, signal syscall.Signal) error {
	return unix.PidfdSendSignal(pidfd, signal, nil, 0)
}
