// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "syd/conformance/harness"
)

// signalProfiles are the two ends of what a build does to a tracee: trace only,
// and every call that a rule can be about intercepted and allowed.
var signalProfiles = [][]string{Off, OnlyExecChdir("allow/exec,chdir+/***")}

// signalsAsNatively runs a command natively and in both profiles, expects the
// same of all, and returns the native run.
func signalsAsNatively(ctx context.Context, cmd ...string) Result {
	GinkgoHelper()
	native := Native(ctx, cmd...)
	for _, profile := range signalProfiles {
		Expect(Syd(ctx, profile, cmd...)).To(EqualNative(native))
	}
	return native
}

// sendAll has every signal that can be caught sent in these ways.
func sendAll(ctx context.Context, receiver string, ways ...string) {
	GinkgoHelper()
	for _, way := range ways {
		native := signalsAsNatively(ctx, Fixture("signal", "send-all", way, receiver)...)
		Expect(native.Facts("taken")).To(HaveLen(62), "64 without SIGKILL and SIGSTOP")
	}
}

var _ = Describe("a signal", func() {
	Spec("EVT-SIG-01.1", "sent by kill, tkill and tgkill arrives with its native siginfo, for all 64", func(ctx context.Context) {
		sendAll(ctx, "self", "kill", "tkill", "tgkill")
	}, Smoke)

	Spec("EVT-SIG-01.2", "sent by sigqueue and tgsigqueue arrives with its value, for all 64", func(ctx context.Context) {
		sendAll(ctx, "self", "sigqueue", "tgsigqueue")
		result := Syd(ctx, Off, Fixture("signal", "send-all", "sigqueue", "self")...)
		for sig := 34; sig <= 64; sig++ {
			Expect(result.Stdout).To(ContainSubstring(fmt.Sprintf("value %d rest", 1000+sig)))
		}
	})

	Spec("EVT-SIG-01.3", "sent by pidfd_send_signal arrives as natively, without a siginfo and with one, for all 64", func(ctx context.Context) {
		sendAll(ctx, "self", "pidfd", "pidfd-info")
	}, Requires("pidfd_open"))

	Spec("EVT-SIG-01.4", "names its sender when it comes from another process, for all 64", func(ctx context.Context) {
		sendAll(ctx, "child", "kill", "sigqueue", "tgsigqueue")
	})

	Spec("EVT-SIG-01.5", "for one thread reaches this thread, for all 64", func(ctx context.Context) {
		sendAll(ctx, "thread", "tkill", "tgkill", "tgsigqueue")
	})

	Spec("EVT-SIG-01.6", "of a 32-bit program arrives as natively, for all 64", func(ctx context.Context) {
		for _, way := range []string{"kill", "tgkill", "sigqueue"} {
			SameAsNative(ctx, Off, ForeignFixture("signal", "send-all", way, "self")...)
		}
	}, Requires("i386"))

	Spec("EVT-SIG-01.7", "raised by a fault tells its code and address as natively", func(ctx context.Context) {
		native := signalsAsNatively(ctx, Fixture("signal", "fault")...)
		Expect(native).To(SayLine("protected SIGSEGV code 2 errno 0 address right"))
	}, Smoke)

	Spec("EVT-SIG-01.8", "raised by timers, children, pipes and files arrives as natively", func(ctx context.Context) {
		signalsAsNatively(ctx, Fixture("signal", "raised")...)
	})

	Spec("EVT-SIG-01.9", "raised by a terminal's keys, size and hang-up arrives as natively", func(ctx context.Context) {
		native := signalsAsNatively(ctx, Fixture("signal", "terminal")...)
		Expect(native).To(SayLine("interrupt SIGINT code 128 errno 0"))
	}, Requires("pty"))

	Spec("EVT-SIG-01.10", "waits while it is blocked, once or queued, and is handled in the native order", func(ctx context.Context) {
		for _, masks := range []string{"all", "own"} {
			signalsAsNatively(ctx, Fixture("signal", "order", masks)...)
		}
	})

	Spec("EVT-SIG-01.11", "of the real-time range is never lost nor overtaken, among 2,000", func(ctx context.Context) {
		native := signalsAsNatively(ctx, Fixture("signal", "queue", "2000")...)
		Expect(native).To(SayLine("taken 2000 errors 0"))
	})

	Spec("EVT-SIG-01.12", "is handled under the native mask, with SA_NODEFER, SA_RESETHAND, sa_mask and sigsuspend", func(ctx context.Context) {
		signalsAsNatively(ctx, Fixture("signal", "masks")...)
	})

	Spec("EVT-SIG-01.13", "is handled on the alternate stack where it asks for it, also after an overflow", func(ctx context.Context) {
		signalsAsNatively(ctx, Fixture("signal", "altstack")...)
	})

	Spec("EVT-SIG-01.14", "interrupts another's handler, 31 deep", func(ctx context.Context) {
		signalsAsNatively(ctx, Fixture("signal", "nest", "34")...)
	})

	Spec("EVT-SIG-01.15", "can be left by siglongjmp, 400 times, and the mask is restored", func(ctx context.Context) {
		native := signalsAsNatively(ctx, Fixture("signal", "jump", "400")...)
		Expect(native).To(SayLine("jumps 400"))
	})

	Spec("EVT-SIG-01.16", "that is ignored does not surface as EINTR in a call that blocks without a limit", func(ctx context.Context) {
		native := signalsAsNatively(ctx, Fixture("signal", "interrupt", "ignored", "unlimited")...)
		for _, call := range []string{"epoll_wait", "semop", "sigwaitinfo", "io_getevents", "read-pipe", "poll-limited"} {
			Expect(native).To(SayLine(call + " ok"))
		}
	}, Requires("interrupted_arguments"))

	Spec("EVT-SIG-01.17", "that is ignored by default does not surface as EINTR in a call that blocks without a limit", func(ctx context.Context) {
		signalsAsNatively(ctx, Fixture("signal", "interrupt", "default", "unlimited")...)
	}, Requires("interrupted_arguments"))

	// See catalogue.Divergences.
	Spec("EVT-SIG-01.18", "that is ignored does not surface as EINTR in a call whose time limit would begin anew", func(ctx context.Context) {
		signalsAsNatively(ctx, Fixture("signal", "interrupt", "ignored", "limited")...)
	})

	Spec("EVT-SIG-01.19", "that waits, blocked, stays through exec and is not inherited by a child", func(ctx context.Context) {
		signalsAsNatively(ctx, Fixture("signal", "pending-fork")...)
	})
})

