// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"syd/conformance/confinement"
	. "syd/conformance/harness"
)

// fifoSame runs the fixture natively and with every call on a path made by the
// supervisor, each in a directory of its own, and expects the same.
func fifoSame(ctx context.Context, fixture string, args ...string) (sandboxed, native Result) {
	GinkgoHelper()
	in := func() *Launch { return With(Dir(fresh())) }
	native = in().Native(ctx, Fixture(fixture, args...)...)
	Expect(native).To(ExitWith(0))
	sandboxed = in().Syd(ctx, emulated(), Fixture(fixture, args...)...)
	Expect(sandboxed).To(EqualNative(native))
	return sandboxed, native
}

// crowds are so many opens at once: as many as there may be receivers, and more.
var crowds = []string{"2", "10", "40"}

// opensOf is how many threads of a process are in a call that opens a file.
func opensOf(pid int) (count int) {
	GinkgoHelper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	Expect(err).NotTo(HaveOccurred())
	for _, entry := range entries {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/syscall", pid, entry.Name()))
		number, _, _ := strings.Cut(string(text), " ")
		switch number {
		case strconv.Itoa(int(confinement.Number("openat"))), strconv.Itoa(int(confinement.Number("openat2"))):
			count++
		}
	}
	return count
}

var _ = Describe("an open that waits for a FIFO's other end", func() {
	Spec("PTH-07.1", "goes on as natively when that is opened", func(ctx context.Context) {
		for _, end := range []string{"read", "write"} {
			_, native := fifoSame(ctx, "fifo", "others", "processes", "1", end)
			Expect(native).To(HaveFact("result", "0"))
		}
	}, Smoke)

	Spec("PTH-07.2", "keeps nobody else from making calls, in 2, 10 or 40 processes at once", func(ctx context.Context) {
		for _, n := range crowds {
			for _, end := range []string{"read", "write"} {
				_, native := fifoSame(ctx, "fifo", "others", "processes", n, end)
				Expect(native).To(HaveFact("went-on", "50"))
			}
		}
	}, TimeLimit(time.Minute), Stress)

	Spec("PTH-07.3", "keeps no other thread of its process from making calls, in 2, 10 or 40 threads at once", func(ctx context.Context) {
		for _, n := range crowds {
			_, native := fifoSame(ctx, "fifo", "others", "threads", n, "read")
			Expect(native).To(HaveFact("went-on", "50"))
		}
	}, TimeLimit(time.Minute))

	Spec("PTH-07.4", "keeps nobody else from making calls, in more threads than the supervisor ever has", func(ctx context.Context) {
		_, native := fifoSame(ctx, "fifo", "others", "threads", "300", "read")
		Expect(native).To(HaveFact("went-on", "50"))
	}, Slow, TimeLimit(2*time.Minute))

	Spec("PTH-07.5", "doesn't outlive its caller: no thread of the supervisor is in it when 40 were killed", func(ctx context.Context) {
		for _, end := range []string{"read", "write"} {
			dir := filepath.Join(TempDir(), end)
			Expect(os.Mkdir(dir, 0o755)).To(Succeed())
			run := With(Interactive(), Dir(dir)).Start(ctx, emulated(), Fixture("fifo", "wait-kill", "40", end)...)
			run.WaitLine(ctx, "ready")
			WaitFor(ctx, "40 opens", func() bool { return opensOf(run.PID()) == 40 })
			run.Send("\n")
			run.WaitLine(ctx, "killed")
			Expect(Within1s(ctx, func() bool { return opensOf(run.PID()) == 0 })).To(BeTrue(), "%d go on", opensOf(run.PID()))
			run.CloseStdin()
			Expect(run.Wait(ctx)).To(ExitWith(9))
		}
	}, RootOnly, Requires("amd64"))

	Spec("PTH-07.6", "is no hindrance to the end of its process, by exit or by exec in another thread", func(ctx context.Context) {
		for _, n := range crowds {
			exited := With(Dir(fresh())).Syd(ctx, emulated(), Fixture("fifo", "exit-away", n)...)
			Expect(exited).To(SatisfyAll(HaveFact("blocked", n), ExitWith(6)))
			executed := With(Dir(fresh())).Syd(ctx, emulated(), Fixture("fifo", "exec-away", n)...)
			Expect(executed).To(SatisfyAll(HaveFact("blocked", n), ExitWith(5)))
		}
	})

	Spec("PTH-07.7", "is no hindrance to the end of the sandbox when the eldest is killed", func(ctx context.Context) {
		run := With(Interactive()).Start(ctx, emulated(), Fixture("fifo", "wait", "processes", "10", "read")...)
		run.WaitLine(ctx, "ready")
		Kill(eldestOf(ctx, run, "fifo").PID, syscall.SIGKILL)
		Expect(Within1s(ctx, run.Exited)).To(BeTrue())
		Expect(run.Wait(ctx)).To(DieOf(syscall.SIGKILL))
	})

	Spec("PTH-07.8", "that was denied doesn't wait", func(ctx context.Context) {
		fifo := filepath.Join(TempDir(), "fifo-0")
		Expect(syscall.Mkfifo(fifo, 0o600)).To(Succeed())
		opts := emulated("deny/read+" + fifo)
		Expect(Syd(ctx, emulated(), "/bin/sh", "-c", ": <>fifo-0; echo ok")).To(SayLine("ok"))
		result := Syd(ctx, opts, "/bin/sh", "-c", "read line <fifo-0; echo $?")
		Expect(result.Stderr).To(ContainSubstring("Permission denied"))
	})

	Spec("PTH-07.9", "of a shell's redirections meets its other end as natively", func(ctx context.Context) {
		script := "mkfifo f || exit 1; for i in 1 2 3 4 5 6 7 8; do (echo $i >f) & read x <f; echo $x; wait; done"
		native := With(Dir(fresh())).Native(ctx, "/bin/sh", "-c", script)
		Expect(native.Lines()).To(HaveLen(8))
		Expect(With(Dir(fresh())).Syd(ctx, emulated(), "/bin/sh", "-c", script)).To(EqualNative(native))
	})
})

