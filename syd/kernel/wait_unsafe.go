// SPDX-License-Identifier: GPL-3.0-or-later

package kernel

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Codes that waitid(2) reports in si_code (uapi asm-generic/siginfo.h).
const (
	CLDExited  = 1 // Status is the exit code
	CLDKilled  = 2 // Status is the signal
	CLDDumped  = 3 // Status is the signal; core dumped
	CLDTrapped = 4 // a ptrace-stop: Status is event<<8 | signal
)

// WaitInfo is what waitid(2) told of one task.
type WaitInfo struct {
	PID    int // TID for a traced thread
	Code   int // CLD…; 0 with PID 0: nothing to report (WNOHANG)
	Status int
}

// siginfoChild is siginfo_t as waitid(2) fills it, on 64-bit architectures:
// after three ints and padding, si_pid, si_uid and si_status.
type siginfoChild struct {
	signo, errno, code int32
	_                  int32
	pid                int32
	uid                uint32
	status             int32
	_                  [100]byte
}

var _ [unsafe.Sizeof(unix.Siginfo{})]byte = [unsafe.Sizeof(siginfoChild{})]byte{}

// Wait sleeps until a child or tracee of the calling thread dies or stops:
// waitid(P_ALL, WEXITED | __WNOTHREAD). Stops need no WSTOPPED, which the kernel
// doesn't ask of the tracer, and traced threads no __WALL.
//
// Preconditions: tracer thread. Errors: EINTR, ECHILD.
func Wait() (WaitInfo, error) {
	return waitid(unix.P_ALL, 0, unix.WEXITED|unix.WNOTHREAD)
}

// WaitPIDFD sleeps until the child behind pidfd dies or, traced, stops
// (P_PIDFD: Linux 5.4). Preconditions: tracer thread.
func WaitPIDFD(pidfd int) (WaitInfo, error) {
	return waitid(unix.P_PIDFD, pidfd, unix.WEXITED|unix.WNOTHREAD)
}

func waitid(kind, id, options int) (WaitInfo, error) {
	var si siginfoChild
	_, _, errno := syscall.Syscall6(unix.SYS_WAITID, uintptr(kind), uintptr(id),
		uintptr(unsafe.Pointer(&si)), uintptr(options), 0, 0)
	if errno != 0 {
		return WaitInfo{}, errno
	}
	return WaitInfo{PID: int(si.pid), Code: int(si.code), Status: int(si.status)}, nil
}
