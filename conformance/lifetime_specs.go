// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"path/filepath"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "syd/conformance/harness"
)

// launchHeirs is every kind of process that the leave fixture leaves for ever.
var launchHeirs = []string{"sleep", "session", "daemon", "stopped", "deaf", "busy", "hop", "threads", "vfork"}

// expectLeft runs a command that leaves processes behind and expects them to be
// dead within a second of the build's exit.
func expectLeft(ctx context.Context, opts []string, cmd ...string) Result {
	GinkgoHelper()
	run, line := startOnLifeline(ctx, opts, cmd...)
	result := run.Wait(ctx)
	Expect(Within1s(ctx, line.cut)).To(BeTrue(), "a process outlived the sandbox by a second\n%s", result)
	return result
}

var _ = Describe("the end of the sandbox", func() {
	Spec("LCH-06.1", "is the end of each process that the eldest leaves behind, whatever it does", func(ctx context.Context) {
		Each(launchHeirs, 3, func(heir string) {
			for _, opts := range launchProfiles {
				Expect(expectLeft(ctx, opts, leave("3", heir)...)).To(ExitWith(3))
			}
		})
	}, Smoke)

	Spec("LCH-06.2", "is the end of a daemon that natively lives on", func(ctx context.Context) {
		native := Native(ctx, leave("0", "daemon")...)
		daemon := leftPID(native.Stdout, "daemon")
		lives := Alive(daemon)
		killLeft(daemon)
		Expect(lives).To(BeTrue(), "the control: natively a daemon survives")

		// It has closed all its descriptors: its PID is the only trace.
		result := Syd(ctx, Off, leave("0", "daemon")...)
		Expect(result).To(ExitWith(0))
		daemon = leftPID(result.Stdout, "daemon")
		Expect(Within1s(ctx, func() bool { return !Alive(daemon) })).To(BeTrue(), result.String())
	}, Smoke)

	Spec("LCH-06.3", "comes when the eldest ends, and waits for nobody else", func(ctx context.Context) {
		run, line := startOnLifeline(ctx, Off, leave("wait", launchHeirs...)...)
		run.WaitLine(ctx, "ready")
		Expect(line.cut()).To(BeFalse())
		eldest := run.Descendants()[0]
		Expect(syscall.Kill(eldest.PID, syscall.SIGTERM)).To(Succeed())
		Expect(Within1s(ctx, run.Exited)).To(BeTrue(), "syd goes on without the eldest")
		Expect(run.Wait(ctx)).To(DieOf(syscall.SIGTERM))
		Expect(Within1s(ctx, line.cut)).To(BeTrue())
	})

	Spec("LCH-06.4", "is the end of a hundred processes at once", func(ctx context.Context) {
		heirs := make([]string, 100)
		for i := range heirs {
			heirs[i] = []string{"sleep", "session", "stopped", "deaf"}[i%4]
		}
		Expect(expectLeft(ctx, Off, leave("7", heirs...)...)).To(ExitWith(7))
	})

	Spec("LCH-06.5", "is the same when trace/exit_wait_all is set to off, last", func(ctx context.Context) {
		for _, opts := range [][]string{
			append(Rules("trace/exit_wait_all:off"), Off...),
			append(append([]string{}, OffWaitAll...), Rules("trace/exit_wait_all:0")...),
		} {
			Expect(expectLeft(ctx, opts, leave("5", "session", "daemon")...)).To(ExitWith(5))
		}
	})

	Spec("LCH-06.6", "is the end of a shell's background jobs", func(ctx context.Context) {
		Expect(expectLeft(ctx, Off, "/bin/sh", "-c", "sleep 1000 & setsid sleep 1000 & (sleep 1000 & sleep 1000) & exit 4")).To(ExitWith(4))
	})

	Spec("LCH-06.7", "is the end of what is left when the eldest dies of a signal", func(ctx context.Context) {
		Expect(expectLeft(ctx, Off, leave("SIGKILL", "session", "daemon", "hop")...)).To(DieOf(syscall.SIGKILL))
	})
})

// startWaiting starts the leave fixture under trace/exit_wait_all and waits
// until its eldest is gone; heirs that read stdin go on.
func startWaiting(ctx context.Context, opts []string, end string, kinds ...string) *Proc {
	GinkgoHelper()
	run := With(Interactive()).Start(ctx, opts, leave(end, kinds...)...)
	run.WaitLine(ctx, "ready")
	// Orphans go to the subreaper above the sandbox: below it only the eldest is.
	WaitFor(ctx, "the eldest's end", func() bool { return len(run.Descendants()) == 0 })
	return run
}

