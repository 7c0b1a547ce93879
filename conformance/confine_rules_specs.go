// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"syd/conformance/bpf"
	"syd/conformance/confinement"
	. "syd/conformance/harness"
)

// A load is a filter that a thread has put itself under.
type load struct {
	flags, privileges int
}

// watched runs the build with its first thread watched, and returns the filters
// that the thread loads, in order.
func watched(ctx context.Context, launch *Launch, opts ...string) (loads []load) {
	GinkgoHelper()
	argv := append([]string{"watch", Build()}, append(opts, "-p", "off", "--", "/bin/true")...)
	result := launch.Native(ctx, Fixture("supervisor", argv...)...)
	Expect(result).To(ExitWith(0))
	for _, line := range result.Facts("seccomp") {
		var operation, answer int
		var l load
		_, err := fmt.Sscanf(line, "%d flags %v no_new_privs %d result %d", &operation, &l.flags, &l.privileges, &answer)
		Expect(err).NotTo(HaveOccurred(), line)
		// What fails or only asks is how libraries find out what the kernel can.
		if operation == 1 && answer >= 0 {
			loads = append(loads, l)
		}
	}
	Expect(loads).NotTo(BeEmpty(), result.String())
	return loads
}

// Flags of seccomp(2), uapi linux/seccomp.h.
const (
	filterAllThreads = 1 // SECCOMP_FILTER_FLAG_TSYNC
	filterSpecAllow  = 4 // SECCOMP_FILTER_FLAG_SPEC_ALLOW
)

// statusOf is the values of a field in the status of each of its threads.
func (s *supervised) statusOf(field string) map[int]string {
	GinkgoHelper()
	values := map[int]string{}
	for _, tid := range s.threads() {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/status", s.PID(), tid))
		if err != nil {
			continue // it has ended
		}
		for line := range strings.Lines(string(status)) {
			if value, ok := strings.CutPrefix(line, field+":"); ok {
				values[tid] = strings.TrimSpace(value)
			}
		}
	}
	return values
}

var _ = Describe("a call that no rule allows", func() {
	unknown := []uint32{confinement.Highest() + 1, 400, 999, 0x3fffffff, 0xffffffff}

	Spec("CNF-01.1", "gets KILL_PROCESS from the filter that is loaded", func(ctx context.Context) {
		chain, _ := loadedFilter(ctx, confinement.Options{})
		for _, nr := range unknown {
			Expect(chain.Run(bpf.Data{NR: nr, Arch: bpf.ArchAMD64})).To(Equal(bpf.KillProcess), "%#x", nr)
		}
		// The control: not everything is killed.
		Expect(chain.Run(bpf.Data{NR: confinement.Number("futex"), Arch: bpf.ArchAMD64})).To(Equal(bpf.Allow))
	}, Requires("seccomp_get_filter", "amd64"))

	Spec("CNF-01.2", "gets KILL_PROCESS from the filter that is exported", func(ctx context.Context) {
		for _, opts := range [][]string{nil, Rules("trace/allow_unsafe_nocookie:1"), Rules("trace/allow_safe_kcapi:1")} {
			chain := exported(ctx, "tracer", opts...)
			for _, nr := range unknown {
				Expect(chain.Run(bpf.Data{NR: nr, Arch: bpf.ArchAMD64})).To(Equal(bpf.KillProcess), "%#x", nr)
			}
		}
	}, Requires("amd64"))

	Spec("CNF-01.3", "ends all threads of the supervisor", func(ctx context.Context) {
		s := supervise(ctx, Off, ExpectDeath())
		Expect(len(s.threads())).To(BeNumerically(">", 1))
		s.kill(ctx, s.tracer, rawCall("syscall", 999))
		Expect(Alive(s.PID())).To(BeFalse())
	}, Requires("seccomp_get_filter", "amd64"))
})

