// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"syd/conformance/bpf"
	"syd/conformance/confinement"
	. "syd/conformance/harness"
)

// A supervised is a running sandbox whose supervisor is looked at: its eldest
// does nothing until it is told to end.
type supervised struct {
	*Proc
	line   *lifeline
	tracer int // the thread
	log    uint64
}

// supervise starts a sandbox with a lifeline and a log descriptor of its own.
func supervise(ctx context.Context, opts []string, launch ...LaunchOption) *supervised {
	GinkgoHelper()
	line := newLifeline()
	DeferCleanup(line.close)
	log, err := os.OpenFile(filepath.Join(TempDir(), "log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	Expect(err).NotTo(HaveOccurred())
	defer log.Close()
	launch = append(launch, Interactive(), Files(line.far, log), Env("SYD_LOG_FD=4"))
	s := &supervised{Proc: With(launch...).Start(ctx, opts, Fixture("supervisor", "target")...), line: line, log: 4}
	DeferCleanup(s.Kill)
	line.held()
	s.WaitLine(ctx, "ready")
	tasks := s.Descendants()
	Expect(tasks).NotTo(BeEmpty(), "the sandbox has ended")
	tracers := tracersOf(tasks[0].PID)
	Expect(tracers).NotTo(BeEmpty(), "nobody traces the eldest")
	s.tracer = tracers[0]
	return s
}

// threads is the threads of the supervisor.
func (s *supervised) threads() (tids []int) {
	GinkgoHelper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", s.PID()))
	Expect(err).NotTo(HaveOccurred())
	for _, entry := range entries {
		tid, err := strconv.Atoi(entry.Name())
		Expect(err).NotTo(HaveOccurred())
		tids = append(tids, tid)
	}
	return tids
}

// filters reads the filters of all threads. It needs seccomp_get_filter.
func (s *supervised) filters(ctx context.Context) map[int]bpf.Chain {
	GinkgoHelper()
	result := Native(ctx, Fixture("supervisor", "filters", strconv.Itoa(s.PID()))...)
	Expect(result).To(ExitWith(0))
	return chainsOf(result)
}

// chainsOf reads what `supervisor filters` prints.
func chainsOf(result Result) map[int]bpf.Chain {
	GinkgoHelper()
	chains := map[int]bpf.Chain{}
	parts := map[int][][]byte{}
	for _, line := range result.Lines() {
		var tid, index int
		var text string
		if _, err := fmt.Sscanf(line, "thread %d", &tid); err == nil {
			chains[tid] = nil
		} else if _, err := fmt.Sscanf(line, "part %d %d %s", &tid, &index, &text); err == nil {
			part, err := hex.DecodeString(text)
			Expect(err).NotTo(HaveOccurred())
			parts[tid] = append(parts[tid], make([][]byte, index+1-min(index+1, len(parts[tid])))...)
			parts[tid][index] = append(parts[tid][index], part...)
		}
	}
	for tid, programs := range parts {
		for _, code := range programs {
			program, err := bpf.Decode(code)
			Expect(err).NotTo(HaveOccurred())
			chains[tid] = append(chains[tid], program)
		}
	}
	return chains
}

// given is what the filters of this sandbox may be specific to.
func (s *supervised) given(o confinement.Options) confinement.Given {
	return confinement.Given{Options: o, Descriptors: s.writable(), Parent: s.parentAt}
}

// writable is the descriptors that CNF-12 names: the log's, the language
// runtime's event descriptors, /proc/PID/mem.
func (s *supervised) writable() []uint64 {
	GinkgoHelper()
	all := []uint64{s.log}
	dir := fmt.Sprintf("/proc/%d/fd", s.PID())
	entries, err := os.ReadDir(dir)
	Expect(err).NotTo(HaveOccurred())
	for _, entry := range entries {
		to, _ := os.Readlink(filepath.Join(dir, entry.Name()))
		fd, err := strconv.ParseUint(entry.Name(), 10, 64)
		Expect(err).NotTo(HaveOccurred())
		if to == "anon_inode:[eventfd]" || strings.HasPrefix(to, "/proc/") && strings.HasSuffix(to, "/mem") {
			all = append(all, fd)
		}
	}
	return all
}

// parentAt says whether "..", which the program can't change, is at an address.
func (s *supervised) parentAt(address uint64) bool {
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", s.PID()))
	Expect(err).NotTo(HaveOccurred())
	defer memory.Close()
	text := make([]byte, 3)
	if _, err := memory.ReadAt(text, int64(address)); err != nil || string(text) != "..\x00" {
		return false
	}
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", s.PID()))
	Expect(err).NotTo(HaveOccurred())
	return slices.ContainsFunc(strings.Split(string(maps), "\n"), func(line string) bool {
		var from, to uint64
		var access string
		_, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &access)
		return err == nil && from <= address && address < to && !strings.Contains(access, "w")
	})
}

// end has the eldest end, and expects that the supervisor did its work to the
// last: it tells the eldest's status, and nothing is left.
func (s *supervised) end(ctx context.Context) {
	GinkgoHelper()
	s.CloseStdin()
	Expect(s.Wait(ctx)).To(ExitWith(7))
	Expect(Within1s(ctx, s.line.cut)).To(BeTrue(), "a tracee lives")
}

// kill has a thread make a call and expects that the sandbox dies of it: the
// supervisor of SIGSYS, which its parent sees, and all tracees with it.
func (s *supervised) kill(ctx context.Context, tid int, fatal string) {
	GinkgoHelper()
	Expect(makeCalls(ctx, tid, fatal)).To(SayLine("died SIGSYS"), fatal)
	Expect(s.Wait(ctx)).To(BeKilledBy(syscall.SIGSYS), fatal)
	Expect(Within1s(ctx, s.line.cut)).To(BeTrue(), "a tracee lives on after %s", fatal)
}

// exported is a filter that the build prints and doesn't load.
func exported(ctx context.Context, filter string, opts ...string) bpf.Chain {
	GinkgoHelper()
	path := filepath.Join(TempDir(), "filter")
	argv := []string{"/bin/sh", "-c", `to=$1; shift; exec "$@" >"$to"`, "sh", path, Build()}
	Expect(Native(ctx, append(append(argv, opts...), "-E", filter+":bpf")...)).To(ExitWith(0))
	code, err := os.ReadFile(path)
	Expect(err).NotTo(HaveOccurred())
	program, err := bpf.Decode(code)
	Expect(err).NotTo(HaveOccurred())
	return bpf.Chain{program}
}

// makeCalls has a thread make calls, which the fixture `supervisor inject` writes
// as ENTRY,NUMBER,ARGUMENT,...
func makeCalls(ctx context.Context, tid int, calls ...string) Result {
	GinkgoHelper()
	return Native(ctx, Fixture("supervisor", append([]string{"inject", strconv.Itoa(tid)}, calls...)...)...)
}

// callResults is what makeCalls' calls returned; the thread must live.
func callResults(ctx context.Context, tid int, calls ...string) (values []int64) {
	GinkgoHelper()
	result := makeCalls(ctx, tid, calls...)
	Expect(result).To(ExitWith(0))
	for _, text := range result.Facts("result") {
		value, err := strconv.ParseInt(text, 10, 64)
		Expect(err).NotTo(HaveOccurred())
		values = append(values, value)
	}
	Expect(values).To(HaveLen(len(calls)), result.String())
	return values
}

// namedCall writes a call by name for makeCalls.
func namedCall(name string, args ...uint64) string {
	return rawCall("syscall", confinement.Number(name), args...)
}

// rawCall writes a call for makeCalls.
func rawCall(entry string, number uint32, args ...uint64) string {
	text := entry + "," + strconv.FormatUint(uint64(number), 10)
	for _, arg := range args {
		text += "," + strconv.FormatUint(arg, 10)
	}
	return text
}

// lastFilter is the last filter of a chain: the one that its thread loaded itself.
func lastFilter(chain bpf.Chain) bpf.Chain { return chain[len(chain)-1:] }

// expectHalves expects death of each guarded call when one half of one cookie
// is wrong.
func expectHalves(chain bpf.Chain, j confinement.Judgement) {
	GinkgoHelper()
	t := confinement.TracerTable(confinement.Options{})
	for name, cookies := range j.Cookies {
		if len(t[name].Rows) == 0 || t[name].Class != confinement.Guarded {
			continue
		}
		right := bpf.Data{NR: confinement.Number(name), Arch: bpf.ArchAMD64, Args: t[name].Rows[0].Args}
		copy(right.Args[t[name].Used:], cookies[t[name].Used:])
		Expect(chain.Run(right)).To(Equal(bpf.Allow), name)
		for register := t[name].Used; register < 6; register++ {
			for _, mask := range []uint64{0xffffffff, 0xffffffff << 32} {
				wrong := right
				wrong.Args[register] ^= mask
				Expect(chain.Run(wrong)).To(Equal(bpf.KillProcess), "%s register %d", name, register)
			}
		}
	}
}
