// SPDX-License-Identifier: GPL-3.0-or-later

package filter

import "syscall"

// Values of the kernel's headers that the sandbox's rules compare with.
const (
	cloneUntraced   = 0x00800000 // uapi linux/sched.h
	clonePtrace     = 0x00002000
	setModeFilter   = 1 // uapi linux/seccomp.h: SECCOMP_SET_MODE_FILTER
	newListenerFlag = 8 // SECCOMP_FILTER_FLAG_NEW_LISTENER
)

// Always are the rules of every sandbox, whatever its profile.
var Always = []Rule{
	{Syscall: "clone", Effect: Errno, Errno: syscall.EPERM, Conditions: with(0, cloneUntraced),
		Why: "an untraced child would run beside the sandbox"},
	{Syscall: "clone", Effect: Errno, Errno: syscall.EPERM, Conditions: with(0, clonePtrace),
		Why: "the child would be handed to the caller's tracer behind our events"},
	{Syscall: "clone3", Effect: Errno, Errno: syscall.ENOSYS,
		Why: "its flags are in memory, where BPF can't look; libc falls back to clone"},
	{Syscall: "seccomp", Effect: Errno, Errno: syscall.EBUSY,
		Conditions: []Condition{{Arg: 0, Mask: low32, Value: setModeFilter}, {Arg: 1, Mask: newListenerFlag, Value: newListenerFlag}},
		Why:        "a listener of its own could answer CONTINUE to what the sandbox denies"},
}

// Readable are the rules of a sandbox whose paths are decided on: a supervisor
// without privileges reads memory only where the program lets itself be dumped.
var Readable = []Rule{
	{Syscall: "prctl", Effect: Errno, Conditions: []Condition{{Arg: 0, Mask: low32, Value: setDumpable}, {Arg: 1, Mask: ^uint64(0)}},
		Why: "the program is told that it is not dumpable any more, and stays so"},
	{Syscall: "memfd_secret", Effect: Errno, Errno: syscall.ENOSYS, Why: "no path could be read from such memory"},
}

// Traced makes the rules that have the tracer decide on syscalls.
func Traced(syscalls ...string) []Rule {
	rules := make([]Rule, len(syscalls))
	for i, name := range syscalls {
		rules[i] = Rule{Syscall: name, Effect: Trace, Why: "its handler decides"}
	}
	return rules
}

// Sandbox is the tracees' filter: rules, everything else allowed. The bytes are
// struct sock_filter entries for seccomp(2).
func Sandbox(rules []Rule) ([]byte, error) {
	if program, err := files.ReadFile(PrebuiltSandbox(rules)); err == nil {
		return program, nil
	}
	return CompileSandbox(rules)
}

// CompileSandbox is Sandbox without those that were made beforehand.
func CompileSandbox(rules []Rule) ([]byte, error) { return assemble(sandboxKind, rules, exportBPF) }
