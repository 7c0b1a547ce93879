// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"strconv"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "syd/conformance/harness"
)

// forwarded are the signals that the build passes on.
var forwarded = []syscall.Signal{syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2}

// reporter starts the eldest that takes so many of the signals and tells them.
func reporter(ctx context.Context, launch *Launch, count int, signals ...string) *Proc {
	GinkgoHelper()
	run := launch.Start(ctx, Off, Fixture("signal", append([]string{"report", strconv.Itoa(count)}, signals...)...)...)
	run.WaitLine(ctx, "ready")
	return run
}

// signalsIn is the names of the signals that a reporter told, in order.
func signalsIn(r Result) []string {
	var names []string
	for _, fact := range r.Facts("signal") {
		name, _, _ := strings.Cut(fact, " ")
		names = append(names, name)
	}
	return names
}

var _ = Describe("a signal to the build", func() {
	Spec("LCH-13.1", "reaches the eldest, once, for SIGTERM, SIGHUP, SIGUSR1 and SIGUSR2", func(ctx context.Context) {
		run := reporter(ctx, With(), 4, "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")
		for i, sig := range forwarded {
			run.Signal(sig)
			WaitFor(ctx, SignalName(sig), func() bool { return strings.Count(run.Stdout(), "signal ") == i+1 })
		}
		result := run.Wait(ctx)
		Expect(result).To(ExitWith(0))
		Expect(signalsIn(result)).To(Equal([]string{"SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2"}))
	}, Smoke)

	Spec("LCH-13.2", "ends an eldest that does not handle it, and the status is 128+s", func(ctx context.Context) {
		for _, sig := range forwarded {
			run := Start(ctx, Off, Fixture("process", "sleep")...)
			run.WaitLine(ctx, "ready")
			run.Signal(sig)
			Expect(run.Wait(ctx)).To(DieOf(sig))
		}
	})

	Spec("LCH-13.3", "reaches the eldest however it was sent: kill, sigqueue, pidfd_send_signal", func(ctx context.Context) {
		for _, way := range []string{"kill", "sigqueue", "pidfd", "pidfd-info"} {
			run := reporter(ctx, With(), 1, "SIGUSR1")
			Expect(Native(ctx, Fixture("signal", "send", way, "SIGUSR1", strconv.Itoa(run.PID()), "7")...)).To(ExitWith(0))
			Expect(signalsIn(run.Wait(ctx))).To(Equal([]string{"SIGUSR1"}), way)
		}
	}, Requires("pidfd_open"))

	Spec("LCH-13.11", "reaches the eldest although it was sent to the build's first thread", func(ctx context.Context) {
		for _, way := range []string{"tkill", "tgkill", "tgsigqueue"} {
			run := reporter(ctx, With(), 1, "SIGUSR1")
			Expect(Native(ctx, Fixture("signal", "send", way, "SIGUSR1", strconv.Itoa(run.PID()), "7")...)).To(ExitWith(0))
			Expect(Within1s(ctx, run.Exited)).To(BeTrue(), "sent by %s", way)
		}
	})

	Spec("LCH-13.4", "reaches the eldest only, and not its children", func(ctx context.Context) {
		run := Start(ctx, Off, Fixture("signal", "report-both", "SIGUSR1", "4")...)
		run.WaitLine(ctx, "ready")
		run.Signal(syscall.SIGUSR1)
		run.WaitLine(ctx, "eldest SIGUSR1 code 0")
		Expect(Holds(ctx, 25*time.Millisecond, func() bool { return !strings.Contains(run.Stdout(), "child") })).To(BeTrue())
		// What ends it: the child waits for the signal too.
		run.SignalGroup(syscall.SIGUSR1)
		Expect(run.Wait(ctx)).To(ExitWith(4))
	})

	Spec("LCH-13.5", "does not come from the build when the sandbox signals its own group", func(ctx context.Context) {
		native := signalsAsNatively(ctx, Fixture("signal", "send-group", "20", "2")...)
		Expect(native).To(SayLine("self had 20"))
	})

	Spec("LCH-13.6", "is not passed on when the terminal sent it", func(ctx context.Context) {
		// In a group of its own the eldest gets nothing from the terminal itself.
		eldest := Fixture("signal", "own-group", "report", "1", "SIGINT", "SIGQUIT", "SIGHUP", "SIGTERM")
		run := With(Pty()).Start(ctx, Off, eldest...)
		run.WaitLine(ctx, "ready")
		run.Send("\x03")
		run.WaitOutput(ctx, `\^C`)
		run.Send("\x1c")
		run.WaitOutput(ctx, `\^\\`)
		Expect(Holds(ctx, 50*time.Millisecond, func() bool { return !run.Exited() && !strings.Contains(run.Stdout(), "signal") })).To(BeTrue())
		run.Signal(syscall.SIGTERM)
		result := run.Wait(ctx)
		Expect(result).To(ExitWith(0))
		Expect(result.Stdout).To(ContainSubstring("signal SIGTERM code 0"))
		Expect(strings.Count(result.Stdout, "signal ")).To(Equal(1))
	}, Requires("pty"))

	Spec("LCH-13.7", "in a storm of 20,000 changes neither the sandbox nor its status", func(ctx context.Context) {
		script := `trap '' USR1 USR2 HUP CONT CHLD; echo ready; while read -r line; do (exit 3); echo $line $?; done; exit 21`
		run := With(Interactive()).Start(ctx, signalProfiles[1], "/bin/sh", "-c", script)
		run.WaitLine(ctx, "ready")
		flood := StartNative(ctx, Fixture("signal", "flood", "20000", strconv.Itoa(run.PID()),
			"SIGUSR1", "SIGCONT", "SIGCHLD", "SIGUSR2", "SIGURG", "SIGHUP", "SIGWINCH")...)
		for line := 1; !flood.Exited() || line < 10; line++ {
			run.Send(strconv.Itoa(line) + "\n")
			Expect(run.WaitLine(ctx, strconv.Itoa(line)+" ")).To(HaveSuffix(" 3"))
		}
		Expect(flood.Wait(ctx)).To(ExitWith(0))
		run.CloseStdin()
		Expect(run.Wait(ctx)).To(ExitWith(21))
	}, Stress, Clauses("TRC-12"))
})

