// SPDX-License-Identifier: GPL-3.0-or-later

package filter

import (
	"encoding/binary"
	"fmt"
)

// newer are calls that the oldest libseccomp in use (2.5.4) has no name for. Since
// Linux 5.1 new calls have the same number in every ABI (scripts/syscall.tbl), so
// a filter can look for them before it looks at the architecture.
var newer = map[string]int{
	"fchmodat2":      452, // Linux 6.6
	"setxattrat":     463, // Linux 6.13
	"getxattrat":     464,
	"listxattrat":    465,
	"removexattrat":  466,
	"open_tree_attr": 467, // Linux 6.15
	"file_getattr":   468, // Linux 6.17
	"file_setattr":   469,
}

// What a filter returns (uapi linux/seccomp.h).
var returned = map[Effect]uint32{Allow: 0x7fff0000, Errno: 0x00050000, Trace: 0x7ff00000, Notify: 0x7fc00000}

// split takes the rules apart that libseccomp can't have.
func split(rules []Rule) (known, late []Rule) {
	for _, r := range rules {
		if newer[r.Syscall] != 0 && len(r.Conditions) == 0 && !r.Guarded {
			late = append(late, r)
		} else {
			known = append(known, r)
		}
	}
	return known, late
}

// prepend puts rules, which have no conditions, before program.
func prepend(rules []Rule, program []byte) []byte {
	const (
		load      = 0x20 // BPF_LD | BPF_W | BPF_ABS: the number, at 0 in struct seccomp_data
		jumpEqual = 0x15 // BPF_JMP | BPF_JEQ | BPF_K
		ret       = 0x06 // BPF_RET | BPF_K
	)
	if len(rules) == 0 {
		return program
	}
	var out []byte
	add := func(code uint16, otherwise byte, k uint32) {
		out = binary.NativeEndian.AppendUint16(out, code)
		out = append(out, 0, otherwise)
		out = binary.NativeEndian.AppendUint32(out, k)
	}
	add(load, 0, 0)
	for _, r := range rules {
		add(jumpEqual, 1, uint32(newer[r.Syscall]))
		add(ret, 0, returned[r.Effect]|uint32(r.Errno))
	}
	return append(out, program...)
}

// prependText does so in libseccomp's pseudo code.
func prependText(rules []Rule, text []byte) []byte {
	var out []byte
	for _, r := range rules {
		out = fmt.Appendf(out, "# in every architecture: syscall \"%s\" (%d): %s\n", r.Syscall, newer[r.Syscall], r.then())
	}
	return append(out, text...)
}
