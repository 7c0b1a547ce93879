// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"syd/conformance/bpf"
	"syd/conformance/confinement"
	. "syd/conformance/harness"
)

// loaded starts a sandbox and returns the filters that its tracer thread really
// has, with the judgement of them.
func loaded(ctx context.Context, o confinement.Options, opts ...string) (bpf.Chain, confinement.Judgement) {
	GinkgoHelper()
	s := supervise(ctx, append(opts, Off...))
	chain := s.filters(ctx)[s.tracer]
	Expect(chain).NotTo(BeEmpty(), "the tracer thread has no filter")
	j := confinement.Tracer(chain, o)
	s.given(o).Special(&j, chain)
	s.end(ctx)
	return chain, j
}

// printed is the same for the filter that the build exports.
func printed(ctx context.Context, o confinement.Options, opts ...string) (bpf.Chain, confinement.Judgement) {
	GinkgoHelper()
	chain := exported(ctx, "tracer", append(opts, Off...)...)
	j := confinement.Tracer(chain, o)
	confinement.Given{Options: o}.Special(&j, chain)
	return chain, j
}

// right expects that nothing is wrong with a clause (all, if it is ""), and
// that it was looked at.
func right(j confinement.Judgement, clause string) {
	GinkgoHelper()
	wrong, rows := j.Of(clause), j.Rows[clause]
	if clause == "" {
		wrong, rows = j.Wrong, j.Total()
	}
	Expect(strings.Join(wrong[:min(len(wrong), 40)], "\n")).To(BeEmpty())
	Expect(rows).To(BeNumerically(">", 0))
}

// confineRows are the clauses whose calls the tables know. A fatal call is one
// that the tracer thread is made to make: it must be its last. A harmless one
// must return. (Call 335, uretprobe, is no example: since Linux 6.14 the kernel
// asks no filter about it, commit cf6cb56ef244.)
var confineRows = []struct {
	clause, text    string
	fatal, harmless []string
}{
	{"CNF-07", "gives no executable memory",
		[]string{native("mmap", 0, 4096, 4|1, 0x22, ^uint64(0)), native("mprotect", 0, 0, 4), native("pkey_mprotect", 0, 0, 7, 0), native("shmat", 0, 0, 0o100000)},
		[]string{native("mmap", 0, 4096, 3, 0x22, ^uint64(0))}},
	{"CNF-08", "has ENOSYS for open, stat and lstat", nil, []string{native("open", 0, 0), native("stat", 0, 0), native("lstat", 0, 0)}},
	{"CNF-09", "has openat for the constant \"..\" only", []string{native("openat", ^uint64(99), 0, 0o2200000), native("openat", 0, 0x1000, 2)}, nil},
	{"CNF-10", "has openat2 for callers with cookies only", []string{native("openat2", ^uint64(99), 0, 0, 24)}, nil},
	{"CNF-11", "has close and close_range for callers with cookies only", []string{native("close", 9999), native("close_range", 9998, 9999, 0)}, nil},
	{"CNF-12", "has write for known descriptors only", []string{native("write", 1, 0, 0), native("write", 2|1<<32, 0, 0), native("write", 9999, 0, 1)},
		[]string{native("write", 2, 0, 0)}},
	{"CNF-13", "has harmless advice only", []string{native("madvise", 0, 0, 9), native("madvise", 0, 0, 100)}, []string{native("madvise", 0, 0, 4)}},
	{"CNF-14", "has listed operations of fcntl only", []string{native("fcntl", 0, 8, 1), native("fcntl", 0, 1<<32|1), native("fcntl", 0, 1024, 0)}, nil},
	{"CNF-15", "has listed operations of prctl only", []string{native("prctl", 4, 1), native("prctl", 0x59616d61, ^uint64(0)), native("prctl", 35, 1)}, nil},
	{"CNF-16", "has ioctl for PROCMAP_QUERY with cookies only", []string{native("ioctl", 0, 0x5401, 0), native("ioctl", 0, 0xc0686611, 0)}, nil},
	{"CNF-17", "has rt_sigaction for questions only", []string{native("rt_sigaction", 10, 0x1000, 0, 8), native("rt_sigaction", 10, 1<<32, 0, 8)},
		[]string{native("rt_sigaction", 10, 0, 0, 8)}},
	{"CNF-18", "has no network without safe_kcapi", []string{native("socket", 38, 5, 0), native("socket", 2, 1, 0), native("bind", 0, 0, 0), native("accept4", 0, 0, 0, 0),
		native("sendfile", 0, 0, 0, 0), native("recvmsg", 0, 0, 0), native("sendmsg", 0, 0, 0), native("pipe2", 0, 0o2000000), native("splice", 0, 0, 0, 0, 0, 0)}, nil},
	{"CNF-19", "lets the main loop, the allocator and the locks work", []string{native("sync"), native("setsid"), native("alarm", 100)},
		[]string{native("getpid"), native("gettid"), native("sched_yield"), native("futex", 0, 129, 0), native("munmap", 1, 1)}},
	{"CNF-20", "has execveat for checks only, with cookies", []string{native("execveat", 0, 0, 0, 0, 0x10000), native("execveat", 0, 0, 0, 0, 0x1000)}, nil},
	{"CNF-21", "has the calls on tracees for callers with cookies only", []string{native("ptrace", 16, 1, 0, 0), native("faccessat2", 0, 0, 0, 0), native("getdents64", 0, 0, 0),
		native("pidfd_getfd", 0, 0, 0), native("pidfd_open", 1, 0), native("pidfd_send_signal", 0, 9, 0, 0)}, nil},
	{"CNF-22", "changes no user or group unless so configured", []string{native("setuid", 0), native("setresgid", 0, 0, 0), native("setreuid", 65534, 65534)}, nil},
	{"CNF-23", "kills at everything else", []string{call("syscall", 999), call("syscall", 337), call("syscall", 1<<20), native("execve", 0, 0, 0), native("fork"), native("clone", 17),
		native("mount", 0, 0, 0, 0, 0), native("reboot", 0, 0, 0, 0), native("init_module", 0, 0, 0), native("bpf", 0, 0, 0), native("userfaultfd", 0), native("unshare", 0),
		native("io_uring_setup", 0, 0), native("keyctl", 0), native("process_vm_writev", ^uint64(0), 0, 0, 0, 0, 0)},
		[]string{native("getpid")}},
}

