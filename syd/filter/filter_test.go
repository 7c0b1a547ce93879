// SPDX-License-Identifier: GPL-3.0-or-later

package filter

import (
	"encoding/binary"
	"fmt"
	"syscall"
	"testing"

	"golang.org/x/net/bpf"

	"syd/syd/kernel"
)

// What a filter returns to the kernel (uapi linux/seccomp.h).
const (
	retAllow = 0x7fff0000
	retErrno = 0x00050000
	retTrace = 0x7ff00000
	retKill  = 0x80000000
)

// name tells an answer of a filter.
func name(ret uint32) string {
	switch {
	case ret == retAllow:
		return "ALLOW"
	case ret == retKill:
		return "KILL"
	case ret&0xffff0000 == retTrace:
		return "TRACE"
	case ret&0xffff0000 == retErrno:
		return fmt.Sprintf("ERRNO %v", syscall.Errno(ret&0xffff))
	}
	return fmt.Sprintf("%#x", ret)
}

// vm runs an exported filter. Its loads are big-endian, as of packets, so
// struct seccomp_data is handed to it with each of its 32-bit words that way;
// the words' own order stays this machine's, the lower half of 64 bits first.
type vm struct{ machine *bpf.VM }

func newVM(t testing.TB, rules []Rule) vm {
	t.Helper()
	program, err := Sandbox(rules)
	if err != nil {
		t.Fatal(err)
	}
	return machine(t, program)
}

func machine(t testing.TB, program []byte) vm {
	t.Helper()
	if len(program) == 0 || len(program)%8 != 0 {
		t.Fatalf("%d bytes are no array of struct sock_filter", len(program))
	}
	raw := make([]bpf.RawInstruction, len(program)/8)
	for i := range raw {
		b := program[8*i:]
		raw[i] = bpf.RawInstruction{
			Op: binary.NativeEndian.Uint16(b), Jt: b[2], Jf: b[3], K: binary.NativeEndian.Uint32(b[4:]),
		}
	}
	instructions, known := bpf.Disassemble(raw)
	if !known {
		t.Fatalf("the program has an instruction that this VM doesn't know: %v", instructions)
	}
	bpfVM, err := bpf.NewVM(instructions)
	if err != nil {
		t.Fatal(err)
	}
	return vm{bpfVM}
}

func (v vm) run(t testing.TB, arch, nr uint32, args ...uint64) string {
	t.Helper()
	words := []uint32{nr, arch, 0x1000, 0x7f00}
	for i := range 6 {
		var arg uint64
		if i < len(args) {
			arg = args[i]
		}
		words = append(words, uint32(arg), uint32(arg>>32))
	}
	var data []byte
	for _, w := range words {
		data = binary.BigEndian.AppendUint32(data, w)
	}
	ret, err := v.machine.Run(data)
	if err != nil {
		t.Fatalf("arch %#x, number %d: %v", arch, nr, err)
	}
	return name(uint32(ret))
}

// abi is one ABI with the numbers of the calls that rules are about, written
// down here from asm/unistd_64.h and asm/unistd_32.h, not asked of libseccomp.
type abi struct {
	name                                           string
	arch                                           uint32
	clone, clone3, seccomp                         uint32
	execve, execveat, chdir, fchdir, getpid, fork_ uint32
}

var abis = []abi{
	{"amd64", kernel.ArchNative, 56, 435, 317, 59, 322, 80, 81, 39, 57},
	{"i386", kernel.ArchCompat, 120, 435, 354, 11, 358, 12, 133, 20, 2},
}

const highGarbage = 0xdeadbeef_00000000

func TestCloneFlags(t *testing.T) {
	v := newVM(t, Always)
	for _, a := range abis {
		for bit := range 64 {
			flags := uint64(1) << bit
			want := "ALLOW"
			if flags == cloneUntraced || flags == clonePtrace {
				want = "ERRNO operation not permitted"
			}
			if got := v.run(t, a.arch, a.clone, flags); got != want {
				t.Errorf("%s: clone(%#x): got %s, want %s", a.name, flags, got, want)
			}
			if got := v.run(t, a.arch, a.clone, ^flags|cloneUntraced|clonePtrace); got != "ERRNO operation not permitted" {
				t.Errorf("%s: clone(%#x): got %s", a.name, ^flags|cloneUntraced|clonePtrace, got)
			}
			// Only the first argument is looked at.
			if got := v.run(t, a.arch, a.clone, 17, flags, flags, flags, flags, flags); got != "ALLOW" {
				t.Errorf("%s: clone(17, %#x ...): got %s", a.name, flags, got)
			}
		}
		for _, one := range []uint64{cloneUntraced, clonePtrace} {
			for _, flags := range []uint64{one | 17, one | highGarbage, ^uint64(cloneUntraced|clonePtrace) | one} {
				if got := v.run(t, a.arch, a.clone, flags); got != "ERRNO operation not permitted" {
					t.Errorf("%s: clone(%#x): got %s", a.name, flags, got)
				}
			}
		}
		if got := v.run(t, a.arch, a.clone, ^uint64(cloneUntraced|clonePtrace)); got != "ALLOW" {
			t.Errorf("%s: clone with all other flags: got %s", a.name, got)
		}
	}
}

