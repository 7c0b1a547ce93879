// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"

	"syd/conformance/capability"
	"syd/conformance/report"
	"syd/fixtures"
)

// An examination is what `sydtest doctor --json` prints.
type examination struct {
	Kernel       string    `json:"kernel"`
	Arch         string    `json:"arch"`
	Capabilities []finding `json:"capabilities"`
}

// A finding is a capability's answer and what hangs on it.
type finding struct {
	capability.Answer
	Specs []string `json:"specs"` // those that require it
}

func doctorVerb(args []string, stdout, stderr io.Writer) int {
	var asJSON bool
	set := newFlagSet("doctor", "doctor [OPTION...]", stdout, stderr)
	set.BoolVar(&asJSON, "json", false, "as JSON")
	if status, ok := set.noArguments(args); !ok {
		return status
	}
	e, err := examine()
	if err == nil && asJSON {
		encoder := json.NewEncoder(stdout)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(e)
	} else if err == nil {
		e.print(stdout)
	}
	if err != nil {
		fmt.Fprintf(stderr, "sydtest doctor: %v\n", err)
		return report.ExitHarness
	}
	return 0
}

func examine() (*examination, error) {
	dir, err := os.MkdirTemp("", "sydtest-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if err := fixtures.Extract(dir); err != nil {
		return nil, err
	}
	capability.FixtureDir = dir
	all, err := specs()
	if err != nil {
		return nil, err
	}
	e := &examination{Kernel: capability.Release(), Arch: runtime.GOARCH}
	for _, c := range capability.Table {
		answer, err := capability.Ask(c.Name)
		if err != nil {
			return nil, err
		}
		f := finding{Answer: answer, Specs: []string{}}
		for _, s := range all {
			if slices.Contains(s.Requires, c.Name) {
				f.Specs = append(f.Specs, s.ID)
			}
		}
		e.Capabilities = append(e.Capabilities, f)
	}
	return e, nil
}

func (e *examination) print(w io.Writer) {
	fmt.Fprintf(w, "Linux %s %s\n\n", e.Kernel, e.Arch)
	lost := 0
	for _, f := range e.Capabilities {
		word := "yes"
		if !f.OK {
			word = "NO"
		}
		fmt.Fprintf(w, "%-4s%-24s needs %s\n    %s\n", word, f.Name, f.Required, f.Evidence)
		if !f.OK && len(f.Specs) > 0 {
			lost += len(f.Specs)
			fmt.Fprintf(w, "    unsupported here: %s\n", strings.Join(f.Specs, " "))
		}
	}
	fmt.Fprintf(w, "\n%d specs are unsupported here because of what they require.\n", lost)
}
