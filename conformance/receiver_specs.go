// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"syd/conformance/bpf"
	"syd/conformance/confinement"
	. "syd/conformance/harness"
)

// emulating has all calls on files made for tracees.
var emulating = Rules("allow/all+/***", "deny/all+/nowhere/***")

// receivers are the threads that make them.
func (s *supervised) receivers() (tids []int) {
	GinkgoHelper()
	for _, tid := range s.threads() {
		name, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/comm", s.PID(), tid))
		if err == nil && string(name) == "syd_receiver\n" {
			tids = append(tids, tid)
		}
	}
	Expect(len(tids)).To(BeNumerically(">", 1), "receivers")
	return tids
}

// listener is the descriptor that they receive from.
func (s *supervised) listener() uint64 {
	GinkgoHelper()
	links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", s.PID()))
	Expect(err).NotTo(HaveOccurred())
	for _, link := range links {
		if to, _ := os.Readlink(link); to == "anon_inode:seccomp notify" {
			fd, err := strconv.ParseUint(filepath.Base(link), 10, 64)
			Expect(err).NotTo(HaveOccurred())
			return fd
		}
	}
	Fail("syd has no listener")
	return 0
}

// of is the filters of the threads that are receivers, and of those that are not.
// A receiver that is started meanwhile is neither.
func (s *supervised) of(ctx context.Context) (receivers, others map[int]bpf.Chain) {
	GinkgoHelper()
	known := s.receivers()
	receivers, others = map[int]bpf.Chain{}, s.filters(ctx)
	for _, tid := range known {
		receivers[tid] = others[tid]
	}
	for _, tid := range s.receivers() {
		delete(others, tid)
	}
	return receivers, others
}

// blocking has so many programs wait in opens of a FIFO that receivers make.
func blocking(n int) []string {
	fifo := filepath.Join(TempDir(), "fifo")
	Expect(syscall.Mkfifo(fifo, 0o666)).To(Succeed())
	return []string{"sh", "-c", fmt.Sprintf(`i=0; while [ $i -lt %d ]; do cat "$0" & i=$((i+1)); done; echo ready; read line; kill $(jobs -p); exit 7`, n), fifo}
}

