// SPDX-License-Identifier: GPL-3.0-or-later

package syd

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"syd/syd/filter"
	"syd/syd/policy"
)

var update = flag.Bool("update", false, "write the prebuilt sandbox filters anew")

// The filters of the policies that most sandboxes have.
func TestPrebuiltSandboxes(t *testing.T) {
	const dir = "filter"
	if *update {
		old, _ := filepath.Glob(filepath.Join(dir, "zz_sandbox_*"))
		for _, name := range old {
			os.Remove(name)
		}
	}
	for _, lines := range [][]string{
		{"sandbox/all:off", "sandbox/pid:on"},
		{"sandbox/all:off", "sandbox/exec,chdir:on"},
		{"sandbox/all:off", "sandbox/exec:on"},
		{"sandbox/all:on", "deny/all+/a"},
		{"sandbox/all:on", "deny/all+/a", "lock:on"},
	} {
		var commands []policy.Command
		for _, line := range lines {
			commands = append(commands, policy.Command{Where: t.Name(), Text: line})
		}
		text := strings.Join(lines, ", ")
		p, err := policy.Parse(commands, nil)
		if err != nil {
			t.Fatal(err)
		}
		rules := sandboxRules(p)
		compiled, err := filter.CompileSandbox(rules)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(dir, filter.PrebuiltSandbox(rules))
		if *update {
			if err := os.WriteFile(name, compiled, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if prebuilt, err := os.ReadFile(name); err != nil || !bytes.Equal(prebuilt, compiled) {
			t.Errorf("%s: %s is not what its rules compile to (%v): go test ./syd/filter ./syd -run Prebuilt -update", text, name, err)
		}
	}
}
