// SPDX-License-Identifier: GPL-3.0-or-later

package bpf

import (
	"errors"
	"fmt"
	"strings"
)

// A Path is one way through a program, or through all of a chain: what it asks
// of the words of struct seccomp_data, and where it ends.
type Path struct {
	Action Action
	Words  [words]Word
}

// Arg is what the path asks of one argument: these bits have this value.
func (p Path) Arg(i int) (bits, value uint64) {
	low, high := p.Words[wordArgs+2*i], p.Words[wordArgs+2*i+1]
	return uint64(high.Bits)<<32 | uint64(low.Bits), uint64(high.Value)<<32 | uint64(low.Value)
}

// Constant is the value that the path asks an argument to have, all 64 bits.
func (p Path) Constant(i int) (uint64, bool) {
	bits, value := p.Arg(i)
	return value, bits == ^uint64(0)
}

// Free says that the path asks nothing of an argument.
func (p Path) Free(i int) bool {
	return p.Words[wordArgs+2*i].free() && p.Words[wordArgs+2*i+1].free()
}

// Drop is the path without what it asks of an argument.
func (p Path) Drop(i int) Path {
	p.Words[wordArgs+2*i], p.Words[wordArgs+2*i+1] = anyWord(), anyWord()
	return p
}

// Example is a call that takes the path.
func (p Path) Example() Data {
	var v [words]uint32
	for i, w := range p.Words {
		v[i], _, _ = w.solve()
	}
	d := Data{NR: v[wordNR], Arch: v[wordArch], IP: uint64(v[3])<<32 | uint64(v[2])}
	for i := range d.Args {
		d.Args[i] = uint64(v[wordArgs+2*i+1])<<32 | uint64(v[wordArgs+2*i])
	}
	return d
}

func (p Path) String() string {
	var asked []string
	for i, w := range p.Words {
		if !w.free() {
			asked = append(asked, w.text(wordNames[i]))
		}
	}
	if len(asked) == 0 {
		return p.Action.String()
	}
	return p.Action.String() + " if " + strings.Join(asked, " && ")
}

// A value is what A or X may hold: a constant, or some bits of a word.
type value struct {
	word int // -1: the constant
	mask uint32
	k    uint32
}

func constant(k uint32) value { return value{word: -1, k: k} }

// walker is one way as far as it has come.
type walker struct {
	at      int
	a, x    value
	scratch [scratchWords]value
	words   [words]Word
}

// errOpaque says that a program computes with the call in a way that Paths does
// not follow: compilers of seccomp rules take some bits and compare.
var errOpaque = errors.New("it computes with the call's words")

// maxPaths bounds what Paths returns.
const maxPaths = 1 << 16

// Paths finds all ways through the program that a call of the architecture and
// number can take.
func (p Program) Paths(arch, nr uint32) ([]Path, error) {
	start := walker{a: constant(0), x: constant(0)}
	for i := range start.words {
		start.words[i] = anyWord()
	}
	for i := range start.scratch {
		start.scratch[i] = constant(0)
	}
	start.words[wordNR].fix(all32, nr)
	start.words[wordArch].fix(all32, arch)
	var found []Path
	open := []walker{start}
	for len(open) > 0 {
		w := open[len(open)-1]
		open = open[:len(open)-1]
		for {
			path, branch, err := w.step(p)
			if err != nil {
				return nil, fmt.Errorf("instruction %d (%s): %w", w.at, p[w.at].text(w.at), err)
			}
			if branch != nil {
				open = append(open, *branch)
			}
			if path != nil {
				found = append(found, *path)
			}
			if path != nil || w.at >= len(p) {
				break
			}
		}
		if len(found)+len(open) > maxPaths {
			return nil, errors.New("too many ways through it")
		}
	}
	return found, nil
}

// step makes one instruction. A walker that can go nowhere is put behind the
// end of the program.
func (w *walker) step(p Program) (ended *Path, branch *walker, err error) {
	i := p[w.at]
	switch i.Code {
	case retK:
		return &Path{Action(i.K), w.words}, nil, nil
	case retA:
		if w.a.word >= 0 {
			return nil, nil, errOpaque
		}
		return &Path{Action(w.a.k), w.words}, nil, nil
	case ja:
		w.at += 1 + int(i.K)
		return nil, nil, nil
	}
	if i.Code&7 != ja {
		return nil, nil, w.compute(i)
	}
	no := *w
	no.at += 1 + int(i.JF)
	w.at += 1 + int(i.JT)
	yes, err := w.assume(i, true)
	if err != nil {
		return nil, nil, err
	}
	if can, _ := no.assume(i, false); can {
		branch = &no
	}
	if !yes {
		w.at = len(p)
	}
	return nil, branch, nil
}

// assume takes a comparison to have come out so, and says whether it can have.
func (w *walker) assume(i Instruction, outcome bool) (bool, error) {
	k := i.K
	if i.Code&sourceX != 0 {
		if w.x.word >= 0 {
			return false, errOpaque
		}
		k = w.x.k
	}
	code := i.Code &^ sourceX
	if w.a.word < 0 {
		return compare(code, w.a.k, k) == outcome, nil
	}
	word := &w.words[w.a.word]
	if w.a.mask != all32 && (code == jgt || code == jge) {
		return false, errOpaque // a range of some bits
	}
	if !word.assume(code, w.a.mask, k, outcome) || !word.settle() {
		return false, nil
	}
	_, ok, exact := word.solve()
	if !exact {
		return false, errors.New("its conditions are not understood")
	}
	return ok, nil
}

// assume takes (word & mask) CODE k to have come out so.
func (w *Word) assume(code uint16, mask, k uint32, outcome bool) bool {
	switch {
	case code == jeq && outcome:
		return w.fix(mask, k)
	case code == jeq:
		return w.exclude(mask, k)
	case code == jset && outcome:
		return w.exclude(mask&k, 0)
	case code == jset:
		return w.fix(mask&k, 0)
	}
	if code == jge && k == 0 {
		return outcome
	}
	if code == jge { // a >= k is a > k-1
		k--
	}
	if outcome {
		if k == all32 {
			return false
		}
		w.Min = max(w.Min, k+1)
	} else {
		w.Max = min(w.Max, k)
	}
	return w.Min <= w.Max
}

// compute makes an instruction that neither jumps nor returns.
func (w *walker) compute(i Instruction) error {
	w.at++
	switch i.Code {
	case ldAbs:
		w.a = value{word: int(i.K / 4), mask: all32}
		if word := w.words[w.a.word]; word.Bits == all32 {
			w.a = constant(word.Value)
		}
	case ldImm:
		w.a = constant(i.K)
	case ldLen:
		w.a = constant(dataSize)
	case ldMem:
		w.a = w.scratch[i.K]
	case ldxImm:
		w.x = constant(i.K)
	case ldxLen:
		w.x = constant(dataSize)
	case ldxMem:
		w.x = w.scratch[i.K]
	case stA:
		w.scratch[i.K] = w.a
	case stX:
		w.scratch[i.K] = w.x
	case tax:
		w.x = w.a
	case txa:
		w.a = w.x
	default:
		return w.arithmetic(i)
	}
	return nil
}

func (w *walker) arithmetic(i Instruction) error {
	k := i.K
	if i.Code&sourceX != 0 {
		if w.x.word >= 0 {
			return errOpaque
		}
		k = w.x.k
	}
	code := i.Code &^ sourceX
	switch {
	case w.a.word < 0 && (code != div || k != 0):
		w.a.k = compute(code, w.a.k, k)
	case w.a.word >= 0 && code == and:
		w.a.mask &= k
	default:
		return errOpaque
	}
	return nil
}
