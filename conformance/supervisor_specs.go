// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "syd/conformance/harness"
)

var _ = Describe("a tracee", func() {
	Spec("LCH-12.1", "has the descriptors that it has natively, wherever it looks from", func(ctx context.Context) {
		places := []string{"child", "grandchild", "vfork", "thread", "exec", "late"}
		Each(places, 3, func(place string) {
			for _, opts := range launchProfiles {
				SameAsNative(ctx, opts, Fixture("process", "descriptors-in", place)...)
			}
		})
		for _, opts := range append(launchProfiles, OffWaitAll) {
			SameAsNative(ctx, opts, Fixture("process", "descriptors")...)
		}
	}, Smoke)

	Spec("LCH-12.2", "does not have the descriptor of the log", func(ctx context.Context) {
		native := Native(ctx, Fixture("process", "descriptors")...)
		for _, opts := range [][]string{Off, launchEverything, OnlyExecChdir("warn/exec,chdir+/***")} {
			log, err := os.Create(filepath.Join(TempDir(), "log"))
			Expect(err).NotTo(HaveOccurred())
			start := With(Files(log), Env("SYD_LOG_FD=3", "SYD_LOG=debug"))
			Expect(start.Native(ctx, Fixture("process", "descriptors")...)).NotTo(EqualNative(native), "the control: descriptor 3 shows")
			Expect(start.Syd(ctx, opts, Fixture("process", "descriptors")...)).To(EqualNative(native))
			Expect(start.Syd(ctx, opts, Fixture("process", "descriptors-in", "child")...).Fact("descriptors")).
				To(Equal(native.Fact("descriptors")))
			log.Close()
		}
		written, err := os.ReadFile(filepath.Join(TempDir(), "log"))
		Expect(err).NotTo(HaveOccurred())
		Expect(string(written)).To(ContainSubstring("exec"), "the log is written to")
	}, Smoke)

	Spec("LCH-12.3", "keeps the log's descriptor when that is its own stderr", func(ctx context.Context) {
		With(Env("SYD_LOG_FD=2", "SYD_LOG=debug")).SameAsNative(ctx, Off, Fixture("process", "descriptors")...)
		With(Env("SYD_LOG_FD=1", "SYD_LOG=emerg")).SameAsNative(ctx, Off, Fixture("process", "descriptors")...)
	})

	Spec("LCH-12.4", "has every descriptor that syd was started with and does not use itself", func(ctx context.Context) {
		var files []*os.File
		for i := range 20 {
			file, err := os.Create(filepath.Join(TempDir(), strconv.Itoa(i)))
			Expect(err).NotTo(HaveOccurred())
			defer file.Close()
			files = append(files, file)
		}
		for _, opts := range launchProfiles {
			_, native := With(Files(files...)).SameAsNative(ctx, opts, Fixture("process", "descriptors")...)
			Expect(strings.Count(native.Stdout, TempDir())).To(Equal(len(files)), native.String())
		}
	})

	Spec("LCH-12.5", "has no descriptor in the place of one that was closed at the start", func(ctx context.Context) {
		for _, opts := range launchProfiles {
			for _, fd := range []int{0, 2} {
				With(CloseFile(fd)).SameAsNative(ctx, opts, Fixture("process", "descriptors")...)
			}
			With(CloseFile(0), CloseFile(2)).SameAsNative(ctx, opts, Fixture("process", "descriptors-in", "child")...)
		}
	})

	Spec("LCH-12.6", "has none of the supervisor's descriptors when a rule has just been applied", func(ctx context.Context) {
		opts := append(append([]string{}, launchEverything...), Rules("deny/exec+"+denied(ctx))...)
		script := denied(ctx) + " 2>/dev/null; exec " + strings.Join(Fixture("process", "descriptors"), " ")
		native := Native(ctx, "/bin/sh", "-c", script)
		Expect(Syd(ctx, opts, "/bin/sh", "-c", script).Lines()).To(Equal(native.Lines()))
	})
})

// launchTree is a program that is many things at once: forks, execs, stops,
// threads, pipes.
func launchTree() []string {
	return []string{"/bin/sh", "-c", "exec 4<&0; (while :; do /bin/true; done) & (while :; do (:) | (:); done) & " +
		strings.Join(leave("wait", "session", "stopped", "deaf", "threads", "vfork", "hop"), " ")}
}

