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
	"golang.org/x/sys/unix"

	. "syd/conformance/harness"
)

// ofThreads is a field of /proc/PID/task/TID/status, for every thread.
func ofThreads(pid int, field string) []string {
	GinkgoHelper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	Expect(err).NotTo(HaveOccurred())
	var values []string
	for _, file := range files {
		status, err := os.ReadFile(file)
		if err != nil {
			continue // the thread has ended
		}
		for line := range strings.Lines(string(status)) {
			if value, ok := strings.CutPrefix(line, field+":\t"); ok {
				values = append(values, strings.TrimSpace(value))
			}
		}
	}
	Expect(values).NotTo(BeEmpty())
	return values
}

// sleeping is a sandbox whose eldest sleeps.
func sleeping(ctx context.Context, opts []string, options ...LaunchOption) *Proc {
	GinkgoHelper()
	run := With(options...).Start(ctx, opts, Fixture("process", "sleep")...)
	DeferCleanup(run.Kill)
	run.WaitLine(ctx, "ready")
	return run
}

// refusing is the build with these options, for which a call fails.
func refusing(call, errno string, opts []string, cmd ...string) []string {
	argv := append([]string{"refuse", call, errno, Build()}, opts...)
	if len(cmd) > 0 {
		argv = append(append(argv, "--"), cmd...)
	}
	return Fixture("reach", argv...)
}

const (
	capDacReadSearch = 1 << 2 // uapi linux/capability.h
	capKill          = 1 << 5
	capSysPtrace     = 1 << 19
)

var _ = Describe("the supervisor", func() {
	Spec("PRC-02.1", "has no_new_privs on in all its threads", func(ctx context.Context) {
		control := StartNative(ctx, Fixture("process", "sleep")...)
		DeferCleanup(control.Kill)
		Expect(ofThreads(control.PID(), "NoNewPrivs")).To(HaveEach("0"))
		bothProfiles(func(opts []string) {
			Expect(ofThreads(sleeping(ctx, opts).PID(), "NoNewPrivs")).To(HaveEach("1"))
		})
	})

	Spec("PRC-02.2", "has no capability in any thread but to trace, to signal, and to look", func(ctx context.Context) {
		bothProfiles(func(opts []string) {
			run := sleeping(ctx, opts)
			for _, set := range []string{"CapPrm", "CapEff", "CapInh", "CapAmb"} {
				for _, value := range ofThreads(run.PID(), set) {
					mask, err := strconv.ParseUint(value, 16, 64)
					Expect(err).NotTo(HaveOccurred())
					Expect(mask&^(capDacReadSearch|capKill|capSysPtrace)).To(BeZero(), set+" "+value)
				}
			}
		})
	})

	Spec("PRC-02.3", "has a soft RLIMIT_CORE of 0, and the program the one that syd was started with", func(ctx context.Context) {
		script := `ulimit -S -c 7 && exec "$@"`
		bothProfiles(func(opts []string) {
			native := Native(ctx, "sh", "-c", script, "sh", "sh", "-c", "ulimit -S -c; ulimit -H -c")
			Expect(native.Lines()).To(HaveLen(2))
			argv := append(append([]string{"sh", "-c", script, "sh", Build()}, opts...), "--")
			Expect(Native(ctx, append(argv, "sh", "-c", "ulimit -S -c; ulimit -H -c")...)).To(EqualNative(native))
			run := StartNative(ctx, append(argv, Fixture("process", "sleep")...)...)
			DeferCleanup(run.Kill)
			run.WaitLine(ctx, "ready")
			var limit unix.Rlimit
			Expect(unix.Prlimit(run.PID(), unix.RLIMIT_CORE, nil, &limit)).To(Succeed())
			Expect(limit.Cur).To(BeZero())
		})
	})

	Spec("PRC-02.4", "is not dumpable: the files of an ordinary user's syd are root's", func(ctx context.Context) {
		owner := func(pid int) int {
			var st unix.Stat_t
			Expect(unix.Stat(fmt.Sprintf("/proc/%d/mem", pid), &st)).To(Succeed())
			return int(st.Uid)
		}
		control := startWitness(ctx, lone(2)...)
		Expect(owner(control.run.PID())).NotTo(BeZero())
		bothProfiles(func(opts []string) {
			run := sleeping(ctx, opts, lone(2)...)
			Expect(owner(run.PID())).To(BeZero())
			Expect(owner(run.Descendants()[0].PID)).To(Equal(owner(control.run.PID())), "the program is as ever")
		})
	})

	Spec("PRC-02.5", "leaves no core file when it dies of a forbidden call, even with a limit that somebody else has raised", func(ctx context.Context) {
		allowed := func(victim int) {
			limit := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
			Expect(unix.Prlimit(victim, unix.RLIMIT_CORE, &limit, nil)).To(Succeed())
		}
		fork := Fixture("process", "fork-exec")
		control := StartNative(ctx, append(fork, Fixture("process", "sleep")...)...)
		control.WaitLine(ctx, "ready")
		allowed(control.Descendants()[0].PID)
		Kill(control.Descendants()[0].PID, syscall.SIGSYS)
		Expect(control.Wait(ctx)).To(HaveFact("child", "core SIGSYS"))
		bothProfiles(func(opts []string) {
			argv := append(append(append(fork, Build()), opts...), "--")
			run := StartNative(ctx, append(argv, Fixture("process", "sleep")...)...)
			run.WaitLine(ctx, "ready")
			build := run.Descendants()[0].PID
			allowed(build)
			result := Native(ctx, Fixture("reach", "call-from", strconv.Itoa(build), "socket", "2", "1")...)
			Expect(result).To(HaveFact("thread", "signal SIGSYS"))
			Expect(run.Wait(ctx)).To(HaveFact("child", "signal SIGSYS"))
		})
	}, Requires("core_files", "trace_undumpable", "amd64"))

	Spec("PRC-02.6", "starts nothing when a step of this fails, and names the step; -V and -h still work", func(ctx context.Context) {
		for _, call := range []string{"no_new_privs", "rlimit_core"} {
			bothProfiles(func(opts []string) {
				result := Native(ctx, refusing(call, "EPERM", opts, Fixture("process", "exit", "9")...)...)
				Expect(result).To(ExitWith(int(syscall.EPERM)), call)
				Expect(result).To(Complain(strings.ToUpper(call)), call)
				Expect(result).To(SayNothing())
			})
			Expect(Native(ctx, refusing(call, "EPERM", []string{"-V"})...)).To(ExitWith(0))
			Expect(Native(ctx, refusing(call, "EPERM", []string{"-h"})...)).To(ExitWith(0))
		}
	})
})

