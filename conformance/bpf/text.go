// SPDX-License-Identifier: GPL-3.0-or-later

package bpf

import (
	"fmt"
	"strings"
)

// wordNames name the words of struct seccomp_data.
var wordNames = func() (names [words]string) {
	names[wordNR], names[wordArch], names[2], names[3] = "nr", "arch", "ip.lo", "ip.hi"
	for arg := range 6 {
		names[wordArgs+2*arg] = fmt.Sprintf("args[%d].lo", arg)
		names[wordArgs+2*arg+1] = fmt.Sprintf("args[%d].hi", arg)
	}
	return names
}()

// String is the program, one instruction a line, as
//
//	12  if A == 0x101 goto 14 else 20
func (p Program) String() string {
	var b strings.Builder
	for at, i := range p {
		fmt.Fprintf(&b, "%4d  %s\n", at, i.text(at))
	}
	return b.String()
}

// text is the instruction at a place, which its jumps are relative to.
func (i Instruction) text(at int) string {
	source := fmt.Sprintf("%#x", i.K)
	if i.Code&sourceX != 0 {
		source = "X"
	}
	if symbol, ok := map[uint16]string{add: "+", sub: "-", mul: "*", div: "/", or: "|", and: "&", lsh: "<<", rsh: ">>", xor: "^"}[i.Code&^sourceX]; ok {
		return fmt.Sprintf("A = A %s %s", symbol, source)
	}
	if symbol, ok := map[uint16]string{jeq: "==", jgt: ">", jge: ">=", jset: "&"}[i.Code&^sourceX]; ok {
		return fmt.Sprintf("if A %s %s goto %d else %d", symbol, source, at+1+int(i.JT), at+1+int(i.JF))
	}
	switch i.Code {
	case ldAbs:
		if i.K%4 == 0 && i.K < dataSize {
			return "A = " + wordNames[i.K/4]
		}
	case ja:
		return fmt.Sprintf("goto %d", at+1+int(i.K))
	case retK:
		return "return " + Action(i.K).String()
	case retA:
		return "return A"
	}
	if format, ok := map[uint16]string{ldImm: "A = %#x", ldxImm: "X = %#x", ldMem: "A = M[%d]", ldxMem: "X = M[%d]",
		stA: "M[%d] = A", stX: "M[%d] = X"}[i.Code]; ok {
		return fmt.Sprintf(format, i.K)
	}
	if text, ok := map[uint16]string{ldLen: "A = len", ldxLen: "X = len", tax: "X = A", txa: "A = X", neg: "A = -A"}[i.Code]; ok {
		return text
	}
	return fmt.Sprintf("code %#x k %#x", i.Code, i.K)
}
