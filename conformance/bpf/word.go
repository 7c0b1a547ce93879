// SPDX-License-Identifier: GPL-3.0-or-later

package bpf

import (
	"fmt"
	"math/bits"
	"strings"
)

// A Word is what a way through a program asks of one 32-bit word: some bits
// have a value, the whole lies in a range, and some values are excluded. The
// zero value is not the free word: see anyWord.
type Word struct {
	Bits, Value uint32 // value&Bits == Value
	Min, Max    uint32
	Not         []Masked
}

// Masked is a value of some bits: v&Mask == Value.
type Masked struct{ Mask, Value uint32 }

const all32 = 0xffffffff

func anyWord() Word { return Word{Max: all32} }

// free says that nothing is asked.
func (w Word) free() bool { return w.Bits == 0 && w.Min == 0 && w.Max == all32 && len(w.Not) == 0 }

// admits says whether the word may have the value.
func (w Word) admits(v uint32) bool {
	if v&w.Bits != w.Value || v < w.Min || v > w.Max {
		return false
	}
	for _, n := range w.Not {
		if v&n.Mask == n.Value {
			return false
		}
	}
	return true
}

// fix asks that the bits of mask have a value; false: they can't.
func (w *Word) fix(mask, value uint32) bool {
	if value&^mask != 0 || (w.Value^value)&w.Bits&mask != 0 {
		return false
	}
	w.Bits |= mask
	w.Value |= value
	return true
}

// exclude asks that the bits of mask don't have the value.
func (w *Word) exclude(mask, value uint32) bool {
	if value&^mask == 0 {
		w.Not = append(w.Not[:len(w.Not):len(w.Not)], Masked{mask, value})
	}
	return true
}

// merge asks for both.
func (w Word) merge(o Word) (Word, bool) {
	if !w.fix(o.Bits, o.Value) {
		return w, false
	}
	w.Min, w.Max = max(w.Min, o.Min), min(w.Max, o.Max)
	for _, n := range o.Not {
		w.exclude(n.Mask, n.Value)
	}
	return w, w.Min <= w.Max
}

// settle draws the conclusions from what is excluded: a bit that has one value
// left is fixed. false: the word can have no value.
func (w *Word) settle() bool {
	for again := true; again; {
		again = false
		var kept []Masked
		for _, n := range w.Not {
			rest := n.Mask &^ w.Bits
			switch {
			case (w.Value^n.Value)&n.Mask&w.Bits != 0:
				// Other bits see to it.
			case rest == 0:
				return false
			case rest&(rest-1) == 0:
				w.fix(rest, ^n.Value&rest)
				again = true
			default:
				kept = append(kept, n)
			}
		}
		w.Not = kept
	}
	return true
}

// solve is a value that the word may have. It tries the values at the edges of
// all that is asked; exact is false when it found none and a value may exist
// all the same.
func (w Word) solve() (value uint32, ok, exact bool) {
	for _, v := range w.candidates() {
		if w.admits(v) {
			return v, true, true
		}
	}
	// Few free bits: all their values.
	if free := ^w.Bits; bits.OnesCount32(free) <= 16 {
		for v := uint32(0); ; v = (v - free) & free { // counts in the free bits
			if w.admits(w.Value | v) {
				return w.Value | v, true, true
			}
			if v == free {
				return 0, false, true
			}
		}
	}
	return 0, false, w.Min > w.Max
}

// candidates are the values around the edges.
func (w Word) candidates() []uint32 {
	free := ^w.Bits
	edges := []uint32{0, free, w.Min, w.Max}
	for _, n := range w.Not {
		edges = append(edges, n.Value+1, n.Value-1, ^n.Value, n.Value^n.Mask&-n.Mask, n.Value|^n.Mask)
	}
	for bit := uint32(1); bit != 0; bit <<= 1 {
		edges = append(edges, bit, ^bit, w.Min+bit, w.Max-bit)
	}
	values := make([]uint32, 0, len(edges))
	for _, e := range edges {
		values = append(values, e&free|w.Value)
	}
	return values
}

func (w Word) text(name string) string {
	var parts []string
	switch {
	case w.Bits == all32:
		return fmt.Sprintf("%s == %#x", name, w.Value)
	case w.Bits != 0:
		parts = append(parts, fmt.Sprintf("%s&%#x == %#x", name, w.Bits, w.Value))
	}
	if w.Min > 0 {
		parts = append(parts, fmt.Sprintf("%s >= %#x", name, w.Min))
	}
	if w.Max < all32 {
		parts = append(parts, fmt.Sprintf("%s <= %#x", name, w.Max))
	}
	for _, n := range w.Not {
		if n.Mask == all32 {
			parts = append(parts, fmt.Sprintf("%s != %#x", name, n.Value))
		} else {
			parts = append(parts, fmt.Sprintf("%s&%#x != %#x", name, n.Mask, n.Value))
		}
	}
	return strings.Join(parts, " && ")
}
