// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "syd/conformance/harness"
)

// runningIn lists the live processes whose working directory is dir.
func runningIn(dir string) []int {
	var found []int
	entries, err := os.ReadDir("/proc")
	Expect(err).NotTo(HaveOccurred())
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid)); err == nil && cwd == dir && Alive(pid) {
			found = append(found, pid)
		}
	}
	return found
}

// numberIn is the number at the end of a fact such as "orphan pid:12".
func numberIn(line string) int {
	GinkgoHelper()
	number, err := strconv.Atoi(line[strings.LastIndexByte(line, ':')+1:])
	Expect(err).NotTo(HaveOccurred())
	return number
}

// freeze stops a supervisor and returns what continues it.
func freeze(ctx context.Context, run *Proc) (thaw func()) {
	GinkgoHelper()
	run.Signal(syscall.SIGSTOP)
	run.WaitState(ctx, "T")
	return func() { run.Signal(syscall.SIGCONT) }
}

var _ = Describe("the wait loop", func() {
	Spec("TRC-15.1", "is not left while the eldest is stopped", func(ctx context.Context) {
		bothProfiles(func(opts []string) {
			run := Start(ctx, opts, Fixture("process", "sleep")...)
			run.WaitLine(ctx, "ready")
			eldest := run.Descendants()[0].PID
			Expect(syscall.Kill(eldest, syscall.SIGSTOP)).To(Succeed())
			WaitFor(ctx, "the stop", func() bool { return strings.Contains("Tt", State(eldest)) })
			Expect(Holds(ctx, 50*time.Millisecond, func() bool { return !run.Exited() })).To(BeTrue())
			Expect(syscall.Kill(eldest, syscall.SIGCONT)).To(Succeed())
			Expect(syscall.Kill(eldest, syscall.SIGTERM)).To(Succeed())
			Expect(run.Wait(ctx)).To(DieOf(syscall.SIGTERM))
		})
	})

	Spec("TRC-15.2", "is not left while the eldest's leader thread is gone and another runs", func(ctx context.Context) {
		bothProfiles(func(opts []string) {
			result, _ := SameAsNative(ctx, opts, Fixture("fork", "leader-first", "exit", "7")...)
			Expect(result).To(ExitWith(7))
			Expect(result).To(SayLine("killed-child signal SIGKILL"))
		})
	})

	Spec("TRC-15.3", "is left at once by a rule that ends the sandbox", func(ctx context.Context) {
		for action, status := range map[string]int{"panic": 127, "exit": 13} {
			bad := trueProgram("bad-" + action)
			cmd := Fixture("process", "fork-exec", bad)
			Expect(Syd(ctx, allowAll(), cmd...)).To(ExitWith(0))
			result := Syd(ctx, allowAll(action+"/exec+"+bad), cmd...)
			Expect(result).To(ExitWith(status), action)
			Expect(result).NotTo(SayLine("child exit 0"))
		}
	})

	Spec("TRC-15.4", "is not left while a process that left its session and parent lives, with trace/exit_wait_all", func(ctx context.Context) {
		opts := append(allowAll(), Rules("trace/exit_wait_all:1")...)
		run := Start(ctx, opts, Fixture("process", "orphan", "4")...)
		orphan := numberIn(run.WaitLine(ctx, "orphan pid:"))
		Expect(Holds(ctx, 100*time.Millisecond, func() bool { return !run.Exited() && Alive(orphan) })).To(BeTrue())
		Expect(syscall.Kill(orphan, syscall.SIGKILL)).To(Succeed())
		Expect(run.Wait(ctx)).To(ExitWith(4))
	})
})

var _ = Describe("the eldest's status", func() {
	Spec("TRC-16.1", "is right when the eldest ends while the supervisor is stopped", func(ctx context.Context) {
		for range 10 {
			run := With(Interactive()).Start(ctx, Off, Fixture("fork", "batches", "fork", "1")...)
			run.WaitLine(ctx, "batch 1")
			thaw := freeze(ctx, run)
			run.CloseStdin()
			thaw()
			Expect(run.Wait(ctx)).To(ExitWith(0))
		}
		for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
			run := Start(ctx, Off, Fixture("process", "sleep")...)
			run.WaitLine(ctx, "ready")
			eldest := run.Descendants()[0].PID
			thaw := freeze(ctx, run)
			Expect(syscall.Kill(eldest, sig)).To(Succeed())
			thaw()
			Expect(run.Wait(ctx)).To(DieOf(sig))
		}
	})

	Spec("TRC-16.2", "is right in 200 short lives, although the last filter user goes before the reap", func(ctx context.Context) {
		codes := make([]int, 200)
		for i := range codes {
			codes[i] = i
		}
		Each(codes, 4, func(code int) {
			Expect(Syd(ctx, Off, Fixture("process", "exit", strconv.Itoa(code))...)).To(ExitWith(code))
		})
	}, Stress)

	Spec("TRC-16.3", "is not that of a later process with the eldest's number", func(ctx context.Context) {
		for _, opts := range [][]string{OffWaitAll, append(allowAll(), Rules("trace/exit_wait_all:1")...)} {
			result := within(ctx, "0", opts, "recycle-eldest", "7", "99")
			Expect(result).To(SayLine("recycled"))
			Expect(result).To(ExitWith(7))
		}
	}, Requires("ns_last_pid"), Clauses("CAC-01"))

	Spec("TRC-16.4", "is right when 100 threads end with it", func(ctx context.Context) {
		bothProfiles(func(opts []string) {
			for _, code := range []string{"0", "8", "127"} {
				SameAsNative(ctx, opts, Fixture("fork", "exit-by-thread", "100", code)...)
			}
		})
	})
})

