// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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
		flags: []string{"--id", "PRC-01.1[013]"}, fails: []string{"PRC-01.10"},
		words: "receiver",
	},
	{
		name:  "receivers that others start load filters again",
		edits: []edit{{"syd/supervise.go", "if !confined {", "if !confined || true {"}},
		flags: []string{"--id", "PRC-01.13"}, fails: []string{"PRC-01.13"},
		words: "has the same filters", // it dies of SIGSYS, or its directory in /proc is gone first
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
		flags: []string{"--id", "PRC-04.64"}, fails: []string{"PRC-04.64"},
		words: "chdir ok",
	},
}

// emulatedWrongly are builds that make calls for their tracees wrongly.
var emulatedWrongly = []wrongBuild{
	{
		name:  "CONTINUE instead of emulate for open",
		edits: []edit{{"syd/trace/handle_open.go", "\t\tr = opened(fd, flags&oCloexec != 0)\n", "\t\tkernel.Close(fd)\n\t\tr = proceed\n"}},
		flags: []string{"--id", "PTH-03.[125]"}, fails: []string{"PTH-03.[125]"},
		words: "to be zero-valued",
	},
	{
		name:  "umask ignored",
		edits: []edit{{"syd/trace/handle_open.go", "n.credentials.Umask(status.Umask)", "n.credentials.Umask(status.Umask & 0)"}},
		flags: []string{"--id", "PTH-09.2"}, fails: []string{"PTH-09.2"},
		words: "made 40777 60001 60001",
	},
	{
		name:  "O_CLOEXEC lost",
		edits: []edit{{"syd/kernel/notify_unsafe.go", "if cloexec {", "if false {"}},
		flags: []string{"--id", "PTH-03.[12]"}, fails: []string{"PTH-03.[12]"},
		words: "inheritable",
	},
	{
		name:  "EACCES where ENOENT hides",
		edits: []edit{{"syd/trace/notice.go", "\tif n.hidden(path) {", "\tif false {"}},
		flags: []string{"--id", "PTH-03.[124]"}, fails: []string{"PTH-03.[12]"}, passes: []string{"PTH-03.4"},
		words: "hidden 0",
	},
	{
		name:  "the parent of a directory is guessed",
		edits: []edit{{"syd/kernel/walk_unsafe.go", "\t\tif err := w.locate(); err != nil {\n\t\t\treturn err\n\t\t}\n\tdefault:", "\t\tw.at = w.at[:max(strings.LastIndexByte(w.at, '/'), 1)]\n\tdefault:"}},
		flags: []string{"--id", "PTH-03.[36]"}, fails: []string{"PTH-03.3"}, passes: []string{"PTH-03.6"},
		words: "to be zero-valued",
	},
	{
		name:  "ftruncate is left to the kernel",
		edits: []edit{{"syd/trace/handle_change.go", "\treturn n.resized(&p, size, func() error { return kernel.Ftruncate(held, size) })", "\treturn proceed"}},
		flags: []string{"--id", "PTH-03.11"}, fails: []string{"PTH-03.11"},
		words: "to be zero-valued",
	},
	{
		name:  "lookups are made with the supervisor's rights",
		edits: []edit{{"syd/trace/notice.go", "\t\tl.As = n.as\n", ""}},
		flags: []string{"--id", "PTH-09.[12]"}, fails: []string{"PTH-09.1"}, passes: []string{"PTH-09.2"},
		words: "only sandboxed: open ok",
	},
	{
		name:  "rings of calls are let through",
		edits: []edit{{"syd/trace/files.go", `{name: "io_uring_setup", emulating: true, emulate: refused(syscall.ENOSYS)},`, ""}},
		flags: []string{"--id", "HRD-16.1"}, fails: []string{"HRD-16.1"},
		words: "io_uring_setup",
	},
}

// ghostlyWrong are builds whose ghost mode or whose calls for tracees are wrong in
// one way.
var ghostlyWrong = []wrongBuild{
	{
		name: "ghost leaves a worker blocked",
		edits: []edit{{"syd/trace/notify.go", "			stay++\n			other.end()\n",
			"			stay++\n			if other.busy.Load()&1 == 0 {\n				other.end()\n			}\n"}},
		flags: []string{"--id", "GHO-02.[78]"}, fails: []string{"GHO-02.8"}, passes: []string{"GHO-02.7"},
		words: "are left",
	},
	{
		name:  "ghost never closes the listener",
		edits: []edit{{"syd/trace/notify.go", "err = kernel.Replace(w.listener, null)", "err = nil"}},
		flags: []string{"--id", "GHO-02.9"}, fails: []string{"GHO-02.9"}, words: "GHO-02.9",
	},
	{
		name:  "a signal before the receiver ends the call",
		edits: []edit{{"syd/trace/handle_signal.go", "		kernel.SetReturn(tid, -errRestartNoIntr)\n", ""}},
		flags: []string{"--id", "EVT-SIG-02.16"}, fails: []string{"EVT-SIG-02.16"},
		words: "EINTR",
	},
}

func init() {
	wrongBuilds = slices.Concat(wrongBuilds, confinedWrongly)
	slowBuilds = slices.Concat(slowBuilds, emulatedWrongly, ghostlyWrong)
}

// TestEditsApply: each edit still finds its place, also of builds that are judged
// only by make slow.
func TestEditsApply(t *testing.T) {
	for _, w := range slices.Concat(wrongBuilds, slowBuilds) {
		for _, e := range w.edits {
			source, err := os.ReadFile(filepath.Join("../..", e.file))
			if err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(string(source), e.old); n != 1 {
				t.Errorf("%s: %s has %q %d times, not once", w.name, e.file, e.old, n)
			}
		}
	}
}

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
