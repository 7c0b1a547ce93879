// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "syd/conformance/harness"
)

// stallRules allow what the fixture does, but for one denial by which it is
// seen that the rules are still applied.
var stallRules = execRules("deny/chdir+/proc")

// stall is the command that has n processes wait at place: for a page of
// userfaultfd(2) (fault), or for a FUSE server's answer.
func stall(then, place, call string, n int) []string {
	point := filepath.Join(TempDir(), place+call)
	if err := os.MkdirAll(point, 0o755); err != nil {
		Fail(err.Error())
	}
	return Fixture("memory", "stall-"+then, place, call, strconv.Itoa(n), point)
}

// beUndisturbed expects that the others did all that they had to do, each time,
// and that they were judged.
func beUndisturbed(r Result, times int) {
	GinkgoHelper()
	Expect(r.Facts("went-on")).To(Equal(slices.Repeat([]string{"20"}, times)), "%s", r)
	Expect(r.Facts("chdir-proc")).To(Equal(slices.Repeat([]string{"EACCES"}, times)), "%s", r)
}

var pathCalls = []string{"chdir", "execve", "execveat"}

var _ = Describe("a path that never arrives", func() {
	// leave has the first process exit while somebody waits, which the whole
	// sandbox must not wait for.
	leave := func(ctx context.Context, place string, calls ...string) {
		GinkgoHelper()
		for _, call := range calls {
			result := Syd(ctx, stallRules, stall("leave", place, call, 1)...)
			Expect(result).To(ExitWith(7))
			beUndisturbed(result, 1)
		}
	}

	Spec("PRC-06.1", "in a page of userfaultfd stops nobody else, nor the end of the sandbox", func(ctx context.Context) {
		leave(ctx, "fault", pathCalls...)
	}, Smoke, Requires("userfaultfd"))

	Spec("PRC-06.2", "in a page of a FUSE file stops nobody else, nor the end of the sandbox", func(ctx context.Context) {
		leave(ctx, "page", pathCalls...)
	}, Requires("fuse"))

	Spec("PRC-06.3", "since a FUSE server doesn't look it up stops nobody else, nor the end of the sandbox", func(ctx context.Context) {
		leave(ctx, "lookup", pathCalls...)
	}, Requires("fuse"))

	Spec("PRC-06.4", "of a directory whose attributes a FUSE server doesn't tell stops nobody else", func(ctx context.Context) {
		leave(ctx, "attributes", "fchdir")
	}, Requires("fuse"))

	// killed has processes that wait killed by another one.
	killed := func(ctx context.Context, place string, calls ...string) {
		GinkgoHelper()
		for _, call := range calls {
			result := Syd(ctx, stallRules, stall("kill", place, call, 2)...)
			Expect(result).To(ExitWith(0))
			Expect(result.Facts("offender")).To(Equal([]string{"signal SIGKILL", "signal SIGKILL"}))
			after, err := strconv.Atoi(result.Fact("killed-after"))
			Expect(err).NotTo(HaveOccurred())
			Expect(time.Duration(after) * time.Millisecond).To(BeNumerically("<", Bound(time.Second)))
			beUndisturbed(result, 2)
		}
	}

	Spec("PRC-06.5", "in a page of userfaultfd doesn't keep SIGKILL from its process", func(ctx context.Context) {
		killed(ctx, "fault", pathCalls...)
	}, Requires("userfaultfd"), Clauses("EVT-SIG-03"), Stress)

	Spec("PRC-06.6", "by a FUSE server doesn't keep SIGKILL from its process", func(ctx context.Context) {
		killed(ctx, "page", pathCalls...)
		killed(ctx, "lookup", pathCalls...)
		killed(ctx, "attributes", "fchdir")
	}, Requires("fuse"), Clauses("EVT-SIG-03"), Stress)

	// late compares with a native run what comes of a path that arrives after
	// all. Natively nothing is denied.
	late := func(ctx context.Context, place string) {
		GinkgoHelper()
		for _, call := range pathCalls {
			cmd := stall("answer", place, call, 1)
			_, native := SameAsNative(ctx, execOpen, cmd...)
			Expect(native.Facts("went-on")).To(Equal([]string{"20", "20"}))
		}
	}

	Spec("PRC-06.7", "soon, but late, in a page of userfaultfd is followed as natively", func(ctx context.Context) {
		late(ctx, "fault")
	}, Requires("userfaultfd"), Stress)

	Spec("PRC-06.8", "soon, but late, by a FUSE server is followed as natively", func(ctx context.Context) {
		late(ctx, "lookup")
		late(ctx, "page")
	}, Requires("fuse"), Stress)

	Spec("PRC-06.9", "in twenty processes at once stops nobody else", func(ctx context.Context) {
		result := Syd(ctx, stallRules, stall("kill", "fault", "chdir", 20)...)
		Expect(result.Facts("offender")).To(HaveLen(20))
		beUndisturbed(result, 2)
	}, Requires("userfaultfd"))

	Spec("PRC-06.10", "in twenty processes at once, by a FUSE server, stops nobody else", func(ctx context.Context) {
		result := Syd(ctx, stallRules, stall("kill", "lookup", "execve", 20)...)
		Expect(result.Facts("offender")).To(HaveLen(20))
		beUndisturbed(result, 2)
	}, Requires("fuse"))

	// orphaned kills the supervisor while somebody waits.
	orphaned := func(ctx context.Context, place string) {
		GinkgoHelper()
		p := Start(ctx, stallRules, stall("wait", place, "chdir", 3)...)
		p.WaitLine(ctx, "went-on 20")
		tree := p.Descendants()
		Expect(len(tree)).To(BeNumerically(">=", 4))
		p.Signal(syscall.SIGKILL)
		Expect(p.Wait(ctx)).To(BeKilledBy(syscall.SIGKILL))
		for _, process := range tree {
			Expect(Within1s(ctx, func() bool { return !Alive(process.PID) })).To(BeTrue(), "%+v", process)
		}
	}

	Spec("PRC-06.11", "in a page of userfaultfd doesn't outlive the supervisor: SIGKILL of it ends all", func(ctx context.Context) {
		orphaned(ctx, "fault")
	}, Requires("userfaultfd"))

	Spec("PRC-06.20", "by a FUSE server doesn't outlive the supervisor: SIGKILL of it ends all", func(ctx context.Context) {
		orphaned(ctx, "page")
		orphaned(ctx, "lookup")
	}, Requires("fuse"))
})

