// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "syd/conformance/harness"
)

// A turn is what is typed, and what the terminal shows then, a regular
// expression.
type turn struct{ typed, shown string }

// converse takes turns with what runs on a terminal. What one turn was shown is
// not looked at again by the next.
func converse(ctx context.Context, run *Proc, turns ...turn) {
	GinkgoHelper()
	DeferCleanup(func() {
		if CurrentSpecReport().Failed() {
			GinkgoWriter.Println("the terminal shows:\n" + run.Stdout())
		}
	})
	from := 0
	for i, t := range turns {
		expression := regexp.MustCompile(t.shown)
		run.Send(t.typed)
		var found []int
		WaitFor(ctx, fmt.Sprintf("turn %d: %q after %q", i+1, t.shown, t.typed), func() bool {
			found = expression.FindStringIndex(run.Stdout()[from:])
			return found != nil || run.Exited()
		})
		if found == nil {
			Fail(fmt.Sprintf("turn %d: ended without %q after %q; the terminal shows:\n%s", i+1, t.shown, t.typed, run.Stdout()))
		}
		from += found[1]
	}
}

// bash is an interactive one that reads no file of a user's.
var bash = []string{"bash", "--norc", "--noprofile", "--noediting", "-i"}

// inBash has the dialogue with a bash on a terminal three times: natively; with
// bash in the sandbox; and with the program in the sandbox, a job of a native
// bash. The program is called ./job in all of them.
func inBash(ctx context.Context, program []string, turns ...turn) {
	GinkgoHelper()
	dialogue := append([]turn{{"", `ready[$] `}}, turns...)
	script := func(argv []string) {
		quoted := ""
		for _, word := range argv {
			quoted += " '" + word + "'"
		}
		File("job", "#!/bin/sh\nexec"+quoted+"\n", 0o755)
	}
	sandboxed := append(append([]string{Build()}, Off...), "--")
	launch := func() *Launch { return With(Pty(), Env("PS1=ready$ ", "HISTFILE=")) }

	script(program)
	talk := func(how string, run *Proc) {
		GinkgoHelper()
		By(how)
		converse(ctx, run, dialogue...)
		run.Send("exit 44\n")
		Expect(run.Wait(ctx)).To(ExitWith(44))
	}
	talk("natively", launch().StartNative(ctx, bash...))
	for _, profile := range signalProfiles {
		talk("bash in the sandbox", launch().Start(ctx, profile, bash...))
	}
	script(append(slices.Clone(sandboxed), program...))
	talk("the sandbox a job of bash", launch().StartNative(ctx, bash...))
}

// start runs ./job in the foreground until it is there.
var start = turn{"./job\n", `ready\n`}

