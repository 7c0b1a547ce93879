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
	}, Smoke, TimeLimit(time.Minute))

	Spec("LCH-01.2", "is the code's low byte when the eldest exits with more", func(ctx context.Context) {
		SameAsNative(ctx, Off, Fixture("process", "exit", "513")...)
	})

	Spec("LCH-01.3", "is a shell's when the eldest is a shell script", func(ctx context.Context) {
		script := File("script", "#!/bin/sh\nexit 42\n", 0o755)
		Expect(Syd(ctx, Off, script)).To(ExitWith(42))
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
			Kill(p.PID, syscall.SIGKILL)
		}
		Expect(run.Wait(ctx)).To(DieOf(syscall.SIGKILL))
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
})