var _ = Describe("a process whose path never arrives", func() {
	// given up by the supervisor, not by anybody in the sandbox.
	givenUp := func(ctx context.Context, place, call string, n int) {
		GinkgoHelper()
		result := Syd(ctx, stallRules, stall("wait", place, call, n)...)
		Expect(result).To(ExitWith(0))
		Expect(result.Facts("offender")).To(Equal(slices.Repeat([]string{"signal SIGKILL"}, n)))
		beUndisturbed(result, 2)
		Expect(strings.Count(result.Stderr, `"act":"kill"`)).To(Equal(n), "%s", result)
	}

	Spec("PRC-06.12", "is killed in time, which is recorded, while others go on", func(ctx context.Context) {
		givenUp(ctx, "fault", "chdir", 2)
	}, Requires("userfaultfd"), TimeLimit(time.Minute), Stress)

	Spec("PRC-06.13", "by a FUSE server is killed in time, which is recorded, while others go on", func(ctx context.Context) {
		Each([][2]string{{"page", "execve"}, {"lookup", "execveat"}, {"attributes", "fchdir"}}, 3, func(row [2]string) {
			givenUp(ctx, row[0], row[1], 2)
		})
	}, Requires("fuse"), TimeLimit(time.Minute), Stress)

	Spec("PRC-06.21", "is killed in time if the call is one that the supervisor makes, in one receiver after the other, while others go on", func(ctx context.Context) {
		// More than receive at a time: in the second round some have had one before.
		result := Syd(ctx, emulated("deny/chdir+/proc"), stall("twice", "fault", "openat", 6)...)
		Expect(result).To(ExitWith(0))
		Expect(result.Facts("offender")).To(Equal(slices.Repeat([]string{"signal SIGKILL"}, 12)))
		beUndisturbed(result, 3)
		Expect(strings.Count(result.Stderr, `"act":"kill"`)).To(Equal(12), "%s", result)
	}, Requires("userfaultfd"), Slow, TimeLimit(2*time.Minute))

	Spec("PRC-06.22", "doesn't keep SIGKILL from it if the call is one that the supervisor makes", func(ctx context.Context) {
		result := Syd(ctx, emulated("deny/chdir+/proc"), stall("kill", "fault", "openat", 10)...)
		Expect(result).To(ExitWith(0))
		Expect(result.Facts("offender")).To(Equal(slices.Repeat([]string{"signal SIGKILL"}, 10)))
		beUndisturbed(result, 2)
	}, Requires("userfaultfd"), Clauses("EVT-SIG-03"))

	Spec("PRC-06.14", "is killed or denied the call, however many do so, and a call that can't be judged any more is denied", func(ctx context.Context) {
		const many = 64
		result := Syd(ctx, stallRules, stall("many", "fault", "chdir", many)...)
		Expect(result).To(ExitWith(0))
		Expect(result.Facts("offender")).To(HaveLen(many))
		Expect(result.Facts("offender")).To(HaveEach(BeElementOf("signal SIGKILL", "exit 0")))
		Expect(result.Facts("offender")).To(ContainElement("signal SIGKILL"))
		Expect(result.Facts("chdir")).To(HaveEach("EACCES"))
		if after := result.Fact("chdir-after"); after != "ok" {
			Expect(after).To(Equal("EACCES"))
			Expect(result.Stderr).To(ContainSubstring("workers are stuck"))
		}
	}, Requires("userfaultfd"), TimeLimit(time.Minute), Stress)
})