var _ = Describe("job control of bash", func() {
	Spec("LCH-13.12", "stops a job by Ctrl-Z, lists it, and goes on with it by fg", func(ctx context.Context) {
		inBash(ctx, Fixture("signal", "echo", "5"),
			start,
			turn{"one\n", `echo one`},
			turn{"\x1a", `Stopped +\./job(.|\n)*ready[$] `},
			turn{"echo status $?\n", `status 148\n`},
			turn{"jobs\n", `\[1\]\+ +Stopped +\./job\n`},
			turn{"fg\n", `\./job\n`},
			turn{"two\n", `echo two`},
			turn{"\x1a", `Stopped +\./job(.|\n)*ready[$] `},
			turn{"fg %1\n", `\./job\n`},
			turn{"three\n", `echo three`},
			turn{"\x04", `ready[$] `},
			turn{"echo status $?\n", `status 5\n`},
		)
	}, Smoke, Requires("bash", "pty"))

	Spec("LCH-13.13", "lets a stopped job go on by bg, ends it by kill %1, and waits for it", func(ctx context.Context) {
		inBash(ctx, Fixture("process", "sleep"),
			start,
			turn{"\x1a", `Stopped +\./job(.|\n)*ready[$] `},
			turn{"bg\n", `\[1\]\+ \./job &\n(.|\n)*ready[$] `},
			turn{"jobs\n", `\[1\]\+ +Running +\./job &\n`},
			turn{"kill %1; wait %1; echo status $?\n", `status 143\n`},
			turn{"jobs; echo no''ne\n", `none\n`},
		)
	}, Requires("bash", "pty"))

	Spec("LCH-13.14", "ends a stopped job by kill, and one that runs by Ctrl-C and Ctrl-\\", func(ctx context.Context) {
		inBash(ctx, Fixture("process", "sleep"),
			start,
			turn{"\x1a", `Stopped +\./job(.|\n)*ready[$] `},
			turn{"p=$(jobs -p); kill -KILL %1; while kill -0 $p 2>&-; do :; done; jobs; echo e''nd\n", `Killed +\./job(.|\n)*end\n`},
			start,
			turn{"\x03", `ready[$] `},
			turn{"echo status $?\n", `status 130\n`},
			turn{"ulimit -c 0\n", `ready[$] `},
			start,
			turn{"\x1c", `ready[$] `},
			turn{"echo status $?\n", `status 131\n`},
		)
	}, Requires("bash", "pty"))

	Spec("LCH-13.15", "stops a job in the background that reads the terminal, until fg", func(ctx context.Context) {
		inBash(ctx, Fixture("signal", "echo", "6"),
			turn{"set -b\n", `ready[$] `},
			turn{"./job &\n", `ready\n`},
			turn{"", `Stopped +\./job`},
			turn{"jobs -l\n", `Stopped \(tty input\) +\./job`},
			turn{"fg\n", `\./job\n`},
			turn{"line\n", `echo line`},
			turn{"\x04", `ready[$] `},
			turn{"echo status $?\n", `status 6\n`},
		)
	}, Requires("bash", "pty"))

	Spec("LCH-13.16", "stops and resumes a pipeline", func(ctx context.Context) {
		inBash(ctx, Fixture("signal", "echo", "7"),
			turn{"./job | cat; echo status ${PIPESTATUS[*]}\n", `ready\n`},
			turn{"one\n", `echo one`},
			turn{"\x1a", `Stopped +\./job \| cat(.|\n)*ready[$] `},
			turn{"fg\n", `\./job \| cat\n`},
			turn{"two\n", `echo two`},
			turn{"\x04", `ready[$] `},
			turn{"jobs; echo no''ne\n", `none\n`},
		)
	}, Requires("bash", "pty"))
})

