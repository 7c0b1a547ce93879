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

// loadedFilter starts a sandbox and returns the filters that its tracer thread really
// has, with the judgement of them.
func loadedFilter(ctx context.Context, o confinement.Options, opts ...string) (bpf.Chain, confinement.Judgement) {
	GinkgoHelper()
	s := supervise(ctx, append(opts, Off...))
	chain := s.filters(ctx)[s.tracer]
	Expect(chain).NotTo(BeEmpty(), "the tracer thread has no filter")
	j := confinement.Tracer(chain, o)
	s.given(o).Special(&j, chain)
	s.end(ctx)
	return chain, j
}

// exportedFilter is the same for the filter that the build exports.
func exportedFilter(ctx context.Context, o confinement.Options, opts ...string) (bpf.Chain, confinement.Judgement) {
	GinkgoHelper()
	chain := exported(ctx, "tracer", append(opts, Off...)...)
	j := confinement.Tracer(chain, o)
	confinement.Given{Options: o}.Special(&j, chain)
	return chain, j
}

// expectRight expects that nothing is wrong with a clause (all, if it is ""), and
// that it was looked at.
func expectRight(j confinement.Judgement, clause string) {
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
		[]string{namedCall("mmap", 0, 4096, 4|1, 0x22, ^uint64(0)), namedCall("mprotect", 0, 0, 4), namedCall("pkey_mprotect", 0, 0, 7, 0), namedCall("shmat", 0, 0, 0o100000)},
		[]string{namedCall("mmap", 0, 4096, 3, 0x22, ^uint64(0))}},
	{"CNF-08", "has ENOSYS for open, stat and lstat", nil, []string{namedCall("open", 0, 0), namedCall("stat", 0, 0), namedCall("lstat", 0, 0)}},
	{"CNF-09", "has openat for the constant \"..\" only", []string{namedCall("openat", ^uint64(99), 0, 0o2200000), namedCall("openat", 0, 0x1000, 2)}, nil},
	{"CNF-10", "has openat2 for callers with cookies only", []string{namedCall("openat2", ^uint64(99), 0, 0, 24)}, nil},
	{"CNF-11", "has close and close_range for callers with cookies only", []string{namedCall("close", 9999), namedCall("close_range", 9998, 9999, 0)}, nil},
	{"CNF-12", "has write for known descriptors only", []string{namedCall("write", 1, 0, 0), namedCall("write", 2|1<<32, 0, 0), namedCall("write", 9999, 0, 1)},
		[]string{namedCall("write", 2, 0, 0)}},
	{"CNF-13", "has harmless advice only", []string{namedCall("madvise", 0, 0, 9), namedCall("madvise", 0, 0, 100)}, []string{namedCall("madvise", 0, 0, 4)}},
	{"CNF-14", "has listed operations of fcntl only", []string{namedCall("fcntl", 0, 8, 1), namedCall("fcntl", 0, 1<<32|1), namedCall("fcntl", 0, 1024, 0)}, nil},
	{"CNF-15", "has listed operations of prctl only", []string{namedCall("prctl", 4, 1), namedCall("prctl", 0x59616d61, ^uint64(0)), namedCall("prctl", 35, 1)}, nil},
	{"CNF-16", "has ioctl for PROCMAP_QUERY with cookies only", []string{namedCall("ioctl", 0, 0x5401, 0), namedCall("ioctl", 0, 0xc0686611, 0)}, nil},
	{"CNF-17", "has rt_sigaction for questions only", []string{namedCall("rt_sigaction", 10, 0x1000, 0, 8), namedCall("rt_sigaction", 10, 1<<32, 0, 8)},
		[]string{namedCall("rt_sigaction", 10, 0, 0, 8)}},
	{"CNF-18", "has no network without safe_kcapi", []string{namedCall("socket", 38, 5, 0), namedCall("socket", 2, 1, 0), namedCall("bind", 0, 0, 0), namedCall("accept4", 0, 0, 0, 0),
		namedCall("sendfile", 0, 0, 0, 0), namedCall("recvmsg", 0, 0, 0), namedCall("sendmsg", 0, 0, 0), namedCall("pipe2", 0, 0o2000000), namedCall("splice", 0, 0, 0, 0, 0, 0)}, nil},
	{"CNF-19", "lets the main loop, the allocator and the locks work", []string{namedCall("sync"), namedCall("setsid"), namedCall("alarm", 100)},
		[]string{namedCall("getpid"), namedCall("gettid"), namedCall("sched_yield"), namedCall("futex", 0, 129, 0), namedCall("munmap", 1, 1)}},
	{"CNF-20", "has execveat for checks only, with cookies", []string{namedCall("execveat", 0, 0, 0, 0, 0x10000), namedCall("execveat", 0, 0, 0, 0, 0x1000)}, nil},
	{"CNF-21", "has the calls on tracees for callers with cookies only", []string{namedCall("ptrace", 16, 1, 0, 0), namedCall("faccessat2", 0, 0, 0, 0), namedCall("getdents64", 0, 0, 0),
		namedCall("pidfd_getfd", 0, 0, 0), namedCall("pidfd_open", 1, 0), namedCall("pidfd_send_signal", 0, 9, 0, 0)}, nil},
	{"CNF-22", "changes no user or group unless so configured", []string{namedCall("setuid", 0), namedCall("setresgid", 0, 0, 0), namedCall("setreuid", 65534, 65534)}, nil},
	{"CNF-23", "kills at everything else", []string{rawCall("syscall", 999), rawCall("syscall", 337), rawCall("syscall", 1<<20), namedCall("execve", 0, 0, 0), namedCall("fork"), namedCall("clone", 17),
		namedCall("mount", 0, 0, 0, 0, 0), namedCall("reboot", 0, 0, 0, 0), namedCall("init_module", 0, 0, 0), namedCall("bpf", 0, 0, 0), namedCall("userfaultfd", 0), namedCall("unshare", 0),
		namedCall("io_uring_setup", 0, 0), namedCall("keyctl", 0), namedCall("process_vm_writev", ^uint64(0), 0, 0, 0, 0, 0)},
		[]string{namedCall("getpid")}},
}

