// SPDX-License-Identifier: GPL-3.0-or-later

package kernel

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// ListenerRefused says whether a seccomp filter answers EBUSY to a new
// listener before the kernel has even read the program, which is at NULL. The
// kernel alone says EFAULT then, also under a listener (kernel/seccomp.c,
// seccomp_set_mode_filter reads the program first).
func ListenerRefused() bool {
	_, _, errno := syscall.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, 0)
	return errno == syscall.EBUSY
}
