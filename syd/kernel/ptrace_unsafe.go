// SPDX-License-Identifier: GPL-3.0-or-later

package kernel

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Options of PTRACE_SEIZE (ptrace(2)).
const (
	OptSyscallGood = unix.PTRACE_O_TRACESYSGOOD
	OptFork        = unix.PTRACE_O_TRACEFORK
	OptVfork       = unix.PTRACE_O_TRACEVFORK
	OptClone       = unix.PTRACE_O_TRACECLONE
	OptExec        = unix.PTRACE_O_TRACEEXEC
	OptExit        = unix.PTRACE_O_TRACEEXIT
	OptSeccomp     = unix.PTRACE_O_TRACESECCOMP
	OptExitKill    = unix.PTRACE_O_EXITKILL // Linux 3.8: tracees die with the tracer thread
)

// Events in bits 8 and up of a ptrace-stop's status (ptrace(2)).
const (
	EventFork    = unix.PTRACE_EVENT_FORK
	EventVfork   = unix.PTRACE_EVENT_VFORK
	EventClone   = unix.PTRACE_EVENT_CLONE
	EventExec    = unix.PTRACE_EVENT_EXEC
	EventExit    = unix.PTRACE_EVENT_EXIT
	EventSeccomp = unix.PTRACE_EVENT_SECCOMP
	EventStop    = unix.PTRACE_EVENT_STOP
)

// ptrace makes one request. None of them sleeps: the tracee is stopped, or the
// request is SEIZE or INTERRUPT, which don't wait for it. Preconditions of
// every request: tracer thread. ESRCH means that the tracee was killed while it
// was stopped; its death will be reported by Wait.
func ptrace(request, tid int, addr, data uintptr) error {
	return result(syscall.RawSyscall6(unix.SYS_PTRACE, uintptr(request), uintptr(tid), addr, data,
		GuardPtrace.at(4), GuardPtrace.at(5)))
}

// ptraceTo is ptrace for requests that fill the memory at data.
func ptraceTo(request, tid int, addr uintptr, data unsafe.Pointer) error {
	return result(syscall.RawSyscall6(unix.SYS_PTRACE, uintptr(request), uintptr(tid), addr, uintptr(data),
		GuardPtrace.at(4), GuardPtrace.at(5)))
}

// result makes an error of what a system call returned.
func result(_, _ uintptr, errno syscall.Errno) error {
	if errno != 0 {
		return errno
	}
	return nil
}

// Seize attaches to pid without stopping it (PTRACE_SEIZE, Linux 3.4).
func Seize(pid, options int) error { return ptrace(unix.PTRACE_SEIZE, pid, 0, uintptr(options)) }

// Cont resumes tid and, from a signal-delivery-stop, delivers signal (0: none)
// with the siginfo it came with.
func Cont(tid, signal int) error { return ptrace(unix.PTRACE_CONT, tid, 0, uintptr(signal)) }

// ContToSyscall resumes tid up to the next syscall-stop.
func ContToSyscall(tid, signal int) error {
	return ptrace(unix.PTRACE_SYSCALL, tid, 0, uintptr(signal))
}

// Listen leaves tid in its group-stop and has SIGCONT reported (Linux 3.4).
func Listen(tid int) error { return ptrace(unix.PTRACE_LISTEN, tid, 0, 0) }

// EventMessage asks for the number that came with the last event: a new TID
// (fork events), the former TID (exec), the wait status (exit).
func EventMessage(tid int) (uint64, error) {
	var msg uint64
	err := ptraceTo(unix.PTRACE_GETEVENTMSG, tid, 0, unsafe.Pointer(&msg))
	return msg, err
}

// Dying reports whether tid, which was seen in another stop, is in its exit
// event: SIGKILL took it there, and what was asked of it since was answered for
// that one (EventMessage: the exit status; GetSyscallInfo: SyscallNone).
func Dying(tid int) bool {
	code, err := stopCode(tid)
	return err == nil && code == exitCode
}

// Stopped reports whether tid is in a stop that is not its exit event.
func Stopped(tid int) bool {
	code, err := stopCode(tid)
	return err == nil && code != exitCode
}

const exitCode = EventExit<<8 | int32(unix.SIGTRAP)

// stopCode is the si_code of the stop that tid is in.
func stopCode(tid int) (int32, error) {
	var info unix.Siginfo
	err := ptraceTo(unix.PTRACE_GETSIGINFO, tid, 0, unsafe.Pointer(&info))
	return info.Code, err
}

// Kinds of stop in SyscallInfo.Op (uapi linux/ptrace.h).
const (
	SyscallNone    = unix.PTRACE_SYSCALL_INFO_NONE
	SyscallEntry   = unix.PTRACE_SYSCALL_INFO_ENTRY
	SyscallExit    = unix.PTRACE_SYSCALL_INFO_EXIT
	SyscallSeccomp = unix.PTRACE_SYSCALL_INFO_SECCOMP
)

// SyscallInfo is struct ptrace_syscall_info (Linux 5.3). Number and Args hold at
// entry and seccomp stops; at an exit stop use ReturnValue.
type SyscallInfo struct {
	Op                       uint8
	_                        [3]byte
	Arch                     uint32 // AUDIT_ARCH_…
	InstructionPtr, StackPtr uint64
	Number                   uint64
	Args                     [6]uint64
	RetData                  uint32
	_                        uint32
}

// ReturnValue is what the syscall returns, at an exit stop: the union begins
// with it where entry stops have the number.
func (i *SyscallInfo) ReturnValue() int64 { return int64(i.Number) }

// GetSyscallInfo fills info for the stop that tid is in.
func GetSyscallInfo(tid int, info *SyscallInfo) error {
	*info = SyscallInfo{}
	return ptraceTo(unix.PTRACE_GET_SYSCALL_INFO, tid, unsafe.Sizeof(*info), unsafe.Pointer(info))
}

// IsLeader reports whether tid, an unreaped tracee, leads its thread group.
// tgkill(2) with signal 0 answers ESRCH when tid is not in thread group tid, on
// any architecture and without reading /proc.
func IsLeader(tid int) bool { return InGroup(tid, tid) }

// InGroup reports whether tid, an unreaped tracee, is in thread group tgid.
func InGroup(tid, tgid int) bool {
	_, _, errno := syscall.RawSyscall(unix.SYS_TGKILL, uintptr(tgid), uintptr(tid), 0)
	return errno != syscall.ESRCH
}

// Kill sends a signal to the thread group that tid belongs to; tid must be
// unreaped, else the number may be somebody else's.
func Kill(tid int, signal syscall.Signal) error {
	if tid <= 0 {
		return syscall.EINVAL // a process group, or everybody
	}
	return result(syscall.RawSyscall6(unix.SYS_KILL, uintptr(tid), uintptr(signal), GuardKill.at(2), GuardKill.at(3), GuardKill.at(4), GuardKill.at(5)))
}

// Interrupt stops tid, which is not stopped, as soon as it can: in an EventStop
// with SIGTRAP (PTRACE_INTERRUPT, Linux 3.4).
func Interrupt(tid int) error { return ptrace(unix.PTRACE_INTERRUPT, tid, 0, 0) }
