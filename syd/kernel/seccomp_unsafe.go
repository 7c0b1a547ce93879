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
func ListenerRefused() bool { return tryFlags(0) == syscall.EBUSY }

// WaitsKillable says whether a call that a receiver has taken can be kept from
// being interrupted but by a deadly signal (Linux 5.19). Where it can't, a signal
// has the caller make it again, whatever was done for it already.
func WaitsKillable() bool {
	return tryFlags(unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV) == syscall.EFAULT
}

// tryFlags has the kernel look at the flags of a filter with a listener, which
// comes before its program, and find none. Before any filter of ours is loaded.
func tryFlags(flags uintptr) syscall.Errno {
	_, _, errno := syscall.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER|flags, 0)
	return errno
}