var _ = Describe("a sandbox with trace/exit_wait_all", func() {
	wait := [][]string{OffWaitAll, append(Rules("trace/exit_wait_all:on"), launchEverything...)}

	Spec("LCH-07.1", "goes on until the last process ends, then exits with the eldest's code", func(ctx context.Context) {
		for _, opts := range wait {
			run := startWaiting(ctx, opts, "3", "reader")
			Expect(Holds(ctx, 50*time.Millisecond, func() bool { return !run.Exited() })).To(BeTrue())
			run.CloseStdin()
			result := run.Wait(ctx)
			Expect(result).To(SatisfyAll(ExitWith(3), SayLine("reader done")))
		}
	}, Smoke)

	Spec("LCH-07.2", "exits with 128+s of the eldest's when that died of a signal before the others ended", func(ctx context.Context) {
		for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.Signal(40)} {
			name := SignalName(sig)
			run := startWaiting(ctx, OffWaitAll, name, "reader", "maker")
			run.CloseStdin()
			Expect(run.Wait(ctx)).To(SatisfyAll(DieOf(sig), SayLine("reader done"), SayLine("maker done")))
		}
	})

	Spec("LCH-07.3", "waits for processes that are made after the eldest's end", func(ctx context.Context) {
		run := startWaiting(ctx, OffWaitAll, "0", "maker")
		run.CloseStdin()
		Expect(run.Wait(ctx)).To(SatisfyAll(ExitWith(0), SayLine("maker done")))
	})

	Spec("LCH-07.4", "ends with the eldest when nothing else is left", func(ctx context.Context) {
		for _, opts := range wait {
			Expect(Syd(ctx, opts, Fixture("process", "fork-exit", "1", "6")...)).To(ExitWith(6))
			Expect(Syd(ctx, opts, Fixture("process", "kill-self", "SIGKILL")...)).To(DieOf(syscall.SIGKILL))
		}
	}, Smoke)

	Spec("LCH-07.5", "waits for fifty processes, however they end", func(ctx context.Context) {
		heirs := make([]string, 50)
		for i := range heirs {
			heirs[i] = []string{"reader", "crasher", "maker", "reader", "crasher"}[i%5]
		}
		run := startWaiting(ctx, OffWaitAll, "11", heirs...)
		run.CloseStdin()
		result := run.Wait(ctx)
		Expect(result).To(ExitWith(11))
		count := map[string]int{}
		for _, line := range result.Lines() {
			count[line]++
		}
		Expect(count).To(SatisfyAll(HaveKeyWithValue("reader done", 20), HaveKeyWithValue("crasher done", 20), HaveKeyWithValue("maker done", 10)))
	})

	Spec("LCH-07.6", "goes on deciding after the eldest's end", func(ctx context.Context) {
		// The heir execs only once the eldest is gone: its stdin ends then.
		script := `exec 3<&0; (read line <&3; /bin/sh -c "exit 0"; echo "allowed $?"; ` + denied(ctx) + ` 2>/dev/null; echo "denied $?") & echo "eldest pid:$$"; exit 0`
		serve := func(opts []string) Result {
			run := With(Interactive()).Start(ctx, opts, "/bin/sh", "-c", script)
			run.WaitLine(ctx, "eldest")
			WaitFor(ctx, "the eldest's end", func() bool { return len(run.Descendants()) == 0 })
			run.CloseStdin()
			return run.Wait(ctx)
		}
		control := serve(wait[1])
		Expect(control).To(SatisfyAll(SayLine("allowed 0"), SayLine("denied 3")))
		result := serve(append(append([]string{}, wait[1]...), Rules("deny/exec+"+filepath.Join(TempDir(), "denied"))...))
		Expect(result).To(SatisfyAll(ExitWith(0), SayLine("allowed 0"), SayLine("denied 126")))
	})

	Spec("LCH-07.7", "is ended by the death of the supervisor even then", func(ctx context.Context) {
		line := newLifeline()
		defer line.close()
		run := With(Interactive(), Files(line.far)).Start(ctx, OffWaitAll, leave("0", "session", "reader", "stopped")...)
		line.held()
		run.WaitLine(ctx, "ready")
		Expect(Holds(ctx, 20*time.Millisecond, func() bool { return !run.Exited() })).To(BeTrue())
		run.Signal(syscall.SIGKILL)
		Expect(run.Wait(ctx)).To(BeKilledBy(syscall.SIGKILL))
		Expect(Within1s(ctx, line.cut)).To(BeTrue())
	}, Clauses("LCH-14"))
})

// denied is a program of the spec's own that exits with 3, for a rule to name.
func denied(ctx context.Context) string {
	GinkgoHelper()
	path := File("denied", "#!/bin/sh\nexit 3\n", 0o755)
	Expect(Native(ctx, path)).To(ExitWith(3))
	return path
}