var _ = Describe("the tracer thread's filter", func() {
	for _, row := range confineRows {
		Spec(row.clause+".1", row.text+", as it is loaded", func(ctx context.Context) {
			_, j := loadedFilter(ctx, confinement.Options{})
			expectRight(j, row.clause)
		}, Requires("seccomp_get_filter", "amd64"))

		Spec(row.clause+".2", row.text+", as it is exported", func(ctx context.Context) {
			_, j := exportedFilter(ctx, confinement.Options{})
			expectRight(j, row.clause)
		}, Requires("amd64"))

		Spec(row.clause+".3", row.text+", as the living thread shows", func(ctx context.Context) {
			if len(row.harmless) > 0 {
				s := supervise(ctx, Off)
				callResults(ctx, s.tracer, row.harmless...)
				s.end(ctx)
			}
			Each(row.fatal, 2, func(fatal string) {
				s := supervise(ctx, Off, ExpectDeath())
				s.kill(ctx, s.tracer, fatal)
			})
		}, Requires("seccomp_get_filter", "amd64"))
	}

	Spec("CNF-23.4", "is held against more than 400 rows, and nothing is wrong with any", func(ctx context.Context) {
		_, j := loadedFilter(ctx, confinement.Options{})
		expectRight(j, "")
		Expect(j.Total()).To(BeNumerically(">", 400))
	}, Requires("seccomp_get_filter", "amd64"), Smoke)

	Spec("CNF-23.5", "is the one that is exported, but for cookies, addresses and descriptors", func(ctx context.Context) {
		chain, _ := loadedFilter(ctx, confinement.Options{})
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
		Expect(callResults(ctx, s.tracer, namedCall("open", 0, 0), namedCall("stat", 0, 0), namedCall("lstat", 0, 0))).To(HaveEach(int64(-38)))
		s.end(ctx)
	}, Requires("seccomp_get_filter", "amd64"))
})