// fresh is an empty directory, which any user may write to.
func fresh() string {
	GinkgoHelper()
	dir, err := os.MkdirTemp(TempDir(), "run")
	Expect(err).NotTo(HaveOccurred())
	Expect(os.Chmod(dir, 0o777)).To(Succeed())
	return dir
}

// switches is how often the threads of a process went to sleep so far.
func switches(pid int) (count int) {
	GinkgoHelper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	Expect(err).NotTo(HaveOccurred())
	for _, entry := range entries {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/status", pid, entry.Name()))
		for line := range strings.Lines(string(text)) {
			if value, ok := strings.CutPrefix(line, "voluntary_ctxt_switches:"); ok {
				n, err := strconv.Atoi(strings.TrimSpace(value))
				Expect(err).NotTo(HaveOccurred())
				count += n
			}
		}
	}
	return count
}

var _ = Describe("a supervisor that makes calls", func() {
	Spec("PTH-07.10", "sleeps while nobody makes any: no thread of it wakes for two seconds", func(ctx context.Context) {
		run := With(Interactive()).Start(ctx, emulated(), Fixture("ghost", "hold", "self")...)
		run.WaitLine(ctx, "ready")
		// It calms down first, within a bound, and from then on all is quiet.
		last, quiet := switches(run.PID()), time.Now()
		WaitFor(ctx, "two seconds without a wake-up", func() bool {
			if now := switches(run.PID()); now != last {
				last, quiet = now, time.Now()
			}
			return time.Since(quiet) > 2*time.Second
		})
		run.CloseStdin()
		Expect(run.Wait(ctx)).To(ExitWith(9))
	}, TimeLimit(10*time.Second), Stress)

	Spec("PTH-07.11", "wakes less than 1,000 times a second for ten opens that wait", func(ctx context.Context) {
		run := With(Interactive()).Start(ctx, emulated(), Fixture("fifo", "wait", "processes", "10", "read")...)
		run.WaitLine(ctx, "ready")
		before, began := switches(run.PID()), time.Now()
		WaitFor(ctx, "a second with fewer than 1,000 wake-ups", func() bool {
			if time.Since(began) < time.Second {
				return false
			}
			rate := float64(switches(run.PID())-before) / time.Since(began).Seconds()
			before, began = switches(run.PID()), time.Now()
			return rate < 1000
		})
		run.CloseStdin()
		Expect(run.Wait(ctx)).To(ExitWith(9))
	}, Stress)
})

