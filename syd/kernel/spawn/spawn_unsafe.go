// SPDX-License-Identifier: GPL-3.0-or-later

// Package spawn starts the eldest: a C stub clones it, sets it up, loads its
// seccomp filter, waits until it is seized, and executes the program.
package spawn

// #cgo CFLAGS: -std=gnu11 -O2
// #include <stdlib.h>
// #include <string.h>
// #include "stub.h"
import "C"

import (
	"fmt"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"syd/syd/kernel"
)

// Request says what to start. Path is executed as it is, without a search.
type Request struct {
	Path      string
	Argv, Env []string
	// Filter is the program for seccomp(2): struct sock_filter entries, loaded
	// with a new listener.
	Filter []byte
	// Speculation: without the mitigation of Speculative Store Bypass that comes
	// with a filter (until Linux 5.16 by default).
	Speculation bool
}

// Child is a started process. The descriptors are close-on-exec and the
// caller's to close.
type Child struct {
	PID      int
	PIDFD    int
	Listener int // seccomp-notify descriptor of its filter

	arena *arena // nil once the child has left our memory
}

// StepError is a start that failed in one of the stub's steps.
type StepError struct {
	Step  string
	Errno syscall.Errno
}

func (e *StepError) Error() string { return fmt.Sprintf("%s: %s", e.Step, Strerror(e.Errno)) }
func (e *StepError) Unwrap() error { return e.Errno }

// StepExec is the name of the step that executes the program.
const StepExec = "exec"

var steps = map[C.int32_t]string{
	C.STEP_CLONE:        "clone",
	C.STEP_DEATHSIG:     "prctl PR_SET_PDEATHSIG",
	C.STEP_PARENT:       "parent check",
	C.STEP_SIGACTION:    "rt_sigaction",
	C.STEP_NOFILE:       "prlimit RLIMIT_NOFILE",
	C.STEP_NPROC:        "prlimit RLIMIT_NPROC",
	C.STEP_CORE:         "prlimit RLIMIT_CORE",
	C.STEP_NO_NEW_PRIVS: "prctl PR_SET_NO_NEW_PRIVS",
	C.STEP_RULESET:      "landlock_create_ruleset",
	C.STEP_DOMAIN:       "landlock_restrict_self",
	C.STEP_SECCOMP:      "seccomp",
	C.STEP_SIGMASK:      "rt_sigprocmask",
	C.STEP_EXEC:         StepExec,
}

// Early is what failed of the steps that this process took before the Go runtime
// ran, each for all of its threads: no_new_privs, a soft RLIMIT_CORE of 0, a soft
// RLIMIT_NPROC that is the hard one, and a Landlock domain. No sandbox may be
// started then.
func Early() error {
	if f := C.spawn_early.failure; f.step != C.STEP_NONE {
		return &StepError{steps[f.step], syscall.Errno(f.error)}
	}
	return nil
}

// Scoped reports whether the kernel has Landlock's signal scopes (ABI 6, Linux
// 6.12). This process is in a domain then and the child in one below, from where
// it can neither signal nor trace anything above.
func Scoped() bool { return C.spawn_early.scoped != 0 }

// FDFirst reports whether an open takes its number before it reads the path (Linux 7.2
// does, 6.18 doesn't): at the limit a path that can't be read is EMFILE then.
func FDFirst() bool { return C.spawn_early.fd_first != 0 }

// Closed reports whether fd, above 2, is the log's descriptor (SYD_LOG_FD) and was
// not open at exec: what it is now is the Go runtime's.
func Closed(fd int) bool { return int(C.spawn_inherited.closed_log) == fd }

// InheritedMask is the signal mask that this process was given at exec, before
// the Go runtime changed it (bit n-1 is signal n).
func InheritedMask() uint64 { return uint64(C.spawn_inherited.mask) }

// QuietSIGCHLD gives SIGCHLD its default action and none at all for stops:
// every ptrace-stop would otherwise run the Go runtime's handler.
func QuietSIGCHLD() {
	if C.spawn_quiet_sigchld() != 0 {
		panic("rt_sigaction: SIGCHLD")
	}
}

