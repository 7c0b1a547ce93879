// SPDX-License-Identifier: GPL-3.0-or-later

// Package filter holds the seccomp rules as data and compiles them to BPF.
//
// libseccomp is the compiler only: its Go binding always sets TSYNC when it
// loads, so programs are exported to bytes here and loaded with seccomp(2) by
// the thread that is meant.
package filter

import (
	"syscall"

	"syd/syd/kernel"
)

// Effect is what a rule makes the kernel do with a call.
type Effect uint8

// The effects in use. The zero value is invalid.
const (
	Allow  Effect = iota + 1 // the call is made
	Errno                    // the call fails with Rule.Errno
	Trace                    // a seccomp-stop: the tracer decides
	Notify                   // it waits for an answer: a receiver makes the call
)

// Condition compares one argument register, all 64 bits of it: argument & Mask
// == Value. A mask says which bits the kernel looks at: for an int or unsigned
// int argument the upper half of the register is the program's to fill as it
// likes. With Differs it is the whole argument != Value, which such bits make
// true once too often.
type Condition struct {
	Arg         uint
	Mask, Value uint64
	Differs     bool
	// Input, if it is not 0, is what the whole register is to equal, in place of
	// Mask and Value.
	Input Input
}

// Holds evaluates the condition, which names no input, as the filter does.
func (c Condition) Holds(args [6]uint64) bool {
	if c.Differs {
		return args[c.Arg] != c.Value
	}
	return args[c.Arg]&c.Mask == c.Value
}

// Rule is one row: for Syscall, when all Conditions hold, Effect.
type Rule struct {
	Syscall    string
	Effect     Effect
	Errno      syscall.Errno
	Conditions []Condition
	// Guarded: the registers that the call does not use carry its cookies.
	Guarded bool
	Why     string
	// Argued: no run of the inventory shows the call; Why says why it stays.
	Argued bool
}

// Input is a number that is known only when the filter is loaded. Programs are
// compiled with a placeholder for each, which Patch replaces.
type Input uint16

// The inputs; cookies follow.
const (
	PID      Input = iota + 1 // the supervisor's thread group
	LogFD                     // the descriptor that records go to
	EventFD                   // the Go runtime's own eventfd
	DotDot                    // the address of the program's constant ".."
	Listener                  // the descriptor of the tracees' filter
	firstCookie
)

// Inputs are their values.
type Inputs struct {
	PID, LogFD, EventFD, Listener int
	DotDot                        uint64
}

func cookieInput(id int) Input { return firstCookie + Input(id) }

// placeholderBits mark the two halves of a placeholder; no rule has a constant
// like it.
const placeholderBits = 0x5ec0_0000

func (i Input) placeholder() uint64 {
	return uint64(placeholderBits|uint32(i)<<1|1)<<32 | uint64(placeholderBits|uint32(i)<<1)
}

func (in Inputs) value(i Input) uint64 {
	switch i {
	case PID:
		return uint64(in.PID)
	case LogFD:
		return uint64(in.LogFD)
	case EventFD:
		return uint64(in.EventFD)
	case DotDot:
		return in.DotDot
	case Listener:
		return uint64(in.Listener)
	}
	return kernel.Cookie(int(i - firstCookie))
}

// low32 are the bits of an int argument that the kernel looks at.
const low32 = 0xffffffff

func equals(arg uint, value uint64) []Condition {
	return []Condition{{Arg: arg, Mask: ^uint64(0), Value: value}}
}

func is(arg uint, i Input) []Condition { return []Condition{{Arg: arg, Input: i}} }

// without: none of bits is set.
func without(arg uint, bits uint64) []Condition {
	return []Condition{{Arg: arg, Mask: bits}}
}

// with: all of bits are set.
func with(arg uint, bits uint64) []Condition {
	return []Condition{{Arg: arg, Mask: bits, Value: bits}}
}
