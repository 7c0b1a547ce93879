// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"syd/conformance/confinement"
	. "syd/conformance/harness"
)

// judgement is what the tracer's filters of this very sandbox say, cookies too.
func (s *supervised) judgement(ctx context.Context, o confinement.Options) confinement.Judgement {
	GinkgoHelper()
	chain := s.filters(ctx)[s.tracer]
	j := confinement.Tracer(chain, o)
	s.given(o).Special(&j, chain)
	expectCookies(j)
	return j
}

// expectCookies expects that the calls with cookies are as they should be.
func expectCookies(j confinement.Judgement) {
	GinkgoHelper()
	for _, clause := range []string{"CNF-10", "CNF-11", "CNF-12", "CNF-16", "CNF-20", "CNF-21"} {
		expectRight(j, clause)
	}
}

// guardedCalls are calls with cookies, with arguments that do no harm: what they
// return is known.
var guardedCalls = []struct {
	name    string
	used    int
	args    []uint64
	returns int64
}{
	{"pidfd_open", 2, []uint64{^uint64(0), 0}, -22},
	{"close", 1, []uint64{9999}, -9},
	{"close_range", 3, []uint64{9999, 9998, 0}, -22},
	{"openat2", 4, []uint64{0, 0, 0, 0}, -22},
	{"write", 3, []uint64{9999, 0, 0}, -9},
	{"getdents64", 3, []uint64{9999, 0, 0}, -9},
	{"faccessat2", 4, []uint64{0, 0, 0xff, 0}, -22},
	{"pidfd_getfd", 3, []uint64{9999, 0, 0}, -9},
	{"pidfd_send_signal", 4, []uint64{9999, 0, 0, 0}, -9},
	{"ptrace", 4, []uint64{16, 0x7fffffff, 0, 0}, -3},
	{"ioctl", 3, []uint64{9999, 0xc0686611, 0}, -9},
	{"execveat", 5, []uint64{9999, 0, 0, 0, 0x10000}, -14},
}

// withCookies is the registers of a call: its arguments, then its cookies.
func withCookies(args []uint64, used int, cookies [6]uint64) []uint64 {
	all := slices.Clone(cookies[:])
	copy(all[:used], args)
	return all
}

// pages is the lines of /proc/PID/maps and the flags of the mappings in which
// the value is found.
func (s *supervised) pages(value uint64) (maps []string, flags []string) {
	GinkgoHelper()
	smaps, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps", s.PID()))
	Expect(err).NotTo(HaveOccurred())
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", s.PID()))
	Expect(err).NotTo(HaveOccurred())
	defer memory.Close()
	wanted := string(binary.NativeEndian.AppendUint64(nil, value))
	found := false
	for line := range strings.Lines(string(smaps)) {
		var from, to uint64
		if _, err := fmt.Sscanf(line, "%x-%x ", &from, &to); err == nil {
			// Cookies lie in anonymous memory, of which there is little.
			content := make([]byte, min(to-from, 1<<24))
			n, _ := memory.ReadAt(content, int64(from))
			if found = strings.Contains(string(content[:n]), wanted); found {
				maps = append(maps, strings.TrimSpace(line))
			}
		} else if rest, ok := strings.CutPrefix(line, "VmFlags:"); ok && found {
			flags = append(flags, strings.TrimSpace(rest))
		}
	}
	return maps, flags
}

