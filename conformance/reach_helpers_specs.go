// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	. "syd/conformance/harness"
)

// A witness is an ordinary process outside of the sandbox, of the same user as
// what aims at it, that tells what reached it.
type witness struct {
	run           *Proc
	other, memory string
	taken         int
}

func startWitness(ctx context.Context, options ...LaunchOption) *witness {
	GinkgoHelper()
	w := &witness{run: With(append(options, Interactive())...).StartNative(ctx, Fixture("reach", "witness")...)}
	DeferCleanup(w.run.Kill)
	w.run.WaitLine(ctx, "ready")
	w.other = strings.TrimPrefix(w.run.WaitLine(ctx, "other "), "other ")
	w.memory = strings.TrimPrefix(w.run.WaitLine(ctx, "memory "), "memory ")
	return w
}

// aimedAt is a native run that goes these ways to a thread of the witness.
func (w *witness) aimedAt(ctx context.Context, thread string, ways []string, options ...LaunchOption) Result {
	GinkgoHelper()
	argv := append([]string{"try", strconv.Itoa(w.run.PID()), thread, w.memory, "SIGUSR1"}, ways...)
	return With(append(options, Stdin("\n\n"))...).Native(ctx, Fixture("reach", argv...)...)
}

// tells is the signal that the witness took since the last call.
func (w *witness) tells(ctx context.Context) string {
	GinkgoHelper()
	var facts []string
	WaitFor(ctx, "the witness of a signal", func() bool {
		facts = nil
		for line := range strings.Lines(w.run.Stdout()) {
			if fact, ok := strings.CutPrefix(line, "taken "); ok {
				facts = append(facts, fact)
			}
		}
		return len(facts) > w.taken
	})
	w.taken++
	return facts[w.taken-1]
}

// state is how the witness's thread is scheduled and limited now.
func (w *witness) state(ctx context.Context, thread string) string {
	GinkgoHelper()
	told := strings.Count(w.run.Stdout(), "told\n")
	w.run.Send(w.other + "\n")
	WaitFor(ctx, "the witness's state", func() bool { return strings.Count(w.run.Stdout(), "told\n") > told })
	var last string
	for line := range strings.Lines(w.run.Stdout()) {
		if fact, ok := strings.CutPrefix(line, "state "+thread+" "); ok {
			last = strings.TrimSpace(fact)
		}
	}
	return last
}

// condition is what may not change of a supervisor, for each thread and for all
// of it: who traces it, how it is scheduled and limited. Its threads may bind
// themselves to a CPU, and each other.
func condition(run *Proc) map[string]string {
	GinkgoHelper()
	pid := run.PID()
	all := map[string]string{}
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
	Expect(err).NotTo(HaveOccurred())
	all["limits"] = string(limits)
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	Expect(err).NotTo(HaveOccurred())
	for _, task := range tasks {
		if text, ok := threadCondition(pid, task.Name()); ok {
			all[task.Name()] = text
		}
	}
	return all
}

func threadCondition(pid int, thread string) (string, bool) {
	dir := fmt.Sprintf("/proc/%d/task/%s/", pid, thread)
	stat, err := os.ReadFile(dir + "stat")
	if err != nil {
		return "", false // it has ended
	}
	status, err := os.ReadFile(dir + "status")
	if err != nil {
		return "", false
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	text := fmt.Sprintf("priority %s nice %s policy %s", fields[15], fields[16], fields[38])
	for line := range strings.Lines(string(status)) {
		key, value, _ := strings.Cut(line, ":\t")
		if key == "TracerPid" || key == "Mems_allowed" {
			text += " " + key + " " + strings.TrimSpace(value)
		}
	}
	tid, _ := strconv.Atoi(thread)
	priority, _, errno := unix.RawSyscall(unix.SYS_IOPRIO_GET, 1, uintptr(tid), 0)
	return fmt.Sprintf("%s ioprio %d %v", text, priority, errno), true
}

// aimAtSyd has the eldest of a sandbox go these ways to a thread of syd, with
// SIGKILL for the signal, and expects that syd lives on, unchanged, and the
// sandbox too, with its own status.
func aimAtSyd(ctx context.Context, opts []string, thread string, ways []string, options ...LaunchOption) Result {
	GinkgoHelper()
	return aimWith(ctx, Fixture("reach"), opts, thread, ways, options...)
}

func aimWith(ctx context.Context, fixture, opts []string, thread string, ways []string, options ...LaunchOption) Result {
	GinkgoHelper()
	// 400000 is where programs are that are not position-independent; where it
	// isn't, permission is asked first all the same.
	argv := append(fixture, append([]string{"try", "supervisor", thread, "400000", "SIGKILL"}, ways...)...)
	run := With(append(options, Interactive())...).Start(ctx, opts, argv...)
	run.WaitLine(ctx, "ready")
	before := condition(run)
	run.Send("\n")
	run.WaitLine(ctx, "done")
	after := condition(run)
	for what, was := range before {
		if now, there := after[what]; there {
			Expect(now).To(Equal(was), "%s of the supervisor", what)
		}
	}
	Expect(after).To(HaveKey(strconv.Itoa(run.PID())))
	run.Send("\n")
	result := run.Wait(ctx)
	Expect(result).To(ExitWith(23))
	return result
}

var threads = []string{"main", "other"}

// lone is a user that nobody else is: N tells the specs apart that take one.
// Root becomes it; an ordinary user stays who it is.
func lone(n int) []LaunchOption {
	if os.Geteuid() != 0 {
		return nil
	}
	return []LaunchOption{As(uint32(61000+n), 65533)}
}
