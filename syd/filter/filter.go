// SPDX-License-Identifier: GPL-3.0-or-later

// Package filter holds the seccomp rules as data and compiles them to BPF.
//
// libseccomp is the compiler only: its Go binding always sets TSYNC when it
// loads, so programs are exported to bytes here and loaded with seccomp(2) by
// the thread that is meant.
package filter

import (
	"fmt"
	"io"
	"syscall"

	seccomp "github.com/seccomp/libseccomp-golang"

	"syd/syd/kernel"
)

// Effect is what a rule makes the kernel do with a call.
type Effect uint8

// The effects in use. The zero value is invalid.
const (
	Errno Effect = iota + 1 // the call fails with Rule.Errno
	Trace                   // a seccomp-stop: the tracer decides
)

// Condition compares one argument register: argument & Mask == Value. A mask
// says which bits the kernel looks at: for an int or unsigned int argument the
// upper half of the register is the program's to fill as it likes.
type Condition struct {
	Arg         uint
	Mask, Value uint64
}

// Rule is one row: for Syscall, when all Conditions hold, Effect.
type Rule struct {
	Syscall    string
	Effect     Effect
	Errno      syscall.Errno
	Conditions []Condition
	Why        string
}

// Values of the kernel's headers that rules compare with.
const (
	cloneUntraced   = 0x00800000 // uapi linux/sched.h
	clonePtrace     = 0x00002000
	setModeFilter   = 1 // uapi linux/seccomp.h: SECCOMP_SET_MODE_FILTER
	newListenerFlag = 8 // SECCOMP_FILTER_FLAG_NEW_LISTENER
	low32           = 0xffffffff
)

// Always are the rules of every sandbox, whatever its profile.
var Always = []Rule{
	{"clone", Errno, syscall.EPERM, []Condition{{0, cloneUntraced, cloneUntraced}},
		"an untraced child would run beside the sandbox"},
	{"clone", Errno, syscall.EPERM, []Condition{{0, clonePtrace, clonePtrace}},
		"the child would be handed to the caller's tracer behind our events"},
	{"clone3", Errno, syscall.ENOSYS, nil,
		"its flags are in memory, where BPF can't look; libc falls back to clone"},
	{"seccomp", Errno, syscall.EBUSY, []Condition{{0, low32, setModeFilter}, {1, newListenerFlag, newListenerFlag}},
		"a listener of its own could answer CONTINUE to what the sandbox denies"},
}

// Traced makes the rules that have the tracer decide on syscalls.
func Traced(syscalls ...string) []Rule {
	rules := make([]Rule, len(syscalls))
	for i, name := range syscalls {
		rules[i] = Rule{Syscall: name, Effect: Trace, Why: "its handler decides"}
	}
	return rules
}

// arches are the ABIs that a tracee may use, by their audit number. Any other
// (x32 on amd64) gets ENOSYS, as from a kernel without it.
var arches = []struct {
	audit uint32
	arch  seccomp.ScmpArch
}{
	{kernel.ArchNative, seccomp.ArchNative},
	{kernel.ArchCompat, seccomp.ArchX86},
}

// Numbers calls f with the architecture and number of syscall name in every
// ABI that has it.
func Numbers(name string, f func(arch uint32, number int)) {
	for _, a := range arches {
		if nr, err := seccomp.GetSyscallFromNameByArch(name, a.arch); err == nil && nr >= 0 {
			f(a.audit, int(nr))
		}
	}
}

// Sandbox compiles the tracees' filter: rules, everything else allowed. The
// bytes are struct sock_filter entries for seccomp(2).
func Sandbox(rules []Rule) ([]byte, error) {
	f, err := seccomp.NewFilter(seccomp.ActAllow)
	if err != nil {
		return nil, fmt.Errorf("filter: %w", err)
	}
	defer f.Release()
	if err := f.SetBadArchAction(seccomp.ActErrno.SetReturnCode(int16(syscall.ENOSYS))); err != nil {
		return nil, fmt.Errorf("filter: bad architecture: %w", err)
	}
	for _, a := range arches[1:] {
		if err := f.AddArch(a.arch); err != nil {
			return nil, fmt.Errorf("filter: architecture %v: %w", a.arch, err)
		}
	}
	for _, r := range rules {
		if err := add(f, r); err != nil {
			return nil, fmt.Errorf("filter: %s: %w", r.Syscall, err)
		}
	}
	return export(f)
}

func add(f *seccomp.ScmpFilter, r Rule) error {
	nr, err := seccomp.GetSyscallFromName(r.Syscall)
	if err != nil {
		return err
	}
	action := seccomp.ActTrace
	if r.Effect == Errno {
		action = seccomp.ActErrno.SetReturnCode(int16(r.Errno))
	}
	var conditions []seccomp.ScmpCondition
	for _, c := range r.Conditions {
		condition, err := seccomp.MakeCondition(c.Arg, seccomp.CompareMaskedEqual, c.Mask, c.Value)
		if err != nil {
			return err
		}
		conditions = append(conditions, condition)
	}
	return f.AddRuleConditional(nr, action, conditions)
}

// export goes through a file: ExportBPFMem needs libseccomp 2.6.
func export(f *seccomp.ScmpFilter) ([]byte, error) {
	file, err := kernel.MemFD("filter")
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if err := f.ExportBPF(file); err != nil {
		return nil, fmt.Errorf("filter: export: %w", err)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return io.ReadAll(file)
}
