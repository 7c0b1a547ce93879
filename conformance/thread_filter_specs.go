// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"strings"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"syd/conformance/bpf"
	"syd/conformance/confinement"
	. "syd/conformance/harness"
)

var _ = Describe("every other thread of the supervisor", func() {
	Spec("PRC-01.1", "is under filters by which it gains nothing", func(ctx context.Context) {
		for _, opts := range launchProfiles {
			s := supervise(ctx, opts)
			others := 0
			for tid, chain := range s.filters(ctx) {
				if tid == s.tracer {
					continue
				}
				others++
				Expect(chain).NotTo(BeEmpty(), "thread %d has no filter", tid)
				j := confinement.Thread(chain, confinement.Options{})
				Expect(strings.Join(j.Wrong, "\n")).To(BeEmpty(), "thread %d", tid)
			}
			Expect(others).To(BeNumerically(">", 0))
			s.end(ctx)
		}
	}, Requires("seccomp_get_filter", "amd64"), Smoke)

	Spec("PRC-01.2", "is under a filter, also for ordinary users", func(ctx context.Context) {
		for _, opts := range launchProfiles {
			s := supervise(ctx, opts, launchNobody())
			counts := s.statusOf("Seccomp_filters")
			Expect(len(counts)).To(BeNumerically(">", 1))
			Expect(counts).NotTo(ContainElement("0"))
			Expect(s.statusOf("Seccomp")).To(HaveEach("2"))
			s.end(ctx)
		}
	})

	Spec("PRC-01.3", "has a filter that, as it is exported, gains it nothing", func(ctx context.Context) {
		for _, name := range []string{"process", "tracer"} {
			j := confinement.Thread(exported(ctx, name, Off...), confinement.Options{})
			Expect(strings.Join(j.Wrong, "\n")).To(BeEmpty(), name)
		}
	}, Requires("amd64"))

	Spec("PRC-01.4", "has the filter that is exported, but for cookies, addresses, descriptors and PIDs", func(ctx context.Context) {
		s := supervise(ctx, Off)
		exported := exported(ctx, "process", Off...)
		for tid, chain := range s.filters(ctx) {
			Expect(strings.Join(confinement.Differences(chain[:1], exported), "\n")).To(BeEmpty(), "thread %d", tid)
		}
		s.end(ctx)
	}, Requires("seccomp_get_filter", "amd64"))

	Spec("PRC-01.5", "dies, and the sandbox with it, of what it may not do", func(ctx context.Context) {
		fatal := []string{namedCall("execve", 0, 0, 0), namedCall("execveat", 0, 0, 0, 0, 0), namedCall("fork"), namedCall("vfork"), namedCall("clone", 17),
			namedCall("init_module", 0, 0, 0), namedCall("finit_module", 0, 0, 0), namedCall("mount", 0, 0, 0, 0, 0), namedCall("reboot", 0, 0, 0, 0),
			namedCall("socket", 17, 3, 0), namedCall("socket", 2, 3, 255), namedCall("ptrace", 0, 0, 0, 0), namedCall("ptrace", 16, 1, 0, 0), namedCall("ptrace", 0x4206, 1, 0, 0),
			rawCall("syscall", confinement.Number("getpid")|1<<30)}
		for n, fatal := range fatal {
			s := supervise(ctx, Off, ExpectDeath())
			var others []int
			for _, tid := range s.threads() {
				if tid != s.tracer {
					others = append(others, tid)
				}
			}
			s.kill(ctx, others[n%len(others)], fatal)
		}
	}, Requires("seccomp_get_filter", "amd64"))

	Spec("PRC-01.6", "has ENOSYS for clone3", func(ctx context.Context) {
		s := supervise(ctx, Off)
		asked := 0
		for tid, chain := range s.filters(ctx) {
			// Threads with one job may have it killed.
			if tid == s.tracer || chain.Run(bpf.Data{NR: confinement.Number("clone3"), Arch: bpf.ArchAMD64}) == bpf.KillProcess {
				continue
			}
			Expect(callResults(ctx, tid, namedCall("clone3", 0, 0))).To(Equal([]int64{-38}))
			asked++
		}
		Expect(asked).To(BeNumerically(">", 0))
		s.end(ctx)
	}, Requires("seccomp_get_filter", "amd64"))

	Spec("PRC-01.7", "gains nothing with any option of the supervisor's, but what that option is for", func(ctx context.Context) {
		for _, row := range []struct {
			options confinement.Options
			rules   []string
		}{
			{confinement.Options{NoCookies: true}, Rules("trace/allow_unsafe_nocookie:1")},
			{confinement.Options{Kcapi: true}, Rules("trace/allow_safe_kcapi:1")},
			{confinement.Options{UIDs: []uint64{65534}}, Rules("trace/allow_safe_setuid:1", "setuid+0:65534")},
			{confinement.Options{}, Rules("trace/allow_unsafe_exec_speculative:1", "trace/exit_wait_all:1")},
		} {
			s := supervise(ctx, append(row.rules, Off...))
			for tid, chain := range s.filters(ctx) {
				if tid != s.tracer {
					j := confinement.Thread(chain, row.options)
					Expect(strings.Join(j.Wrong, "\n")).To(BeEmpty(), "thread %d with %q", tid, row.rules)
				}
			}
			s.end(ctx)
		}
	}, Requires("seccomp_get_filter", "amd64"))
})

var _ = Describe("the sandbox's own filter", func() {
	Spec("EVT-FRK-04.9", "answers odd ways to make a task in both ABIs and lets all else be made or traced, as it is exported", func(ctx context.Context) {
		const untraced, handedOn = 0x00800000, 0x00002000 // CLONE_UNTRACED, CLONE_PTRACE
		for _, opts := range launchProfiles {
			chain := exported(ctx, "sandbox", opts...)
			for arch, numbers := range map[uint32][2]uint32{bpf.ArchAMD64: {56, 435}, bpf.ArchI386: {120, 435}} { // clone, clone3
				for _, row := range []struct {
					nr    uint32
					flags uint64
					want  bpf.Action
				}{
					{numbers[0], 17, bpf.Allow}, {numbers[0], untraced | 17, bpf.Fail(syscall.EPERM)}, {numbers[0], handedOn | 17, bpf.Fail(syscall.EPERM)},
					{numbers[0], untraced | 0x10f00, bpf.Fail(syscall.EPERM)}, {numbers[1], 0, bpf.Fail(syscall.ENOSYS)},
				} {
					Expect(chain.Run(bpf.Data{NR: row.nr, Arch: arch, Args: [6]uint64{row.flags}})).To(Equal(row.want), "%#x %+v", arch, row)
				}
			}
			for nr := range confinement.Highest() + 65 {
				Expect(chain.Run(bpf.Data{NR: nr | bpf.X32, Arch: bpf.ArchAMD64})).To(Equal(bpf.Fail(syscall.ENOSYS)), "x32")
				answer := chain.Run(bpf.Data{NR: nr, Arch: bpf.ArchAMD64})
				switch confinement.Name(nr) {
				case "clone3":
				case "memfd_secret": // refused where the supervisor reads memory (HRD-13)
					Expect(answer).To(BeElementOf(bpf.Allow, bpf.Fail(syscall.ENOSYS)))
				default:
					Expect(answer.Only()).To(BeElementOf(bpf.Allow, bpf.Trace), confinement.Name(nr))
				}
			}
		}
	}, Requires("amd64"))
})