var _ = Describe("a thread that makes calls for tracees", func() {
	Spec("PRC-01.8", "is under filters by which it gains nothing but what the calls take, with cookies", func(ctx context.Context) {
		for _, opts := range [][]string{emulating, append(Rules("lock:off"), emulating...)} {
			s := supervise(ctx, opts)
			receivers, others := s.of(ctx)
			for tid, chain := range receivers {
				j := confinement.Receiver(chain, confinement.Options{}, s.listener())
				Expect(strings.Join(j.Wrong, "\n")).To(BeEmpty(), "receiver %d", tid)
				Expect(len(j.Cookies)).To(BeNumerically(">", 8))
			}
			for tid, chain := range others {
				j := confinement.Emulating(chain, confinement.Options{}, s.listener())
				Expect(strings.Join(j.Wrong, "\n")).To(BeEmpty(), "thread %d", tid)
			}
			s.end(ctx)
		}
	}, Requires("seccomp_get_filter", "amd64"), TimeLimit(time.Minute))

	Spec("PRC-01.9", "has filters that, as they are exported, gain it nothing else", func(ctx context.Context) {
		chain := append(exported(ctx, "process", emulating...), exported(ctx, "receiver", emulating...)...)
		Expect(strings.Join(confinement.Emulating(chain[:1], confinement.Options{}, 0).Wrong, "\n")).To(BeEmpty())
		own := confinement.Receiver(chain[1:], confinement.Options{}, 0)
		Expect(strings.Join(own.Wrong, "\n")).To(BeEmpty())
	}, Requires("amd64"))

	Spec("PRC-01.10", "has the filters that are exported, but for cookies, addresses, descriptors and PIDs", func(ctx context.Context) {
		s := supervise(ctx, emulating)
		process, own := exported(ctx, "process", emulating...), exported(ctx, "receiver", emulating...)
		receivers, _ := s.of(ctx)
		for tid, chain := range receivers {
			Expect(chain).To(HaveLen(2), "receiver %d", tid)
			Expect(strings.Join(confinement.Differences(chain[:1], process), "\n")).To(BeEmpty(), "receiver %d", tid)
			Expect(strings.Join(confinement.Differences(chain[1:], own), "\n")).To(BeEmpty(), "receiver %d", tid)
		}
		s.end(ctx)
	}, Requires("seccomp_get_filter", "amd64"))

	Spec("PRC-01.11", "dies, and the sandbox with it, of what it may not do", func(ctx context.Context) {
		const newNS, newUser, tiocsti = 0x20000, 0x10000000, 0x5412
		fatal := []string{namedCall("execve", 0, 0, 0), namedCall("execveat", 0, 0, 0, 0, 0), namedCall("fork"), namedCall("clone", 17), namedCall("clone", newUser|17),
			namedCall("init_module", 0, 0, 0), namedCall("mount", 0, 0, 0, 0, 0), namedCall("socket", 1, 1, 0), namedCall("ptrace", 16, 1, 0, 0),
			namedCall("unshare", newNS), namedCall("unshare", 0x200), namedCall("setns", 3, 0), namedCall("chroot", 0), namedCall("openat", ^uint64(99), 0, 0, 0),
			namedCall("openat2", ^uint64(99), 0, 0, 0), namedCall("mkdirat", 3, 0, 0), namedCall("unlinkat", 3, 0, 0), namedCall("capset", 0, 0), namedCall("setfsuid", 0),
			namedCall("fchownat", 3, 0, 0, 0, 0), namedCall("ioctl", 0, tiocsti, 0), namedCall("kill", ^uint64(0), 0), namedCall("setresuid", 0, 0, 0)}
		Each(fatal, 2, func(fatal string) {
			s := supervise(ctx, emulating, ExpectDeath())
			s.kill(ctx, s.receivers()[0], fatal)
		})
	}, Requires("seccomp_get_filter", "amd64"), TimeLimit(time.Minute), Stress)

	Spec("PRC-01.12", "may with the right cookies do what they are for, and nothing else", func(ctx context.Context) {
		const newNS, tiocsti, recv, bad, cloneFS = 0x20000, 0x5412, 0xc0502100, 9999, 0x200
		cookies := func(s *supervised) map[string][6]uint64 {
			receivers, _ := s.of(ctx)
			return confinement.Receiver(receivers[s.receivers()[0]], confinement.Options{}, s.listener()).Cookies
		}
		s := supervise(ctx, emulating)
		all := cookies(s)
		for _, c := range []struct {
			name    string
			used    int
			args    []uint64
			returns int64
		}{
			{"mkdirat", 3, []uint64{bad, 0, 0}, -14}, {"unlinkat", 3, []uint64{bad, 0, 1}, -22}, {"getdents64", 3, []uint64{bad, 0, 0}, -9},
			{"unshare", 1, []uint64{cloneFS}, 0}, {"ioctl", 3, []uint64{bad, recv, 0}, -9}, {"pidfd_open", 2, []uint64{^uint64(0), 0}, -22},
		} {
			Expect(all).To(HaveKey(c.name))
			Expect(callResults(ctx, s.receivers()[0], namedCall(c.name, withCookies(c.args, c.used, all[c.name])...))).To(Equal([]int64{c.returns}), c.name)
		}
		s.end(ctx)
		Each([]func(map[string][6]uint64, uint64) string{
			func(c map[string][6]uint64, _ uint64) string {
				return namedCall("unshare", withCookies([]uint64{newNS}, 1, c["unshare"])...)
			},
			func(c map[string][6]uint64, l uint64) string {
				return namedCall("ioctl", withCookies([]uint64{l, tiocsti, 0}, 3, c["ioctl"])...)
			},
			func(c map[string][6]uint64, l uint64) string {
				return namedCall("dup3", withCookies([]uint64{l, l + 1, 0o2000000}, 3, c["dup3"])...)
			},
			func(c map[string][6]uint64, _ uint64) string {
				args := withCookies([]uint64{bad, 0, 0}, 3, c["mkdirat"])
				args[4] ^= 1 << 40
				return namedCall("mkdirat", args...)
			},
			func(c map[string][6]uint64, _ uint64) string {
				return namedCall("mkdirat", withCookies([]uint64{bad, 0, 0}, 3, c["unlinkat"])...)
			},
		}, 2, func(fatal func(map[string][6]uint64, uint64) string) {
			s := supervise(ctx, emulating, ExpectDeath())
			s.kill(ctx, s.receivers()[0], fatal(cookies(s), s.listener()))
		})
	}, Requires("seccomp_get_filter", "amd64"), TimeLimit(time.Minute))

	Spec("PRC-01.13", "has the same filters and capabilities when it was started in the place of one that blocks", func(ctx context.Context) {
		run := With(Interactive()).Start(ctx, emulating, blocking(20)...)
		DeferCleanup(run.Kill)
		run.WaitLine(ctx, "ready")
		s := &supervised{Proc: run}
		WaitFor(ctx, "20 receivers", func() bool { return len(s.receivers()) > 20 })
		receivers, _ := s.of(ctx)
		var first bpf.Chain
		for tid, chain := range receivers {
			Expect(chain).NotTo(BeEmpty(), "receiver %d", tid)
			if first == nil {
				first = chain
			}
			Expect(chain).To(Equal(first), "receiver %d", tid)
		}
		expectCapabilities(ctx, s)
		run.Send("\n")
		Expect(run.Wait(ctx)).To(ExitWith(7))
	}, Requires("seccomp_get_filter"))

	Spec("PRC-01.14", "is under filters for ordinary users too", func(ctx context.Context) {
		s := supervise(ctx, emulating, launchNobody())
		counts := s.statusOf("Seccomp_filters")
		for _, tid := range s.receivers() {
			Expect(counts[tid]).To(Equal("2"))
		}
		Expect(counts).NotTo(ContainElement("0"))
		s.end(ctx)
	})

	Spec("PRC-02.7", "has, where root starts syd, capabilities for files and credentials, and no other thread has them", func(ctx context.Context) {
		s := supervise(ctx, emulating)
		expectCapabilities(ctx, s)
		s.end(ctx)
	}, RootOnly)

	Spec("PRC-02.8", "has no capability where an ordinary user starts syd", func(ctx context.Context) {
		s := supervise(ctx, emulating, launchNobody())
		for _, set := range []string{"CapPrm", "CapEff", "CapInh", "CapAmb"} {
			Expect(s.statusOf(set)).To(HaveEach("0000000000000000"), set)
		}
		s.end(ctx)
	})
})

