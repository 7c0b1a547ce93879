// SPDX-License-Identifier: GPL-3.0-or-later

//go:build amd64

package kernel

import (
	"slices"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Architectures of this machine as seccomp and ptrace name them (uapi linux/audit.h).
const (
	ArchNative = 0xc000003e // AUDIT_ARCH_X86_64; x32 calls carry it too, with bit 30 in the number
	ArchCompat = 0x40000003 // AUDIT_ARCH_I386
)

// Offsets in struct user_regs_struct (asm/user_64.h): a 64-bit tracer uses them
// for 32-bit tracees too.
const (
	offRAX     = unsafe.Offsetof(syscall.PtraceRegs{}.Rax)
	offOrigRAX = unsafe.Offsetof(syscall.PtraceRegs{}.Orig_rax)
)

// SkipSyscall makes tid, in a seccomp-stop, not do the call and return -errno:
// a number of -1 skips it, and the return register stays as it is set
// (kernel/seccomp.c, __seccomp_filter, since Linux 4.8).
func SkipSyscall(tid int, errno syscall.Errno) error {
	if err := ptrace(unix.PTRACE_POKEUSR, tid, offOrigRAX, ^uintptr(0)); err != nil {
		return err
	}
	return SetReturn(tid, -int64(errno))
}

// SetReturn sets the return register of tid, in a seccomp-, exit- or signal-stop.
func SetReturn(tid int, value int64) error {
	return ptrace(unix.PTRACE_POKEUSR, tid, offRAX, uintptr(value))
}

// ReturnValue is the return register of tid, in any stop.
func ReturnValue(tid int) (int64, error) {
	var value int64
	err := ptraceTo(unix.PTRACE_PEEKUSR, tid, offRAX, unsafe.Pointer(&value))
	return value, err
}

// Finish makes the call that tid was interrupted in one that is never restarted:
// a number of -1 is no call (arch/x86/kernel/signal.c, handle_signal).
func Finish(tid int) error {
	return ptrace(unix.PTRACE_POKEUSR, tid, offOrigRAX, ^uintptr(0))
}

// Interrupted reports, in a signal-delivery-stop, the system call of tid that
// the signal interrupted if it is about to return one of errnos, and which. One
// request when it isn't, which is nearly always.
func Interrupted(tid int, errnos ...syscall.Errno) (SyscallInfo, syscall.Errno, bool) {
	var orig uint64
	rax, err := ReturnValue(tid)
	if err != nil || !slices.Contains(errnos, syscall.Errno(-rax)) {
		return SyscallInfo{}, 0, false
	}
	if ptraceTo(unix.PTRACE_PEEKUSR, tid, offOrigRAX, unsafe.Pointer(&orig)) != nil || int64(orig) < 0 {
		return SyscallInfo{}, 0, false // not in a call: an exception, say
	}
	var info SyscallInfo
	var regs syscall.PtraceRegs
	if GetSyscallInfo(tid, &info) != nil || ptraceTo(unix.PTRACE_GETREGS, tid, 0, unsafe.Pointer(&regs)) != nil {
		return SyscallInfo{}, 0, false
	}
	info.Number = orig
	info.Args = [6]uint64{regs.Rdi, regs.Rsi, regs.Rdx, regs.R10, regs.R8, regs.R9}
	if info.Arch == ArchCompat {
		info.Args = [6]uint64{regs.Rbx, regs.Rcx, regs.Rdx, regs.Rsi, regs.Rdi, regs.Rbp}
	}
	return info, syscall.Errno(-rax), true
}

func (i *Injected) read(tid int) error {
	return ptraceTo(unix.PTRACE_GETREGS, tid, 0, unsafe.Pointer(&i.regs))
}

func writeRegisters(tid int, regs *syscall.PtraceRegs) error {
	return ptraceTo(unix.PTRACE_SETREGS, tid, 0, unsafe.Pointer(regs))
}

// redirect has regs, of a task that leaves call left with value, make another. Both
// instructions for calls, syscall and int $0x80, are two bytes long; after sysenter
// a task goes on behind an int $0x80 (arch/x86/entry/vdso/vdso32/system_call.S).
func redirect(regs *syscall.PtraceRegs, tid int, left uint64, value int64, number uint64, args [3]uint64) bool {
	var info SyscallInfo
	if uint32(regs.Orig_rax) != uint32(left) || int64(regs.Rax) != value || GetSyscallInfo(tid, &info) != nil {
		return false
	}
	regs.Rip -= 2
	regs.Rax, regs.Orig_rax = number, ^uint64(0)
	regs.Rdi, regs.Rsi, regs.Rdx = args[0], args[1], args[2]
	if info.Arch == ArchCompat {
		regs.Rbx, regs.Rcx, regs.Rdx = args[0], args[1], args[2]
	}
	return true
}
