// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "syd/conformance/harness"
)

// stopSignals are the signals that stop.
var stopSignals = []syscall.Signal{syscall.SIGSTOP, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU}

// stopped says whether a process is in a group-stop: T, or t when it is traced.
func stopped(pid int) bool { return strings.EqualFold(State(pid), "T") }

// An echoer prints each line that it is sent: what makes no progress is stopped.
type echoer struct {
	*Proc
	ctx    context.Context
	eldest int
}

func startEchoer(ctx context.Context, opts []string, args ...string) echoer {
	GinkgoHelper()
	run := With(Interactive()).Start(ctx, opts, Fixture("signal", append([]string{"echo"}, args...)...)...)
	run.WaitLine(ctx, "ready")
	return echoer{run, ctx, eldestOf(ctx, run, "signal").PID}
}

func (e echoer) kill(sig syscall.Signal) {
	GinkgoHelper()
	Expect(syscall.Kill(e.eldest, sig)).To(Succeed())
}

// stop stops it, and expects that a line that it is sent stays unread for a while.
func (e echoer) stop(sig syscall.Signal, line string) {
	GinkgoHelper()
	e.kill(sig)
	WaitFor(e.ctx, "the stop by "+SignalName(sig), func() bool { return stopped(e.eldest) })
	e.Send(line + "\n")
	Expect(e.silent(line)).To(BeTrue(), "it reads %s although it is stopped by %s", line, SignalName(sig))
}

func (e echoer) silent(line string) bool {
	return Holds(e.ctx, 25*time.Millisecond, func() bool { return !strings.Contains(e.Stdout(), "echo "+line) })
}

// end sends the end of file and expects the status.
func (e echoer) end(code int) {
	GinkgoHelper()
	e.CloseStdin()
	Expect(e.Wait(e.ctx)).To(ExitWith(code))
}

var _ = Describe("a group-stop", func() {
	Spec("TRC-03.1", "lasts until SIGCONT, by whichever signal", func(ctx context.Context) {
		for _, profile := range signalProfiles {
			e := startEchoer(ctx, profile, "7")
			for _, sig := range stopSignals {
				e.stop(sig, SignalName(sig))
				e.kill(syscall.SIGCONT)
				e.WaitLine(ctx, "echo "+SignalName(sig))
			}
			e.end(7)
		}
	}, Smoke)

	Spec("TRC-03.2", "is not ended by another signal, whose handler runs after SIGCONT", func(ctx context.Context) {
		e := startEchoer(ctx, Off, "8", "SIGUSR1")
		e.stop(syscall.SIGSTOP, "one")
		e.kill(syscall.SIGUSR1)
		e.kill(syscall.SIGWINCH)
		Expect(e.silent("one")).To(BeTrue(), "a signal has ended the stop")
		Expect(stopped(e.eldest)).To(BeTrue())
		e.kill(syscall.SIGCONT)
		Expect(e.WaitLine(ctx, "echo one")).To(Equal("echo one handled 1"))
		e.end(8)
	})

	Spec("TRC-03.3", "holds all threads, and SIGCONT lets all go on", func(ctx context.Context) {
		native := signalsAsNatively(ctx, Fixture("signal", "stop-threads", "6")...)
		Expect(native.Facts("working")).To(HaveEach("0"))
	})

	Spec("TRC-03.4", "of the eldest, which SIGKILL ends, gives the status 137", func(ctx context.Context) {
		for _, sig := range stopSignals {
			e := startEchoer(ctx, Off, "9")
			e.stop(sig, "one")
			Expect(e.Exited()).To(BeFalse())
			e.kill(syscall.SIGKILL)
			Expect(e.Wait(ctx)).To(DieOf(syscall.SIGKILL))
		}
	})

	Spec("TRC-03.5", "of the eldest does not stop the build, and the status is the eldest's", func(ctx context.Context) {
		e := startEchoer(ctx, Off, "11")
		for range 20 {
			e.kill(syscall.SIGSTOP)
			WaitFor(ctx, "the stop", func() bool { return stopped(e.eldest) })
			Expect(State(e.PID())).NotTo(Equal("T"))
			e.kill(syscall.SIGCONT)
			WaitFor(ctx, "the continuation", func() bool { return !stopped(e.eldest) })
		}
		e.end(11)
	})

	// See catalogue.Divergences.
	Spec("TRC-03.6", "shows in /proc as T", func(ctx context.Context) {
		native := With(Interactive()).StartNative(ctx, Fixture("signal", "echo", "0")...)
		native.WaitLine(ctx, "ready")
		native.Signal(syscall.SIGSTOP)
		native.WaitState(ctx, "T")
		native.Kill()
		e := startEchoer(ctx, Off, "0")
		e.kill(syscall.SIGSTOP)
		WaitFor(ctx, "the stop", func() bool { return stopped(e.eldest) })
		Expect(State(e.eldest)).To(Equal("T"))
		e.kill(syscall.SIGCONT)
		e.end(0)
	})
})