var _ = Describe("no_new_privs", func() {
	Spec("CNF-02.1", "is on at each seccomp(2) call of the tracer thread", func(ctx context.Context) {
		for _, load := range watched(ctx, With()) {
			Expect(load.privileges).To(Equal(1))
		}
	})
	Spec("CNF-02.2", "is on at each seccomp(2) call of an ordinary user's tracer thread", func(ctx context.Context) {
		for _, load := range watched(ctx, With(launchNobody())) {
			Expect(load.privileges).To(Equal(1))
		}
	})
	Spec("CNF-02.3", "is on in every thread of the supervisor", func(ctx context.Context) {
		s := supervise(ctx, Off)
		Expect(s.statusOf("NoNewPrivs")).To(And(Not(BeEmpty()), HaveEach("1")))
		s.end(ctx)
	})
})

var _ = Describe("the Speculative Store Bypass mitigation", func() {
	off := func(ctx context.Context, launch *Launch, opts ...string) (all []bool) {
		for _, load := range watched(ctx, launch, opts...) {
			all = append(all, load.flags&filterSpecAllow != 0)
		}
		return all
	}
	Spec("CNF-03.1", "is on without the option", func(ctx context.Context) {
		Expect(off(ctx, With())).To(HaveEach(false))
		Expect(off(ctx, With(), Rules("trace/allow_unsafe_exec_speculative:0")...)).To(HaveEach(false))
	})
	Spec("CNF-03.2", "is off with the option", func(ctx context.Context) {
		Expect(off(ctx, With(), Rules("trace/allow_unsafe_exec_speculative:1")...)).To(HaveEach(true))
	})
	Spec("CNF-03.3", "obeys the option for an ordinary user too", func(ctx context.Context) {
		Expect(off(ctx, With(launchNobody()))).To(HaveEach(false))
		Expect(off(ctx, With(launchNobody()), Rules("trace/allow_unsafe_exec_speculative:1")...)).To(HaveEach(true))
	})
})

var _ = Describe("the tracer's own filter", func() {
	Spec("CNF-04.1", "is loaded last, without TSYNC", func(ctx context.Context) {
		loads := watched(ctx, With())
		Expect(loads[len(loads)-1].flags & filterAllThreads).To(BeZero())
	})
	Spec("CNF-04.2", "is on no other thread", func(ctx context.Context) {
		s := supervise(ctx, Off)
		chains := s.filters(ctx)
		own := chains[s.tracer][len(chains[s.tracer])-1]
		Expect(len(chains)).To(BeNumerically(">", 1))
		for tid, chain := range chains {
			if tid == s.tracer {
				continue
			}
			for _, program := range chain {
				Expect(program).NotTo(Equal(own), "thread %d", tid)
			}
		}
		s.end(ctx)
	}, Requires("seccomp_get_filter"))
	Spec("CNF-04.3", "makes its thread have one filter more than threads without a job", func(ctx context.Context) {
		s := supervise(ctx, Off)
		counts := s.statusOf("Seccomp_filters")
		least := "9"
		for _, count := range counts {
			least = min(least, count)
		}
		Expect(counts[s.tracer] > least).To(BeTrue(), "%v", counts)
		s.end(ctx)
	})
})

var _ = Describe("a call of another architecture", func() {
	Spec("CNF-05.1", "is killed by the filter that is loaded, whatever its number", func(ctx context.Context) {
		_, j := loadedFilter(ctx, confinement.Options{})
		expectRight(j, "CNF-05")
	}, Requires("seccomp_get_filter", "amd64"))
	Spec("CNF-05.2", "is killed by the filter that is exported, whatever its number", func(ctx context.Context) {
		_, j := exportedFilter(ctx, confinement.Options{})
		expectRight(j, "CNF-05")
	}, Requires("amd64"))
	Spec("CNF-05.3", "kills when the tracer thread makes it by int 0x80", func(ctx context.Context) {
		// i386: getpid, write, execve, exit.
		Each([]uint32{20, 4, 11, 1}, 2, func(nr uint32) {
			s := supervise(ctx, Off, ExpectDeath())
			s.kill(ctx, s.tracer, rawCall("int80", nr))
		})
	}, Requires("seccomp_get_filter", "amd64", "i386"))
	Spec("CNF-05.4", "kills when the tracer thread makes it with an x32 number", func(ctx context.Context) {
		Each([]string{"getpid", "futex", "exit_group"}, 2, func(name string) {
			s := supervise(ctx, Off, ExpectDeath())
			s.kill(ctx, s.tracer, rawCall("syscall", confinement.Number(name)|bpf.X32))
		})
	}, Requires("seccomp_get_filter", "amd64"))
})

