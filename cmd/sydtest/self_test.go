// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"syd/conformance/catalogue"
	"syd/conformance/engine"
	. "syd/conformance/harness"
)

// TestMain lets this test program be its own worker, as sydtest is.
func TestMain(m *testing.M) {
	// Clauses that only exist here: their specs misbehave in every way that the
	// engine has a verdict for (SELF-01), or show that the harness works (SELF-02).
	catalogue.Clauses = append(catalogue.Clauses,
		catalogue.Clause{ID: "SELF-01", Level: catalogue.Must, Origin: catalogue.Seed, Text: "misbehaves"},
		catalogue.Clause{ID: "SELF-02", Level: catalogue.Must, Origin: catalogue.Seed, Text: "works"},
		catalogue.Clause{ID: "SELF-03", Level: catalogue.Must, Origin: catalogue.Ours, Text: "differs"},
		catalogue.Clause{ID: "SELF-04", Level: catalogue.Must, Origin: catalogue.Ours, Text: "needs a real build"},
	)
	catalogue.Divergences = append(catalogue.Divergences,
		catalogue.Divergence{Spec: "SELF-01.20", Reason: "it is so"},
		catalogue.Divergence{Spec: "SELF-01.21", Reason: "it was so"},
	)
	if len(os.Args) == 3 && os.Args[1] == engine.WorkerFlag {
		os.Exit(engine.Worker(os.Args[2]))
	}
	if len(os.Args) > 1 && os.Args[1] == sydtestFlag {
		selfArgs = []string{sydtestFlag}
		os.Exit(run(os.Args[2:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// sydtestFlag makes this test program be sydtest: a process has one tree of
// specs and runs one suite at a time.
const sydtestFlag = "--sydtest"

// sydtest runs this program as sydtest and returns its exit status.
func sydtest(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/proc/self/exe", append([]string{sydtestFlag}, args...)...)
	// A signal that it can catch lets it clean up.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		t.Fatalf("sydtest %v: %v\n%s%s", args, err, &out, &errs)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

var _ = Describe("a misbehaving spec", func() {
	Spec("SELF-01.1", "passes", func(context.Context) {}, Smoke)
	Spec("SELF-01.2", "fails", func(context.Context) { Expect(1).To(Equal(2)) })
	Spec("SELF-01.3", "panics", func(context.Context) { panic("by itself") })
	Spec("SELF-01.4", "skips without a record", func(context.Context) { Skip("no reason") })
	Spec("SELF-01.5", "says what is missing", func(context.Context) { Unsupported("git", "no git", "which git") })
	Spec("SELF-01.6", "says that a new kernel lacks an old call", func(context.Context) {
		Unsupported("pidfd_open", "ENOSYS", "pidfd_open")
	})
	Spec("SELF-01.7", "waits in vain", func(ctx context.Context) {
		WaitFor(ctx, "the end of time", func() bool { return false })
	}, TimeLimit(200*time.Millisecond))
	Spec("SELF-01.8", "never returns", func(context.Context) { select {} }, TimeLimit(100*time.Millisecond))
	Spec("SELF-01.9", "kills its worker", func(context.Context) {
		// The worker alone is killed: what it started is left to the orchestrator.
		StartNative(context.Background(), Fixture("process", "sleep")...)
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	})
	Spec("SELF-01.10", "leaves a process", func(ctx context.Context) {
		run := StartNative(ctx, Fixture("process", "sleep")...)
		run.WaitLine(ctx, "ready")
	})
	Spec("SELF-01.11", "leaves a file", func(context.Context) {
		Expect(os.WriteFile(filepath.Join(TempDir(), "..", "left"), nil, 0o600)).To(Succeed())
	})
	Spec("SELF-01.12", "has a fixture that breaks", func(ctx context.Context) {
		Native(ctx, Fixture("process", "setup", "nonsense", "1", "--", "x")...)
	})
	Spec("SELF-01.13", "has a fixture that lacks something", func(ctx context.Context) {
		Native(ctx, "sh", "-c", "echo lacks git >&2; exit 77")
	})
	Spec("SELF-01.14", "has a fixture that lacks something in the sandbox only", func(ctx context.Context) {
		Syd(ctx, Off, "sh", "-c", "[ -z \"$FAKE\" ] || { echo lacks git >&2; exit 77; }")
	})
	Spec("SELF-01.15", "meets a build that dies of a fault", func(ctx context.Context) {
		Syd(ctx, []string{"-p", "segv"}, "true")
	})
	Spec("SELF-01.16", "meets a build that panics", func(ctx context.Context) {
		Syd(ctx, []string{"-p", "panic"}, "true")
	})
	Spec("SELF-01.17", "meets a build that hangs", func(ctx context.Context) {
		Syd(ctx, []string{"-p", "hang"}, "true")
	}, TimeLimit(300*time.Millisecond))
	Spec("SELF-01.18", "passes now and fails then", func(context.Context) {
		Expect(GinkgoRandomSeed() % 2).To(BeEquivalentTo(1))
	})
	Spec("SELF-01.19", "is switched off", func(context.Context) {}, Pending)
	Spec("SELF-01.20", "fails as is known", func(context.Context) { Fail("as ever") })
	Spec("SELF-01.21", "passes against what is known", func(context.Context) {})
	Spec("SELF-01.22", "is slow", func(context.Context) {}, Slow)
	Spec("SELF-01.23", "runs alone", func(context.Context) { overlap("alone") }, Alone)
	Spec("SELF-01.24", "meets a build that leaves an orphan", func(ctx context.Context) {
		Expect(Syd(ctx, Off, Fixture("process", "orphan", "0")...)).To(ExitWith(0))
	})
	Spec("SELF-01.25", "fails twice", func(context.Context) {
		DeferCleanup(func() { Fail("the second") })
		Fail("the first")
	})
	Spec("SELF-01.26", "requires what is there", func(context.Context) {}, Requires("pidfd_open"))
	Spec("SELF-01.28", "signals everyone", func(context.Context) { Kill(-1, syscall.Signal(0)) })
	Spec("SELF-01.29", "has a fixture that signals everyone", func(ctx context.Context) {
		Native(ctx, Fixture("process", "signal-everyone")...)
	})
	Spec("SELF-01.27", "takes for ever", func(ctx context.Context) {
		sleep := StartNative(ctx, Fixture("process", "sleep")...)
		sleep.WaitLine(ctx, "ready")
		Expect(os.WriteFile(filepath.Join(filepath.Dir(Build()), "sleeper"), fmt.Append(nil, sleep.PID()), 0o600)).To(Succeed())
		sleep.Wait(ctx)
	}, TimeLimit(time.Hour), Slow)
	Spec("SELF-03.1", "differs by our own decision", func(context.Context) { Fail("another way") })
	for i := range 6 {
		Spec(fmt.Sprintf("SELF-01.%d", 30+i), "runs beside others", func(ctx context.Context) { overlap("together") })
	}
})

// overlap notes when a spec began and ended, in the fake build's directory,
// and waits a while for a second one to be there at the same time.
func overlap(kind string) {
	path := filepath.Join(filepath.Dir(Build()), "overlap")
	note := func(what string) {
		file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o666)
		if err != nil {
			return
		}
		defer file.Close()
		fmt.Fprintf(file, "%s %s\n", what, kind)
	}
	note("begin")
	Holds(context.Background(), 300*time.Millisecond, func() bool {
		content, err := os.ReadFile(path)
		return err != nil || strings.Count(string(content), "begin ") < 2+strings.Count(string(content), "end ")
	})
	note("end")
}

var _ = Describe("the harness", func() {
	Spec("SELF-02.1", "passes environment, directory, stdin and umask", func(ctx context.Context) {
		r := With(Env("COLOUR=blue"), Dir("/usr"), Stdin("hello"), Umask(0o027)).
			Native(ctx, "sh", "-c", "echo $COLOUR; pwd; cat; echo; umask; echo $TMPDIR")
		Expect(r.Lines()).To(Equal([]string{"blue", "/usr", "hello", "0027", TempDir()}))
	})
	Spec("SELF-02.2", "starts with signals ignored and blocked, and other limits", func(ctx context.Context) {
		r := With(IgnoreSignal(syscall.SIGUSR1), BlockSignal(syscall.SIGUSR2), OpenFiles(99), Nice(3), CPU(0), CloseFile(0), OnlyEnv()).
			Native(ctx, Fixture("process", "surroundings")...)
		Expect(r).To(HaveFact("SigIgn", "0000000000000200"))
		Expect(r).To(HaveFact("SigBlk", "0000000000000800"))
		Expect(r.Fact("rlimit nofile")).To(HavePrefix("99 "))
		Expect(r).To(HaveFact("nice", "3"))
		Expect(r.Facts("cpu")).To(Equal([]string{"0"}))
		Expect(r.Facts("environment")).To(BeEmpty())
		for _, value := range r.Facts("descriptor") {
			Expect(value).NotTo(HavePrefix("0 "))
		}
	})
	Spec("SELF-02.3", "tells a code from a death", func(ctx context.Context) {
		Expect(Native(ctx, Fixture("process", "exit", "143")...)).To(ExitWith(143))
		r := Native(ctx, Fixture("process", "kill-self", "15")...)
		Expect(r).To(DieOf(syscall.SIGTERM))
		Expect(r).NotTo(ExitWith(143))
		Expect(r.Status).To(Equal(143))
	})
	Spec("SELF-02.4", "types on a terminal and has job control", func(ctx context.Context) {
		shell := With(Pty(), Env("PS1=ready> ")).StartNative(ctx, "bash", "--norc", "-i")
		shell.WaitOutput(ctx, "ready> ")
		shell.Send("stty -echo; sleep 1000\n")
		WaitFor(ctx, "a sleep below the shell", func() bool { return len(shell.Descendants()) == 1 })
		WaitFor(ctx, "the sleep itself", func() bool {
			below := shell.Descendants()
			return len(below) == 1 && below[0].Name == "sleep"
		})
		shell.Send("\x1a")
		shell.WaitOutput(ctx, "Stopped")
		shell.Send("kill %1; fg\n")
		shell.WaitOutput(ctx, "Terminated")
		shell.Send("exit 9\n")
		Expect(shell.Wait(ctx)).To(ExitWith(9))
	}, Requires("bash", "pty"))
	Spec("SELF-02.16", "gives a controlling terminal when asked to", func(ctx context.Context) {
		r := With(Pty()).StartNative(ctx, Fixture("process", "surroundings")...).Wait(ctx)
		Expect(r).To(HaveFact("controlling-terminal", "yes"))
		Expect(r).To(HaveFact("foreground", "yes"))
		Expect(With(OwnSession()).StartNative(ctx, Fixture("process", "surroundings")...).Wait(ctx)).
			To(HaveFact("controlling-terminal", "ENXIO"))
	}, Requires("pty"))
	Spec("SELF-02.5", "writes to an interactive stdin", func(ctx context.Context) {
		cat := With(Interactive()).StartNative(ctx, "cat")
		cat.Send("one\n")
		Expect(cat.WaitLine(ctx, "one")).To(Equal("one"))
		cat.CloseStdin()
		Expect(cat.Wait(ctx)).To(ExitWith(0))
	})
	Spec("SELF-02.6", "sees descendants, states and stops", func(ctx context.Context) {
		run := StartNative(ctx, "sh", "-c", "sleep 1000 & sleep 1000 & wait")
		WaitFor(ctx, "two children", func() bool { return len(run.Descendants()) == 2 })
		run.Signal(syscall.SIGSTOP)
		run.WaitState(ctx, "T")
		run.Kill()
		Expect(run.Wait(ctx)).To(DieOf(syscall.SIGKILL))
		Expect(Alive(run.PID())).To(BeFalse())
	})
	Spec("SELF-02.7", "reaps orphans as init would", func(ctx context.Context) {
		r := Native(ctx, "sh", "-c", "(sleep 0.05; true) & echo $!")
		pid := 0
		Expect(fmt.Sscan(r.Stdout, &pid)).To(Equal(1))
		WaitFor(ctx, "the orphan to be gone", func() bool { return State(pid) == "" })
	})
	Spec("SELF-02.8", "compares with a native run", func(ctx context.Context) {
		SameAsNative(ctx, Off, Fixture("process", "fork-exit", "3", "4")...)
		native := Native(ctx, "echo", "one")
		Expect(Syd(ctx, Off, "echo", "two")).NotTo(EqualNative(native))
		Expect(Syd(ctx, Off, "sh", "-c", "echo one; exit 1")).NotTo(EqualNative(native))
	})
	Spec("SELF-02.9", "runs as another user", func(ctx context.Context) {
		r := With(As(65534, 65534)).Native(ctx, "sh", "-c", "id -u; touch \"$TMPDIR/mine\" && echo written")
		Expect(r.Lines()).To(Equal([]string{"65534", "written"}))
	}, RootOnly)
	Spec("SELF-02.10", "passes open files", func(ctx context.Context) {
		file, err := os.Open(File("note", "from a file\n", 0o644))
		Expect(err).NotTo(HaveOccurred())
		defer file.Close()
		Expect(With(Files(file)).Native(ctx, "sh", "-c", "cat <&3")).To(SayLine("from a file"))
	})
	Spec("SELF-02.11", "shares session and group when asked to", func(ctx context.Context) {
		group := fmt.Sprint(syscall.Getpgrp())
		Expect(With(SameGroup()).Native(ctx, Fixture("process", "surroundings")...)).To(HaveFact("group", group))
		Expect(Native(ctx, Fixture("process", "surroundings")...)).NotTo(HaveFact("group", group))
		run := With(OwnSession()).StartNative(ctx, Fixture("process", "surroundings")...)
		Expect(run.Wait(ctx)).To(HaveFact("session", fmt.Sprint(run.PID())))
	})
	Spec("SELF-02.12", "runs the second ABI's fixtures", func(ctx context.Context) {
		Expect(Native(ctx, ForeignFixture("process", "exit", "5")...)).To(ExitWith(5))
	}, Requires("i386"))
	Spec("SELF-02.13", "takes no fixture's own exit 70 or 77 for trouble", func(ctx context.Context) {
		Expect(Native(ctx, Fixture("process", "exit", "70")...)).To(ExitWith(70))
		Expect(Syd(ctx, Off, Fixture("process", "exit", "77")...)).To(ExitWith(77))
	})
	Spec("SELF-02.14", "takes no tracee's death for the build's", func(ctx context.Context) {
		run := Start(ctx, Off, Fixture("process", "sleep")...)
		run.WaitLine(ctx, "ready")
		run.Signal(syscall.SIGQUIT)
		Expect(run.Wait(ctx)).To(BeKilledBy(syscall.SIGQUIT))
	})
	Spec("SELF-02.15", "shows the whole run when it fails", func(ctx context.Context) {
		text := Native(ctx, "sh", "-c", "echo out; echo err >&2; exit 3").String()
		for _, part := range []string{"status 3", "out", "err", "'echo out; echo err >&2; exit 3'"} {
			Expect(strings.Contains(text, part)).To(BeTrue(), text)
		}
	})
})