var _ = Describe("the tracer thread's filter", func() {
	for _, row := range confineRows {
		Spec(row.clause+".1", row.text+", as it is loaded", func(ctx context.Context) {
			_, j := loaded(ctx, confinement.Options{})
			right(j, row.clause)
		}, Requires("seccomp_get_filter", "amd64"))

		Spec(row.clause+".2", row.text+", as it is exported", func(ctx context.Context) {
			_, j := printed(ctx, confinement.Options{})
			right(j, row.clause)
		}, Requires("amd64"))

		Spec(row.clause+".3", row.text+", as the living thread shows", func(ctx context.Context) {
			if len(row.harmless) > 0 {
				s := supervise(ctx, Off)
				results(ctx, s.tracer, row.harmless...)
				s.end(ctx)
			}
			Each(row.fatal, 2, func(fatal string) {
				s := supervise(ctx, Off, ExpectDeath())
				s.kill(ctx, s.tracer, fatal)
			})
		}, Requires("seccomp_get_filter", "amd64"))
	}

	Spec("CNF-23.4", "is held against more than 400 rows, and nothing is wrong with any", func(ctx context.Context) {
		_, j := loaded(ctx, confinement.Options{})
		right(j, "")
		Expect(j.Total()).To(BeNumerically(">", 400))
	}, Requires("seccomp_get_filter", "amd64"), Smoke)

	Spec("CNF-23.5", "is the one that is exported, but for cookies, addresses and descriptors", func(ctx context.Context) {
		chain, _ := loaded(ctx, confinement.Options{})
		exported := exported(ctx, "tracer", Off...)
		for _, program := range chain {
			if len(confinement.Differences(bpf.Chain{program}, exported)) == 0 {
				return
			}
		}
		Fail(strings.Join(confinement.Differences(chain[len(chain)-1:], exported), "\n"))
	}, Requires("seccomp_get_filter", "amd64"), Smoke)

	Spec("CNF-08.4", "really returns ENOSYS", func(ctx context.Context) {
		s := supervise(ctx, Off)
		Expect(results(ctx, s.tracer, native("open", 0, 0), native("stat", 0, 0), native("lstat", 0, 0))).To(HaveEach(int64(-38)))
		s.end(ctx)
	}, Requires("seccomp_get_filter", "amd64"))
})
