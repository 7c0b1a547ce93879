// SPDX-License-Identifier: GPL-3.0-or-later

package filter

import (
	"embed"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"runtime"
)

// To compile a filter takes libseccomp longer than everything else of a start
// taken together: those of the usual options are made beforehand, by
//
//	go test ./syd/filter ./syd -run Prebuilt -update
//
//go:embed zz_*.bpf
var files embed.FS

// prebuilt is a role's program with placeholders, the caller's own, nil for options that none was
// made for.
func prebuilt(r Role, o Options) []byte {
	if !o.plain() {
		return nil
	}
	program, err := files.ReadFile(prebuiltName(r, o))
	if err != nil {
		return nil // none for this architecture
	}
	return program
}

// prebuiltName: the outer filter differs where receivers are.
func prebuiltName(r Role, o Options) string {
	name := r.String()
	if r == Process && o.Emulate {
		name += "_emulate"
	}
	return "zz_" + name + "_" + runtime.GOARCH + ".bpf"
}

// PrebuiltSandbox is the file that a prebuilt filter of these rules is in, if
// there is one: it is named after what the rules say.
func PrebuiltSandbox(rules []Rule) string {
	sum := fnv.New64a()
	var text []byte // fmt would take a tenth of a start
	for _, r := range rules {
		text = append(append(text[:0], r.Syscall...), ' ', byte(r.Effect))
		text = binary.LittleEndian.AppendUint64(text, uint64(r.Errno))
		for _, c := range r.Conditions {
			text = append(text, byte(c.Arg), byte(c.Input), byte(c.Input>>8), bit(c.Differs))
			text = binary.LittleEndian.AppendUint64(text, c.Mask)
			text = binary.LittleEndian.AppendUint64(text, c.Value)
		}
		sum.Write(append(text, ';'))
	}
	return fmt.Sprintf("zz_sandbox_%016x_%s.bpf", sum.Sum64(), runtime.GOARCH)
}

func bit(set bool) byte {
	if set {
		return 1
	}
	return 0
}