// mostSteps is the most instructions that a program runs to its decision on a
// number that no rule names.
func mostSteps(chain bpf.Chain) (most int) {
	for nr := range confinement.Highest() + 65 {
		d := bpf.Data{NR: nr, Arch: bpf.ArchAMD64}
		if chain.Run(d) == bpf.KillProcess {
			most = max(most, chain[len(chain)-1].Steps(d))
		}
	}
	return most
}

var _ = Describe("the number of comparisons up to a kill", func() {
	// A list of the 50 calls and more that have rules takes more than 50; a tree
	// takes about 6, and 4 in a leaf, and those of one call's own arguments.
	const bound = 32

	Spec("CNF-06.1", "is that of a tree in the filter that is loaded", func(ctx context.Context) {
		chain, _ := loadedFilter(ctx, confinement.Options{})
		Expect(mostSteps(chain)).To(BeNumerically("<", bound))
	}, Requires("seccomp_get_filter", "amd64"))
	Spec("CNF-06.2", "is that of a tree in the filter that is exported", func(ctx context.Context) {
		Expect(mostSteps(exported(ctx, "tracer"))).To(BeNumerically("<", bound))
	}, Requires("amd64"))
	Spec("CNF-06.3", "is that of a tree with other options", func(ctx context.Context) {
		Expect(mostSteps(exported(ctx, "tracer", Rules("trace/allow_unsafe_nocookie:1")...))).To(BeNumerically("<", bound))
		Expect(mostSteps(exported(ctx, "tracer", Rules("trace/allow_safe_kcapi:1")...))).To(BeNumerically("<", bound))
	}, Requires("amd64"))
})

var _ = Describe("the tracer thread's filter", func() {
	Spec("CNF-18.4", "has AF_ALG, with cookies, with safe_kcapi", func(ctx context.Context) {
		o := confinement.Options{Kcapi: true}
		_, j := loadedFilter(ctx, o, Rules("trace/allow_safe_kcapi:1")...)
		expectRight(j, "")
		expectRight(j, "CNF-18")
		_, j = exportedFilter(ctx, o, Rules("trace/allow_safe_kcapi:1")...)
		expectRight(j, "")
	}, Requires("seccomp_get_filter", "amd64"))

	Spec("CNF-18.5", "has AF_ALG for ordinary users, too, as it is exported", func(ctx context.Context) {
		o := confinement.Options{Kcapi: true}
		_, j := exportedFilter(ctx, o, Rules("trace/allow_safe_kcapi:1")...)
		expectRight(j, "CNF-18")
	}, Requires("amd64"))

	Spec("CNF-22.4", "has the configured transitions, and no other", func(ctx context.Context) {
		uids := []string{"trace/allow_safe_setuid:1", "setuid+0:65534", "setuid+1:1000"}
		o := confinement.Options{UIDs: []uint64{65534, 1000}}
		_, j := exportedFilter(ctx, o, Rules(uids...)...)
		expectRight(j, "")
		o.GIDs = []uint64{12}
		_, j = exportedFilter(ctx, o, Rules(append(uids, "trace/allow_safe_setgid:1", "setgid+0:12")...)...)
		expectRight(j, "")
		expectRight(j, "CNF-22")
	}, Requires("amd64"))

	Spec("CNF-22.5", "has transitions with the option only", func(ctx context.Context) {
		_, j := exportedFilter(ctx, confinement.Options{}, Rules("trace/allow_safe_setuid:0", "setuid+0:65534")...)
		expectRight(j, "CNF-22")
	}, Requires("amd64"))

	Spec("CNF-22.6", "lets the living thread make a configured transition, and kills at another", func(ctx context.Context) {
		opts := append(Rules("trace/allow_safe_setuid:1", "setuid+0:65534"), Off...)
		s := supervise(ctx, opts)
		Expect(callResults(ctx, s.tracer, namedCall("setresuid", 65534, 65534, 65534))).To(Equal([]int64{0}))
		s.CloseStdin()
		s.Wait(ctx)
		Each([]string{namedCall("setresuid", 1, 1, 1), namedCall("setuid", 65534|1<<32), namedCall("setresuid", 65534, 65534, 0)}, 2, func(fatal string) {
			s := supervise(ctx, opts, ExpectDeath())
			s.kill(ctx, s.tracer, fatal)
		})
	}, Requires("seccomp_get_filter", "amd64"))
})