var _ = Describe("a process whose directory below /proc others have locked", func() {
	// held has the process do what a supervisor may look there for.
	held := func(ctx context.Context, deed string) {
		GinkgoHelper()
		cmd := Fixture("memory", "held", deed)
		result := Syd(ctx, stallRules, cmd...)
		Expect(result).To(ExitWith(0))
		Expect(result).To(SayLine("locked yes"), "others went on only when it was given back")
		Expect(result).To(SayLine("held exit 0"))
		beUndisturbed(result, 2)
	}

	Spec("PRC-06.23", "stops nobody else by a call aimed at the supervisor", func(ctx context.Context) {
		held(ctx, "named")
		held(ctx, "user")
	}, Requires("userfaultfd"), TimeLimit(time.Minute))

	Spec("PRC-06.24", "stops nobody else by signals, one after the other or ignored ones", func(ctx context.Context) {
		held(ctx, "signals")
		held(ctx, "ignored")
	}, Requires("userfaultfd"), TimeLimit(time.Minute))
})

var _ = Describe("a path's address", func() {
	same := func(ctx context.Context, command string) {
		GinkgoHelper()
		for _, call := range pathCalls {
			_, native := execSame(ctx, Fixture("memory", command, call)...)
			Expect(native).To(ExitWith(0))
		}
	}

	Spec("PRC-06.15", "that leads nowhere gives EFAULT, as natively", func(ctx context.Context) {
		same(ctx, "wild")
		result := Syd(ctx, execOpen, Fixture("memory", "wild", "chdir")...)
		Expect(result).To(HaveFact("chdir-null", "EFAULT"))
		Expect(result.Stderr).To(BeEmpty())
	}, Smoke)

	Spec("PRC-06.16", "just before a hole gives what it gives natively", func(ctx context.Context) {
		same(ctx, "edge")
	})

	Spec("PRC-06.17", "with a string about as long as may be gives what it gives natively", func(ctx context.Context) {
		same(ctx, "long")
	})

	Spec("PRC-06.18", "of a 32-bit program that leads nowhere gives what it gives natively", func(ctx context.Context) {
		for _, command := range []string{"wild", "edge", "long"} {
			for _, call := range pathCalls {
				execSame(ctx, ForeignFixture("memory", command, call)...)
			}
		}
	}, Requires("i386"))

	Spec("PRC-06.19", "whose string changes while it is read never leads where the rules forbid", func(ctx context.Context) {
		good, bad := filepath.Join(TempDir(), "good"), filepath.Join(TempDir(), "forbidden-and-longer")
		Expect(os.Mkdir(good, 0o755)).To(Succeed())
		Expect(os.Mkdir(bad, 0o755)).To(Succeed())
		cmd := Fixture("memory", "flip", good, bad, "2000")
		natively, err := strconv.Atoi(Native(ctx, cmd...).Fact("in-bad"))
		Expect(err).NotTo(HaveOccurred())
		Expect(natively).To(BeNumerically(">", 0))
		result := Syd(ctx, execRules("filter/chdir+"+bad), cmd...)
		// It may get there, and is killed before it can say so.
		Expect(result).To(Or(ExitWith(128+int(syscall.SIGKILL)), And(ExitWith(0), HaveFact("in-bad", "0"))))
	})
})