var _ = Describe("the cookies", func() {
	Spec("CKE-01.1", "are new at every start", func(ctx context.Context) {
		seen := map[uint64]bool{}
		for range 4 {
			s := supervise(ctx, Off)
			for name, cookies := range s.judgement(ctx, confinement.Options{}).Cookies {
				for _, cookie := range cookies {
					if cookie != 0 {
						Expect(seen[cookie]).To(BeFalse(), "%s has %#x again", name, cookie)
						seen[cookie] = true
					}
				}
			}
			s.end(ctx)
		}
		Expect(len(seen)).To(BeNumerically(">", 4*20))
	}, Requires("seccomp_get_filter", "amd64"))

	Spec("CKE-01.2", "are new in every export, and different for each call and register", func(ctx context.Context) {
		seen := map[uint64]bool{}
		for range 4 {
			_, j := exportedFilter(ctx, confinement.Options{})
			expectCookies(j)
			for _, cookies := range j.Cookies {
				for _, cookie := range cookies {
					Expect(cookie == 0 || !seen[cookie]).To(BeTrue())
					seen[cookie] = true
				}
			}
		}
	}, Requires("amd64"))

	Spec("CKE-01.3", "lie in a page of their own that nobody can write to or dump", func(ctx context.Context) {
		s := supervise(ctx, Off)
		cookies := s.judgement(ctx, confinement.Options{}).Cookies["ptrace"]
		maps, flags := s.pages(cookies[5])
		Expect(maps).To(ContainElement(ContainSubstring(" r--p ")))
		Expect(flags).To(ContainElement(And(ContainSubstring("dd"), Not(ContainSubstring("wr")))), "%q", maps)
		s.end(ctx)
	}, Requires("seccomp_get_filter", "amd64"))

	Spec("CKE-01.4", "lie in a page that is sealed, unless the option says otherwise", func(ctx context.Context) {
		for option, sealed := range map[string]bool{"trace/allow_unsafe_nomseal:0": true, "trace/allow_unsafe_nomseal:1": false} {
			s := supervise(ctx, append(Rules(option), Off...))
			cookies := s.judgement(ctx, confinement.Options{}).Cookies["ptrace"]
			_, flags := s.pages(cookies[5])
			Expect(slices.ContainsFunc(flags, func(f string) bool { return slices.Contains(strings.Fields(f), "sl") })).To(Equal(sealed), "%s: %q", option, flags)
			s.end(ctx)
		}
	}, Requires("seccomp_get_filter", "amd64", "mseal_shown"), Stress)

	Spec("CKE-02.1", "let calls be made that carry them, in the filter that is loaded, and no wrong bit does", func(ctx context.Context) {
		_, j := loadedFilter(ctx, confinement.Options{})
		expectCookies(j)
		Expect(len(j.Cookies)).To(BeNumerically(">=", 12))
		Expect(j.Rows["CNF-21"]).To(BeNumerically(">", 6*2*64))
	}, Requires("seccomp_get_filter", "amd64"))

	Spec("CKE-02.2", "let calls be made that carry them, in the filter that is exported, and no wrong bit does", func(ctx context.Context) {
		_, j := exportedFilter(ctx, confinement.Options{})
		expectCookies(j)
		Expect(len(j.Cookies)).To(BeNumerically(">=", 12))
	}, Requires("amd64"))

	Spec("CKE-02.3", "let the living thread make each call that has them", func(ctx context.Context) {
		s := supervise(ctx, Off)
		cookies := s.judgement(ctx, confinement.Options{}).Cookies
		for _, c := range guardedCalls {
			Expect(cookies).To(HaveKey(c.name))
			got := callResults(ctx, s.tracer, namedCall(c.name, withCookies(c.args, c.used, cookies[c.name])...))
			Expect(got).To(Equal([]int64{c.returns}), c.name)
		}
		s.end(ctx)
	}, Requires("seccomp_get_filter", "amd64"), Stress)

	Spec("CKE-02.4", "kill the living supervisor when one bit is wrong", func(ctx context.Context) {
		Each(guardedCalls, 2, func(c struct {
			name    string
			used    int
			args    []uint64
			returns int64
		}) {
			s := supervise(ctx, Off, ExpectDeath())
			args := withCookies(c.args, c.used, s.judgement(ctx, confinement.Options{}).Cookies[c.name])
			args[c.used+len(c.name)%(6-c.used)] ^= 1 << (7 * len(c.name) % 64)
			s.kill(ctx, s.tracer, namedCall(c.name, args...))
		})
	}, Requires("seccomp_get_filter", "amd64"))

	Spec("CKE-03.1", "are not needed with the option, and nothing else changes", func(ctx context.Context) {
		guarded, j := loadedFilter(ctx, confinement.Options{})
		free, f := loadedFilter(ctx, confinement.Options{NoCookies: true}, Rules("trace/allow_unsafe_nocookie:1")...)
		expectCookies(f)
		differences, compared := confinement.Unlike(lastFilter(guarded), lastFilter(free), j.Cookies)
		Expect(strings.Join(differences, "\n")).To(BeEmpty())
		Expect(compared).To(BeNumerically(">", 400))
	}, Requires("seccomp_get_filter", "amd64"))

	Spec("CKE-03.2", "are not needed with the option, as it is exported, and nothing else changes", func(ctx context.Context) {
		guarded, j := exportedFilter(ctx, confinement.Options{})
		free, f := exportedFilter(ctx, confinement.Options{NoCookies: true}, Rules("trace/allow_unsafe_nocookie:1")...)
		expectCookies(f)
		differences, _ := confinement.Unlike(guarded, free, j.Cookies)
		Expect(strings.Join(differences, "\n")).To(BeEmpty())
	}, Requires("amd64"))

	Spec("CKE-03.3", "are not needed with the option by the living thread", func(ctx context.Context) {
		opts := append(Rules("trace/allow_unsafe_nocookie:1"), Off...)
		s := supervise(ctx, opts)
		for _, c := range guardedCalls {
			Expect(callResults(ctx, s.tracer, namedCall(c.name, c.args...))).To(Equal([]int64{c.returns}), c.name)
		}
		s.end(ctx)
		Each([]string{namedCall("ioctl", 0, 0x5401, 0), namedCall("execveat", 9999, 0, 0, 0, 0), namedCall("fork")}, 2, func(fatal string) {
			s := supervise(ctx, opts, ExpectDeath())
			s.kill(ctx, s.tracer, fatal)
		})
	}, Requires("seccomp_get_filter", "amd64"))

	Spec("CKE-04.1", "are compared whole by the filter that is loaded", func(ctx context.Context) {
		s := supervise(ctx, Off)
		chain := s.filters(ctx)[s.tracer]
		j := s.judgement(ctx, confinement.Options{})
		expectHalves(chain, j)
		s.end(ctx)
	}, Requires("seccomp_get_filter", "amd64"))

	Spec("CKE-04.2", "are compared whole by the filter that is exported", func(ctx context.Context) {
		chain, j := exportedFilter(ctx, confinement.Options{})
		expectHalves(chain, j)
	}, Requires("amd64"))

	Spec("CKE-04.3", "kill the living supervisor when one half is wrong, and so does the high half of an argument", func(ctx context.Context) {
		const high = uint64(1) << 32
		wrong := []func(cookies map[string][6]uint64) string{
			func(c map[string][6]uint64) string { return half(c, "close", 1, []uint64{9999}, 3, 0xffffffff) },
			func(c map[string][6]uint64) string { return half(c, "close", 1, []uint64{9999}, 3, 0xffffffff<<32) },
			func(c map[string][6]uint64) string {
				return half(c, "ioctl", 3, []uint64{9999, 0xc0686611 | high, 0}, 5, ^uint64(0))
			},
			func(map[string][6]uint64) string { return namedCall("write", 2|high, 0, 0) },
			func(map[string][6]uint64) string { return namedCall("madvise", 0, 0, 4|high) },
		}
		Each(wrong, 2, func(make func(map[string][6]uint64) string) {
			s := supervise(ctx, Off, ExpectDeath())
			s.kill(ctx, s.tracer, make(s.judgement(ctx, confinement.Options{}).Cookies))
		})
	}, Requires("seccomp_get_filter", "amd64"))
})

