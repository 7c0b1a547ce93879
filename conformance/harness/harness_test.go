// SPDX-License-Identifier: GPL-3.0-or-later

package harness

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/onsi/gomega/types"
)

func TestNormalise(t *testing.T) {
	for text, want := range map[string]string{
		"child pid:17 of pid:4, pid:17 again": "child pid:#1 of pid:#2, pid:#1 again",
		"tid:17 pid:17 ino:8":                 "tid:#1 pid:#1 ino:#2",
		"time:1.25 addr:0x7ffd12 addr:0x1":    "time:# addr:# addr:#",
		"session 12 rapid:7":                  "session 12 rapid:7",
	} {
		if got := Normalise(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
	if Normalise("pid:1 pid:2 pid:1") == Normalise("pid:1 pid:2 pid:2") {
		t.Error("who is who is lost")
	}
}

func TestMatchers(t *testing.T) {
	native := Result{Status: 3, Code: 3, Stdout: "openat EACCES\n", Stderr: "oh no\n"}
	dead := Result{Status: 143, Code: -1, Signal: syscall.SIGTERM}
	reported := Result{Status: 143, Code: 143, Sandbox: true}
	for _, c := range []struct {
		name    string
		matcher types.GomegaMatcher
		actual  any
		want    bool
	}{
		{"its code", ExitWith(3), native, true},
		{"another code", ExitWith(4), native, false},
		{"a death is no code", ExitWith(143), dead, false},
		{"a native death", DieOf(syscall.SIGTERM), dead, true},
		{"another signal", DieOf(syscall.SIGKILL), dead, false},
		{"a reported death", DieOf(syscall.SIGTERM), reported, true},
		{"a native code is no death", DieOf(syscall.SIGTERM), Result{Status: 143, Code: 143}, false},
		{"a build's own death is no report", DieOf(syscall.SIGTERM), Result{Status: 143, Signal: syscall.SIGTERM, Sandbox: true}, false},
		{"killed itself", BeKilledBy(syscall.SIGTERM), dead, true},
		{"not killed itself", BeKilledBy(syscall.SIGTERM), reported, false},
		{"a line", SayLine("openat EACCES"), native, true},
		{"part of a line", SayLine("openat"), native, false},
		{"silence", SayNothing(), dead, true},
		{"no silence", SayNothing(), native, false},
		{"a complaint", Complain("oh"), native, true},
		{"no complaint", Complain("ah"), native, false},
		{"a fact", HaveFact("openat", "EACCES"), native, true},
		{"another fact", HaveFact("openat", "ok"), native, false},
		{"a denial", BeDenied("EACCES"), native.Fact("openat"), true},
		{"a missing fact", BeDenied("EACCES"), native.Fact("mkdir"), false},
		{"a denied run", BeDenied("EACCES"), native, true},
		{"the same", EqualNative(native), native, true},
		{"another status", EqualNative(native), Result{Status: 4, Stdout: native.Stdout}, false},
		{"another output", EqualNative(native), Result{Status: 3, Stdout: "x"}, false},
	} {
		got, err := c.matcher.Match(c.actual)
		if err != nil || got != c.want {
			t.Errorf("%s: %v %v", c.name, got, err)
		}
		if c.matcher.FailureMessage(c.actual) == "" || c.matcher.NegatedFailureMessage(c.actual) == "" {
			t.Errorf("%s: no message", c.name)
		}
	}
	for _, m := range []types.GomegaMatcher{ExitWith(0), EqualNative(native), BeDenied("EPERM")} {
		if _, err := m.Match(7); err == nil {
			t.Error("a number is taken for a run")
		}
	}
	if _, err := EqualNative(reported).Match(native); err == nil {
		t.Error("a sandboxed run is taken for a native one")
	}
}

func TestDifference(t *testing.T) {
	message := EqualNative(Result{Stdout: "a\nb\nb\n"}).FailureMessage(Result{Status: 1, Stdout: "a\nb\nc\n"})
	for _, words := range []string{"native 0, sandboxed 1", "only natively:  b\n", "only sandboxed: c\n"} {
		if !strings.Contains(message, words) {
			t.Errorf("no %q in:\n%s", words, message)
		}
	}
	if got := difference([]string{"a", "b"}, []string{"b", "a"}); len(got) != 1 || !strings.HasPrefix(got[0], "line 1") {
		t.Errorf("order: %v", got)
	}
}

func TestFacts(t *testing.T) {
	r := Result{Stdout: "ready\nchild exit 1\nchildren 9\nchild exit 2\n"}
	if all := r.Facts("child"); len(all) != 2 || all[1] != "exit 2" || r.Fact("child exit") != "1" || r.Fact("none") != "" {
		t.Errorf("%v", all)
	}
	if all := r.Facts("ready"); len(all) != 1 || all[0] != "" {
		t.Errorf("%v", all)
	}
}

func TestCrashOf(t *testing.T) {
	fault := "noise\npanic: runtime error\n\ngoroutine 1 [running]:\n"
	for _, c := range []struct {
		name         string
		r            Result
		meant, quiet bool
		want         bool
	}{
		{"a fault", Result{Signal: syscall.SIGSEGV}, false, false, true},
		{"a signal that the spec sent", Result{Signal: syscall.SIGABRT}, true, false, false},
		{"killed", Result{Signal: syscall.SIGKILL}, false, false, false},
		{"an eldest's fault", Result{Code: 139, Status: 139}, false, false, false},
		{"a panic", Result{Code: 2, Stderr: fault}, false, false, true},
		{"an expected panic", Result{Code: 2, Stderr: fault}, false, true, false},
		{"the word alone", Result{Stderr: "panic: none\n"}, false, false, false},
	} {
		if got := crashOf(c.r, c.meant, c.quiet) != ""; got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestFixtureTrouble(t *testing.T) {
	for _, c := range []struct {
		r         Result
		what, how string
	}{
		{Result{Status: 70, Stderr: "x\nbroken open EACCES\n"}, "open EACCES", "broken"},
		{Result{Status: 77, Stderr: "lacks pidfd_open\n"}, "pidfd_open", "lacks"},
		{Result{Status: 70}, "", ""},
		{Result{Status: 0, Stderr: "broken x\n"}, "", ""},
		{Result{Status: 77, Stderr: "broken x\n"}, "", ""},
	} {
		if what, how := fixtureTrouble(c.r); what != c.what || how != c.how {
			t.Errorf("%+v: %q %q", c.r, what, how)
		}
	}
}

func TestWaiting(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	calls := 0
	if !waitUntil(ctx, func() bool { calls++; return calls == 3 }) {
		t.Error("a condition that came true was not seen")
	}
	if waitUntil(ctx, func() bool { return false }) {
		t.Error("a condition that never came true was seen")
	}
	if !Holds(t.Context(), 20*time.Millisecond, func() bool { return true }) {
		t.Error("a condition that held did not hold")
	}
	calls = 0
	if Holds(t.Context(), time.Second, func() bool { calls++; return calls < 3 }) {
		t.Error("a condition that broke held")
	}
}

func TestProcesses(t *testing.T) {
	cmd := exec.Command("sh", "-c", "sleep 1000 & sleep 1000 & wait")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Wait() }()
	pid := cmd.Process.Pid
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if !waitUntil(ctx, func() bool { return len(descendants(pid)) == 2 }) {
		t.Fatalf("descendants: %+v", descendants(pid))
	}
	tree := descendants(pid)
	if text := describe(tree); strings.Count(text, "\n") != 2 || !strings.Contains(text, "wchan=") {
		t.Errorf("described as %q", text)
	}
	slow := hasChildrenFile
	hasChildrenFile = false
	scanned := descendants(pid)
	hasChildrenFile = slow
	if len(scanned) != 2 {
		t.Errorf("without /proc/PID/task/TID/children: %+v", scanned)
	}
	impostor := tree[0]
	impostor.start = "0"
	impostor.kill()
	if !Alive(tree[0].PID) {
		t.Error("a process that has only the number was killed")
	}
	KillTree(pid)
	if !waitUntil(ctx, func() bool { return !Alive(pid) && !Alive(tree[0].PID) && !Alive(tree[1].PID) }) {
		t.Error("something of the tree lives on")
	}
}

func TestMounts(t *testing.T) {
	if all := mounts(); len(all) == 0 || !strings.HasPrefix(mountPoint(all[0]), "/") {
		t.Errorf("%v", all)
	}
}

// TestOutputFileAppends writes by two descriptions of the file, as programs do
// that open /dev/stdout again.
func TestOutputFileAppends(t *testing.T) {
	file, err := memoryFile("out")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	again, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", file.Fd()), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	for _, step := range []struct {
		to   *os.File
		text string
	}{{again, "one\n"}, {file, "two\n"}} {
		if _, err := step.to.WriteString(step.text); err != nil {
			t.Fatal(err)
		}
	}
	if got := readAll(file); got != "one\ntwo\n" {
		t.Errorf("%q", got)
	}
}