var _ = Describe("the supervisor's domain", func() {
	Spec("PRC-03.1", "lets its tracer thread signal a tracee, and no process outside", func(ctx context.Context) {
		witness := startWitness(ctx)
		control := sleepingNatively(ctx)
		kill := func(thread, target int) Result {
			return Native(ctx, Fixture("reach", "call-from", strconv.Itoa(thread), "kill", strconv.Itoa(target), "0")...)
		}
		Expect(kill(control.PID(), witness.run.PID())).To(HaveFact("kill", "ok"))
		bothProfiles(func(opts []string) {
			run := sleeping(ctx, opts)
			eldest := run.Descendants()[0].PID
			tracer := tracersOf(eldest)[0]
			Expect(kill(tracer, eldest)).To(HaveFact("kill", "ok"))
			Expect(kill(tracer, witness.run.PID()).Fact("kill")).To(BeDenied("EPERM"))
			Expect(run.Exited()).To(BeFalse())
		})
	}, Requires("landlock_scope_signal", "trace_undumpable", "amd64"))

	Spec("PRC-03.2", "has every tracee in it or below: rules read the memory and the directory of any", func(ctx context.Context) {
		good, bad, rules := goodAndBad()
		for _, place := range [][]string{nil, Fixture("process", "fork-exec"), Fixture("reach", "domains", "3")} {
			result := Syd(ctx, rules, append(place, Fixture("fork", "chdirs", good, bad, good)...)...)
			Expect(result.Lines()).To(ContainElement(HaveSuffix(" EACCES")), strings.Join(place, " "))
			Expect(result.Lines()).To(ContainElement(HaveSuffix(" ok")), strings.Join(place, " "))
			Expect(result).To(ExitWith(0))
		}
	}, Requires("landlock_scope_signal"))

	Spec("PRC-03.3", "takes nothing from a program but to signal and to trace outside: mounts, sockets, domains of its own", func(ctx context.Context) {
		bothProfiles(func(opts []string) {
			_, native := SameAsNative(ctx, opts, Fixture("reach", "free")...)
			Expect(native.Lines()).To(HaveEach(HaveSuffix(" ok")))
		})
	}, Requires("landlock_scope_signal", "user_namespaces"))

	Spec("PRC-03.4", "is missing, with an info record, where the kernel has none", func(ctx context.Context) {
		for _, errno := range []string{"ENOSYS", "EOPNOTSUPP"} {
			cmd := refusing("landlock_create_ruleset", errno, Off, Fixture("reach", "try", "supervisor", "main", "0", "0", "kill")...)
			result := With(Env("SYD_LOG=info"), Stdin("\n\n")).Native(ctx, cmd...)
			Expect(result).To(ExitWith(23))
			Expect(result).To(HaveFact("kill", "ok"), "nothing else keeps a signal away")
			Expect(result).To(Complain("signal scopes"))
		}
	})

	Spec("PRC-03.5", "is a condition of the start where the kernel has it", func(ctx context.Context) {
		for _, row := range []struct {
			call, errno string
			status      int
		}{
			{"landlock_create_ruleset", "ENOMEM", int(syscall.ENOMEM)},
			{"landlock_restrict_self", "E2BIG", int(syscall.E2BIG)},
			{"landlock_restrict_self", "EPERM", int(syscall.EPERM)},
		} {
			result := Native(ctx, refusing(row.call, row.errno, Off, Fixture("process", "exit", "9")...)...)
			Expect(result).To(ExitWith(row.status), row.call)
			Expect(result).To(Complain(row.call))
			Expect(Native(ctx, refusing(row.call, row.errno, []string{"-V"})...)).To(ExitWith(0))
		}
	}, Requires("landlock_scope_signal"))
})

