// SPDX-License-Identifier: GPL-3.0-or-later

// Package kernel is the one door to the Linux ABI: typed calls, structures and
// constants, each with its source, and nothing of the sandbox's own meaning.
//
// No other package under syd/ imports unsafe or golang.org/x/sys/unix, and here
// only the files whose names end in _unsafe.go do.
//
// Threads. "Tracer thread" in a comment means the one locked OS thread that
// seized the tracees: the kernel answers ESRCH to a ptrace request, and ECHILD
// to a waitid with __WNOTHREAD, from any other (ptrace(2), waitid(2)).
//
// Blocking. Calls that may sleep go through syscall.Syscall6, which gives the
// processor back to the Go scheduler; a sleeping RawSyscall6 would stop the
// garbage collector for as long as it sleeps. Calls that return at once use
// RawSyscall6.
//
// Errors are syscall.Errno values, unwrapped: callers branch on them.
package kernel
