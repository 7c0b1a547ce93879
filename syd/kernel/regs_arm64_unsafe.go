// SPDX-License-Identifier: GPL-3.0-or-later

//go:build arm64

package kernel

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Architectures of this machine as seccomp and ptrace name them (uapi linux/audit.h).
const (
	ArchNative = 0xc00000b7 // AUDIT_ARCH_AARCH64
	ArchCompat = 0          // none: calls of AArch32 (AUDIT_ARCH_ARM) are refused before anybody sees them
)

// Register sets (uapi linux/elf.h). The first is struct user_pt_regs (uapi
// asm/ptrace.h), of which a part from the beginning can be asked for, and set, alone
// (kernel/ptrace.c, ptrace_regset): it begins with x0.
const (
	noteStatus = 1     // NT_PRSTATUS
	noteCall   = 0x404 // NT_ARM_SYSTEM_CALL, an int
)

// SkipSyscall makes tid, in a seccomp-stop, not do the call and return -errno:
// a number of -1 skips it, and the return register stays as it is set
// (kernel/seccomp.c, __seccomp_filter; the set is of Linux 3.18).
func SkipSyscall(tid int, errno syscall.Errno) error {
	none := int32(-1)
	if _, err := registers(unix.PTRACE_SETREGSET, tid, noteCall, unsafe.Pointer(&none), unsafe.Sizeof(none)); err != nil {
		return err
	}
	return SetReturn(tid, -int64(errno))
}

// SetReturn sets the return register of tid, in a seccomp- or exit-stop.
func SetReturn(tid int, value int64) error {
	_, err := registers(unix.PTRACE_SETREGSET, tid, noteStatus, unsafe.Pointer(&value), unsafe.Sizeof(value))
	return err
}

// ReturnValue is the return register of tid, in any stop.
func ReturnValue(tid int) (int64, error) {
	var value int64
	_, err := registers(unix.PTRACE_GETREGSET, tid, noteStatus, unsafe.Pointer(&value), unsafe.Sizeof(value))
	return value, err
}

// registers moves size bytes of a set, or as many as it has.
func registers(request, tid int, set uintptr, data unsafe.Pointer, size uintptr) (int, error) {
	vector := unix.Iovec{Base: (*byte)(data), Len: uint64(size)}
	err := ptraceTo(request, tid, set, unsafe.Pointer(&vector))
	return int(vector.Len), err
}

// Finish has nothing to do: who sees the stop sees a call that has returned
// (Interrupted).
func Finish(int) error { return nil }

// Interrupted says no: before a signal-delivery-stop this architecture's kernel has
// put the first argument back, where the call is to be made again, or else
// forgotten it, and the call with it (arch/arm64/kernel/signal.c, do_signal).
func Interrupted(int, ...syscall.Errno) (info SyscallInfo, errno syscall.Errno, interrupted bool) {
	return SyscallInfo{}, 0, false
}
