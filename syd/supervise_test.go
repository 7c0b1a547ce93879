// SPDX-License-Identifier: GPL-3.0-or-later

package syd

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"syd/syd/kernel/spawn"
	"syd/syd/policy"
)

// TestOneGoStatement holds the sources to supervise: a goroutine that was
// started otherwise could panic without ending the sandbox.
func TestOneGoStatement(t *testing.T) {
	var found []string
	eachSource(t, func(set *token.FileSet, file *ast.File) {
		ast.Inspect(file, func(n ast.Node) bool {
			if s, ok := n.(*ast.GoStmt); ok {
				found = append(found, set.Position(s.Pos()).String())
			}
			return true
		})
	})
	if len(found) != 1 || !strings.HasPrefix(found[0], "supervise.go:") {
		t.Errorf("go statements at %q, want one, in supervise.go", found)
	}
}

// eachSource calls f with every source file of the runtime, tests aside.
func eachSource(t *testing.T, f func(*token.FileSet, *ast.File)) {
	t.Helper()
	files := 0
	for _, top := range []string{".", "../cmd/syd"} {
		err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			files++
			set := token.NewFileSet()
			file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
			if err == nil {
				f(set, file)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if files < 20 {
		t.Fatalf("only %d files were looked at", files)
	}
}

// panics are what a goroutine, or the main one, may panic with.
var panics = map[string]func(){
	"a string":        func() { panic("lost") },
	"an error":        func() { panic(errors.New("lost")) },
	"two lines":       func() { panic("lost\nand found") },
	"nil":             func() { panic(nil) },
	"a runtime error": func() { _ = os.Args[len(os.Args)] },
}

func TestMain(m *testing.M) {
	name := os.Getenv("SYD_TEST_PANIC")
	f := panics[name]
	switch {
	case f == nil:
		os.Exit(m.Run())
	case os.Getenv("SYD_TEST_MAIN") != "":
		defer Recover()
		f()
	default:
		supervise(f)
		select {} // the process ends all the same
	}
}

func TestPanicEndsTheProcess(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"a string": "lost", "an error": "lost", "two lines": "lost and found", "nil": "panic called with nil argument",
		"a runtime error": "runtime error: index out of range [1] with length 1",
	} {
		for _, main := range []string{"", "1"} {
			t.Run(name+main, func(t *testing.T) {
				var stderr strings.Builder
				c := exec.Command(self)
				c.Env = append(os.Environ(), "SYD_TEST_PANIC="+name, "SYD_TEST_MAIN="+main)
				c.Stderr = &stderr
				c.Run()
				if got := c.ProcessState.ExitCode(); got != int(StatusFault) {
					t.Errorf("status %d, want %d", got, StatusFault)
				}
				got := stderr.String()
				if !strings.HasPrefix(got, "syd: panic: "+want) || strings.Index(got, "\n") != len(got)-1 {
					t.Errorf("stderr %q, want one line: syd: panic: %s", got, want)
				}
			})
		}
	}
}

func TestSuperviseRuns(t *testing.T) {
	done := make(chan bool)
	supervise(func() { close(done) })
	<-done
}

func TestExitOf(t *testing.T) {
	for _, row := range []struct {
		err  error
		want Exit
	}{
		{policy.Errors{{Reason: errors.New("expected on or off")}}, 22},
		{fmt.Errorf("file: %w", policy.Errors{{Reason: errors.New("unknown")}}), 22},
		{policy.Errors{{Reason: syscall.ENOENT}}, 2},
		{policy.Errors{{Reason: syscall.ENOENT}, {Reason: errors.New("unknown")}}, 22},
		{syscall.ENOENT, 2},
		{fmt.Errorf("clone: %w", syscall.EAGAIN), 11},
		{&execError{syscall.EACCES}, 13},
		{&untraceable{2}, 95},
		{&missing{}, 95},
		{&spawn.StepError{Step: "seccomp", Errno: syscall.EBUSY}, 16},
		{errors.New("no number"), 127},
	} {
		if got := exitOf(row.err); got != row.want {
			t.Errorf("%v: got %d, want %d", row.err, got, row.want)
		}
	}
	if got := execFailure(&spawn.StepError{Step: spawn.StepExec, Errno: syscall.ENOENT}).Error(); got != "exec error: No such file or directory" {
		t.Errorf("got %q", got)
	}
	if got := execFailure(&spawn.StepError{Step: "seccomp", Errno: syscall.EBUSY}).Error(); strings.Contains(got, "exec error") {
		t.Errorf("got %q", got)
	}
}
