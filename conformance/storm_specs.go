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

// bent runs a command in the build, on a kernel that answers the build's own
// waits and ptrace requests as the wishes say. What it printed is followed by
// what was bent; its status is the build's.
func bent(ctx context.Context, wishes []string, opts []string, cmd ...string) Result {
	GinkgoHelper()
	argv := append([]string{"run"}, wishes...)
	argv = append(append(append(argv, "--", Build()), opts...), "--")
	return Native(ctx, Fixture("bend", append(argv, cmd...)...)...)
}

// storm sends a signal to a process so many times.
func storm(pid int, sig syscall.Signal, times int) {
	GinkgoHelper()
	for range times {
		Expect(syscall.Kill(pid, sig)).To(Succeed())
	}
}

// tgkill sends a signal to one thread.
func tgkill(process, thread int, sig syscall.Signal) error {
	if _, _, errno := syscall.RawSyscall(syscall.SYS_TGKILL, uintptr(process), uintptr(thread), uintptr(sig)); errno != 0 {
		return errno
	}
	return nil
}

var _ = Describe("an interrupted wait", func() {
	Spec("TRC-12.1", "is repeated through 100,000 signals to the supervisor", func(ctx context.Context) {
		run := With(Interactive()).Start(ctx, Off, Fixture("fork", "batches", "fork", "10", "10")...)
		run.WaitLine(ctx, "batch 1 wrong 0")
		// None of these is passed on or ends a process by default.
		for _, sig := range []syscall.Signal{syscall.SIGCHLD, syscall.SIGURG, syscall.SIGWINCH, syscall.SIGCONT} {
			storm(run.PID(), sig, 25_000)
		}
		Expect(run.Exited()).To(BeFalse())
		run.Send("\n")
		run.WaitLine(ctx, "batch 2 wrong 0")
		run.CloseStdin()
		Expect(run.Wait(ctx)).To(ExitWith(0))
	}, Stress)

	Spec("TRC-12.2", "is repeated when the signals are for the tracer thread itself", func(ctx context.Context) {
		run := With(Interactive()).Start(ctx, Off, Fixture("fork", "batches", "fork", "10")...)
		run.WaitLine(ctx, "batch 1 wrong 0")
		for range 20_000 {
			Expect(tgkill(run.PID(), run.PID(), syscall.SIGURG)).To(Succeed())
		}
		run.CloseStdin()
		Expect(run.Wait(ctx)).To(ExitWith(0))
	})

	Spec("TRC-12.3", "loses nothing of a fork storm that goes on meanwhile", func(ctx context.Context) {
		bothProfiles(func(opts []string) {
			run := Start(ctx, opts, Fixture("fork", "thread-forks", "4", "50")...)
			for !run.Exited() {
				// ESRCH: it ended just now.
				_ = syscall.Kill(run.PID(), syscall.SIGURG)
			}
			result := run.Wait(ctx)
			Expect(result).To(ExitWith(0))
			Expect(result).To(SayLine("children 200"))
			Expect(result).To(SayLine("failed 0"))
		})
	}, Stress)

	Spec("TRC-12.4", "is repeated after EINTR and EAGAIN, 2,000 of each in a row", func(ctx context.Context) {
		for _, errno := range []string{"EINTR", "EAGAIN"} {
			result := bent(ctx, []string{"wait-errno", errno, "2", "2000"}, Off, Fixture("process", "fork-exit", "3", "9")...)
			Expect(result).To(SayLine("bent waits 2000"), errno)
			Expect(result).To(SayLine("child exit 3"), errno)
			Expect(result).To(ExitWith(9), errno)
			Expect(result.Stderr).To(BeEmpty())
		}
	})

	Spec("TRC-12.5", "is repeated when it was the very first", func(ctx context.Context) {
		for _, errno := range []string{"EINTR", "EAGAIN"} {
			result := bent(ctx, []string{"wait-errno", errno, "0", "1"}, Off, Fixture("process", "exit", "9")...)
			Expect(result).To(SayLine("bent waits 1"), errno)
			Expect(result).To(ExitWith(9), errno)
		}
	})
})