var _ = Describe("an event stop that is no group-stop", func() {
	Spec("TRC-04.1", "brings no signal to a new process, in a chain of forks that catch all", func(ctx context.Context) {
		native := signalsAsNatively(ctx, Fixture("signal", "unsignalled", "fork", "40")...)
		Expect(native).To(SayLine("tasks 40 signals 0"))
	})

	Spec("TRC-04.2", "brings no signal to a new thread or a child of vfork", func(ctx context.Context) {
		for _, way := range []string{"thread", "vfork"} {
			native := signalsAsNatively(ctx, Fixture("signal", "unsignalled", way, "40")...)
			Expect(native).To(SayLine("tasks 40 signals 0"))
		}
	})

	Spec("TRC-04.3", "of a running process, by SIGCONT, goes by unseen: its handler runs once for each", func(ctx context.Context) {
		e := startEchoer(ctx, Off, "3", "SIGCONT")
		for range 5 {
			e.kill(syscall.SIGCONT)
			WaitFor(ctx, "the delivery", func() bool { return State(e.eldest) == "S" })
		}
		e.Send("one\n")
		Expect(e.WaitLine(ctx, "echo one")).To(Equal("echo one handled 5"))
		e.end(3)
	})

	Spec("TRC-04.4", "of a thread that is born into a stop of its process leaves it stopped, and SIGCONT starts it", func(ctx context.Context) {
		native := signalsAsNatively(ctx, Fixture("signal", "stop-births", "60")...)
		Expect(native).To(SayLine("all born"))
	}, Stress)
})

var _ = Describe("a parent", func() {
	Spec("EVT-SIG-04.1", "sees stops and continues of its child by waitpid, for every signal that stops", func(ctx context.Context) {
		for _, sig := range stopSignals {
			native := signalsAsNatively(ctx, Fixture("signal", "stops", SignalName(sig))...)
			Expect(native).To(HaveFact("stop", "stopped "+SignalName(sig)))
			Expect(native).To(HaveFact("continue", "continued"))
		}
	}, Smoke)

	Spec("EVT-SIG-04.2", "sees them by waitid too, with WNOWAIT, by group and for any child", func(ctx context.Context) {
		signalsAsNatively(ctx, Fixture("signal", "wait-options")...)
	})

	Spec("EVT-SIG-04.3", "sees children that stop themselves", func(ctx context.Context) {
		signalsAsNatively(ctx, Fixture("signal", "stop-self")...)
	})

	Spec("EVT-SIG-04.4", "loses none of 1,000 stops and 1,000 continues", func(ctx context.Context) {
		native := signalsAsNatively(ctx, Fixture("signal", "stop-rounds", "1000")...)
		Expect(native).To(SayLine("stops 1000 continues 1000"))
	}, Stress)

	Spec("EVT-SIG-04.5", "gets a SIGCHLD for a stop and a continue, and none with SA_NOCLDSTOP", func(ctx context.Context) {
		native := signalsAsNatively(ctx, Fixture("signal", "stop-chld")...)
		Expect(native).To(SayLine("sigchld code 5 status 19 child right"))
	})
})

var _ = Describe("a process", func() {
	Spec("EVT-SIG-04.6", "works on after 1,000 pairs of SIGSTOP and SIGCONT without a pause", func(ctx context.Context) {
		native := signalsAsNatively(ctx, Fixture("signal", "stop-storm", "1000")...)
		Expect(native).To(SayLine("all work"))
	}, Stress)

	Spec("EVT-SIG-04.7", "has its pending signals handled, kept and dropped by stop and continue as natively", func(ctx context.Context) {
		signalsAsNatively(ctx, Fixture("signal", "stop-pending")...)
	})

	Spec("EVT-SIG-04.8", "of an orphaned group is not stopped by a terminal's signals, and a stopped group that becomes one gets SIGHUP", func(ctx context.Context) {
		signalsAsNatively(ctx, Fixture("signal", "stop-orphaned")...)
	})
})
