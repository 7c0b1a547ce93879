// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// edit is one change of the runtime's sources.
type edit struct{ file, old, new string }

// compiled has every filter compiled from its rows, not taken as it was made
// beforehand.
var compiled = edit{"syd/filter/prebuilt.go", "if !o.plain() {", "if true {"}

// confinedWrongly are builds of this project whose confinement is wrong in one
// way. The real build is that of `make build`; only these read the sources, and
// they link nothing of them.
var confinedWrongly = []wrongBuild{
	{
		name:  "the tracer's filter is not loaded",
		edits: []edit{{"syd/confine/confine.go", `{"tracer filter", func() error { return p.load(filter.Tracer, 0) }},`, ""}},
		flags: []string{"--id", "CNF-04.[123]"}, fails: []string{"CNF-04.[13]"},
		words: "CNF-04.3",
	},
	{
		name:  "the tracer's filter is on all threads",
		edits: []edit{{"syd/confine/confine.go", "return p.load(filter.Tracer, 0)", "return p.load(filter.Tracer, kernel.AllThreads)"}},
		// Its monitor may die of that filter at once, and the others with it.
		flags: []string{"--id", "CNF-04.1"}, fails: []string{"CNF-04.1"},
		words: "TSYNC",
	},
	{
		name:  "what is not allowed gets an errno",
		edits: []edit{compiled, {"syd/filter/compile.go", "kind{fallback: seccomp.ActKillProcess", "kind{fallback: seccomp.ActErrno.SetReturnCode(1)"}},
		flags: []string{"--id", "CNF-01.[123]"}, fails: []string{"CNF-01.[123]"},
		words: `expected it to say the line "died SIGSYS"`,
	},
	{
		name: "one cookie of close is not compared",
		edits: []edit{compiled, {"syd/filter/compile.go", "all = append(all, Condition{Arg: register, Input: cookieInput(id)})",
			`if r.Syscall != "close" || register != 3 { all = append(all, Condition{Arg: register, Input: cookieInput(id)}) }`}},
		flags: []string{"--id", "CKE-02.[1234]"}, fails: []string{"CKE-02.[12]"},
		words: "close",
	},
	{
		name: "executable memory is allowed",
		edits: []edit{compiled, {"syd/filter/supervisor.go", `{Syscall: "mmap", Effect: Allow, Conditions: without(2, protExec), `,
			`{Syscall: "mmap", Effect: Allow, `}},
		flags: []string{"--id", "CNF-07.[123]"}, fails: []string{"CNF-07.[123]"},
		words: "mmap",
	},
	{
		name: "handlers of signals are allowed",
		edits: []edit{compiled, {"syd/filter/supervisor.go", `{Syscall: "rt_sigaction", Effect: Allow, Conditions: equals(1, 0), `,
			`{Syscall: "rt_sigaction", Effect: Allow, `}},
		flags: []string{"--id", "CNF-17.[123]"}, fails: []string{"CNF-17.[123]"},
		words: "rt_sigaction",
	},
	{
		name:  "AF_ALG is open without safe_kcapi",
		edits: []edit{compiled, {"syd/filter/supervisor.go", "if o.Kcapi {", "if true {"}},
		flags: []string{"--id", "CNF-18.[123]"}, fails: []string{"CNF-18.[12]"},
		words: "socket",
	},
	{
		name:  "calls of other architectures are let through",
		edits: []edit{compiled, {"syd/filter/compile.go", "foreign: seccomp.ActKillProcess", "foreign: seccomp.ActAllow"}},
		flags: []string{"--id", "CNF-05.[124]"}, fails: []string{"CNF-05.[124]"},
		words: "x32",
	},
	{
		name:  "receivers take no filter of their own",
		edits: []edit{{"syd/supervise.go", "if !confined {", "if !confined && false {"}},
		flags: []string{"--id", "PRC-01.1[013]"}, fails: []string{"PRC-01.1[01]"},
		words: "receiver",
	},
	{
		name:  "receivers that others start load filters again",
		edits: []edit{{"syd/supervise.go", "if !confined {", "if !confined || true {"}},
		flags: []string{"--id", "PRC-01.13"}, fails: []string{"PRC-01.13"},
		words: "SIGSYS",
	},
	{
		name:  "calls that change files need no cookies",
		edits: []edit{compiled, {"syd/filter/supervisor.go", "changing = cookied(", "changing = plain("}},
		flags: []string{"--id", "PRC-01.[89]"}, fails: []string{"PRC-01.[89]"},
		words: "mkdirat",
	},
	{
		name: "receivers may have any namespace of their own",
		edits: []edit{compiled, {"syd/filter/supervisor.go", `guarded("unshare", "a umask of its own", 0, 0x200 /* CLONE_FS */)`,
			`cookied("", "unshare")`}},
		flags: []string{"--id", "PRC-01.[89]"}, fails: []string{"PRC-01.[89]"},
		words: "unshare",
	},
	{
		name:  "the tracer has what receivers have",
		edits: []edit{{"syd/kernel/capability/capability_unsafe.go", "keep := C.capability_kept", "keep := C.capability_kept | C.capability_emulating"}},
		flags: []string{"--id", "PRC-02.7"}, fails: []string{"PRC-02.7"},
		words: "CapPrm",
	},
	{
		name:  "syd's own directory in /proc is known by its name alone",
		edits: []edit{{"syd/kernel/own_unsafe.go", "case fs.Type != unix.PROC_SUPER_MAGIC:", "case true:"}},
		flags: []string{"--id", "PRC-04.6[45]"}, fails: []string{"PRC-04.6[45]"},
		words: "chdir ok",
	},
}

func init() { wrongBuilds = append(wrongBuilds, confinedWrongly...) }

// buildEdited builds the runtime with edits of its sources, as make build does.
func buildEdited(t *testing.T, edits []edit) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("the specs in question need root: they read the filters of live threads")
	}
	dir := t.TempDir()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	for _, e := range edits {
		name := filepath.Join(root, e.file)
		if texts[name] == "" {
			source, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			texts[name] = string(source)
		}
		if strings.Count(texts[name], e.old) != 1 {
			t.Fatalf("%s has %q %d times, not once", e.file, e.old, strings.Count(texts[name], e.old))
		}
		texts[name] = strings.Replace(texts[name], e.old, e.new, 1)
	}
	overlay := map[string]map[string]string{"Replace": {}}
	for name, text := range texts {
		edited := filepath.Join(dir, strings.ReplaceAll(name, "/", "_"))
		if err := os.WriteFile(edited, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		overlay["Replace"][name] = edited
	}
	list, _ := json.Marshal(overlay)
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), list, 0o600); err != nil {
		t.Fatal(err)
	}
	build := filepath.Join(dir, "syd")
	cmd := exec.Command("go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-tags", "netgo osusergo",
		"-ldflags", "-s -w -linkmode external -extldflags -static", "-o", build, "./cmd/syd")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, text)
	}
	return build
}