// Strerror is strerror(3): the words that users know, where
// syscall.Errno.Error has its own.
func Strerror(e syscall.Errno) string { return C.GoString(C.strerror(C.int(e))) }

// Prepare clones the child and returns once it is set up and waits to be
// released. It will see the mask, ignored signals and limits that this process
// was itself started with.
//
// Preconditions: tracer thread (until it is seized the child dies with it); no
// other start under way.
func Prepare(r Request) (*Child, error) {
	c := &Child{arena: newArena(r)}
	var out C.struct_spawn_child
	var failure C.struct_spawn_failure
	if C.spawn_prepare(c.arena.request, c.arena.child, &failure) != 0 {
		out = *c.arena.child
		c.forget()
		if out.pidfd >= 0 {
			var status unix.WaitStatus
			unix.Wait4(int(out.pid), &status, 0, nil)
			kernel.Close(int(out.pidfd))
		}
		return nil, &StepError{steps[failure.step], syscall.Errno(failure.error)}
	}
	out = *c.arena.child
	c.PID, c.PIDFD, c.Listener = int(out.pid), int(out.pidfd), int(out.listener)
	return c, nil
}

// Release lets a prepared child execute its program.
func (c *Child) Release() { C.spawn_release() }

// Executed is to be called when the program runs (EVENT_EXEC): the child has
// left our memory.
func (c *Child) Executed() { c.forget() }

// Failure returns why the child, dead without EVENT_EXEC, did not execute the
// program; nil when it left no word (it was killed).
func (c *Child) Failure() error {
	if c.arena == nil {
		return nil
	}
	defer c.forget()
	f := C.spawn_failed()
	if f.step == C.STEP_NONE {
		return nil
	}
	return &StepError{steps[f.step], syscall.Errno(f.error)}
}

func (c *Child) forget() {
	if c.arena == nil {
		return
	}
	c.arena.free()
	c.arena = nil
}

// arena holds in C memory what the child reads while the collector may run.
type arena struct {
	request *C.struct_spawn_request
	child   *C.struct_spawn_child
	blocks  []unsafe.Pointer
}

func newArena(r Request) *arena {
	a := &arena{}
	a.request = (*C.struct_spawn_request)(a.alloc(C.sizeof_struct_spawn_request))
	a.child = (*C.struct_spawn_child)(a.alloc(C.sizeof_struct_spawn_child))
	a.request.path = (*C.char)(a.strings([]string{r.Path})[0])
	a.request.argv = a.vector(r.Argv)
	a.request.envp = a.vector(r.Env)
	if r.Speculation {
		a.request.speculation = 1
	}
	program := a.alloc(C.size_t(len(r.Filter)))
	copy(unsafe.Slice((*byte)(program), len(r.Filter)), r.Filter)
	a.request.filter.len = C.ushort(len(r.Filter) / C.sizeof_struct_sock_filter)
	a.request.filter.filter = (*C.struct_sock_filter)(program)
	return a
}

func (a *arena) alloc(size C.size_t) unsafe.Pointer {
	p := C.calloc(1, size+1)
	a.blocks = append(a.blocks, p)
	return p
}

// strings copies list as one block of NUL-terminated strings.
func (a *arena) strings(list []string) []unsafe.Pointer {
	text := strings.Join(list, "\x00") + "\x00"
	block := a.alloc(C.size_t(len(text)))
	copy(unsafe.Slice((*byte)(block), len(text)), text)
	at := make([]unsafe.Pointer, len(list))
	offset := 0
	for i, s := range list {
		at[i] = unsafe.Add(block, offset)
		offset += len(s) + 1
	}
	return at
}

// vector makes list a NULL-terminated array of strings, as execve(2) takes it.
func (a *arena) vector(list []string) **C.char {
	at := a.strings(list)
	array := (**C.char)(a.alloc(C.size_t(len(list)+1) * C.size_t(unsafe.Sizeof(uintptr(0)))))
	for i, p := range at {
		unsafe.Slice(array, len(list)+1)[i] = (*C.char)(p)
	}
	return array
}

func (a *arena) free() {
	for _, p := range a.blocks {
		C.free(p)
	}
	a.blocks = nil
}