func TestClone3(t *testing.T) {
	v := newVM(t, Always)
	for _, a := range abis {
		for _, args := range [][]uint64{{0, 0}, {0x7fff0000, 88}, {^uint64(0), ^uint64(0)}} {
			if got := v.run(t, a.arch, a.clone3, args...); got != "ERRNO function not implemented" {
				t.Errorf("%s: clone3(%#x): got %s", a.name, args, got)
			}
		}
	}
}

func TestSeccompListener(t *testing.T) {
	v := newVM(t, Always)
	const busy = "ERRNO device or resource busy"
	for _, a := range abis {
		for _, row := range []struct {
			op, flags uint64
			want      string
		}{
			{1, 8, busy},
			{1, 8 | 1, busy},
			{1, 8 | 16 | 32, busy},
			{1, 0xffffffff, busy},
			{highGarbage | 1, 8, busy},
			{1, highGarbage | 8, busy},
			{highGarbage | 1, highGarbage | 8, busy},
			{1<<32 | 1, 1<<63 | 8, busy},
			{1, 0, "ALLOW"},
			{1, 0xfffffff7, "ALLOW"},
			{1, 8 << 32, "ALLOW"},
			{0, 8, "ALLOW"},
			{2, 8, "ALLOW"},
			{3, 8, "ALLOW"},
			{9, 8, "ALLOW"},
			{1 << 32, 8, "ALLOW"},
			{0xffffffff, 8, "ALLOW"},
		} {
			if got := v.run(t, a.arch, a.seccomp, row.op, row.flags, 0x7fff0000); got != row.want {
				t.Errorf("%s: seccomp(%#x, %#x): got %s, want %s", a.name, row.op, row.flags, got, row.want)
			}
		}
	}
}

func TestOtherCallsAreAllowed(t *testing.T) {
	v := newVM(t, Always)
	for _, a := range abis {
		for nr := range uint32(601) {
			if nr == a.clone3 {
				continue
			}
			for _, args := range [][]uint64{nil, {1, 1, 1, 1, 1, 1}} {
				if got := v.run(t, a.arch, nr, args...); got != "ALLOW" {
					t.Errorf("%s: number %d %v: got %s", a.name, nr, args, got)
				}
			}
			if nr == a.clone || nr == a.seccomp {
				continue
			}
			all := []uint64{^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0)}
			if got := v.run(t, a.arch, nr, all...); got != "ALLOW" {
				t.Errorf("%s: number %d with all bits: got %s", a.name, nr, got)
			}
		}
	}
}

func TestForeignABIsHaveNoCalls(t *testing.T) {
	const x32, enosys = 0x40000000, "ERRNO function not implemented"
	for _, rules := range [][]Rule{Always, Traced("execve", "chdir"), nil} {
		v := newVM(t, rules)
		for nr := range uint32(601) {
			if got := v.run(t, kernel.ArchNative, x32|nr); got != enosys {
				t.Errorf("x32 number %d: got %s", nr, got)
			}
			// AARCH64, ARM, PPC64LE, RISCV64, S390X, and what is none.
			for _, arch := range []uint32{0xc00000b7, 0x40000028, 0xc0000015, 0xc00000f3, 0x80000016, 0, 0xffffffff} {
				if got := v.run(t, arch, nr); got != enosys {
					t.Errorf("arch %#x, number %d: got %s", arch, nr, got)
				}
			}
		}
	}
}

