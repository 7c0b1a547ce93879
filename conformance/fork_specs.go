// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "syd/conformance/harness"
)

// forkKinds are the fixture's ways to make a process.
var forkKinds = []string{"fork", "vfork", "raw-clone", "clone-vm", "clone-vfork", "clone-silent", "clone-usr1"}

// expectTraced expects that the children of all kinds saw their parent's tracer,
// and that there was one.
func expectTraced(result Result, kinds []string) {
	GinkgoHelper()
	for _, kind := range kinds {
		Expect(result).To(SayLine(kind+" tracer same"), kind)
		Expect(result).To(SayLine(kind+" exit 7"), kind)
	}
	Expect(result.Fact("tracer")).NotTo(Or(Equal("pid:0"), BeEmpty()))
}

var _ = Describe("a new task", func() {
	Spec("EVT-FRK-01.1", "is traced from its first instruction, however it is made", func(ctx context.Context) {
		cmd := Fixture("fork", append([]string{"born"}, forkKinds...)...)
		Expect(Native(ctx, cmd...)).To(SayLine("tracer pid:0"))
		bothProfiles(func(opts []string) {
			expectTraced(Syd(ctx, opts, cmd...), forkKinds)
		})
	}, Smoke)

	Spec("EVT-FRK-01.2", "is traced when another thread than the leader makes it", func(ctx context.Context) {
		cmd := Fixture("fork", append([]string{"born", "by-thread"}, forkKinds...)...)
		bothProfiles(func(opts []string) {
			expectTraced(Syd(ctx, opts, cmd...), forkKinds)
			result := Syd(ctx, opts, Fixture("fork", "thread-forks", "20", "10")...)
			Expect(result).To(SayLine("children 200"))
			Expect(result).To(SayLine("strangers 0"))
		})
	}, Stress)

	Spec("EVT-FRK-01.3", "is traced when it is a thread", func(ctx context.Context) {
		bothProfiles(func(opts []string) {
			result := Syd(ctx, opts, Fixture("fork", "born-thread")...)
			Expect(result).To(SayLine("thread tracer same"))
			Expect(result).To(SayLine("thread process same"))
			Expect(result.Fact("tracer")).NotTo(Equal("pid:0"))
		})
	})

	Spec("EVT-FRK-01.4", "is traced 1,000 generations down", func(ctx context.Context) {
		result, _ := SameAsNative(ctx, allowAll(), Fixture("fork", "chain", "1000")...)
		Expect(result).To(SayLine("deepest tracer same"))
		Expect(result).To(ExitWith(7))
	}, Stress)

	Spec("EVT-FRK-01.5", "is traced wherever it stands in a tree of 1,111", func(ctx context.Context) {
		bothProfiles(func(opts []string) {
			result, _ := SameAsNative(ctx, opts, Fixture("fork", "tree", "10", "3")...)
			Expect(result).To(SayLine("processes 1111"))
			Expect(result).To(SayLine("strangers 0"))
			Expect(result).To(SayLine("failed 0"))
		})
	}, Stress)

	Spec("EVT-FRK-01.6", "is traced wherever it stands in a tree of 11,111", func(ctx context.Context) {
		result, _ := SameAsNative(ctx, allowAll(), Fixture("fork", "tree", "10", "4")...)
		Expect(result).To(SayLine("processes 11111"))
		Expect(result).To(SayLine("strangers 0"))
		Expect(result).To(SayLine("failed 0"))
	}, Slow, TimeLimit(time.Minute))

	Spec("EVT-FRK-01.7", "is traced when it is of the other ABI", func(ctx context.Context) {
		bothProfiles(func(opts []string) {
			expectTraced(Syd(ctx, opts, ForeignFixture("fork", append([]string{"born"}, forkKinds...)...)...), forkKinds)
			expectTraced(Syd(ctx, opts, ForeignFixture("fork", "born", "by-thread", "fork", "vfork")...), []string{"fork", "vfork"})
		})
	}, Requires("i386"))

	Spec("EVT-FRK-01.8", "is traced by the same tracer when it has executed a program", func(ctx context.Context) {
		bothProfiles(func(opts []string) {
			result := Syd(ctx, opts, "sh", "-c", `"$0" tracer; (exec "$0" tracer); "$0" tracer & wait; exec "$0" tracer`, Fixture("fork")[0])
			Expect(result.Facts("tracer")).To(HaveLen(4))
			for _, tracer := range result.Facts("tracer") {
				Expect(tracer).To(Equal(result.Facts("tracer")[0]))
				Expect(tracer).NotTo(Equal("pid:0"))
			}
		})
	})

	Spec("EVT-FRK-01.9", "is traced when it is init of a PID namespace of its own", func(ctx context.Context) {
		cmd := Fixture("fork", "clone", "newuser+newpid+sigchld")
		Expect(Native(ctx, cmd...)).To(SayLine("clone newuser+newpid+sigchld ok"))
		bothProfiles(func(opts []string) {
			// The namespace's /proc isn't mounted there, so it can't see its tracer;
			// that it is reaped with its status shows that its stops are served.
			SameAsNative(ctx, opts, cmd...)
		})
	}, Requires("user_namespaces"))
})

