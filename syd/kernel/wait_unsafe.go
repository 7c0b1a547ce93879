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

// WaitTask looks, without sleeping, whether task tid has died or stopped; PID 0
// in the answer: neither. It takes the same time whatever the number of tasks
// (since Linux 5.14: commit 5449162ac001), where Wait walks over all of them
// before it sleeps. Preconditions: tracer thread. Errors: ECHILD.
func WaitTask(tid int) (WaitInfo, error) {
	return waitid(unix.P_PID, tid, unix.WEXITED|unix.WNOTHREAD|unix.WNOHANG)
}

// Tracee reports whether tid, any number, is a tracee or child of this process, one
// that is dead and not reaped included. It neither sleeps nor reaps, and looks at
// no file. Any thread.
func Tracee(tid int) bool {
	_, err := waitid(unix.P_PID, tid, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT|unix.WALL)
	return err == nil
}

func waitid(kind, id, options int) (WaitInfo, error) {
	var si siginfoChild
	call := syscall.Syscall6
	if options&unix.WNOHANG != 0 {
		call = syscall.RawSyscall6
	}
	_, _, errno := call(unix.SYS_WAITID, uintptr(kind), uintptr(id),
		uintptr(unsafe.Pointer(&si)), uintptr(options), 0, 0)
	if errno != 0 {
		return WaitInfo{}, errno
	}
	return WaitInfo{PID: int(si.pid), Code: int(si.code), Status: int(si.status)}, nil
}