var _ = Describe("an eldest that ends last", func() {
	Spec("TRC-17.1", "does not hang on children that stop, go on, exec and die, 100 at once", func(ctx context.Context) {
		bothProfiles(func(opts []string) {
			result, _ := SameAsNative(ctx, opts, Fixture("fork", "wait-all", "100", "4")...)
			Expect(result).To(SayLine("died 100"))
			Expect(result).To(ExitWith(4))
		})
	}, Stress)

	Spec("TRC-17.2", "does not hang although its leader thread is a zombie and the rest dies of a signal", func(ctx context.Context) {
		bothProfiles(func(opts []string) {
			result, _ := SameAsNative(ctx, opts, Fixture("fork", "leader-first", "kill", "SIGUSR1")...)
			Expect(result).To(DieOf(syscall.SIGUSR1))
		})
	})

	Spec("TRC-17.3", "does not hang when all stops and deaths came while the supervisor was stopped", func(ctx context.Context) {
		run := Start(ctx, Off, Fixture("fork", "wait-all", "50", "4")...)
		thaw := freeze(ctx, run)
		for _, p := range run.Descendants() {
			_ = syscall.Kill(p.PID, syscall.SIGCONT)
		}
		thaw()
		result := run.Wait(ctx)
		Expect(result).To(SayLine("died 50"))
		Expect(result).To(ExitWith(4))
	})

	Spec("TRC-17.4", "is waited for through interrupted waits up to its end", func(ctx context.Context) {
		result := bent(ctx, []string{"wait-errno", "EINTR", "30", "500"}, Off, Fixture("fork", "wait-all", "30", "4")...)
		Expect(result).To(SayLine("bent waits 500"))
		Expect(result).To(SayLine("died 30"))
		Expect(result).To(ExitWith(4))
	})
})

// fullPipe is a pipe that nobody reads and nothing more can be written to.
func fullPipe() (reader, writer *os.File) {
	GinkgoHelper()
	reader, writer, err := os.Pipe()
	Expect(err).NotTo(HaveOccurred())
	fd := int(writer.Fd())
	Expect(syscall.SetNonblock(fd, true)).To(Succeed())
	for chunk := make([]byte, 65536); len(chunk) > 0; {
		if _, err := syscall.Write(fd, chunk); err != nil {
			chunk = chunk[:len(chunk)/2]
		}
	}
	Expect(syscall.SetNonblock(fd, false)).To(Succeed())
	return reader, writer
}

var _ = Describe("leaving", func() {
	Spec("TRC-18.1", "takes at most 1 s after the eldest's end although nobody reads the log", func(ctx context.Context) {
		bad := trueProgram("bad")
		reader, writer := fullPipe()
		defer reader.Close()
		run := With(Interactive(), Files(writer), Env("SYD_LOG_FD=3")).
			Start(ctx, allowAll("deny/exec+"+bad), Fixture("fork", "first-exec", "20", bad)...)
		Expect(writer.Close()).To(Succeed())
		run.WaitLine(ctx, "denied 20")
		// One second for the log, one for the rest.
		ctx2, cancel := context.WithTimeout(ctx, Bound(2*time.Second))
		defer cancel()
		WaitFor(ctx2, "the end of syd", run.Exited)
		Expect(run.Wait(ctx)).To(ExitWith(0))
	})

	Spec("TRC-18.2", "takes at most 1 s although signals keep arriving", func(ctx context.Context) {
		run := With(Interactive()).Start(ctx, Off, Fixture("fork", "batches", "fork", "1")...)
		run.WaitLine(ctx, "batch 1")
		run.CloseStdin()
		deadline := time.Now().Add(Bound(time.Second))
		for !run.Exited() && time.Now().Before(deadline) {
			_ = syscall.Kill(run.PID(), syscall.SIGUSR1)
		}
		Expect(run.Exited()).To(BeTrue())
	})

	Spec("TRC-18.3", "leaves nobody who holds what the supervisor had open", func(ctx context.Context) {
		reader, writer, err := os.Pipe()
		Expect(err).NotTo(HaveOccurred())
		defer reader.Close()
		run := With(Files(writer), Env("SYD_LOG_FD=3")).Start(ctx, Off, Fixture("process", "orphan", "3")...)
		Expect(writer.Close()).To(Succeed())
		Expect(run.Wait(ctx)).To(ExitWith(3))
		Expect(reader.SetReadDeadline(time.Now().Add(Bound(time.Second)))).To(Succeed())
		// The end of file: no process has the other end any more.
		_, err = reader.Read(make([]byte, 1))
		Expect(err).To(MatchError("EOF"))
	})

	Spec("TRC-18.4", "takes at most 1 s with 300 processes still alive, and they die with it", func(ctx context.Context) {
		run := Start(ctx, Off, append(Fixture("process", "fork-exec"), Fixture("fork", "over", "300")...)...)
		run.WaitLine(ctx, "child exit 6")
		Expect(Within1s(ctx, run.Exited)).To(BeTrue())
		Expect(Within1s(ctx, func() bool { return len(runningIn(TempDir())) == 0 })).To(BeTrue())
	})
})