var _ = Describe("a process that vforks", func() {
	Spec("EVT-FRK-03.1", "sleeps until the child exits or is killed", func(ctx context.Context) {
		bothProfiles(func(opts []string) {
			for _, end := range []string{"0", "5", "-9", "-15"} {
				result, _ := SameAsNative(ctx, opts, Fixture("fork", "vfork-order", end)...)
				Expect(result).To(SayLine("parent suspended yes"))
				Expect(result).To(SayLine("written 1"))
			}
		})
	}, Smoke)

	Spec("EVT-FRK-03.2", "goes on once the child has executed a program", func(ctx context.Context) {
		bothProfiles(func(opts []string) {
			result, _ := SameAsNative(ctx, opts, Fixture("fork", "vfork-exec")...)
			Expect(result).To(SayLine("child alive yes"))
			Expect(result).To(SayLine("child signal SIGKILL"))
		})
	})

	Spec("EVT-FRK-03.3", "does so in one thread only: the others run on", func(ctx context.Context) {
		bothProfiles(func(opts []string) {
			result, _ := SameAsNative(ctx, opts, Fixture("fork", "vfork-thread")...)
			Expect(result).To(SayLine("main thread went on yes"))
		})
	})

	Spec("EVT-FRK-03.4", "can be killed meanwhile, and its child lives on", func(ctx context.Context) {
		bothProfiles(func(opts []string) {
			result, _ := SameAsNative(ctx, opts, Fixture("fork", "vfork-orphan")...)
			Expect(result).To(SayLine("parent signal SIGKILL"))
			Expect(result).To(SayLine("child alive yes"))
		})
	})

	Spec("EVT-FRK-03.5", "by posix_spawn gets the program's start or the errno of its failure", func(ctx context.Context) {
		plain := File("plain", "no program", 0o644)
		bothProfiles(func(opts []string) {
			for path, want := range map[string]string{"/bin/true": "ok", "/none/such": "ENOENT", plain: "EACCES", "/dev/null/x": "ENOTDIR"} {
				result, _ := SameAsNative(ctx, opts, Fixture("fork", "spawn", path)...)
				Expect(result.Fact("posix_spawn")).To(Equal(want), path)
			}
		})
	})

	Spec("EVT-FRK-03.6", "by posix_spawn of a denied program gets the denial's errno", func(ctx context.Context) {
		bad := trueProgram("bad")
		Expect(Syd(ctx, allowAll(), Fixture("fork", "spawn", bad)...).Fact("posix_spawn")).To(Equal("ok"))
		result := Syd(ctx, allowAll("filter/exec+"+bad), Fixture("fork", "spawn", bad)...)
		Expect(result.Fact("posix_spawn")).To(BeDenied("EACCES"))
	})

	Spec("EVT-FRK-03.7", "can do so in a program of the other ABI", func(ctx context.Context) {
		bothProfiles(func(opts []string) {
			for _, cmd := range [][]string{{"vfork-order", "5"}, {"vfork-exec"}, {"vfork-thread"}, {"spawn", "/bin/true"}} {
				SameAsNative(ctx, opts, ForeignFixture("fork", cmd...)...)
			}
		})
	}, Requires("i386"))
})

var _ = Describe("a sibling of the eldest by CLONE_PARENT", func() {
	Spec("EVT-FRK-05.1", "is traced and is a child of the eldest's parent", func(ctx context.Context) {
		bothProfiles(func(opts []string) {
			result, _ := SameAsNative(ctx, opts, Fixture("fork", "sibling", "exit", "9", "3")...)
			Expect(result).To(SayLine("sibling tracer same"))
			Expect(result).To(SayLine("sibling parent same"))
		})
	}, Smoke)

	Spec("EVT-FRK-05.2", "never changes the status, whatever it ends with", func(ctx context.Context) {
		bothProfiles(func(opts []string) {
			for _, end := range [][]string{{"exit", "9"}, {"exit", "127"}, {"kill", "SIGTERM"}, {"kill", "SIGKILL"}} {
				result := Syd(ctx, opts, Fixture("fork", append(append([]string{"sibling"}, end...), "3")...)...)
				Expect(result).To(ExitWith(3), strings.Join(end, " "))
			}
		})
	})

	Spec("EVT-FRK-05.3", "is reaped: 50 leave no zombie to the supervisor", func(ctx context.Context) {
		bothProfiles(func(opts []string) {
			run := Start(ctx, opts, Fixture("fork", "siblings", "50")...)
			run.WaitLine(ctx, "ready")
			Expect(Within1s(ctx, func() bool { return len(zombiesOf(run.PID())) == 0 })).To(BeTrue())
			run.Kill()
		})
	})

	Spec("EVT-FRK-05.4", "is waited for with trace/exit_wait_all, and the status stays the eldest's", func(ctx context.Context) {
		for _, opts := range [][]string{OffWaitAll, allowAll("trace/exit_wait_all:1")} {
			result := Syd(ctx, opts, Fixture("fork", "sibling-outlives", "9", "3")...)
			Expect(result).To(SayLine("outlived"))
			Expect(result).To(ExitWith(3))
		}
	})

	Spec("EVT-FRK-05.5", "dies with the sandbox when the eldest ends, without trace/exit_wait_all", func(ctx context.Context) {
		bothProfiles(func(opts []string) {
			result := Syd(ctx, opts, Fixture("fork", "sibling-sleeps", "4")...)
			Expect(result).To(ExitWith(4))
			sibling := numberIn(result.Fact("sibling"))
			Expect(Within1s(ctx, func() bool { return !Alive(sibling) })).To(BeTrue(), fmt.Sprint(sibling))
		})
	})
})
