// SPDX-License-Identifier: GPL-3.0-or-later

package bpf

import (
	"fmt"
	"syscall"
)

// Architectures of struct seccomp_data (uapi linux/audit.h).
const (
	ArchAMD64 = 0xc000003e
	ArchI386  = 0x40000003
	// X32 is set in the numbers of x32 calls (asm/unistd.h: __X32_SYSCALL_BIT).
	X32 = 0x40000000
)

// Data is struct seccomp_data: one system call as a filter sees it.
type Data struct {
	NR   uint32
	Arch uint32
	IP   uint64
	Args [6]uint64
}

// word is the 32-bit word that a load finds at 4*i on a little-endian machine.
func (d *Data) word(i int) uint32 {
	switch {
	case i == wordNR:
		return d.NR
	case i == wordArch:
		return d.Arch
	case i < wordArgs:
		return half(d.IP, i)
	default:
		return half(d.Args[(i-wordArgs)/2], i)
	}
}

func half(v uint64, i int) uint32 {
	if i%2 == 0 {
		return uint32(v)
	}
	return uint32(v >> 32)
}

// Places of words in Data.
const (
	wordNR   = 0
	wordArch = 1
	wordArgs = 4
	words    = dataSize / 4
)

// An Action is what a filter returns: SECCOMP_RET_... and 16 bits of data.
type Action uint32

// The actions (uapi linux/seccomp.h), the most restrictive first.
const (
	KillProcess Action = 0x80000000
	KillThread  Action = 0x00000000
	Trap        Action = 0x00030000
	Errno       Action = 0x00050000
	UserNotif   Action = 0x7fc00000
	Trace       Action = 0x7ff00000
	Log         Action = 0x7ffc0000
	Allow       Action = 0x7fff0000

	fullMask = 0xffff0000
	dataMask = 0x0000ffff
)

// Fail is the action that makes a call fail.
func Fail(errno syscall.Errno) Action { return Errno | Action(errno)&dataMask }

// Only is the action without its data.
func (a Action) Only() Action { return a & fullMask }

// over says whether the kernel prefers a to b: it compares actions as signed
// numbers, so that KILL_PROCESS is the least (kernel/seccomp.c, ACTION_ONLY).
func (a Action) over(b Action) bool { return int32(a.Only()) < int32(b.Only()) }

func (a Action) String() string {
	if a.Only() == Errno {
		return "ERRNO " + fmt.Sprint(uint32(a&dataMask))
	}
	names := map[Action]string{KillProcess: "KILL_PROCESS", KillThread: "KILL_THREAD", Trap: "TRAP",
		UserNotif: "USER_NOTIF", Trace: "TRACE", Log: "LOG", Allow: "ALLOW"}
	name, ok := names[a.Only()]
	if !ok {
		// The kernel kills for an action that it doesn't know.
		return fmt.Sprintf("unknown %#x", uint32(a))
	}
	return name
}

// A Chain is all programs of one thread. The order matters only for the data of
// equal actions.
type Chain []Program

// Run is the action that the kernel takes for the call: the most restrictive
// of all programs'.
func (c Chain) Run(d Data) Action {
	result := Allow
	for _, p := range c {
		if a := p.Run(d); a.over(result) {
			result = a
		}
	}
	return result
}

// machine is the state of a running program.
type machine struct {
	a, x    uint32
	scratch [scratchWords]uint32
}

// Run runs a valid program.
func (p Program) Run(d Data) Action {
	action, _ := p.run(d)
	return action
}

// Steps is how many instructions it takes to decide on the call.
func (p Program) Steps(d Data) int {
	_, steps := p.run(d)
	return steps
}

func (p Program) run(d Data) (_ Action, steps int) {
	var m machine
	for at := 0; ; at++ {
		i := p[at]
		steps++
		switch i.Code {
		case retK:
			return Action(i.K), steps
		case retA:
			return Action(m.a), steps
		case ja:
			at += int(i.K)
		case ldAbs:
			m.a = d.word(int(i.K / 4))
		case div | sourceX:
			// A division by 0 ends the program with 0 (net/core/filter.c,
			// bpf_convert_filter).
			if m.x == 0 {
				return KillThread, steps
			}
			m.a /= m.x
		default:
			if i.Code&7 == ja {
				at += i.jump(m.a, m.x)
			} else {
				m.step(i)
			}
		}
	}
}

// source is what the instruction computes with: K or X.
func (i Instruction) source(x uint32) uint32 {
	if i.Code&sourceX != 0 {
		return x
	}
	return i.K
}

// jump is how many instructions are left out.
func (i Instruction) jump(a, x uint32) int {
	if compare(i.Code&^sourceX, a, i.source(x)) {
		return int(i.JT)
	}
	return int(i.JF)
}

func compare(code uint16, a, b uint32) bool {
	switch code {
	case jeq:
		return a == b
	case jgt:
		return a > b
	case jge:
		return a >= b
	default: // jset
		return a&b != 0
	}
}

// step does what neither jumps nor returns nor looks at the call.
func (m *machine) step(i Instruction) {
	switch i.Code {
	case ldImm:
		m.a = i.K
	case ldLen:
		m.a = dataSize
	case ldMem:
		m.a = m.scratch[i.K]
	case ldxImm:
		m.x = i.K
	case ldxLen:
		m.x = dataSize
	case ldxMem:
		m.x = m.scratch[i.K]
	case stA:
		m.scratch[i.K] = m.a
	case stX:
		m.scratch[i.K] = m.x
	case tax:
		m.x = m.a
	case txa:
		m.a = m.x
	default:
		m.a = compute(i.Code&^sourceX, m.a, i.source(m.x))
	}
}

func compute(code uint16, a, b uint32) uint32 {
	switch code {
	case add:
		return a + b
	case sub:
		return a - b
	case mul:
		return a * b
	case div:
		return a / b
	case or:
		return a | b
	case and:
		return a & b
	case xor:
		return a ^ b
	case lsh:
		return a << (b & 31)
	case rsh:
		return a >> (b & 31)
	default: // neg
		return -a
	}
}
