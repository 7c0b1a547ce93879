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

// NextCall is, in a signal-delivery-stop, the call that tid makes next if there is
// an instruction for one where it stands, at address at: of an interrupted call that
// the kernel means to make again all is as before it.
func NextCall(tid int) (info SyscallInfo, at uint64, err error) {
	regs, err := allRegisters(tid)
	if err != nil {
		return SyscallInfo{}, 0, err
	}
	info = SyscallInfo{Arch: ArchNative, Number: uint64(uint32(regs.Regs[8]))}
	copy(info.Args[:], regs.Regs[:])
	return info, regs.Pc &^ tag, nil
}

// IsCall says whether the instruction at an address of tid's is a system call.
// It may sleep as ReadMemory does.
func IsCall(tid int, at uint64) bool {
	const svc = 0xd4000001 // svc #0; the kernel looks at no other number
	var instruction uint32
	return ReadMemory(tid, at, Bytes(&instruction)) == nil && instruction == svc
}

// tag is a bit of addresses that the processor ignores (top byte ignore), those of
// instructions too: it is gone once the task has gone on.
const tag = 1 << 56

// Again has tid, in a signal-delivery-stop, go on where it stands whatever the
// signal's action says: the kernel makes EINTR only of a call that the task still
// stands at by the very address (arch/arm64/kernel/signal.c, do_signal). A handler
// that looks finds the tag in the address that it interrupted.
func Again(tid int) error {
	regs, err := allRegisters(tid)
	if err != nil {
		return err
	}
	regs.Pc |= tag
	_, err = registers(unix.PTRACE_SETREGSET, tid, noteStatus, unsafe.Pointer(&regs), unsafe.Sizeof(regs))
	return err
}

func (i *Injected) read(tid int) (err error) {
	i.regs, err = allRegisters(tid)
	return err
}

func writeRegisters(tid int, regs *syscall.PtraceRegs) error {
	_, err := registers(unix.PTRACE_SETREGSET, tid, noteStatus, unsafe.Pointer(regs), unsafe.Sizeof(*regs))
	return err
}

// redirect has regs, of a task that leaves call left with value, make another.
func redirect(regs *syscall.PtraceRegs, _ int, left uint64, value int64, number uint64, args [3]uint64) bool {
	if uint32(regs.Regs[8]) != uint32(left) || int64(regs.Regs[0]) != value {
		return false
	}
	regs.Pc -= 4
	regs.Regs[8] = number
	copy(regs.Regs[:], args[:])
	return true
}

// allRegisters fails for AArch32 programs, whose set is smaller.
func allRegisters(tid int) (regs syscall.PtraceRegs, err error) {
	n, err := registers(unix.PTRACE_GETREGSET, tid, noteStatus, unsafe.Pointer(&regs), unsafe.Sizeof(regs))
	if err == nil && n != int(unsafe.Sizeof(regs)) {
		err = unix.ENOSYS
	}
	return regs, err
}
