// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "syd/conformance/harness"
)

// tracersOf is TracerPid of every thread of a process.
func tracersOf(pid int) []int {
	GinkgoHelper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	Expect(err).NotTo(HaveOccurred())
	var tracers []int
	for _, file := range files {
		status, err := os.ReadFile(file)
		if err != nil {
			continue // the thread has ended
		}
		for line := range strings.Lines(string(status)) {
			if value, ok := strings.CutPrefix(line, "TracerPid:"); ok {
				tracer, err := strconv.Atoi(strings.TrimSpace(value))
				Expect(err).NotTo(HaveOccurred())
				tracers = append(tracers, tracer)
			}
		}
	}
	return tracers
}

var _ = Describe("the tracer", func() {
	Spec("TRC-19.1", "is one thread of the supervisor for every task of the sandbox", func(ctx context.Context) {
		bothProfiles(func(opts []string) {
			run := With(Interactive()).Start(ctx, opts, "sh", "-c",
				`"$0" sleep & sh -c '"$0" sleep & echo ready; read line' "$0"; kill %1; wait`, Fixture("process")[0])
			run.WaitLine(ctx, "ready")
			var tracers []int
			WaitFor(ctx, "three tasks", func() bool { return len(run.Descendants()) >= 3 })
			for _, p := range run.Descendants() {
				tracers = append(tracers, tracersOf(p.PID)...)
			}
			Expect(tracers).NotTo(BeEmpty())
			for _, tracer := range tracers {
				Expect(tracer).To(Equal(tracers[0]))
				Expect(fmt.Sprintf("/proc/%d/task/%d", run.PID(), tracer)).To(BeADirectory())
			}
			run.Kill()
		})
	})

	Spec("TRC-19.2", "is the same thread after 500 processes and a storm of signals", func(ctx context.Context) {
		run := With(Interactive()).Start(ctx, Off, Fixture("fork", "batches", "fork", "1", "500", "1")...)
		run.WaitLine(ctx, "batch 1")
		eldest := run.Descendants()[0].PID
		before := tracersOf(eldest)
		storm(run.PID(), syscall.SIGURG, 1000)
		run.Send("\n")
		run.WaitLine(ctx, "batch 2 wrong 0")
		Expect(tracersOf(eldest)).To(Equal(before))
		run.CloseStdin()
		Expect(run.Wait(ctx)).To(ExitWith(0))
	})

	Spec("TRC-19.3", "makes all waits and all ptrace requests on that thread", func(ctx context.Context) {
		bothProfiles(func(opts []string) {
			result := bent(ctx, nil, opts, Fixture("fork", "thread-forks", "4", "10")...)
			Expect(result).To(SayLine("failed 0"))
			Expect(result).To(SayLine("waiting threads 1"))
			Expect(result).To(SayLine("requesting threads 1"))
			Expect(result).To(SayLine("one thread yes"))
		})
	})

	Spec("TRC-19.4", "sleeps in waitid while nothing happens", func(ctx context.Context) {
		run := Start(ctx, Off, Fixture("process", "sleep")...)
		run.WaitLine(ctx, "ready")
		tracer := tracersOf(run.Descendants()[0].PID)[0]
		WaitFor(ctx, "the tracer in waitid", func() bool {
			call, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/syscall", run.PID(), tracer))
			Expect(err).NotTo(HaveOccurred())
			return strings.HasPrefix(string(call), strconv.Itoa(syscall.SYS_WAITID)+" ")
		})
		run.Kill()
	}, Requires("trace_undumpable"))
})

var _ = Describe("a tracee that is killed while it is stopped", func() {
	// killed runs the fixture so that its child (or the eldest) is killed right
	// before a ptrace request on it.
	killed := func(ctx context.Context, request, whom string, nth int, opts []string, cmd ...string) Result {
		GinkgoHelper()
		return bent(ctx, []string{"kill-at", request, whom, strconv.Itoa(nth)}, opts, cmd...)
	}

	Spec("TRC-20.1", "makes no noise before its first instruction", func(ctx context.Context) {
		bothProfiles(func(opts []string) {
			result := killed(ctx, "cont", "child", 1, opts, Fixture("process", "fork-exit", "3", "4")...)
			Expect(result).To(SayLine("bent kills 1"))
			Expect(result).To(SayLine("child signal SIGKILL"))
			Expect(result).To(ExitWith(4))
			Expect(result.Stderr).To(BeEmpty())
		})
	})

	Spec("TRC-20.2", "makes no noise at a seccomp stop", func(ctx context.Context) {
		program := trueProgram("program")
		// With SegvGuard on, a killed task has one stop more: at its exit.
		for _, opts := range [][]string{allowAll(), allowAll("segvguard/expiry:0")} {
			result := killed(ctx, "info", "child", 1, opts, Fixture("process", "fork-exec", program)...)
			Expect(result).To(SayLine("bent kills 1"))
			Expect(result).To(SayLine("child signal SIGKILL"))
			Expect(result).To(ExitWith(0))
			Expect(result.Stderr).To(BeEmpty())
		}
	})

	Spec("TRC-20.3", "makes no noise between the entry and the exit of a call", func(ctx context.Context) {
		cmd := append(Fixture("process", "fork-exec"), Fixture("fork", "chdirs", "/")...)
		for _, request := range []string{"syscall", "info"} {
			nth := map[string]int{"syscall": 1, "info": 3}[request]
			result := killed(ctx, request, "child", nth, allowAll(), cmd...)
			Expect(result).To(SayLine("bent kills 1"), request)
			Expect(result).To(SayLine("child signal SIGKILL"), request)
			Expect(result.Stderr).To(BeEmpty())
		}
	})

	Spec("TRC-20.4", "makes no noise at its own fork and exec events", func(ctx context.Context) {
		cmd := append(Fixture("process", "fork-exec"), Fixture("process", "fork-exit", "3", "4")...)
		rows := []struct {
			nth  int
			opts []string
		}{{1, allowAll()}, {2, allowAll()}, {1, allowAll("segvguard/expiry:0")}, {2, allowAll("segvguard/expiry:0")}}
		for _, row := range rows {
			result := killed(ctx, "message", "child", row.nth, row.opts, cmd...)
			Expect(result).To(SayLine("bent kills 1"))
			Expect(result).To(SayLine("child signal SIGKILL"))
			Expect(result).To(ExitWith(0))
			Expect(result.Stderr).To(BeEmpty())
		}
	})

	Spec("TRC-20.5", "makes no noise in a group-stop", func(ctx context.Context) {
		for _, opts := range [][]string{allowAll(), allowAll("segvguard/expiry:0")} {
			result := killed(ctx, "listen", "child", 1, opts, Fixture("fork", "stop-kill")...)
			Expect(result).To(SayLine("bent kills 1"))
			Expect(result).To(SayLine("child signal SIGKILL"))
			Expect(result).To(ExitWith(0))
			Expect(result.Stderr).To(BeEmpty())
		}
	})

	Spec("TRC-20.6", "is reported with its signal when it is the eldest, before whichever of its first requests", func(ctx context.Context) {
		for _, opts := range [][]string{allowAll(), allowAll("segvguard/expiry:0")} {
			Each([]int{1, 2, 3, 4, 5, 6}, 3, func(nth int) {
				result := killed(ctx, "any", "eldest", nth, opts, Fixture("process", "fork-exec", "/bin/true")...)
				Expect(result).To(SayLine("bent kills 1"), strconv.Itoa(nth))
				Expect(result).To(ExitWith(137), strconv.Itoa(nth))
				Expect(result.Stderr).To(BeEmpty(), strconv.Itoa(nth))
			})
		}
	})
})