var _ = Describe("the build, told to stop", func() {
	Spec("LCH-13.17", "stops after its eldest, whose own SIGTSTP handler runs first", func(ctx context.Context) {
		for _, profile := range signalProfiles {
			run := With(Interactive()).Start(ctx, profile, Fixture("signal", "stop-late", "12")...)
			run.WaitLine(ctx, "ready")
			eldest := eldestOf(ctx, run, "signal").PID
			for round := 1; round <= 5; round++ {
				run.Signal(syscall.SIGTSTP)
				run.WaitState(ctx, "T")
				Expect(strings.Count(run.Stdout(), "handler\n")).To(Equal(round))
				Expect(stopped(eldest)).To(BeTrue())
				run.Signal(syscall.SIGCONT)
				run.Send(fmt.Sprintf("round%d\n", round))
				run.WaitLine(ctx, fmt.Sprintf("echo round%d", round))
			}
			run.CloseStdin()
			Expect(run.Wait(ctx)).To(ExitWith(12))
		}
	})

	Spec("LCH-13.18", "does not stop when its eldest ignores SIGTSTP", func(ctx context.Context) {
		run := With(Interactive()).Start(ctx, Off, "/bin/sh", "-c", `trap '' TSTP; echo ready; while read line; do echo "$line"; done; exit 13`)
		run.WaitLine(ctx, "ready")
		run.Signal(syscall.SIGTSTP)
		Expect(Holds(ctx, 50*time.Millisecond, func() bool { return State(run.PID()) != "T" })).To(BeTrue())
		run.Send("goes on\n")
		run.WaitLine(ctx, "goes on")
		run.CloseStdin()
		Expect(run.Wait(ctx)).To(ExitWith(13))
	})

	Spec("LCH-13.19", "stops with its eldest and goes on with it, 50 times", func(ctx context.Context) {
		e := startEchoer(ctx, Off, "14")
		for round := range 50 {
			e.Signal(syscall.SIGTSTP)
			e.WaitState(ctx, "T")
			Expect(stopped(e.eldest)).To(BeTrue())
			e.Signal(syscall.SIGCONT)
			e.Send(fmt.Sprintf("round %d\n", round))
			e.WaitLine(ctx, fmt.Sprintf("echo round %d ", round))
		}
		e.end(14)
	})

	Spec("LCH-13.20", "by SIGSTOP goes on after SIGCONT as if nothing had been, and the status is the eldest's", func(ctx context.Context) {
		run := With(Interactive()).Start(ctx, signalProfiles[1], "/bin/sh", "-c", `echo ready; while read line; do (exit 9); echo $line $?; done; exit 15`)
		run.WaitLine(ctx, "ready")
		for round := range 5 {
			run.Signal(syscall.SIGSTOP)
			run.WaitState(ctx, "T")
			run.Send(fmt.Sprintf("round%d\n", round))
			run.Signal(syscall.SIGCONT)
			run.WaitLine(ctx, fmt.Sprintf("round%d 9", round))
		}
		run.CloseStdin()
		Expect(run.Wait(ctx)).To(ExitWith(15))
	})

	Spec("LCH-13.22", "does so although a thread of its was late to handle the SIGCONT before", func(ctx context.Context) {
		e := startEchoer(ctx, Off, "17")
		for _, tid := range threadsThatTake(e.PID(), syscall.SIGCONT) {
			late := With(Interactive()).StartNative(ctx, Fixture("supervisor", "late", strconv.Itoa(tid), "SIGCONT")...)
			late.WaitLine(ctx, "held")
			e.Signal(syscall.SIGTSTP)
			WaitFor(ctx, "whether another thread handles SIGTSTP", func() bool {
				return !pending(e.PID(), syscall.SIGTSTP) || len(threadsThatTake(e.PID(), syscall.SIGTSTP)) < 2
			})
			late.CloseStdin()
			Expect(late.Wait(ctx)).To(ExitWith(0))
			e.WaitState(ctx, "T")
			e.Signal(syscall.SIGCONT)
			e.Send("on\n")
			e.WaitLine(ctx, "echo on ")
		}
		e.end(17)
	}, Requires("trace_undumpable"))

	Spec("LCH-13.23", "goes on by a SIGCONT that comes just before it stops", func(ctx context.Context) {
		e := startEchoer(ctx, Off, "18")
		for _, tid := range threadsThatTake(e.PID(), syscall.SIGTSTP) {
			watch := StartNative(ctx, Fixture("supervisor", "stopping", strconv.Itoa(e.PID()), strconv.Itoa(tid))...)
			watch.WaitLine(ctx, "ready")
			e.Signal(syscall.SIGTSTP)
			Expect(watch.Wait(ctx)).To(ExitWith(0))
			e.Send("on\n")
			e.WaitLine(ctx, "echo on ")
			Expect(Within1s(ctx, func() bool { return State(e.PID()) != "T" })).To(BeTrue())
		}
		e.end(18)
	}, Requires("trace_undumpable"))

	Spec("LCH-13.21", "by a group-wide signal, as a shell's kill %1 is one, lets each of the group see it", func(ctx context.Context) {
		run := Start(ctx, Off, Fixture("signal", "report-both", "SIGUSR1", "16")...)
		run.WaitLine(ctx, "ready")
		run.SignalGroup(syscall.SIGUSR1)
		result := run.Wait(ctx)
		Expect(result).To(ExitWith(16))
		Expect(strings.Count(result.Stdout, "SIGUSR1 code 0")).To(Equal(2))
	})
})

// threadsThatTake are those of a process that don't block a signal.
func threadsThatTake(pid int, sig syscall.Signal) (tids []int) {
	GinkgoHelper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	Expect(err).NotTo(HaveOccurred())
	for _, entry := range entries {
		if tid, err := strconv.Atoi(entry.Name()); err == nil && !inSet(pid, tid, "SigBlk", sig) {
			tids = append(tids, tid)
		}
	}
	return tids
}

// pending says whether a signal waits for any thread of a process.
func pending(pid int, sig syscall.Signal) bool { return inSet(pid, pid, "ShdPnd", sig) }

// inSet says whether a set of signals that a thread's status shows has a signal.
func inSet(pid, tid int, set string, sig syscall.Signal) bool {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/status", pid, tid)) // else it has ended
	_, after, _ := strings.Cut(string(text), set+":\t")
	mask, _, _ := strings.Cut(after, "\n")
	value, _ := strconv.ParseUint(mask, 16, 64)
	return value>>(sig-1)&1 == 1
}
