// SPDX-License-Identifier: GPL-3.0-or-later

// Package capability drops capabilities(7): in every thread that the main one
// starts at its birth, in the main thread when it is told to.
package capability

// #cgo CFLAGS: -std=gnu11 -O2 -Wall
// #cgo LDFLAGS: -Wl,-wrap,pthread_create
// #include "birth.h"
import "C"

import (
	"fmt"
	"runtime/cgo"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Capabilities that transitions of IDs take.
const (
	SetUID = unix.CAP_SETUID
	SetGID = unix.CAP_SETGID
)

// Drop takes from the calling thread, which is the main one, every capability
// but those that all threads keep, what it takes to trace, read and end tracees
// of other users (CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH, CAP_KILL), and those of
// also. When it returns, no thread has others.
func Drop(also ...int) error {
	C.capability_await_births()
	keep := C.capability_kept
	for _, c := range also {
		keep |= 1 << c
	}
	if errno := C.capability_keep(keep); errno != 0 {
		return fmt.Errorf("capset: %w", syscall.Errno(errno))
	}
	return nil
}

// Cookies has threads that drop capabilities at their birth make capset(2) with
// what registers points to, which stays for good.
//
// Preconditions: no filter that compares cookies is loaded yet.
func Cookies(registers *[6]uint64) { C.capability_cookies = (*C.uint64_t)(unsafe.Pointer(registers)) }

// Work runs f on a thread of its own that has, besides what all threads keep,
// what it takes to make calls on files for tracees, as far as the calling thread
// has that: the main one before Drop, or another such.
func Work(f func()) error {
	handle := cgo.NewHandle(f)
	if errno := C.capability_start(C.uintptr_t(handle)); errno != 0 {
		handle.Delete()
		return fmt.Errorf("pthread_create: %w", syscall.Errno(errno))
	}
	return nil
}

// Narrow says whether the calling thread, which is locked to its goroutine, may be
// under the filter of one that Work has started: the language runtime started it
// from there, in the moment before that was locked to its goroutine. It can take no
// role: let it end.
func Narrow() bool { return C.capability_narrow() != 0 }

//export capabilityWork
func capabilityWork(handle C.uintptr_t) {
	h := cgo.Handle(handle)
	f := h.Value().(func())
	h.Delete()
	f()
}
