// SPDX-License-Identifier: GPL-3.0-or-later

package kernel

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Signal is a signal that reached this process, as signalfd(2) tells it.
type Signal struct {
	Number syscall.Signal
	Code   int // si_code: ≤ 0 sent by a process, > 0 by the kernel
	PID    int // of the sender
}

// SignalFD opens a non-blocking, close-on-exec signalfd for signals, which must
// be blocked in every thread.
func SignalFD(signals ...syscall.Signal) (int, error) {
	var set unix.Sigset_t
	for _, s := range signals {
		set.Val[(s-1)/64] |= 1 << ((s - 1) % 64)
	}
	return unix.Signalfd(-1, &set, unix.SFD_CLOEXEC|unix.SFD_NONBLOCK)
}

// ReadSignal takes the next signal from fd; EAGAIN when there is none.
func ReadSignal(fd int) (Signal, error) {
	var si unix.SignalfdSiginfo
	buf := (*[unsafe.Sizeof(si)]byte)(unsafe.Pointer(&si))[:]
	if _, err := unix.Read(fd, buf); err != nil {
		return Signal{}, err
	}
	return Signal{syscall.Signal(si.Signo), int(si.Code), int(si.Pid)}, nil
}

// SendSignal sends signal to the process behind pidfd (Linux 5.1).
func SendSignal(pidfd int, signal syscall.Signal) error {
	return unix.PidfdSendSignal(pidfd, signal, nil, 0)
}

// StopSelf stops this whole process with signal, SIGSTOP or one of SIGTSTP,
// SIGTTIN and SIGTTOU with their default action, and returns when it is continued. A shell
// then sees the signal that it would have seen of the program itself. The
// signal is blocked in every thread: only the calling one lets it through.
//
// Preconditions: a locked thread.
func StopSelf(signal syscall.Signal) error {
	if signal == syscall.SIGSTOP {
		return unix.Kill(unix.Getpid(), signal)
	}
	// SIG_DFL, no flags: the kernel's struct sigaction is four words on every
	// 64-bit architecture but mips.
	var action [4]uint64
	if _, _, errno := syscall.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(signal),
		uintptr(unsafe.Pointer(&action)), 0, 8, 0, 0); errno != 0 {
		return errno
	}
	var set, old unix.Sigset_t
	set.Val[0] = 1 << (signal - 1)
	if err := unix.Tgkill(unix.Getpid(), unix.Gettid(), signal); err != nil {
		return err
	}
	if err := unix.PthreadSigmask(unix.SIG_UNBLOCK, &set, &old); err != nil {
		return err
	}
	return unix.PthreadSigmask(unix.SIG_SETMASK, &old, nil)
}
