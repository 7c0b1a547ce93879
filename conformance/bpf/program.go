// SPDX-License-Identifier: GPL-3.0-or-later

// Package bpf reads classic BPF programs as seccomp(2) uses them: it checks
// them, prints them, runs them over a system call, and finds every way through
// them. It knows nothing of who made a program.
package bpf

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// An Instruction is struct sock_filter (uapi linux/filter.h).
type Instruction struct {
	Code   uint16
	JT, JF uint8
	K      uint32
}

// A Program is what one seccomp(2) call loads.
type Program []Instruction

const (
	instructionSize = 8
	maxInstructions = 4096 // uapi linux/bpf_common.h: BPF_MAXINSNS
	scratchWords    = 16   // uapi linux/filter.h: BPF_MEMWORDS
	dataSize        = 64   // sizeof(struct seccomp_data), uapi linux/seccomp.h
)

// The codes that seccomp takes (kernel/seccomp.c, seccomp_check_filter, since
// Linux 3.5); socket filters have more. Sources K and X differ by one bit.
const (
	ldAbs = 0x20 // A = data[K]
	ldLen = 0x80 // A = sizeof(data)
	ldImm = 0x00
	ldMem = 0x60

	ldxLen = 0x81
	ldxImm = 0x01
	ldxMem = 0x61

	stA = 0x02
	stX = 0x03

	add = 0x04
	sub = 0x14
	mul = 0x24
	div = 0x34
	or  = 0x44
	and = 0x54
	lsh = 0x64
	rsh = 0x74
	neg = 0x84
	xor = 0xa4

	ja   = 0x05
	jeq  = 0x15
	jgt  = 0x25
	jge  = 0x35
	jset = 0x45

	retK = 0x06
	retA = 0x16
	tax  = 0x07
	txa  = 0x87

	sourceX = 0x08
)

// Decode reads an array of struct sock_filter and checks the program.
func Decode(data []byte) (Program, error) {
	if len(data) == 0 || len(data)%instructionSize != 0 {
		return nil, fmt.Errorf("%d bytes are no array of struct sock_filter", len(data))
	}
	p := make(Program, len(data)/instructionSize)
	for i := range p {
		b := data[i*instructionSize:]
		p[i] = Instruction{binary.NativeEndian.Uint16(b), b[2], b[3], binary.NativeEndian.Uint32(b[4:])}
	}
	return p, p.Validate()
}

// Encode is the array that seccomp(2) takes.
func (p Program) Encode() []byte {
	data := make([]byte, 0, len(p)*instructionSize)
	for _, i := range p {
		data = binary.NativeEndian.AppendUint16(data, i.Code)
		data = append(data, i.JT, i.JF)
		data = binary.NativeEndian.AppendUint32(data, i.K)
	}
	return data
}

// Validate says what is wrong with a program that the kernel would refuse.
func (p Program) Validate() error {
	if len(p) == 0 || len(p) > maxInstructions {
		return fmt.Errorf("a program of %d instructions", len(p))
	}
	for at, i := range p {
		if err := i.validate(len(p) - at - 1); err != nil {
			return fmt.Errorf("instruction %d (%s): %w", at, i.text(at), err)
		}
	}
	if last := p[len(p)-1].Code; last != retK && last != retA {
		return errors.New("it doesn't end with a return")
	}
	return p.validateScratch()
}

// validate checks one instruction that has so many behind it.
func (i Instruction) validate(behind int) error {
	switch i.Code {
	case ldAbs:
		if i.K >= dataSize || i.K%4 != 0 {
			return errors.New("a load from outside of struct seccomp_data")
		}
	case ldMem, ldxMem, stA, stX:
		if i.K >= scratchWords {
			return errors.New("no such scratch word")
		}
	case div:
		if i.K == 0 {
			return errors.New("a division by 0")
		}
	case lsh, rsh:
		if i.K >= 32 {
			return errors.New("a shift by more than the word has")
		}
	case ja:
		if uint64(i.K) >= uint64(behind) {
			return errors.New("a jump out of the program")
		}
	case jeq, jgt, jge, jset, jeq | sourceX, jgt | sourceX, jge | sourceX, jset | sourceX:
		if int(i.JT) >= behind || int(i.JF) >= behind {
			return errors.New("a jump out of the program")
		}
	case ldLen, ldImm, ldxLen, ldxImm, retK, retA, tax, txa, neg,
		add, sub, mul, or, and, xor, add | sourceX, sub | sourceX, mul | sourceX, div | sourceX,
		or | sourceX, and | sourceX, lsh | sourceX, rsh | sourceX, xor | sourceX:
	default:
		return errors.New("seccomp takes no such instruction")
	}
	return nil
}

// validateScratch refuses loads of scratch words that some way there has not
// stored before (net/core/filter.c, check_load_and_stores).
func (p Program) validateScratch() error {
	stored := make([]uint16, len(p)) // on every way to here
	for at := range stored {
		stored[at] = ^uint16(0)
	}
	known := uint16(0)
	for at, i := range p {
		known &= stored[at]
		switch i.Code {
		case stA, stX:
			known |= 1 << i.K
		case ldMem, ldxMem:
			if known&(1<<i.K) == 0 {
				return fmt.Errorf("instruction %d: a load of scratch word %d before its store", at, i.K)
			}
		case ja:
			stored[at+1+int(i.K)] &= known
			known = ^uint16(0)
		case jeq, jgt, jge, jset, jeq | sourceX, jgt | sourceX, jge | sourceX, jset | sourceX:
			stored[at+1+int(i.JT)] &= known
			stored[at+1+int(i.JF)] &= known
			known = ^uint16(0)
		}
	}
	return nil
}