func TestTraced(t *testing.T) {
	names := map[string]func(abi) uint32{
		"execve":   func(a abi) uint32 { return a.execve },
		"execveat": func(a abi) uint32 { return a.execveat },
		"chdir":    func(a abi) uint32 { return a.chdir },
		"fchdir":   func(a abi) uint32 { return a.fchdir },
	}
	for asked := range names {
		v := newVM(t, append(Always[:len(Always):len(Always)], Traced(asked)...))
		for _, a := range abis {
			for other, number := range names {
				want := "ALLOW"
				if other == asked {
					want = "TRACE"
				}
				if got := v.run(t, a.arch, number(a), highGarbage, 1, 2, 3, 4, 5); got != want {
					t.Errorf("%s, %s asked for: %s: got %s, want %s", a.name, asked, other, got, want)
				}
			}
			for _, number := range []uint32{a.getpid, a.fork_} {
				if got := v.run(t, a.arch, number); got != "ALLOW" {
					t.Errorf("%s, %s asked for: number %d: got %s", a.name, asked, number, got)
				}
			}
			if got := v.run(t, a.arch, a.clone, cloneUntraced); got != "ERRNO operation not permitted" {
				t.Errorf("%s, %s asked for: the rules of always are gone: %s", a.name, asked, got)
			}
		}
	}
}

func TestDiffers(t *testing.T) {
	// prlimit64 and setpriority, asm/unistd_64.h and asm/unistd_32.h.
	numbers := map[string][2]uint32{"amd64": {302, 141}, "i386": {340, 97}}
	one := func(arg uint, value uint64) []Condition { return []Condition{{Arg: arg, Value: value, Differs: true}} }
	v := newVM(t, []Rule{
		{Syscall: "prlimit64", Effect: Trace, Conditions: one(0, 0)},
		{Syscall: "setpriority", Effect: Trace, Conditions: one(0, 2)},
		{Syscall: "setpriority", Effect: Trace, Conditions: one(1, 0)},
	})
	for _, a := range abis {
		for _, row := range []struct {
			call int
			args [6]uint64
			want string
		}{
			{0, [6]uint64{0, 1, 2, 3}, "ALLOW"}, {0, [6]uint64{1}, "TRACE"}, {0, [6]uint64{0xffffffff}, "TRACE"},
			{1, [6]uint64{2, 0, 7}, "ALLOW"}, {1, [6]uint64{2, 1}, "TRACE"}, {1, [6]uint64{1, 0}, "TRACE"},
		} {
			if got := v.run(t, a.arch, numbers[a.name][row.call], row.args[:]...); got != row.want {
				t.Errorf("%s: call %d %v: got %s, want %s", a.name, row.call, row.args, got, row.want)
			}
		}
	}
	// Bits that the kernel doesn't look at are one stop too many, never one too few.
	if got := v.run(t, kernel.ArchNative, 302, highGarbage); got != "TRACE" {
		t.Errorf("amd64: prlimit64 with a high bit: got %s", got)
	}
	for _, c := range []struct {
		c    Condition
		args [6]uint64
		want bool
	}{
		{Condition{Arg: 1, Differs: true}, [6]uint64{1}, false}, {Condition{Arg: 1, Differs: true}, [6]uint64{0, 1}, true},
		{Condition{Arg: 0, Mask: 6, Value: 2}, [6]uint64{3}, true}, {Condition{Arg: 0, Mask: 6, Value: 2}, [6]uint64{6}, false},
	} {
		if got := c.c.Holds(c.args); got != c.want {
			t.Errorf("%+v of %v: got %v", c.c, c.args, got)
		}
	}
}

func TestTracedDoesNotShareAlways(t *testing.T) {
	first := append(Always[:len(Always):len(Always)], Traced("chdir")...)
	second := append(Always[:len(Always):len(Always)], Traced("execve")...)
	if first[len(Always)].Syscall != "chdir" || second[len(Always)].Syscall != "execve" {
		t.Errorf("got %v and %v", first[len(Always)], second[len(Always)])
	}
}

func TestNumbers(t *testing.T) {
	for name, want := range map[string]map[uint32]int{
		"execve":     {kernel.ArchNative: 59, kernel.ArchCompat: 11},
		"fchdir":     {kernel.ArchNative: 81, kernel.ArchCompat: 133},
		"epoll_wait": {kernel.ArchNative: 232, kernel.ArchCompat: 256},
		"_llseek":    {kernel.ArchCompat: 140}, // only there
		"arch_prctl": {kernel.ArchNative: 158, kernel.ArchCompat: 384},
		"no_such":    {},
	} {
		got := map[uint32]int{}
		Numbers(name, func(arch uint32, number int) { got[arch] = number })
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}

func TestSandboxErrors(t *testing.T) {
	for _, r := range []Rule{
		{Syscall: "no_such", Effect: Trace},
		{Syscall: "clone", Effect: Errno, Conditions: []Condition{{Arg: 6}}},
	} {
		if _, err := Sandbox([]Rule{r}); err == nil {
			t.Errorf("%+v: accepted", r)
		}
	}
}
