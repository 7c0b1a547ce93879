// SPDX-License-Identifier: GPL-3.0-or-later

// Package signals catches signals with their siginfo, which package os/signal
// does not tell, and stops the process as job control wants it.
//
// A signalfd would do if the signals could be blocked in every thread, but the
// Go runtime unblocks the deadly ones (SIGHUP, SIGINT, SIGQUIT, SIGTERM) in
// each thread it starts.
package signals

// #cgo CFLAGS: -std=gnu11 -O2 -Wall
// #include "catch.h"
import "C"

import (
	"math/bits"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"syd/syd/kernel"
)

// Signal is a signal that reached this process.
type Signal struct {
	Number syscall.Signal
	// Code is si_code: at most 0 when a process sent it, over 0 when the kernel did.
	Code int
	// PID is of the sender; 0 if it was forgotten in a storm.
	PID int
}

// Queue holds caught signals. FD is readable while it isn't empty; the queue
// owns it, for good: the handlers write to its other end.
type Queue struct {
	FD  int
	end int
}

// Catch has signals queued instead of their action taken. Once a process, after
// the cookies are made.
func Catch(signals ...syscall.Signal) (*Queue, error) {
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, err
	}
	q := &Queue{FD: pipe[0], end: pipe[1]}
	cookies := (*C.uint64_t)(unsafe.Pointer(kernel.GuardWrite.Cookies()))
	for _, s := range signals {
		if errno := C.signals_catch(C.int(s), C.int(q.end), cookies); errno != 0 {
			return nil, syscall.Errno(errno)
		}
	}
	return q, nil
}

// Read takes what is queued. No signal is lost, but when very many wait only
// one of each is sure to be kept, as the kernel itself does.
func (q *Queue) Read() []Signal {
	var all []Signal
	for {
		var c C.struct_caught
		buf := (*[unsafe.Sizeof(c)]byte)(unsafe.Pointer(&c))[:]
		n, err := unix.Read(q.FD, buf)
		if err == unix.EINTR {
			continue
		}
		if n != len(buf) {
			break
		}
		all = append(all, Signal{syscall.Signal(c.number), int(c.code), int(c.pid)})
	}
	for lost := uint64(C.signals_overflow()); lost != 0; lost &= lost - 1 {
		all = append(all, Signal{Number: syscall.Signal(bits.TrailingZeros64(lost) + 1)})
	}
	return all
}

// Unblock unblocks signals in the calling thread.
func Unblock(signals ...syscall.Signal) error {
	var set unix.Sigset_t
	for _, s := range signals {
		set.Val[(s-1)/64] |= 1 << ((s - 1) % 64)
	}
	return unix.PthreadSigmask(unix.SIG_UNBLOCK, &set, nil)
}

// StopSelf stops this whole process with signal, SIGSTOP or one of SIGTSTP,
// SIGTTIN and SIGTTOU with their default action, and returns when it is
// continued. A shell then sees the signal that it would have seen of the
// program itself. It does nothing, and says so, when there is something to Read,
// which may be a SIGCONT: who sent it means what was before.
//
// Preconditions: the only thread that SIGCONT reaches, locked, which doesn't block
// the signal.
func (q *Queue) StopSelf(signal syscall.Signal) (stopped bool, err error) {
	if signal == syscall.SIGSTOP {
		return true, unix.Tgkill(unix.Getpid(), unix.Gettid(), signal)
	}
	// The kernel's struct sigaction: handler (SIG_DFL is 0, SIG_IGN 1), flags, restorer, mask.
	var ours, standard [4]uint64
	ignored := [4]uint64{1}
	if err := kernel.SigactionRaw(signal, nil, &ours); err != nil {
		return false, err
	}
	if err := kernel.SigactionRaw(signal, &standard, nil); err != nil {
		return false, err
	}
	// Blocked it waits, and a SIGCONT from now on does away with it (signal(7)); the
	// handler of one before this has run.
	if err := block(signal); err != nil {
		return false, err
	}
	if err := unix.Tgkill(unix.Getpid(), unix.Gettid(), signal); err != nil {
		return false, err
	}
	ready, err := kernel.Look(kernel.Polled{FD: q.FD})
	if err != nil {
		return false, err
	}
	if ready[0].Readable {
		if err := kernel.SigactionRaw(signal, &ignored, nil); err != nil {
			return false, err
		}
	}
	if err := Unblock(signal); err != nil {
		return false, err
	}
	return !ready[0].Readable, kernel.SigactionRaw(signal, &ours, nil)
}

func block(signal syscall.Signal) error {
	var set unix.Sigset_t
	set.Val[(signal-1)/64] |= 1 << ((signal - 1) % 64)
	return unix.PthreadSigmask(unix.SIG_BLOCK, &set, nil)
}