// half writes a call whose cookie in one register is masked.
func half(cookies map[string][6]uint64, name string, used int, args []uint64, register int, mask uint64) string {
	all := withCookies(args, used, cookies[name])
	all[register] &= mask
	return namedCall(name, all...)
}

var _ = Describe("the runtime of the supervisor", func() {
	Spec("CKE-05.5", "never kills the tracer while all execs and changes of directory are traced", func(ctx context.Context) {
		changes := []string{"/bin/sh", "-c", "i=0; while [ $i -lt 60 ]; do cd /; cd /usr; /bin/true; i=$((i+1)); done"}
		for _, env := range [][]string{{"GOGC=1"}, {"GOGC=1", "GODEBUG=gcstoptheworld=2"}, {"GOGC=1", "GOMAXPROCS=16"}, {"GOGC=off"}} {
			for _, opts := range [][]string{launchEverything, OnlyExecChdir("warn/exec,chdir+/***")} {
				Expect(With(Env(env...)).Syd(ctx, opts, changes...)).To(ExitWith(0), "%v", env)
			}
		}
	}, Stress, TimeLimit(time.Minute))
	Spec("CKE-05.6", "never kills the tracer in a storm of signals to it", func(ctx context.Context) {
		s := supervise(ctx, Off)
		storm(s.PID(), syscall.SIGURG, 3000)
		s.end(ctx)
		s = supervise(ctx, launchEverything, Env("GOGC=1"))
		storm(s.PID(), syscall.SIGURG, 3000)
		s.end(ctx)
	}, Stress)
})