var _ = Describe("a supervisor killed by its filter", func() {
	Spec("CNF-24.1", "takes every tracee with it, in whatever state", func(ctx context.Context) {
		Each(launchHeirs, 2, func(heir string) {
			line := newLifeline()
			defer line.close()
			run := With(Files(line.far), ExpectDeath()).Start(ctx, Off, leave("wait", heir)...)
			line.held()
			run.WaitLine(ctx, "ready")
			tracer := tracersOf(run.Descendants()[0].PID)[0]
			Expect(makeCalls(ctx, tracer, rawCall("syscall", 999))).To(SayLine("died SIGSYS"))
			Expect(run.Wait(ctx)).To(BeKilledBy(syscall.SIGSYS))
			Expect(Within1s(ctx, line.cut)).To(BeTrue(), "%s lives", heir)
		})
	}, Requires("seccomp_get_filter", "amd64"))

	Spec("CNF-24.2", "takes every tracee with it, whichever thread the filter kills", func(ctx context.Context) {
		for n := range 3 {
			s := supervise(ctx, Off, ExpectDeath())
			threads := s.threads()
			s.kill(ctx, threads[(len(threads)-1)*n/2], namedCall("reboot", 0, 0, 0, 0))
		}
	}, Requires("seccomp_get_filter", "amd64"))

	Spec("CNF-24.3", "is in the audit log, with its PID and the number of the call", func(ctx context.Context) {
		log := openKernelLog()
		defer log.close()
		WaitFor(ctx, "the kernel to record deaths", func() bool { return log.works(ctx) })
		s := supervise(ctx, Off, ExpectDeath())
		s.kill(ctx, s.tracer, rawCall("syscall", 999))
		Expect(log.read()).To(MatchRegexp(`type=1326 .* pid=%d .* sig=31 .* syscall=999 `, s.PID()))
	}, Requires("seccomp_get_filter", "amd64", "audit_log"), Alone)
})

var _ = Describe("the eldest's first output", func() {
	// finalAt expects that at the first output of the eldest the tracer thread
	// has all the filters that it will ever have.
	finalAt := func(ctx context.Context, opts []string) {
		GinkgoHelper()
		s := supervise(ctx, opts)
		first := s.statusOf("Seccomp_filters")[s.tracer]
		Expect(first).NotTo(BeElementOf("", "0"))
		s.Signal(syscall.SIGURG) // it handles something more
		s.WaitState(ctx, "S")
		Expect(s.statusOf("Seccomp_filters")[s.tracer]).To(Equal(first))
		s.end(ctx)
	}
	Spec("CNF-25.1", "comes after the tracer's filters, at 60 starts", func(ctx context.Context) {
		Each(make([]int, 60), 2, func(int) { finalAt(ctx, Off) })
	}, Stress)
	Spec("CNF-25.2", "comes after the tracer's filters with every call traced", func(ctx context.Context) {
		Each(make([]int, 30), 2, func(int) { finalAt(ctx, launchEverything) })
	})
	Spec("CNF-25.3", "comes after the filter by which the tracer dies", func(ctx context.Context) {
		Each(make([]int, 20), 2, func(int) {
			s := supervise(ctx, Off, ExpectDeath())
			s.kill(ctx, s.tracer, namedCall("setsid"))
		})
	}, Requires("seccomp_get_filter", "amd64"))
})
