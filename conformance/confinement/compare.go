// SPDX-License-Identifier: GPL-3.0-or-later

package confinement

import (
	"fmt"
	"slices"
	"strings"

	"syd/conformance/bpf"
)

// Differences are what two filters of the same options answer differently, but
// for cookies, the address of "..", descriptors, and their own PIDs.
func Differences(one, other bpf.Chain) (all []string) {
	t := TracerTable(Options{})
	for nr := range Highest() + 65 {
		a, b := t.shapes(one, nr), t.shapes(other, nr)
		if !slices.Equal(a, b) {
			all = append(all, fmt.Sprintf("%s: %q and %q", Name(nr), a, b))
		}
	}
	return all
}

// shapes are the ways of a number without the values that differ by start.
func (t Table) shapes(chain bpf.Chain, nr uint32) []string {
	paths, err := chain.Paths(bpf.ArchAMD64, nr)
	if err != nil {
		return []string{err.Error()}
	}
	c := t.Find(nr)
	own := map[string][]int{"openat": {1}, "write": {0, 3, 4, 5}, "kill": {0}, "tgkill": {0}, "dup3": {1},
		"rt_sigaction": {4, 5}, "seccomp": {3, 4, 5}}[c.Name]
	if c.Class == Guarded {
		for register := c.Used; register < 6; register++ {
			own = append(own, register)
		}
	}
	for _, row := range emulation {
		if slices.Contains(strings.Fields(row.names), c.Name) {
			for register := row.used; register < 6; register++ {
				own = append(own, register)
			}
		}
	}
	if first, ok := optional[c.Name]; ok {
		for register := first; register < 6; register++ {
			own = append(own, register)
		}
	}
	var shapes []string
	for _, p := range paths {
		for _, register := range own {
			if _, whole := p.Constant(register); whole {
				shapes = append(shapes, fmt.Sprintf("register %d compared", register))
			}
			p = p.Drop(register)
		}
		shapes = append(shapes, p.String())
	}
	slices.Sort(shapes)
	return slices.Compact(shapes)
}

// Unlike are the calls that two chains answer differently where only the
// cookies of the guarded calls may tell them apart: guarded has them, free was
// made without. Every number is tried with many arguments.
func Unlike(guarded, free bpf.Chain, cookies map[string][6]uint64) (all []string, compared int) {
	t := TracerTable(Options{})
	for nr := range Highest() + 65 {
		c := t.Find(nr)
		for _, args := range probes(c) {
			compared++
			want := guarded.Run(bpf.Data{NR: nr, Arch: bpf.ArchAMD64, Args: with(args, cookies[c.Name], used(c))})
			got := free.Run(bpf.Data{NR: nr, Arch: bpf.ArchAMD64, Args: args})
			if got != want {
				all = append(all, fmt.Sprintf("%s %#x: %v with cookies, %v where none are needed", c.Name, args, want, got))
			}
		}
	}
	return all, compared
}

// used is how many registers are arguments, and not cookies.
func used(c Call) int {
	switch {
	case c.Name == "write":
		return 3
	case c.Class == Guarded:
		return c.Used
	}
	return 6
}

// probes are arguments to try a call with: those of its rows, all that differ
// from them in one bit, and some values in all places.
func probes(c Call) (all [][6]uint64) {
	for _, r := range c.Rows {
		all = append(all, r.Args)
	}
	for _, value := range []uint64{0, 1, 2, 3, 4, 8, 35, 38, 0x1000, 0x10000, ^uint64(0), high, procmapQuery} {
		var args [6]uint64
		for i := range args {
			args[i] = value
		}
		all = append(all, args)
	}
	for i := range 6 {
		for bit := range 64 {
			var args [6]uint64
			args[i] = 1 << bit
			all = append(all, args)
		}
	}
	return all
}
