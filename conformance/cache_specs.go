// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "syd/conformance/harness"
)

// within runs a command of the fixture fork in the build, in a PID namespace
// with this pid_max (0: unchanged). It is run anew when somebody else's thread
// got the number that the fixture wanted to use again: then nothing was tried.
func within(ctx context.Context, pidMax string, opts []string, cmd ...string) Result {
	GinkgoHelper()
	argv := append([]string{"namespace", pidMax, Build()}, opts...)
	argv = append(append(argv, "--"), Fixture("fork", cmd...)...)
	for {
		result := Native(ctx, Fixture("fork", argv...)...)
		if !slices.Contains(result.Lines(), "number stolen") {
			return result
		}
	}
}

var _ = Describe("a process number that is used again", func() {
	Spec("CAC-01.1", "stands for the new process only: 900 lives in a namespace of 100 numbers", func(ctx context.Context) {
		good, bad, _ := goodAndBad()
		control := Native(ctx, Fixture("fork", append([]string{"namespace", "400"},
			Fixture("fork", "recycle-storm", "300", good, bad+"/none", "ENOENT")...)...)...)
		Expect(control).To(SayLine("wrong 0"))
		result := within(ctx, "400", allowAll("filter/chdir+"+bad), "recycle-storm", "900", good, bad, "EACCES")
		Expect(result).To(SayLine("numbers few"))
		Expect(result).To(SayLine("wrong 0"))
		Expect(result).To(ExitWith(0))
		Expect(result.Stderr).To(BeEmpty())
	}, Requires("pid_max_namespace"), Stress)

	Spec("CAC-01.2", "counts a crash of each process that had it", func(ctx context.Context) {
		opts := func(most int) []string { return allowAll("segvguard/maxcrashes:" + strconv.Itoa(most)) }
		below := within(ctx, "0", opts(4), "recycle-crash", "3")
		Expect(below.Facts("crash")).To(HaveLen(3))
		Expect(below.Fact("tracer")).NotTo(BeEmpty())
		above := within(ctx, "0", opts(3), "recycle-crash", "3")
		Expect(above.Fact("execve")).To(BeDenied("EACCES"))
	}, Requires("ns_last_pid"))

	Spec("CAC-01.3", "that was a thread's stays in the count when the thread's old process ends", func(ctx context.Context) {
		// The eldest, the heir and six more are eight.
		result := within(ctx, "0", atMost(8), "recycle-thread", "20")
		Expect(result).To(SayLine("owner exit 0"))
		Expect(result).To(SayLine("forks 6"))
	}, Requires("ns_last_pid"), Clauses("CAC-03"))

	Spec("CAC-01.4", "that was a thread's until it executed a program is a plain process's afterwards", func(ctx context.Context) {
		good, bad, _ := goodAndBad()
		for _, opts := range [][]string{Off, allowAll("filter/chdir+" + bad)} {
			result := within(ctx, "0", opts, "recycle-exec", "30", good)
			Expect(result).To(SayLine("wrong 0"))
			Expect(result.Stderr).To(BeEmpty())
		}
	}, Requires("ns_last_pid"))

	Spec("CAC-01.5", "does not make the count wrong: 900 lives in 100 numbers never reach pid/max 8", func(ctx context.Context) {
		for _, kind := range []string{"fork", "killed"} {
			result := within(ctx, "400", atMost(8), "batches", kind, "900")
			Expect(result).To(SayLine("batch 1 wrong 0"), kind)
		}
	}, Requires("pid_max_namespace"), Stress)
})

// holdings is what a process holds now: open descriptors, threads, and resident
// memory of its own in kB.
func holdings(pid int) (descriptors, threads, memory int) {
	GinkgoHelper()
	var table syscall.Stat_t // its size is how many are open; to list them needs a right
	Require("proc_fd_count")
	Expect(syscall.Stat(fmt.Sprintf("/proc/%d/fd", pid), &table)).To(Succeed())
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	Expect(err).NotTo(HaveOccurred())
	for line := range strings.Lines(string(status)) {
		fields := strings.Fields(line)
		switch fields[0] {
		case "Threads:":
			threads, err = strconv.Atoi(fields[1])
		case "RssAnon:":
			memory, err = strconv.Atoi(fields[1])
		}
		Expect(err).NotTo(HaveOccurred())
	}
	return int(table.Size), threads, memory
}