var _ = Describe("a signal-delivery-stop", func() {
	Spec("TRC-05.1", "ends with the signal's default action, for all 64", func(ctx context.Context) {
		native := signalsAsNatively(ctx, Fixture("signal", "default-all")...)
		Expect(native).To(SayLine("SIGTSTP stopped SIGTSTP"))
		Expect(native).To(SayLine("SIG64 signal SIG64"))
	}, Smoke)

	Spec("TRC-05.2", "leaves an ignored signal ignored, for all 64", func(ctx context.Context) {
		native := signalsAsNatively(ctx, Fixture("signal", "ignore-all")...)
		Expect(native).To(SayLine("sent 310 pending 0"))
	})

	Spec("TRC-05.3", "is told from an event although the siginfo is forged to look like one", func(ctx context.Context) {
		forged := []string{"signal", "forge", "SIGTRAP", "0x5"}
		for event := 1; event <= 8; event++ {
			forged = append(forged, fmt.Sprintf("%#x", event<<8|5), fmt.Sprintf("%#x", event<<8|0x85))
		}
		forged = append(forged, "0x8005", "0x80", "0x85", "-1", "-6", "-60")
		signalsAsNatively(ctx, Fixture(forged[0], forged[1:]...)...)
		signalsAsNatively(ctx, Fixture("signal", "forge", "SIGCHLD", "1", "4", "5", "0x8005")...)
	})

	Spec("TRC-05.4", "delivers to each member of a process group once", func(ctx context.Context) {
		native := signalsAsNatively(ctx, Fixture("signal", "send-group", "40", "3")...)
		Expect(native.Facts("had")).To(Equal([]string{"40", "40", "40"}))
	})

	Spec("TRC-05.5", "does not disturb a Go program of many goroutines that takes signals", func(ctx context.Context) {
		native := signalsAsNatively(ctx, Fixture("gofix", "signals", "30")...)
		Expect(native).To(SayLine("signals 30"))
	})

	Spec("TRC-05.6", "is delivered to a program that the build has just started", func(ctx context.Context) {
		for range 5 {
			result := Syd(ctx, Off, "/bin/sh", "-c", "trap 'echo trapped' USR1; kill -USR1 $$; kill -TRAP $$; echo not reached")
			Expect(result).To(DieOf(5))
			Expect(result.Lines()).To(Equal([]string{"trapped"}))
		}
	})
})
