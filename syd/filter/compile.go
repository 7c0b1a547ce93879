// SPDX-License-Identifier: GPL-3.0-or-later

package filter

import (
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"syscall"

	seccomp "github.com/seccomp/libseccomp-golang"

	"syd/syd/kernel"
)

// arches are the ABIs that a tracee may use, the native one first. Any other (x32
// on amd64, AArch32 on arm64) gets ENOSYS, as from a kernel without it.
var arches = append([]callABI{{kernel.ArchNative, seccomp.ArchNative}}, compat...)

// callABI is one by its audit number and as libseccomp names it.
type callABI struct {
	audit uint32
	arch  seccomp.ScmpArch
}

// Numbers calls f with the architecture and number of syscall name in every
// ABI that has it.
func Numbers(name string, f func(arch uint32, number int)) {
	for _, a := range arches {
		if nr := newer[name]; nr != 0 {
			f(a.audit, nr)
			continue
		}
		if nr, err := seccomp.GetSyscallFromNameByArch(name, a.arch); err == nil && nr >= 0 {
			f(a.audit, int(nr))
		}
	}
}

// kind is what the filters of one kind of thread have in common.
type kind struct {
	fallback seccomp.ScmpAction // of calls that no rule allows
	foreign  seccomp.ScmpAction // of other architectures
	compat   bool               // 32-bit calls are judged by the same rules
	tree     bool               // a binary tree by number, not a list
}

var (
	sandboxKind = kind{fallback: seccomp.ActAllow, foreign: seccomp.ActErrno.SetReturnCode(int16(syscall.ENOSYS)), compat: true}
	// Only the native architecture: int 0x80 and x32 calls kill.
	supervisorKind = kind{fallback: seccomp.ActKillProcess, foreign: seccomp.ActKillProcess, tree: true}
)

// format is one that libseccomp writes a filter in, and how rules that it can't
// have are written before them.
type format struct {
	export  func(*seccomp.ScmpFilter, *os.File) error
	prepend func(rules []Rule, text []byte) []byte
}

var (
	exportBPF = format{(*seccomp.ScmpFilter).ExportBPF, prepend}
	exportPFC = format{(*seccomp.ScmpFilter).ExportPFC, prependText}
)

// assemble hands rules to libseccomp and returns what it makes of them, with
// placeholders for the inputs.
func assemble(k kind, rules []Rule, format format) ([]byte, error) {
	f, err := seccomp.NewFilter(k.fallback)
	if err != nil {
		return nil, fmt.Errorf("filter: %w", err)
	}
	defer f.Release()
	if err := f.SetBadArchAction(k.foreign); err != nil {
		return nil, fmt.Errorf("filter: bad architecture: %w", err)
	}
	if k.tree {
		f.SetOptimize(2) // libseccomp before 2.5 has the list only: slower, not different
	}
	if k.compat {
		for _, a := range arches[1:] {
			if err := f.AddArch(a.arch); err != nil {
				return nil, fmt.Errorf("filter: architecture %v: %w", a.arch, err)
			}
		}
	}
	known, late := split(rules)
	for _, r := range known {
		if err := add(f, r); err != nil {
			return nil, fmt.Errorf("filter: %s: %w", r.Syscall, err)
		}
	}
	text, err := through(f, format)
	if err != nil {
		return nil, err
	}
	return format.prepend(late, text), nil
}

// exists: some ABI here has the call. arm64 lacks those of open's age.
func exists(name string) (found bool) {
	Numbers(name, func(uint32, int) { found = true })
	return found
}

func add(f *seccomp.ScmpFilter, r Rule) error {
	nr, err := seccomp.GetSyscallFromName(r.Syscall)
	if err != nil {
		return err
	}
	if !exists(r.Syscall) {
		return nil
	}
	action := seccomp.ActAllow
	switch r.Effect {
	case Trace:
		action = seccomp.ActTrace
	case Notify:
		action = seccomp.ActNotify
	case Errno:
		action = seccomp.ActErrno.SetReturnCode(int16(r.Errno))
	}
	conditions, err := r.compiled()
	if err != nil {
		return err
	}
	return f.AddRuleConditional(nr, action, conditions)
}

func (r Rule) compiled() (all []seccomp.ScmpCondition, err error) {
	for _, c := range r.all() {
		op, values := seccomp.CompareMaskedEqual, []uint64{c.Mask, c.Value}
		switch {
		case c.Input != 0:
			op, values = seccomp.CompareEqual, []uint64{c.Input.placeholder()}
		case c.Differs:
			op, values = seccomp.CompareNotEqual, []uint64{c.Value}
		case c.Mask == ^uint64(0):
			op, values = seccomp.CompareEqual, []uint64{c.Value}
		}
		compiled, err := seccomp.MakeCondition(c.Arg, op, values...)
		if err != nil {
			return nil, err
		}
		all = append(all, compiled)
	}
	return all, nil
}

// all are the conditions of the row and those of its cookies.
func (r Rule) all() []Condition {
	all := r.Conditions[:len(r.Conditions):len(r.Conditions)]
	if r.Guarded {
		kernel.Registers(r.Syscall, func(register uint, id int) {
			all = append(all, Condition{Arg: register, Input: cookieInput(id)})
		})
	}
	return all
}

// room is more than any filter takes, also as text.
const room = 1 << 20

// through writes f to a pipe and reads that: the calls that write to memory need
// libseccomp 2.6, and files may be no larger than RLIMIT_FSIZE.
func through(f *seccomp.ScmpFilter, format format) ([]byte, error) {
	out, in, err := kernel.Pipe(room)
	if err != nil {
		return nil, fmt.Errorf("filter: pipe: %w", err)
	}
	defer out.Close()
	err = format.export(f, in)
	in.Close()
	if err != nil {
		return nil, fmt.Errorf("filter: export: %w", err)
	}
	text, err := io.ReadAll(out)
	if len(text) >= room {
		return nil, fmt.Errorf("filter: export: more than %d bytes", room)
	}
	return text, err
}

// patch replaces the placeholders in program, which is struct sock_filter
// entries, by the inputs' values. They stand only where a register is compared
// for equality: BPF_JMP | BPF_JEQ | BPF_K (uapi linux/bpf_common.h).
func patch(program []byte, in Inputs) {
	const jumpEqual = 0x15
	for ; len(program) >= 8; program = program[8:] {
		k := binary.NativeEndian.Uint32(program[4:])
		if binary.NativeEndian.Uint16(program) != jumpEqual || k&0xffff_0000 != placeholderBits {
			continue
		}
		value := in.value(Input(k & 0xffff >> 1))
		if k&1 != 0 {
			value >>= 32
		}
		binary.NativeEndian.PutUint32(program[4:], uint32(value))
	}
}

// Syscalls are the names of all calls of the ABIs that a tracee may use, here and on
// the other architectures that syd is for, as far as libseccomp or newer know them.
func Syscalls() (names []string) {
	const numbers = 1024 // more than any ABI has
	for _, arch := range []seccomp.ScmpArch{seccomp.ArchAMD64, seccomp.ArchX86, seccomp.ArchARM64} {
		for nr := range numbers {
			if name, err := seccomp.ScmpSyscall(nr).GetNameByArch(arch); err == nil {
				names = append(names, name)
			}
		}
	}
	names = append(names, slices.Collect(maps.Keys(newer))...)
	slices.Sort(names)
	return slices.Compact(names)
}
