// SPDX-License-Identifier: GPL-3.0-or-later

package trace

import (
	"flag"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"syd/syd/filter"
)

var updatePathless = flag.Bool("update-pathless", false, "write the list of calls without paths anew: read what changed")

// TestTableIsComplete: each system call of the ABIs that a program may use either
// has a row or is known to take no path. A new one fails until somebody has looked.
func TestTableIsComplete(t *testing.T) {
	const list = "testdata/pathless.txt"
	rows := map[string]bool{}
	for _, r := range slices.Concat(syscalls, files) {
		if rows[r.name] && !r.emulating && r.when == nil {
			t.Errorf("%s has two rows", r.name)
		}
		rows[r.name] = true
	}
	missing := map[string]bool{}
	for _, name := range filter.Syscalls() {
		if !rows[name] {
			missing[name] = true
		}
	}
	if *updatePathless {
		text := strings.Join(slices.Sorted(maps.Keys(missing)), "\n") + "\n"
		if err := os.WriteFile(list, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	pathless := map[string]bool{}
	for name := range strings.FieldsSeq(string(text)) {
		pathless[name] = true
		if rows[name] {
			t.Errorf("%s has a row and is said to take no path", name)
		}
	}
	for name := range missing {
		if !pathless[name] {
			t.Errorf("%s has no row: does it take a path?", name)
		}
	}
	known := filter.Syscalls()
	for name := range rows {
		if !slices.Contains(known, name) {
			t.Errorf("%s is no call of any ABI here", name)
		}
	}
}
