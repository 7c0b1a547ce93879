// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"strconv"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "syd/conformance/harness"
)

var _ = Describe("the exit status", func() {
	Spec("LCH-01.1", "is the eldest's exit code, for every code 0..255", func(ctx context.Context) {
		codes := make([]int, 256)
		for i := range codes {
			codes[i] = i
		}
		Each(codes, 4, func(code int) {
			Expect(Syd(ctx, Off, Fixture("process", "exit", strconv.Itoa(code))...)).To(ExitWith(code))
		})
	}, Smoke, TimeLimit(time.Minute), Stress)

	Spec("LCH-01.2", "is the code's low byte when the eldest exits with more", func(ctx context.Context) {
		SameAsNative(ctx, Off, Fixture("process", "exit", "513")...)
	})

	Spec("LCH-01.3", "is a shell's when the eldest is a shell script", func(ctx context.Context) {
		script := File("script", "#!/bin/sh\nexit 42\n", 0o755)
		Expect(Syd(ctx, Off, script)).To(ExitWith(42))
	})

	Spec("LCH-01.4", "is the eldest's exit code under a profile that intercepts everything", func(ctx context.Context) {
		Each([]int{0, 1, 2, 16, 64, 126, 127, 128, 129, 137, 254, 255}, 4, func(code int) {
			exit := Fixture("process", "exit", strconv.Itoa(code))
			Expect(Syd(ctx, launchEverything, exit...)).To(ExitWith(code))
		})
	}, Smoke)

	Spec("LCH-01.5", "is what another thread of the eldest than the first says for all", func(ctx context.Context) {
		for _, opts := range launchProfiles {
			result, _ := SameAsNative(ctx, opts, Fixture("process", "thread-end", "group", "7", "1")...)
			Expect(result).To(ExitWith(7))
			SameAsNative(ctx, opts, Fixture("process", "thread-end", "alone", "9", "3")...)
		}
	})

	Spec("LCH-01.6", "is the same as natively when the eldest's first thread ends before the others", func(ctx context.Context) {
		for _, opts := range launchProfiles {
			SameAsNative(ctx, opts, Fixture("process", "leader-first", "3", "4")...)
		}
	})

	Spec("LCH-01.7", "is that of the last program that the eldest becomes", func(ctx context.Context) {
		for _, opts := range launchProfiles {
			Expect(Syd(ctx, opts, Fixture("exec", "again", "5", "execve", "/bin/sh", "-c", "exit 77")...)).To(ExitWith(77))
		}
	})

	Spec("LCH-02.1", "is 128+s when the eldest dies of a signal s that terminates", func(ctx context.Context) {
		signals := []syscall.Signal{
			syscall.SIGHUP, syscall.SIGINT, syscall.SIGKILL, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGPIPE, syscall.SIGALRM,
			syscall.SIGTERM, syscall.SIGSTKFLT, syscall.SIGVTALRM, syscall.SIGPROF, syscall.SIGIO, syscall.SIGPWR,
		}
		Each(signals, 4, func(sig syscall.Signal) {
			kill := Fixture("process", "kill-self", strconv.Itoa(int(sig)))
			Expect(Native(ctx, kill...)).To(DieOf(sig))
			Expect(Syd(ctx, Off, kill...)).To(DieOf(sig))
		})
	}, Smoke)

	Spec("LCH-02.2", "is 128+s when the eldest dies of a signal s that dumps core", func(ctx context.Context) {
		signals := []syscall.Signal{
			syscall.SIGQUIT, syscall.SIGILL, syscall.SIGTRAP, syscall.SIGABRT, syscall.SIGBUS, syscall.SIGFPE, syscall.SIGSEGV,
			syscall.SIGXCPU, syscall.SIGXFSZ, syscall.SIGSYS,
		}
		Each(signals, 4, func(sig syscall.Signal) {
			kill := Fixture("process", "kill-self", strconv.Itoa(int(sig)))
			Expect(Native(ctx, kill...)).To(DieOf(sig))
			Expect(Syd(ctx, Off, kill...)).To(DieOf(sig))
		})
	})

	Spec("LCH-02.3", "is 159 when the eldest's own seccomp filter kills it", func(ctx context.Context) {
		Expect(Native(ctx, Fixture("filter", "kill")...)).To(DieOf(syscall.SIGSYS))
		result := Syd(ctx, Off, Fixture("filter", "kill")...)
		Expect(result).To(DieOf(syscall.SIGSYS))
		Expect(result).NotTo(SayLine("alive"))
	})

	Spec("LCH-02.4", "is 137 when the eldest is killed from outside", func(ctx context.Context) {
		run := Start(ctx, Off, Fixture("process", "sleep")...)
		run.WaitLine(ctx, "ready")
		for _, p := range run.Descendants() {
			if p.Name == "process" { // not a build that a script starts
				Kill(p.PID, syscall.SIGKILL)
			}
		}
		Expect(run.Wait(ctx)).To(DieOf(syscall.SIGKILL))
	})

	Spec("LCH-02.5", "is 128+s for every real-time signal s", func(ctx context.Context) {
		var signals []syscall.Signal
		for number := 32; number <= 64; number++ {
			signals = append(signals, syscall.Signal(number))
		}
		Each(signals, 4, func(sig syscall.Signal) {
			kill := Fixture("process", "kill-self", strconv.Itoa(int(sig)))
			Expect(Native(ctx, kill...)).To(DieOf(sig))
			Expect(Syd(ctx, Off, kill...)).To(DieOf(sig))
		})
	})

	Spec("LCH-02.6", "is 128+s when a fault, a limit or a timer of the eldest's is what raises s", func(ctx context.Context) {
		faults := []string{
			"segv", "bus", "divide", "illegal", "breakpoint", "abort", "file-size", "pipe", "timer", "cpu-timer",
		}
		Each(faults, 4, func(fault string) {
			native := Native(ctx, Fixture("process", "fault", fault)...)
			Expect(native.Signal).NotTo(BeZero(), native.String())
			for _, opts := range launchProfiles {
				Expect(Syd(ctx, opts, Fixture("process", "fault", fault)...)).To(SatisfyAll(EqualNative(native), DieOf(native.Signal)))
			}
		})
	})

	Spec("LCH-02.7", "is 139 when the eldest dumps core", func(ctx context.Context) {
		Expect(Native(ctx, Fixture("process", "core")...)).To(DieOf(syscall.SIGSEGV))
		for _, opts := range launchProfiles {
			Expect(Syd(ctx, opts, Fixture("process", "core")...)).To(DieOf(syscall.SIGSEGV))
		}
	}, Requires("core_files"))

	Spec("LCH-02.8", "is 128+s when the signal s kills a thread of the eldest's, and so the whole of it", func(ctx context.Context) {
		for _, sig := range []syscall.Signal{syscall.SIGUSR1, syscall.SIGSEGV, syscall.SIGKILL, syscall.Signal(64)} {
			kill := Fixture("process", "thread-end", "signal", strconv.Itoa(int(sig)), "0")
			Expect(Native(ctx, kill...)).To(DieOf(sig))
			Expect(Syd(ctx, Off, kill...)).To(DieOf(sig))
		}
	})

	Spec("LCH-02.9", "is 128+s under a profile that intercepts everything", func(ctx context.Context) {
		signals := []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGSEGV, syscall.SIGPIPE, syscall.SIGSYS, syscall.Signal(34)}
		Each(signals, 4, func(sig syscall.Signal) {
			Expect(Syd(ctx, launchEverything, Fixture("process", "kill-self", strconv.Itoa(int(sig)))...)).To(DieOf(sig))
		})
	})

	Spec("LCH-08.1", "is the eldest's, however its child exits", func(ctx context.Context) {
		for _, code := range []string{"0", "1", "127", "255"} {
			Expect(Syd(ctx, Off, Fixture("process", "fork-exit", code, "5")...)).To(ExitWith(5))
		}
	}, Smoke)

	Spec("LCH-08.2", "is the eldest's, although its child dies of a signal", func(ctx context.Context) {
		result, _ := SameAsNative(ctx, Off, Fixture("process", "fork-kill", "SIGKILL", "6")...)
		Expect(result).To(ExitWith(6))
		Expect(result).To(SayLine("child signal SIGKILL"))
	})

	Spec("LCH-08.3", "is the eldest's, although a grandchild fails", func(ctx context.Context) {
		grandchild := Fixture("process", "fork-exit", "9", "8")
		SameAsNative(ctx, Off, append(Fixture("process", "fork-exec"), grandchild...)...)
	})

	Spec("LCH-08.4", "is the eldest's, whichever signal kills its child", func(ctx context.Context) {
		Each([]string{"SIGKILL", "SIGSEGV", "SIGTERM", "SIGSYS", "SIGABRT", "SIG34", "SIG64"}, 4, func(sig string) {
			result, _ := SameAsNative(ctx, launchEverything, Fixture("process", "fork-kill", sig, "4")...)
			Expect(result).To(ExitWith(4))
		})
	})

	Spec("LCH-08.5", "is the eldest's, although another process fails after the eldest", func(ctx context.Context) {
		run := With(Interactive()).Start(ctx, OffWaitAll, leave("0", "crasher", "reader")...)
		run.WaitLine(ctx, "ready")
		run.CloseStdin()
		result := run.Wait(ctx)
		Expect(result).To(ExitWith(0))
		Expect(result).To(SatisfyAll(SayLine("crasher done"), SayLine("reader done")))
	})

	Spec("LCH-08.6", "is the eldest's, although a child of its own that it never waits for fails", func(ctx context.Context) {
		SameAsNative(ctx, Off, "/bin/sh", "-c", "(exit 9) & (exit 255) & exit 2")
	})
})