var _ = Describe("a signal", func() {
	// disturbed is every call that waits, disturbed in one way.
	disturbed := func(ctx context.Context, mode string) Result {
		GinkgoHelper()
		_, native := fifoSame(ctx, "signal", "interrupt", mode, "unlimited")
		return native
	}

	Spec("EVT-SIG-02.7", "without SA_RESTART ends an emulated open that waits with EINTR, and other calls as natively", func(ctx context.Context) {
		Expect(disturbed(ctx, "handler")).To(SayLine("open-fifo EINTR"))
	}, Smoke)

	Spec("EVT-SIG-02.8", "with SA_RESTART has an emulated open that waits go on, and other calls as natively", func(ctx context.Context) {
		native := disturbed(ctx, "restart")
		Expect(native).To(SatisfyAll(SayLine("open-fifo ok"), SayLine("open-fifo handled 3")))
	}, Smoke)

	Spec("EVT-SIG-02.9", "that is ignored or blocked doesn't end an emulated open that waits", func(ctx context.Context) {
		for _, mode := range []string{"ignored", "blocked"} {
			_, native := fifoSame(ctx, "fifo", "signal-one", mode, "2", "3")
			Expect(native).To(SayLine("thread 1: ok, 0 handled"))
		}
	})

	Spec("EVT-SIG-02.10", "that stops has an emulated open that waits go on after SIGCONT", func(ctx context.Context) {
		Expect(disturbed(ctx, "stop")).To(SayLine("open-fifo ok"))
	})

	// threads is how 4 threads that wait fare when a signal comes to their process.
	threads := func(ctx context.Context, mode, main string) Result {
		GinkgoHelper()
		_, native := fifoSame(ctx, "fifo", "signal-threads", mode, "4", main, "2")
		return native
	}

	Spec("EVT-SIG-02.11", "to a process whose first thread takes it leaves its other threads in their emulated opens", func(ctx context.Context) {
		for _, mode := range []string{"handler", "restart"} {
			native := threads(ctx, mode, "takes")
			Expect(native).To(SatisfyAll(SayLine("main 2 handled"), SayLine("thread 0: ok, 0 handled")))
		}
	})

	Spec("EVT-SIG-02.12", "to a process whose first thread blocks it ends one emulated open of the others", func(ctx context.Context) {
		// Which one is the kernel's choice.
		cmd := Fixture("fifo", "signal-threads", "handler", "4", "blocks", "2")
		for _, result := range []Result{With(Dir(fresh())).Native(ctx, cmd...), With(Dir(fresh())).Syd(ctx, emulated(), cmd...)} {
			Expect(result).To(SatisfyAll(ExitWith(0), SayLine("main 0 handled")))
			Expect(strings.Count(result.Stdout, "EINTR, 1 handled")).To(Equal(2), "%s", result)
			Expect(strings.Count(result.Stdout, "ok, 0 handled")).To(Equal(2), "%s", result)
		}
	})

	Spec("EVT-SIG-02.13", "to a process that ignores or blocks it leaves all of its threads in their emulated opens", func(ctx context.Context) {
		for _, mode := range []string{"ignored", "blocked"} {
			for _, main := range []string{"takes", "blocks"} {
				Expect(threads(ctx, mode, main)).To(SayLine("thread 3: ok, 0 handled"))
			}
		}
	})

	Spec("EVT-SIG-02.14", "to one thread ends its emulated open and no other one", func(ctx context.Context) {
		for _, mode := range []string{"handler", "restart"} {
			_, native := fifoSame(ctx, "fifo", "signal-one", mode, "4", "3")
			Expect(native).To(SayLine("thread 0: ok, 0 handled"))
		}
	})

	Spec("EVT-SIG-02.15", "that stops a process stops all of its threads that are in emulated opens", func(ctx context.Context) {
		for _, main := range []string{"opens", "joins"} {
			for _, n := range []string{"1", "4", "10"} {
				_, native := fifoSame(ctx, "fifo", "stop-group", n, main, "5")
				Expect(native.Facts("child")).To(Equal(append(slices.Repeat([]string{"stopped SIGSTOP", "continued"}, 5), "exit 8")))
			}
		}
	}, Clauses("EVT-SIG-04"), TimeLimit(time.Minute))

	Spec("EVT-SIG-02.16", "never has an emulated call done twice, nor end with EINTR, in a timer's storm", func(ctx context.Context) {
		for _, flags := range []string{"restart", "none"} {
			_, native := fifoSame(ctx, "fifo", "storm", flags, "200", "200")
			Expect(native).To(SayLine("errors 0"))
		}
	}, Stress)

	Spec("EVT-SIG-02.17", "never has an emulated call done twice in a storm by another process", func(ctx context.Context) {
		_, native := fifoSame(ctx, "signal", "effects", "100")
		Expect(native).To(SayLine("mkdir errors 0"))
	}, Stress)

	Spec("EVT-SIG-02.18", "of Go's runtime has no emulated call of a Go program fail or be done twice", func(ctx context.Context) {
		for _, n := range []string{"1", "4", "16"} {
			_, native := fifoSame(ctx, "gofix", "files", n, "20")
			Expect(native).To(SayLine("failed 0"))
		}
	}, Stress)

	Spec("EVT-SIG-02.19", "never has the emulated open of a terminal end with EINTR", func(ctx context.Context) {
		_, native := fifoSame(ctx, "fifo", "terminal")
		Expect(native).To(SatisfyAll(SayLine("open-terminal ok"), SayLine("errors 0")))
	})

	Spec("EVT-SIG-02.20", "that interrupts the reading of a program's 32-bit open acts as natively", func(ctx context.Context) {
		for _, mode := range []string{"handler", "restart"} {
			cmd := ForeignFixture("signal", "interrupt", mode, "unlimited", "open-fifo")
			native := With(Dir(fresh())).Native(ctx, cmd...)
			Expect(With(Dir(fresh())).Syd(ctx, emulated(), cmd...)).To(EqualNative(native))
		}
	}, Requires("i386"))
})