var _ = Describe("a status that nobody knows", func() {
	// PTRACE_EVENT_VFORK_DONE, events of the future, an event with a signal that
	// no event comes with, and reports that are no ptrace stop.
	odd := [][2]string{{"4", "505"}, {"4", "905"}, {"4", "2a05"}, {"4", "10a"}, {"5", "13"}, {"6", "12"}, {"9", "5"}}

	Spec("TRC-11.1", "ends the sandbox with 127", func(ctx context.Context) {
		cmd := Fixture("fork", "born", "fork", "vfork")
		Expect(bent(ctx, nil, Off, cmd...)).To(ExitWith(0))
		for _, status := range odd {
			result := bent(ctx, []string{"wait-status", status[0], status[1], "2"}, Off, cmd...)
			Expect(result).To(SayLine("bent stops 1"))
			Expect(result).To(ExitWith(127), "code %s status %s", status[0], status[1])
		}
	}, Requires("trace_undumpable"))

	Spec("TRC-11.2", "is named with its raw number on stderr", func(ctx context.Context) {
		for _, status := range odd {
			raw, err := strconv.ParseInt(status[1], 16, 32)
			Expect(err).NotTo(HaveOccurred())
			result := bent(ctx, []string{"wait-status", status[0], status[1], "2"}, Off, Fixture("fork", "born", "fork")...)
			Expect(result.Stderr).To(Or(ContainSubstring("0x"+status[1]), ContainSubstring(strconv.FormatInt(raw, 10))))
		}
	}, Requires("trace_undumpable"))

	Spec("TRC-11.3", "leaves no tracee alive, 1 s later", func(ctx context.Context) {
		for _, skip := range []string{"3", "14", "33"} {
			result := bent(ctx, []string{"wait-status", "4", "2a05", skip}, OffWaitAll, Fixture("fork", "live", "30")...)
			Expect(result).To(SayLine("bent stops 1"))
			Expect(result).To(ExitWith(127))
			Expect(Within1s(ctx, func() bool { return len(runningIn(TempDir())) == 0 })).To(BeTrue())
		}
	}, Requires("trace_undumpable"))

	Spec("TRC-11.4", "is never asked for: the end of a vfork is no event", func(ctx context.Context) {
		result := bent(ctx, nil, Off, Fixture("fork", "vfork-order", "5")...)
		Expect(result).To(SayLine("child exit 5"))
		Expect(result).To(SayLine("option exitkill yes"))
		Expect(result).To(SayLine("option vfork-done no"))
	})

	Spec("TRC-11.5", "does not come of 200 vforks, nor does a word on stderr", func(ctx context.Context) {
		bothProfiles(func(opts []string) {
			result, _ := SameAsNative(ctx, opts, Fixture("fork", "batches", "vfork", "200")...)
			Expect(result.Stderr).To(BeEmpty())
		})
	})
})

var _ = Describe("a wait that finds nothing to wait for", func() {
	Spec("TRC-13.1", "ends the loop as soon as the last process is gone", func(ctx context.Context) {
		run := Start(ctx, OffWaitAll, Fixture("process", "orphan", "7")...)
		orphan, err := strconv.Atoi(run.WaitLine(ctx, "orphan pid:")[len("orphan pid:"):])
		Expect(err).NotTo(HaveOccurred())
		Expect(Holds(ctx, 100*time.Millisecond, func() bool { return !run.Exited() })).To(BeTrue())
		Expect(syscall.Kill(orphan, syscall.SIGTERM)).To(Succeed())
		Expect(Within1s(ctx, run.Exited)).To(BeTrue())
		Expect(run.Wait(ctx)).To(ExitWith(7))
	}, Clauses("TRC-15"))

	Spec("TRC-13.2", "ends it with the eldest's status when all die at once", func(ctx context.Context) {
		run := Start(ctx, OffWaitAll, append(Fixture("process", "fork-exec"), Fixture("process", "sleep")...)...)
		run.WaitLine(ctx, "ready")
		// The eldest is the first of them.
		for _, p := range run.Descendants() {
			_ = syscall.Kill(p.PID, syscall.SIGKILL)
		}
		Expect(run.Wait(ctx)).To(DieOf(syscall.SIGKILL))
	})

	Spec("TRC-13.3", "does not come early although syd was started with SIGCHLD ignored", func(ctx context.Context) {
		for _, opts := range [][]string{Off, OffWaitAll, allowAll()} {
			result := With(IgnoreSignal(syscall.SIGCHLD)).Syd(ctx, opts, Fixture("process", "exit", "9")...)
			Expect(result).To(ExitWith(9))
		}
	})

	Spec("TRC-13.4", "makes the status 127 when it comes before the eldest's", func(ctx context.Context) {
		result := bent(ctx, []string{"wait-errno", "ECHILD", "3", "0"}, Off, Fixture("process", "fork-exit", "3", "9")...)
		Expect(result).To(ExitWith(127))
	})

	Spec("TRC-13.5", "does not follow from the eldest's end: another process's children are waited for", func(ctx context.Context) {
		result := Syd(ctx, OffWaitAll, Fixture("fork", "sibling-outlives", "9", "3")...)
		Expect(result).To(SayLine("outlived"))
		Expect(result).To(ExitWith(3))
	})
})

var _ = Describe("a wait that fails otherwise", func() {
	numbers := map[string]int{"EINVAL": 22, "ENOSYS": 38, "EPERM": 1, "EFAULT": 14, "ENOMEM": 12}

	Spec("TRC-14.1", "ends the sandbox with that errno as status", func(ctx context.Context) {
		for errno, number := range numbers {
			result := bent(ctx, []string{"wait-errno", errno, "0", "0"}, Off, Fixture("process", "exit", "9")...)
			Expect(result).To(ExitWith(number), errno)
		}
	})

	Spec("TRC-14.2", "ends it in the midst of its life, too", func(ctx context.Context) {
		for errno, number := range numbers {
			result := bent(ctx, []string{"wait-errno", errno, "4", "1"}, OffWaitAll, Fixture("fork", "reap", "20")...)
			Expect(result).To(SayLine("bent waits 1"))
			Expect(result).To(ExitWith(number), errno)
		}
	})

	Spec("TRC-14.3", "is named on stderr", func(ctx context.Context) {
		result := bent(ctx, []string{"wait-errno", "EINVAL", "1", "0"}, Off, Fixture("process", "exit", "9")...)
		Expect(result).To(Complain("waitid"))
	})

	Spec("TRC-14.4", "leaves no tracee alive, 1 s later", func(ctx context.Context) {
		result := bent(ctx, []string{"wait-errno", "EINVAL", "8", "0"}, Off, Fixture("fork", "live", "30")...)
		Expect(result).To(ExitWith(22))
		Expect(Within1s(ctx, func() bool { return len(runningIn(TempDir())) == 0 })).To(BeTrue())
	})
})
