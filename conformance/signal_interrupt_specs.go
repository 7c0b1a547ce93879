// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"strconv"
	"strings"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "syd/conformance/harness"
)

// eldestOf is the process that the build has started, once it runs its program.
func eldestOf(ctx context.Context, run *Proc, name string) Process {
	GinkgoHelper()
	var eldest Process
	WaitFor(ctx, "the eldest "+name, func() bool {
		for _, p := range run.Descendants() {
			if p.PPID == run.PID() && p.Name == name {
				eldest = p
				return true
			}
		}
		return false
	})
	return eldest
}

var _ = Describe("a call that blocks", func() {
	Spec("EVT-SIG-02.1", "ends with EINTR, natively equal, when a handler without SA_RESTART runs", func(ctx context.Context) {
		native := signalsAsNatively(ctx, Fixture("signal", "interrupt", "handler", "unlimited")...)
		Expect(native).To(SayLine("read-pipe EINTR"))
		signalsAsNatively(ctx, Fixture("signal", "interrupt", "handler", "limited")...)
	}, Smoke)

	Spec("EVT-SIG-02.2", "is restarted or ends with EINTR, natively equal, when a handler with SA_RESTART runs", func(ctx context.Context) {
		native := signalsAsNatively(ctx, Fixture("signal", "interrupt", "restart", "unlimited")...)
		Expect(native).To(SayLine("open-fifo ok"))
		Expect(native).To(SayLine("epoll_wait EINTR"))
		signalsAsNatively(ctx, Fixture("signal", "interrupt", "restart", "limited")...)
	})

	Spec("EVT-SIG-02.3", "goes on or ends with EINTR, natively equal, when its caller is stopped and continued", func(ctx context.Context) {
		native := signalsAsNatively(ctx, Fixture("signal", "interrupt", "stop", "unlimited")...)
		Expect(native).To(SayLine("read-pipe ok"))
		Expect(native).To(SayLine("epoll_wait EINTR"))
		signalsAsNatively(ctx, Fixture("signal", "interrupt", "stop", "limited")...)
	})
})

var _ = Describe("a side effect", func() {
	Spec("EVT-SIG-02.4", "is never done twice in a storm of signals", func(ctx context.Context) {
		signalsAsNatively(ctx, Fixture("signal", "effects", "100")...)
	}, Stress)

	Spec("EVT-SIG-02.5", "of write is each byte once and in order in a storm of signals", func(ctx context.Context) {
		native := signalsAsNatively(ctx, Fixture("signal", "stream", "500")...)
		Expect(native).To(SayLine("bytes 512000 errors 0"))
	}, Stress)

	Spec("EVT-SIG-02.6", "of exec happens once for each call in a storm of ignored signals", func(ctx context.Context) {
		native := signalsAsNatively(ctx, Fixture("signal", "exec-rounds", "20", "0")...)
		Expect(native.Facts("exec")).To(HaveLen(20))
	}, Stress)
})

// lives are what a process can be when SIGKILL finds it.
var lives = []string{"busy", "handler", "blocked", "vfork", "threads", "leaderless", "chdir", "signals", "forks", "stopped"}

var _ = Describe("SIGKILL", func() {
	Spec("EVT-SIG-03.1", "ends a process in every call that blocks", func(ctx context.Context) {
		native := signalsAsNatively(ctx, Fixture("signal", "interrupt", "kill", "unlimited")...)
		Expect(native).To(SayLine("semop signal SIGKILL"))
		signalsAsNatively(ctx, Fixture("signal", "interrupt", "kill", "limited")...)
	}, Smoke)

	Spec("EVT-SIG-03.2", "ends a process whatever it does, with all signals blocked, stopped or suspended in vfork", func(ctx context.Context) {
		native := signalsAsNatively(ctx, Fixture("signal", append([]string{"killed", "2"}, lives...)...)...)
		Expect(native.Facts("vfork")).To(Equal([]string{"signal SIGKILL", "signal SIGKILL"}))
	})

	Spec("EVT-SIG-03.3", "ends a process in 100 moments of a storm of stops at traced calls", func(ctx context.Context) {
		for _, life := range []string{"chdir", "signals"} {
			signalsAsNatively(ctx, Fixture("signal", "killed", "100", life)...)
		}
	}, Stress)

	Spec("EVT-SIG-03.4", "ends the eldest within a second, whatever it does, and the status is 137", func(ctx context.Context) {
		Each(lives, 2, func(life string) {
			run := Start(ctx, signalProfiles[1], Fixture("signal", "be", life)...)
			// One of them has no leader any more: only it can tell its PID.
			eldest, err := strconv.Atoi(strings.TrimPrefix(run.WaitLine(ctx, "ready"), "ready pid:"))
			Expect(err).NotTo(HaveOccurred())
			if life == "stopped" {
				WaitFor(ctx, "the stop", func() bool { return stopped(eldest) })
			}
			Expect(syscall.Kill(eldest, syscall.SIGKILL)).To(Succeed())
			Expect(Within1s(ctx, run.Exited)).To(BeTrue(), "of %s the build still waits", life)
			Expect(run.Wait(ctx)).To(DieOf(syscall.SIGKILL))
		})
	})
})
