// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"os"
	"strconv"
	"strings"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "syd/conformance/harness"
)

// allowAll intercepts all that can be decided on, and allows it.
func allowAll(more ...string) []string {
	return OnlyExecChdir(append([]string{"allow/exec,chdir+/***"}, more...)...)
}

// bothProfiles calls the function with the rules off, and with everything
// intercepted and allowed.
func bothProfiles(function func(opts []string)) {
	GinkgoHelper()
	for _, opts := range [][]string{Off, allowAll()} {
		function(opts)
	}
}

// atMost is the rules under which the sandbox has room for so many tasks.
func atMost(tasks int) []string {
	return allowAll("pid/max:"+strconv.Itoa(tasks), "default/pid:deny")
}

// zombiesOf lists the zombies of a process group.
func zombiesOf(group int) []string {
	var found []string
	entries, err := os.ReadDir("/proc")
	Expect(err).NotTo(HaveOccurred())
	for _, entry := range entries {
		stat, err := os.ReadFile("/proc/" + entry.Name() + "/stat")
		if err != nil {
			continue
		}
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		if len(fields) > 2 && fields[0] == "Z" && fields[2] == strconv.Itoa(group) {
			found = append(found, string(stat))
		}
	}
	return found
}

var _ = Describe("a tracee that exited", func() {
	Spec("TRC-01.1", "gives its parent its own status, each of 512 at once", func(ctx context.Context) {
		bothProfiles(func(opts []string) {
			result, _ := SameAsNative(ctx, opts, Fixture("fork", "reap", "512")...)
			Expect(result).To(SayLine("reaped 512 wrong 0"))
		})
	}, Smoke, Stress)

	Spec("TRC-01.2", "leaves room for the next: 200 processes one after another never reach pid/max 8", func(ctx context.Context) {
		Expect(Syd(ctx, atMost(8), Fixture("fork", "live", "20")...).Fact("first-error")).NotTo(Equal("none"))
		for _, kind := range []string{"fork", "vfork"} {
			result := Syd(ctx, atMost(8), Fixture("fork", "batches", kind, "200")...)
			Expect(result).To(SayLine("batch 1 wrong 0"), kind)
			Expect(result).To(ExitWith(0))
		}
	})

	Spec("TRC-01.3", "leaves room for the next when it is a thread: 500 in turn never reach pid/max 100", func(ctx context.Context) {
		// A joined thread may not be reaped yet: some room is needed.
		result := Syd(ctx, atMost(100), Fixture("fork", "batches", "thread", "500")...)
		Expect(result).To(SayLine("batch 1 wrong 0"))
		Expect(result).To(ExitWith(0))
	})

	Spec("TRC-01.4", "gives the whole room back: after 5 of 8 are gone the same number fits again", func(ctx context.Context) {
		once := Syd(ctx, atMost(8), Fixture("fork", "live", "7")...)
		Expect(once).To(SayLine("forks 7"))
		Expect(once).To(SayLine("after ok"))
		Expect(once).To(SayLine("after exit 4"))
	})

	Spec("TRC-01.5", "does not end the process that it was a thread of, whatever its code", func(ctx context.Context) {
		bothProfiles(func(opts []string) {
			result, _ := SameAsNative(ctx, opts, Fixture("fork", "thread-exit-code", "50", "3")...)
			Expect(result).To(ExitWith(3))
		})
	})

	Spec("TRC-01.6", "stays no zombie of the sandbox when its parent has waited for it", func(ctx context.Context) {
		run := With(Interactive()).Start(ctx, Off, Fixture("fork", "batches", "fork", "100")...)
		run.WaitLine(ctx, "batch 1 wrong 0")
		Expect(zombiesOf(run.PID())).To(BeEmpty())
		run.CloseStdin()
		Expect(run.Wait(ctx)).To(ExitWith(0))
	})

	Spec("TRC-01.7", "is told from a child that syd had before the sandbox began", func(ctx context.Context) {
		// It ends only when a program in the sandbox opens the other end.
		script := `mkfifo end && sh -c 'exec 3>end; exit 9' & while ! [ -p end ]; do :; done; exec "$@"`
		argv := append([]string{"sh", "-c", script, "sh", Build()}, Off...)
		argv = append(append(argv, "--"), Fixture("process", "fork-exec", "sh", "-c", "cat end; exit 4")...)
		result := Native(ctx, argv...)
		Expect(result).To(ExitWith(0))
		Expect(result).To(SayLine("child exit 4"))
		Expect(result.Stderr).To(BeEmpty())
	})
})