var _ = Describe("the terminal's SIGINT and SIGQUIT", func() {
	Spec("LCH-13.8", "reach the whole foreground group, and the status is the eldest's own", func(ctx context.Context) {
		for key, name := range map[string]string{"\x03": "INT", "\x1c": "QUIT"} {
			run := With(Pty()).Start(ctx, Off, Fixture("signal", "report-both", "SIG"+name, "7")...)
			run.WaitLine(ctx, "ready")
			run.Send(key)
			result := run.Wait(ctx)
			Expect(result).To(ExitWith(7))
			// The terminal's echo of the key stands before one of them.
			Expect(result.Stdout).To(ContainSubstring("eldest SIG" + name + " code 128\n"))
			Expect(result.Stdout).To(ContainSubstring("child SIG" + name + " code 128\n"))
		}
	}, Requires("pty"))

	Spec("LCH-13.9", "do not end the build before an eldest that handles them", func(ctx context.Context) {
		run := With(Pty()).Start(ctx, Off, "/bin/sh", "-c", `trap 'echo caught' INT QUIT; echo ready; read a; read b; read c; exit 3`)
		run.WaitLine(ctx, "ready")
		run.Send("\x03")
		run.WaitLine(ctx, "caught")
		run.Send("\x1c")
		WaitFor(ctx, "a second one", func() bool { return strings.Count(run.Stdout(), "caught") == 2 })
		Expect(run.Exited()).To(BeFalse())
		run.Send("a\nb\nc\n")
		Expect(run.Wait(ctx)).To(ExitWith(3))
	}, Requires("pty"))

	Spec("LCH-13.10", "end an eldest that does not, and the status is 128+s", func(ctx context.Context) {
		for key, sig := range map[string]syscall.Signal{"\x03": syscall.SIGINT, "\x1c": syscall.SIGQUIT} {
			run := With(Pty()).Start(ctx, Off, Fixture("process", "sleep")...)
			run.WaitLine(ctx, "ready")
			run.Send(key)
			Expect(run.Wait(ctx)).To(DieOf(sig))
		}
	}, Requires("pty"))
})