var _ = Describe("SIGKILL for a process whose threads are in emulated opens", func() {
	Spec("EVT-SIG-03.5", "ends it within a second, in 1, 10 or 40 threads", func(ctx context.Context) {
		for _, main := range []string{"opens", "joins"} {
			for _, n := range []string{"1", "10", "40"} {
				_, native := fifoSame(ctx, "fifo", "kill-group", "SIGKILL", n, main)
				Expect(native).To(SatisfyAll(SayLine("child signal SIGKILL"), SayLine("soon yes")))
			}
		}
	}, Smoke)

	Spec("EVT-SIG-03.6", "ends it in every call that blocks, with calls on paths emulated", func(ctx context.Context) {
		_, native := fifoSame(ctx, "signal", "interrupt", "kill", "unlimited")
		Expect(native).To(SayLine("open-fifo signal SIGKILL"))
	})

	Spec("EVT-SIG-03.7", "is no more than another deadly signal: SIGTERM ends it as soon", func(ctx context.Context) {
		for _, main := range []string{"opens", "joins"} {
			_, native := fifoSame(ctx, "fifo", "kill-group", "SIGTERM", "4", main)
			Expect(native).To(SatisfyAll(SayLine("child signal SIGTERM"), SayLine("soon yes")))
		}
	}, Slow)

	Spec("EVT-SIG-03.8", "ends the eldest when that is it, and the status is 137", func(ctx context.Context) {
		run := With(Interactive()).Start(ctx, emulated(), Fixture("fifo", "wait", "threads", "10", "write")...)
		run.WaitLine(ctx, "ready")
		Kill(eldestOf(ctx, run, "fifo").PID, syscall.SIGKILL)
		Expect(Within1s(ctx, run.Exited)).To(BeTrue())
		Expect(run.Wait(ctx)).To(DieOf(syscall.SIGKILL))
	})

	Spec("EVT-SIG-03.9", "of the supervisor ends them", func(ctx context.Context) {
		run := With(Interactive()).Start(ctx, emulated(), Fixture("fifo", "wait", "processes", "10", "read")...)
		run.WaitLine(ctx, "ready")
		tree := run.Descendants()
		Expect(len(tree)).To(Equal(11))
		run.Signal(syscall.SIGKILL)
		Expect(run.Wait(ctx)).To(BeKilledBy(syscall.SIGKILL))
		for _, process := range tree {
			Expect(Within1s(ctx, func() bool { return !Alive(process.PID) })).To(BeTrue(), "%+v", process)
		}
	})
})
