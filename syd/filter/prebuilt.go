// SPDX-License-Identifier: GPL-3.0-or-later

package filter

import (
	"embed"
	"runtime"
)

// To compile a filter takes libseccomp longer than everything else of a start
// taken together: those of the usual options are made beforehand, by
//
//	go test ./syd/filter -run Prebuilt -update
//
//go:embed zz_*.bpf
var files embed.FS

// prebuilt is a role's program with placeholders, nil for options that none was
// made for.
func prebuilt(r Role, o Options) []byte {
	if !o.plain() {
		return nil
	}
	program, err := files.ReadFile(prebuiltName(r))
	if err != nil {
		return nil // none for this architecture
	}
	return program
}

func prebuiltName(r Role) string { return "zz_" + r.String() + "_" + runtime.GOARCH + ".bpf" }