func sleepingNatively(ctx context.Context) *Proc {
	GinkgoHelper()
	run := StartNative(ctx, Fixture("process", "sleep")...)
	DeferCleanup(run.Kill)
	run.WaitLine(ctx, "ready")
	return run
}

var _ = Describe("the seccomp-notify descriptor", func() {
	numbered := func(prefix string, count int) []string {
		ways := make([]string, count)
		for i := range ways {
			ways[i] = prefix + strconv.Itoa(i)
		}
		return ways
	}

	Spec("PRC-05.1", "can't be had by pidfd_getfd, whatever number it has", func(ctx context.Context) {
		ways := numbered("fd:", 128)
		Expect(startWitness(ctx).aimedAt(ctx, "main", ways)).To(HaveFact("fd:0", "ok"))
		bothProfiles(func(opts []string) {
			result := aimAtSyd(ctx, opts, "main", ways)
			for _, way := range ways {
				Expect(result.Fact(way)).To(BeElementOf("EPERM", "EACCES", "ESRCH"), way)
			}
		})
	}, Requires("landlock_scope_signal"))

	Spec("PRC-05.2", "can't be opened below /proc, of whichever thread", func(ctx context.Context) {
		ways := numbered("proc:fd/", 64)
		for _, thread := range threads {
			Expect(startWitness(ctx).aimedAt(ctx, thread, ways)).To(HaveFact("proc:fd/0", "ok"))
			bothProfiles(func(opts []string) {
				result := aimAtSyd(ctx, opts, thread, ways)
				Expect(result.Fact("proc:fd/0")).To(BeDenied("EACCES"))
				for _, way := range ways {
					Expect(result.Fact(way)).To(BeElementOf("EACCES", "ENOENT"), way)
				}
			})
		}
	}, Requires("landlock_scope_signal"))

	Spec("PRC-05.3", "is inherited by nobody, and no program has another", func(ctx context.Context) {
		control := Native(ctx, Fixture("reach", "listeners")...)
		Expect(control.Lines()).To(Equal([]string{"listeners 0", "listener ok", "then 1"}))
		for _, cmd := range [][]string{Fixture("reach", "listeners"), append(Fixture("process", "fork-exec"), Fixture("reach", "listeners")...)} {
			bothProfiles(func(opts []string) {
				result := Syd(ctx, opts, cmd...)
				Expect(result.Lines()[:3]).To(Equal([]string{"listeners 0", "listener EBUSY", "then 0"}))
			})
		}
	})
})