// killAfter starts the tree, kills the supervisor after the moment, and expects
// that nothing lives a second later.
func killAfter(ctx context.Context, opts []string, moment time.Duration) {
	GinkgoHelper()
	line := newLifeline()
	defer line.close()
	run := With(Files(line.far)).Start(ctx, opts, launchTree()...)
	line.held()
	launchMoment(ctx, moment)
	run.Signal(syscall.SIGKILL)
	result := run.Wait(ctx)
	Expect(result).To(BeKilledBy(syscall.SIGKILL))
	Expect(Within1s(ctx, line.cut)).To(BeTrue(), "killed after %v, and something lives\n%s", moment, result)
}

// killAtCall ends the build by SIGKILL at its n-th system call and says whether
// it made so many.
func killAtCall(ctx context.Context, opts []string, n int) bool {
	GinkgoHelper()
	result := inject(ctx, []string{"SIGKILL", strconv.Itoa(n), "1", "all"}, opts, Fixture("process", "fork-exit", "3", "5")...)
	if len(result.Facts("injected")) == 0 {
		Expect(result).To(ExitWith(5))
		return false
	}
	// The last calls race with the end that they are part of.
	Expect(result.Fact("program")).To(BeElementOf("signal SIGKILL", "exit 5"))
	return true
}

func launchMoments(count int, most time.Duration) []time.Duration {
	moments := make([]time.Duration, count)
	for i := range moments {
		moments[i] = rand.N(most)
	}
	return moments
}

var _ = Describe("the supervisor's death by SIGKILL", func() {
	Spec("LCH-14.1", "leaves no tracee at any of 30 random moments of a busy sandbox", func(ctx context.Context) {
		Each(launchMoments(30, 60*time.Millisecond), 2, func(moment time.Duration) {
			killAfter(ctx, launchProfiles[rand.IntN(2)], moment)
		})
	}, Smoke)

	Spec("LCH-14.2", "leaves no tracee at any of 30 random moments of the start", func(ctx context.Context) {
		Each(launchMoments(30, 6*time.Millisecond), 2, func(moment time.Duration) {
			killAfter(ctx, launchProfiles[rand.IntN(2)], moment)
		})
	}, Smoke)

	Spec("LCH-14.3", "leaves no tracee at any of 30 of the supervisor's own system calls", func(ctx context.Context) {
		const stride = 17
		first := 1 + rand.IntN(stride)
		calls := make([]int, 30)
		for i := range calls {
			calls[i] = first + i*stride
		}
		Each(calls, 2, func(n int) { killAtCall(ctx, launchProfiles[n%2], n) })
	})

	Spec("LCH-14.4", "leaves no tracee, in whatever state that is", func(ctx context.Context) {
		Each(launchHeirs, 3, func(heir string) {
			for _, opts := range launchProfiles {
				line := newLifeline()
				run := With(Files(line.far)).Start(ctx, opts, leave("wait", heir)...)
				line.held()
				run.WaitLine(ctx, "ready")
				left := leftPID(run.Stdout(), heir)
				run.Signal(syscall.SIGKILL)
				Expect(run.Wait(ctx)).To(BeKilledBy(syscall.SIGKILL))
				Expect(Within1s(ctx, func() bool { return line.cut() && !Alive(left) })).To(BeTrue(), "%s lives", heir)
				line.close()
			}
		})
	}, Smoke)

	Spec("LCH-14.5", "leaves no tracee of a stopped sandbox", func(ctx context.Context) {
		run, line := startOnLifeline(ctx, Off, leave("wait", "session", "stopped")...)
		run.WaitLine(ctx, "ready")
		run.Signal(syscall.SIGSTOP)
		run.WaitState(ctx, "T")
		run.Signal(syscall.SIGKILL)
		Expect(run.Wait(ctx)).To(BeKilledBy(syscall.SIGKILL))
		Expect(Within1s(ctx, line.cut)).To(BeTrue())
	})

	Spec("LCH-14.6", "leaves natively living processes alone: only the sandbox dies of it", func(ctx context.Context) {
		// The control of all the others: the same tree lives on without a tracer.
		native := Native(ctx, leave("0", "session", "sleep")...)
		session, sleep := leftPID(native.Stdout, "session"), leftPID(native.Stdout, "sleep")
		run := Start(ctx, Off, leave("wait", "session")...)
		run.WaitLine(ctx, "ready")
		run.Signal(syscall.SIGKILL)
		Expect(run.Wait(ctx)).To(BeKilledBy(syscall.SIGKILL))
		alive := Alive(session) && Alive(sleep)
		killLeft(session, sleep)
		Expect(alive).To(BeTrue())
	})

	Spec("LCH-14.7", "leaves no tracee at any of 1,000 random moments", func(ctx context.Context) {
		moments := append(launchMoments(500, 8*time.Millisecond), launchMoments(500, 80*time.Millisecond)...)
		Each(moments, 3, func(moment time.Duration) { killAfter(ctx, launchProfiles[rand.IntN(2)], moment) })
	}, Slow, Stress, TimeLimit(5*time.Minute))

	Spec("LCH-14.8", "leaves no tracee at any of the supervisor's own system calls", func(ctx context.Context) {
		for _, opts := range [][]string{Off, launchEverything, OffWaitAll} {
			calls := make([]int, 600)
			for i := range calls {
				calls[i] = i + 1
			}
			Each(calls, 2, func(n int) { killAtCall(ctx, opts, n) })
		}
	}, Slow, Stress, TimeLimit(5*time.Minute))
})