var _ = Describe("a tracee that was killed", func() {
	Spec("TRC-02.1", "gives its parent the signal, for each one that kills", func(ctx context.Context) {
		signals := []string{"reap-killed"}
		for sig := 1; sig <= 64; sig++ {
			switch s := syscall.Signal(sig); s {
			case syscall.SIGCHLD, syscall.SIGCONT, syscall.SIGURG, syscall.SIGWINCH, syscall.SIGSTOP, syscall.SIGTSTP,
				syscall.SIGTTIN, syscall.SIGTTOU, 32, 33:
			default:
				signals = append(signals, strconv.Itoa(sig))
			}
		}
		bothProfiles(func(opts []string) {
			SameAsNative(ctx, opts, Fixture("fork", signals...)...)
		})
	}, Smoke)

	Spec("TRC-02.2", "leaves room for the next: 200 in turn never reach pid/max 8", func(ctx context.Context) {
		result := Syd(ctx, atMost(8), Fixture("fork", "batches", "killed", "200")...)
		Expect(result).To(SayLine("batch 1 wrong 0"))
		Expect(result).To(ExitWith(0))
	})

	Spec("TRC-02.3", "takes its threads with it: 40 killed ones of 6 tasks each never reach pid/max 12", func(ctx context.Context) {
		result := Syd(ctx, atMost(12), Fixture("fork", "batches", "threaded-killed", "40")...)
		Expect(result).To(SayLine("batch 1 wrong 0"))
		Expect(result).To(ExitWith(0))
	}, Clauses("CAC-03"))

	Spec("TRC-02.4", "is one death to its parent, however many threads it had", func(ctx context.Context) {
		bothProfiles(func(opts []string) {
			for _, sig := range []string{"SIGKILL", "SIGTERM"} {
				result, _ := SameAsNative(ctx, opts, Fixture("fork", "killed-with-threads", "50", sig, "5")...)
				Expect(result).To(SayLine("wrong 0"))
				Expect(result).To(SayLine("left ECHILD"))
			}
		})
	})

	Spec("TRC-02.5", "is reaped and forgotten even when it is killed before its first instruction", func(ctx context.Context) {
		for _, opts := range [][]string{Off, atMost(8)} {
			result := Syd(ctx, opts, Fixture("fork", "kill-newborn", "200")...)
			Expect(result).To(SayLine("wrong 0"))
			Expect(result.Stderr).To(BeEmpty())
		}
	})
})

var _ = Describe("a tracee that exits, watched by SegvGuard,", func() {
	// The exit event is asked for only when somebody counts crashes.
	watched := func() []string { return allowAll("segvguard/expiry:60", "segvguard/maxcrashes:100000") }

	Spec("TRC-10.1", "exits with its own code, for every code", func(ctx context.Context) {
		result, _ := SameAsNative(ctx, watched(), Fixture("fork", "reap", "256")...)
		Expect(result).To(SayLine("reaped 256 wrong 0"))
	}, Smoke)

	Spec("TRC-10.2", "dies of its own signal, one that dumps core or not", func(ctx context.Context) {
		result, _ := SameAsNative(ctx, watched(), Fixture("fork", "reap-killed", "SEGV", "KILL", "ABRT", "TERM", "BUS", "40")...)
		Expect(result.Facts("child")).To(HaveLen(6))
	})

	Spec("TRC-10.3", "goes on to its end when it is one of many threads", func(ctx context.Context) {
		SameAsNative(ctx, watched(), Fixture("fork", "batches", "thread", "500")...)
		SameAsNative(ctx, watched(), Fixture("gofix", "threads", "200")...)
	})

	Spec("TRC-10.4", "goes on to its end when another thread ends the process", func(ctx context.Context) {
		result, _ := SameAsNative(ctx, watched(), Fixture("fork", "exit-by-thread", "50", "8")...)
		Expect(result).To(ExitWith(8))
	})

	Spec("TRC-10.5", "wakes the parent that it was vforked by", func(ctx context.Context) {
		for _, end := range []string{"5", "-9", "-11"} {
			SameAsNative(ctx, watched(), Fixture("fork", "vfork-order", end)...)
		}
	})

	Spec("TRC-10.6", "can be killed while it exits, 100 times", func(ctx context.Context) {
		result, _ := SameAsNative(ctx, watched(), Fixture("fork", "batches", "threaded-killed", "100")...)
		Expect(result).To(SayLine("batch 1 wrong 0"))
	})
})