// expectNoGrowth runs first and then many short lives of a kind, and expects
// that the supervisor holds no more afterwards.
func expectNoGrowth(ctx context.Context, opts []string, kind string, first, many int) {
	GinkgoHelper()
	run := With(Interactive()).Start(ctx, opts, Fixture("fork", "batches", kind, strconv.Itoa(first), strconv.Itoa(many))...)
	run.WaitLine(ctx, "batch 1 wrong 0")
	descriptors, threads, memory := holdings(run.PID())
	run.Send("\n")
	run.WaitLine(ctx, "batch 2 wrong 0")
	descriptorsNow, threadsNow, memoryNow := holdings(run.PID())
	run.CloseStdin()
	Expect(run.Wait(ctx)).To(ExitWith(0))
	// Two more at most, however many lives: what a runtime opens once, late; and as
	// many threads as it may run at a time, which it starts as it happens to need them.
	Expect(descriptorsNow).To(BeNumerically("<=", descriptors+2), "descriptors, "+kind)
	Expect(threadsNow).To(BeNumerically("<=", threads+8), "threads, "+kind)
	Expect(memoryNow).To(BeNumerically("<=", memory+memory/10+leakFloor), "resident kB, "+kind)
}

// leakFloor is what a supervisor's memory may go up by, in kB, whatever it was:
// a collector, Go's for one, doesn't begin before there are 4 MiB.
const leakFloor = 5 << 10

var _ = Describe("the supervisor", func() {
	Spec("CAC-02.1", "holds no more after 4,000 processes than after 1,000", func(ctx context.Context) {
		expectNoGrowth(ctx, allowAll(), "fork", 1000, 3000)
	}, Stress)

	Spec("CAC-02.2", "holds no more after 4,000 threads than after 1,000", func(ctx context.Context) {
		expectNoGrowth(ctx, allowAll(), "thread", 1000, 3000)
	}, Stress)

	Spec("CAC-02.3", "holds no more after 2,000 killed processes than after 500", func(ctx context.Context) {
		expectNoGrowth(ctx, allowAll(), "killed", 500, 1500)
		expectNoGrowth(ctx, Off, "threaded-killed", 100, 200)
	}, Stress)

	Spec("CAC-02.4", "holds no more after 100,000 processes than after 10,000", func(ctx context.Context) {
		expectNoGrowth(ctx, allowAll(), "fork", 10_000, 90_000)
	}, Slow, TimeLimit(3*time.Minute))

	Spec("CAC-02.5", "holds no more after 100,000 threads and killed processes than after 1,000", func(ctx context.Context) {
		expectNoGrowth(ctx, allowAll(), "thread", 1000, 50_000)
		expectNoGrowth(ctx, allowAll(), "killed", 1000, 50_000)
	}, Slow, TimeLimit(3*time.Minute))
})

var _ = Describe("a process with threads that ends", func() {
	Spec("CAC-03.1", "gives back the room of all its threads: 40 of 6 tasks each never reach pid/max 12", func(ctx context.Context) {
		result := Syd(ctx, atMost(12), Fixture("fork", "batches", "threaded", "40")...)
		Expect(result).To(SayLine("batch 1 wrong 0"))
		Expect(result).To(ExitWith(0))
		Expect(result.Stderr).To(BeEmpty())
	})

	Spec("CAC-03.2", "gives it back when it executes a program: 20 times 6 tasks never reach pid/max 12", func(ctx context.Context) {
		result := Syd(ctx, atMost(12), Fixture("fork", "thread-exec", "20", "4")...)
		Expect(result).To(SayLine("pid same"))
		Expect(result.Stderr).To(BeEmpty())
		control := With(Env("SYD_LOG=emerg")).Syd(ctx, atMost(12), Fixture("fork", "thread-exec", "20", "14")...)
		Expect(control).NotTo(SayLine("pid same"))
	})

	Spec("CAC-03.3", "gives it back when its leader thread was gone first", func(ctx context.Context) {
		result := Syd(ctx, atMost(4), "sh", "-c",
			`for i in 1 2 3 4 5 6 7 8; do "$0" leader-first exit 7 >/dev/null; echo status $?; done`, Fixture("fork")[0])
		Expect(result.Facts("status")).To(HaveLen(8))
		Expect(result.Facts("status")).To(HaveEach("7"))
		Expect(result.Stderr).To(BeEmpty())
	})
})