// expectNoHarm expects of a run whose supervisor failed somewhere that the
// program either ran in a sandbox and told its status, or that the status is
// not 0, with words on stderr. That nothing lives on, inject has seen.
func expectNoHarm(result Result) {
	GinkgoHelper()
	if tracer := result.Fact("TracerPid"); tracer != "" {
		Expect(tracer).NotTo(Equal("0"), "the program ran unsandboxed\n%s", result)
		Expect(result.Fact("Seccomp")).To(Equal("2"), "the program ran unsandboxed\n%s", result)
		if result.Status == 0 {
			return
		}
	}
	Expect(result.Status).NotTo(BeZero(), result.String())
	// libc's start and the runtime's end know no other word than a signal.
	died := strings.HasPrefix(result.Fact("program"), "signal ") || strings.HasPrefix(result.Fact("program"), "core ")
	Expect(died || result.Stderr != "").To(BeTrue(), "it says nothing of why\n%s", result)
}

func launchStatus() []string { return Fixture("tracestate", "status", "TracerPid", "Seccomp") }

var _ = Describe("a fault of the supervisor", func() {
	faults := []syscall.Signal{
		syscall.SIGSEGV, syscall.SIGBUS, syscall.SIGFPE, syscall.SIGILL, syscall.SIGABRT, syscall.SIGTRAP, syscall.SIGSYS,
	}

	Spec("LCH-15.1", "ends the sandbox, with the cause on stderr and a status that is not 0", func(ctx context.Context) {
		Each(faults, 2, func(fault syscall.Signal) {
			for _, opts := range [][]string{Off, OffWaitAll, launchEverything} {
				line := newLifeline()
				run := With(Files(line.far), ExpectPanicText()).Start(ctx, opts, leave("wait", "session", "stopped", "hop")...)
				line.held()
				run.WaitLine(ctx, "ready")
				run.Signal(fault)
				result := run.Wait(ctx)
				Expect(result.Status).NotTo(BeZero(), result.String())
				Expect(result.Stderr).NotTo(BeEmpty(), result.String())
				Expect(Within1s(ctx, line.cut)).To(BeTrue(), "a tracee lives\n%s", result)
				line.close()
			}
		})
	})

	Spec("LCH-15.2", "in a system call of its own gives neither a hang nor an unsandboxed program", func(ctx context.Context) {
		const stride = 13
		first := 1 + rand.IntN(stride)
		calls := make([]int, 36)
		for i := range calls {
			calls[i] = first + i*stride
		}
		Each(calls, 2, func(n int) {
			error := []string{"EPERM", "ENOMEM", "EINVAL", "EAGAIN"}[rand.IntN(4)]
			expectNoHarm(inject(ctx, []string{error, strconv.Itoa(n), "1", "all"}, launchProfiles[n%2], launchStatus()...))
		})
	}, Stress)

	Spec("LCH-15.3", "in a helper gives 127, one line with the cause, and the death of the sandbox", func(ctx context.Context) {
		// The helper waits for its events by one of these calls. epoll is left out:
		// by it a language runtime may wait, whose fault is its own.
		polls := "ppoll,poll"
		for _, opts := range launchProfiles {
			result := inject(ctx, []string{"EINVAL", "1", "1000000", polls}, opts, leave("wait", "session", "stopped")...)
			Expect(result.Facts("injected")).NotTo(BeEmpty())
			Expect(result).To(ExitWith(127))
			Expect(strings.Count(result.Stderr, "\n")).To(Equal(1), result.String())
			Expect(result.Stderr).To(HavePrefix("syd: "))
		}
	})

	Spec("LCH-15.4", "in seizing or filtering the eldest starts no program", func(ctx context.Context) {
		for _, error := range []string{"EPERM", "EINVAL", "ESRCH", "EIO"} {
			result := inject(ctx, []string{error, "1", "1", "ptrace"}, Off, "/bin/echo", "ran")
			Expect(result.Facts("injected")).To(HaveLen(1))
			Expect(result).NotTo(SayLine("ran"))
			Expect(result.Status).NotTo(BeZero(), result.String())
			Expect(result.Stderr).NotTo(BeEmpty(), result.String())
		}
	})

	Spec("LCH-15.5", "in resuming a tracee ends with a status that is not 0 and no tracee", func(ctx context.Context) {
		for _, first := range []string{"2", "3", "4", "5"} {
			for _, error := range []string{"EPERM", "EIO"} {
				result := inject(ctx, []string{error, first, "1000000", "ptrace"}, launchEverything, leave("wait", "session")...)
				Expect(result.Status).NotTo(BeZero(), result.String())
			}
		}
	})

	Spec("LCH-15.6", "that is a want of descriptors starts no program or runs it as ever", func(ctx context.Context) {
		limits := make([]int, 24)
		for i := range limits {
			limits[i] = i + 3
		}
		Each(limits, 3, func(limit int) {
			line := newLifeline()
			defer line.close()
			argv := append([]string{"/bin/sh", "-c", `ulimit -n ` + strconv.Itoa(limit) + `; exec "$@"`, "sh", Build(), "-p", "off", "--"},
				launchStatus()...)
			run := With(Files(line.far)).StartNative(ctx, argv...)
			line.held()
			expectNoHarm(run.Wait(ctx))
			Expect(Within1s(ctx, line.cut)).To(BeTrue())
		})
	})

	Spec("LCH-15.7", "that is a want of memory starts no program or runs it as ever", func(ctx context.Context) {
		sizes := []int{8, 16, 32, 64, 96, 128, 256, 512, 1024, 2048}
		Each(sizes, 2, func(megabytes int) {
			line := newLifeline()
			defer line.close()
			argv := append([]string{"/bin/sh", "-c", `ulimit -v ` + strconv.Itoa(megabytes<<10) + `; exec "$@"`, "sh", Build(), "-p", "off", "--"},
				launchStatus()...)
			run := With(Files(line.far)).StartNative(ctx, argv...)
			line.held()
			expectNoHarm(run.Wait(ctx))
			Expect(Within1s(ctx, line.cut)).To(BeTrue())
		})
	})

	// filled has programs be as many as limit lets them, and then be judged.
	filled := func(ctx context.Context, n int, limit LaunchOption) Result {
		GinkgoHelper()
		cmd := Fixture("process", "fill", "3")
		launch := func(n int) *Launch { return With(append(lone(n), limit, Env("GOGC=1"))...) }
		Expect(launch(n).Native(ctx, cmd...)).To(SayLine("full yes"))
		return launch(n+1).Syd(ctx, execRules("filter/chdir+/proc"), cmd...)
	}

	Spec("LCH-15.9", "isn't brought about by programs that are as many as the soft limit lets them", func(ctx context.Context) {
		result := filled(ctx, 3, Processes(60))
		Expect(result).To(ExitWith(0))
		Expect(result).To(SayLine("full yes"))
		Expect(result.Stderr).To(BeEmpty())
	}, RootOnly, Stress)

	Spec("LCH-15.10", "that is a want of threads, as programs are as many as may be, gives 127 and one line with the cause", func(ctx context.Context) {
		result := filled(ctx, 5, OnlyProcesses(60))
		if result.Status == 0 {
			Expect(result).To(SayLine("full yes"))
			return // it had all the threads that it needed
		}
		Expect(result).To(ExitWith(127))
		Expect(strings.Count(result.Stderr, "\n")).To(Equal(1), result.String())
		Expect(result.Stderr).To(HavePrefix("syd: "))
	}, RootOnly, Stress)

	Spec("LCH-15.8", "in any system call of its own gives neither a hang nor an unsandboxed program", func(ctx context.Context) {
		for _, error := range []string{"EPERM", "ENOMEM", "EINVAL", "EAGAIN", "EINTR", "EBADF"} {
			calls := make([]int, 480)
			for i := range calls {
				calls[i] = i + 1
			}
			Each(calls, 2, func(n int) {
				expectNoHarm(inject(ctx, []string{error, strconv.Itoa(n), "1", "all"}, launchProfiles[n%2], launchStatus()...))
			})
		}
	}, Slow, Stress, TimeLimit(5*time.Minute))
})