// forFiles is what the README says receivers have besides: CAP_CHOWN,
// CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_FSETID, CAP_SETGID, CAP_SETUID,
// CAP_LINUX_IMMUTABLE, CAP_MKNOD, CAP_LEASE, CAP_SETFCAP.
const forFiles = 1<<0 | 1<<1 | 1<<3 | 1<<4 | 1<<6 | 1<<7 | 1<<9 | 1<<27 | 1<<28 | 1<<31

// expectCapabilities expects that no thread has capabilities that its kind is not
// to have.
func expectCapabilities(ctx context.Context, s *supervised) {
	GinkgoHelper()
	const all = capDacReadSearch | capKill | capSysPtrace
	for _, set := range []string{"CapPrm", "CapEff", "CapInh", "CapAmb"} {
		for tid, text := range s.statusOf(set) {
			mask, err := strconv.ParseUint(text, 16, 64)
			Expect(err).NotTo(HaveOccurred())
			may := uint64(all)
			if strings.HasSuffix(set, "Inh") || strings.HasSuffix(set, "Amb") {
				may = 0
			} else if mask&^may != 0 && Within1s(ctx, func() bool { return slices.Contains(s.receivers(), tid) }) {
				may |= forFiles // one that was just started has its name in a moment
			}
			Expect(mask&^may).To(BeZero(), "%s %s of thread %d", set, text, tid)
		}
	}
}

var _ = Describe("a program whose calls the supervisor makes", func() {
	// From a directory of /proc/SYD, gone to where chdir(2) is not intercepted.
	const inside = `cd / && P=${1:-$PPID}; shift; exec "$0" show "chdir path=/proc/$P" "$@"`
	looks := []string{"open path=maps flags=O_RDONLY", "open path=environ flags=O_RDONLY", "open path=fdinfo/0 flags=O_RDONLY", "readlink path=exe", "open path=root/etc flags=O_RDONLY",
		"stat path=fd/0", "open path=task/../maps flags=O_RDONLY", "openat2 path=maps flags=O_RDONLY", "openat2 path=maps flags=O_RDONLY resolve=RESOLVE_BENEATH"}

	Spec("PRC-04.64", "can't look at the supervisor through the supervisor, from inside its directory in /proc", func(ctx context.Context) {
		cmd := func(pid string) []string {
			return append([]string{"sh", "-c", inside, Fixture("path")[0], pid}, looks...)
		}
		native := Native(ctx, cmd("self")...)
		Expect(native).To(ExitWith(0))
		Expect(strings.Count(native.Stdout, " ok\n")).To(Equal(1+len(looks)), native.String())
		opts := Rules("sandbox/all:off", "sandbox/read,stat,readdir:on", "allow/read,stat,readdir+/***", "deny/read+/nowhere/***", "deny/stat+/nowhere/***")
		result := Syd(ctx, opts, cmd("self")...)
		Expect(strings.Count(result.Stdout, " ok\n")).To(Equal(1+len(looks)), "a process of its own: %s", result)
		result = Syd(ctx, opts, cmd("")...)
		Expect(result).To(SayLine("chdir ok"))
		Expect(strings.Count(result.Stdout, " ok\n")).To(Equal(1), result.String())
	})

	Spec("PRC-05.4", "doesn't get the seccomp-notify descriptor by pidfd_getfd or /proc, nor inherits it", func(ctx context.Context) {
		var ways []string
		for n := range 64 {
			ways = append(ways, "fd:"+strconv.Itoa(n), "proc:fd/"+strconv.Itoa(n))
		}
		result := aimAtSyd(ctx, emulating, "main", ways)
		for _, way := range ways {
			Expect(result.Fact(way)).To(BeElementOf("EPERM", "EACCES", "ESRCH", "ENOENT"), way)
		}
		for _, cmd := range [][]string{Fixture("reach", "listeners"), append(Fixture("process", "fork-exec"), Fixture("reach", "listeners")...)} {
			Expect(Syd(ctx, emulating, cmd...).Lines()[:3]).To(Equal([]string{"listeners 0", "listener EBUSY", "then 0"}))
		}
	}, Requires("landlock_scope_signal"))

	Spec("PRC-05.5", "has ESRCH, as natively, of files of a process that has ended", func(ctx context.Context) {
		cmd := []string{"sh", "-c", `true & cd /proc/$! && wait && exec "$0" show "open path=comm" "stat path=comm" "open path=maps"`, Fixture("path")[0]}
		SameAsNative(ctx, emulating, cmd...)
	})
})
