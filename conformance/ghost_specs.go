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

	. "syd/conformance/harness"
)

var _ = Describe("ghost mode", func() {
	Spec("GHO-01.1", "has every call on a path end with ENOSYS", func(ctx context.Context) {
		after, _ := callsAfter(ctx, "self")
		for _, name := range append(pathFacts, "api") {
			Expect(after.Fact(name)).To(BeDenied("ENOSYS"), name)
		}
	}, Smoke)

	Spec("GHO-01.2", "leaves other calls, and descriptors that are open, what they were", func(ctx context.Context) {
		after, control := callsAfter(ctx, "self")
		rest := func(r Result) []string {
			lines := r.Lines()
			return lines[slices.Index(lines, "lseek ok"):]
		}
		Expect(rest(after)).To(Equal(rest(control)))
		Expect(after).To(SatisfyAll(HaveFact("read", "4"), HaveFact("write", "4"), HaveFact("mmap", "text"), HaveFact("fork", "exit 4")))
	}, Smoke)

	Spec("GHO-01.3", "is everybody's, whoever asked for it", func(ctx context.Context) {
		for _, who := range askers[1:] {
			after, _ := callsAfter(ctx, who)
			for _, name := range pathFacts {
				Expect(after.Fact(name)).To(BeDenied("ENOSYS"), "%s after %s asked", name, who)
			}
		}
	})

	Spec("GHO-01.4", "begins with the very next call of who asked for it", func(ctx context.Context) {
		Each(make([]int, 30), 2, func(int) {
			result := haunted(ctx, "next")
			Expect(result.Fact("open")).To(BeDenied("ENOSYS"))
		})
	})

	Spec("GHO-01.5", "has none of a thousand calls made", func(ctx context.Context) {
		Expect(haunted(ctx, "at-once")).To(HaveFact("otherwise", "0"))
	})

	Spec("GHO-01.6", "can't be asked for twice", func(ctx context.Context) {
		for _, who := range []string{"self", "thread", "child"} {
			result := haunted(ctx, "twice", who)
			Expect(result.Facts("ghost")).To(Equal([]string{"ok", "ENOSYS"}), who)
		}
	})

	Spec("GHO-01.7", "is granted to one of 32 threads that ask at once", func(ctx context.Context) {
		for range 5 {
			result := Syd(ctx, ghostly(), Fixture("ghost", "crowd", "32")...)
			Expect(result).To(SatisfyAll(ExitWith(0), HaveFact("asked", "1"), HaveFact("refused", "31")))
		}
	})

	Spec("GHO-01.8", "still has exec and chdir decided on by the rules", func(ctx context.Context) {
		good, bad, _ := goodAndBad()
		program, forbidden := execCopy("process", "program"), execCopy("process", "forbidden")
		for _, who := range []string{"self", "child"} {
			allowed := Syd(ctx, ghostly(), Fixture("ghost", "judged", who, bad, program, forbidden)...)
			Expect(allowed).To(SatisfyAll(HaveFact("ghost", "ok"), HaveFact("chdir", "ok")))
			Expect(allowed.Facts("exec")).To(BeEmpty())
			denied := Syd(ctx, ghostly("filter/exec+"+forbidden, "filter/chdir+"+bad), Fixture("ghost", "judged", who, bad, program, forbidden)...)
			Expect(denied).To(HaveFact("ghost", "ok"))
			Expect(denied.Fact("chdir")).To(BeDenied("EACCES"))
			Expect(denied.Fact("exec")).To(BeDenied("EACCES"))
			Expect(denied.Facts("program")).To(HaveLen(2))
			Expect(Syd(ctx, ghostly("filter/chdir+"+bad), Fixture("ghost", "judged", who, good)...)).To(HaveFact("chdir", "ok"))
		}
	}, Clauses("EVT-EXE-03", "EVT-SYX-02"))

	Spec("GHO-01.9", "lets a program become another one", func(ctx context.Context) {
		result := Syd(ctx, ghostly(), append(Fixture("ghost", "become", "self"), Fixture("process", "exit", "11")...)...)
		Expect(result).To(SatisfyAll(HaveFact("ghost", "ok"), ExitWith(11)))
	})

	Spec("GHO-01.10", "is i386 programs' too", func(ctx context.Context) {
		Expect(Syd(ctx, ghostly(), ForeignFixture("ghost", "next")...)).To(SatisfyAll(HaveFact("ghost", "ok"), HaveFact("open", "ENOSYS")))
		control := Syd(ctx, emulated(), ForeignFixture("ghost", "next")...)
		Expect(control).To(SatisfyAll(HaveFact("ghost", "ENOENT"), HaveFact("open", "ok")))
	}, Requires("i386"))

	Spec("GHO-01.11", "is recorded once", func(ctx context.Context) {
		result := With(Env("SYD_LOG=notice")).Syd(ctx, ghostly(), Fixture("ghost", "next")...)
		Expect(strings.Count(result.Stderr, `"ctx":"ghost"`)).To(Equal(1), "%s", result)
	})
})

var _ = Describe("a call that is being made when ghost mode comes", func() {
	Spec("GHO-02.1", "ends with ENOSYS if it waits for a FIFO's other end", func(ctx context.Context) {
		opensInGhost(ctx, "children", 1, "self")
	}, Smoke)

	Spec("GHO-02.2", "ends with ENOSYS if it is one of as many opens as there are receivers, or of more", func(ctx context.Context) {
		for _, n := range []int{2, 6, 10} {
			result := With(Dir(fresh())).Syd(ctx, ghostly(), Fixture("ghost", "blocked", "children", strconv.Itoa(n), "self")...)
			Expect(result).To(SatisfyAll(ExitWith(0), HaveFact("ENOSYS", strconv.Itoa(n)), HaveFact("otherwise", "0")))
		}
	})

	Spec("GHO-02.3", "ends with ENOSYS if it is one of 40 opens in processes", func(ctx context.Context) {
		opensInGhost(ctx, "children", 40, "self")
	})

	Spec("GHO-02.4", "ends with ENOSYS if it is one of 40 opens in threads of who asks", func(ctx context.Context) {
		opensInGhost(ctx, "threads", 40, "self")
	})

	Spec("GHO-02.5", "ends with ENOSYS if it is one of 40 opens and a child asks", func(ctx context.Context) {
		opensInGhost(ctx, "threads", 40, "child")
	})

	Spec("GHO-02.6", "gives its own result if it has had its effect", func(ctx context.Context) {
		const children = 6
		result := haunted(ctx, "making", strconv.Itoa(children), "20")
		Expect(result).To(ExitWith(0))
		Expect(result.Facts("failed")).To(BeEmpty())
		Expect(result.Facts("refused")).To(HaveLen(children))
		for _, fact := range result.Facts("refused") {
			name, errno, _ := strings.Cut(fact, " ")
			Expect(errno).To(Equal("ENOSYS"))
			Expect(filepath.Join(TempDir(), name)).NotTo(BeADirectory(), "it was refused and is there")
		}
		for _, fact := range result.Facts("told") {
			var child, made int
			_, err := fmt.Sscan(fact, &child, &made)
			Expect(err).NotTo(HaveOccurred())
			found, err := filepath.Glob(filepath.Join(TempDir(), fmt.Sprintf("made-%d-*", child)))
			Expect(err).NotTo(HaveOccurred())
			Expect(found).To(HaveLen(made), "child %d was told of %d", child, made)
		}
	})

	Spec("GHO-02.7", "leaves no thread of the supervisor that receives", func(ctx context.Context) {
		run := With(Interactive()).Start(ctx, ghostly(), Fixture("ghost", "hold", "self")...)
		control := With(Interactive()).Start(ctx, emulated(), Fixture("ghost", "hold", "self")...)
		run.WaitLine(ctx, "ready")
		control.WaitLine(ctx, "ready")
		Expect(threadsNamed(control.PID(), receiverThread)).To(BeNumerically(">=", 2))
		Expect(Within1s(ctx, func() bool { return threadsNamed(run.PID(), receiverThread) == 0 })).To(BeTrue(),
			"%d are left", threadsNamed(run.PID(), receiverThread))
		run.CloseStdin()
		control.CloseStdin()
		Expect(run.Wait(ctx)).To(ExitWith(9))
		Expect(control.Wait(ctx)).To(ExitWith(9))
	}, Smoke)

	Spec("GHO-02.8", "leaves no such thread after 40 opens that waited", func(ctx context.Context) {
		run := With(Interactive()).Start(ctx, ghostly(), Fixture("ghost", "blocked-hold", "threads", "40", "self")...)
		run.WaitLine(ctx, "blocked 40")
		run.WaitLine(ctx, "ENOSYS 40")
		Expect(Within1s(ctx, func() bool { return threadsNamed(run.PID(), receiverThread) == 0 })).To(BeTrue(),
			"%d are left", threadsNamed(run.PID(), receiverThread))
		run.CloseStdin()
		Expect(run.Wait(ctx)).To(ExitWith(9))
	})

	Spec("GHO-02.9", "leaves no descriptor of the listener in the supervisor", func(ctx context.Context) {
		listeners := func(run *Proc) (count int) {
			entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", run.PID()))
			Expect(err).NotTo(HaveOccurred())
			for _, entry := range entries {
				if to, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", run.PID(), entry.Name())); to == "anon_inode:seccomp notify" {
					count++
				}
			}
			return count
		}
		run := With(Interactive()).Start(ctx, ghostly(), Fixture("ghost", "hold", "self")...)
		control := With(Interactive()).Start(ctx, emulated(), Fixture("ghost", "hold", "self")...)
		run.WaitLine(ctx, "ready")
		control.WaitLine(ctx, "ready")
		Expect(listeners(control)).To(Equal(1))
		Expect(Within1s(ctx, func() bool { return listeners(run) == 0 })).To(BeTrue())
		for _, each := range []*Proc{run, control} {
			each.CloseStdin()
			Expect(each.Wait(ctx)).To(ExitWith(9))
		}
	}, RootOnly)

	Spec("GHO-02.10", "keeps nobody waiting: who asked and all others end within a second", func(ctx context.Context) {
		run := With(Interactive()).Start(ctx, ghostly(), Fixture("ghost", "blocked-hold", "children", "20", "self")...)
		run.WaitLine(ctx, "ENOSYS 20")
		run.CloseStdin()
		Expect(Within1s(ctx, run.Exited)).To(BeTrue())
		Expect(run.Wait(ctx)).To(ExitWith(9))
	})
})

var _ = Describe("the exit status in ghost mode", func() {
	Spec("GHO-03.1", "is the eldest's exit code, whoever asked", func(ctx context.Context) {
		Each(askers, 2, func(who string) {
			for _, code := range []string{"0", "1", "3", "128", "137", "255"} {
				result := haunted(ctx, "after", who, "exit", code)
				status, _ := strconv.Atoi(code)
				Expect(result).To(ExitWith(status), "%s asked", who)
			}
		})
	}, Smoke, Stress)

	Spec("GHO-03.2", "is 127 when the eldest really exits with that", func(ctx context.Context) {
		for _, who := range askers {
			Expect(haunted(ctx, "after", who, "exit", "127")).To(ExitWith(127), "%s asked", who)
		}
	})

	Spec("GHO-03.3", "is 128 and the signal by which the eldest dies", func(ctx context.Context) {
		for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL, syscall.SIGHUP, syscall.SIGUSR2, 64} {
			Expect(haunted(ctx, "after", "self", "signal", strconv.Itoa(int(sig)))).To(DieOf(sig))
			Expect(haunted(ctx, "after", "child", "signal", strconv.Itoa(int(sig)))).To(DieOf(sig))
		}
	})

	Spec("GHO-03.4", "is the same as without ghost mode, for 64 codes", func(ctx context.Context) {
		var codes []int
		for code := 0; code < 256; code += 4 {
			codes = append(codes, code+code/4%4)
		}
		Each(codes, 2, func(code int) {
			Expect(haunted(ctx, "after", "self", "exit", strconv.Itoa(code))).To(ExitWith(code))
		})
	}, TimeLimit(time.Minute), Stress)

	Spec("GHO-03.5", "is that of the program which the eldest becomes", func(ctx context.Context) {
		result := Syd(ctx, ghostly(), append(Fixture("ghost", "become", "child"), Fixture("process", "kill-self", "SIGQUIT")...)...)
		Expect(result).To(SatisfyAll(HaveFact("ghost", "ok"), DieOf(syscall.SIGQUIT)))
	})

	Spec("GHO-03.6", "is the eldest's with exit_wait_all, too", func(ctx context.Context) {
		for _, who := range askers {
			result := Syd(ctx, ghostly("trace/exit_wait_all:1"), Fixture("ghost", "after", who, "exit", "127")...)
			Expect(result).To(SatisfyAll(HaveFact("ghost", "ok"), ExitWith(127)), "%s asked", who)
		}
	})
})

var _ = Describe("ghost mode in an odd moment", func() {
	Spec("GHO-04.1", "with exit_wait_all serves the last process to its end and gives the eldest's status", func(ctx context.Context) {
		result := Syd(ctx, ghostly("trace/exit_wait_all:1"), Fixture("ghost", "wait-all", "5")...)
		Expect(result).To(SatisfyAll(ExitWith(5), HaveFact("ghost", "ok"), HaveFact("outlived", "0"), HaveFact("open", "ENOSYS")))
		control := Syd(ctx, emulated("trace/exit_wait_all:1"), Fixture("ghost", "wait-all", "5")...)
		Expect(control).To(SatisfyAll(ExitWith(5), HaveFact("outlived", "0"), HaveFact("open", "ok")))
	})

	Spec("GHO-04.2", "without exit_wait_all ends the others with the eldest", func(ctx context.Context) {
		result := Syd(ctx, ghostly(), Fixture("ghost", "wait-all", "5")...)
		Expect(result).To(SatisfyAll(ExitWith(5), HaveFact("ghost", "ok")))
		Expect(Within1s(ctx, func() bool { return len(runningIn(TempDir())) == 0 })).To(BeTrue())
	})

	Spec("GHO-04.3", "while the eldest is stopped doesn't continue it, nor lose its continuation", func(ctx context.Context) {
		result := haunted(ctx, "stopped", "6")
		Expect(result).To(SatisfyAll(ExitWith(6), HaveFact("child", "exit 0")))
	})

	Spec("GHO-04.4", "while somebody waits for its vfork child leaves both as they were", func(ctx context.Context) {
		result := haunted(ctx, "in-vfork", "4")
		Expect(result).To(SatisfyAll(ExitWith(4), HaveFact("vfork", "exit 6"), HaveFact("asker", "exit 0")))
	})

	Spec("GHO-04.5", "that a vfork child asks for leaves its parent suspended until it exits", func(ctx context.Context) {
		Expect(haunted(ctx, "after", "vfork", "exit", "8")).To(ExitWith(8))
	})

	Spec("GHO-04.6", "that a grandchild or its thread asks for is granted to it", func(ctx context.Context) {
		for _, who := range []string{"grandchild", "late"} {
			Expect(haunted(ctx, "after", who, "exit", "9")).To(ExitWith(9))
		}
	})

	// instant is 2 n tries of ghost mode beside the eldest's exit.
	instant := func(ctx context.Context, n int, opts ...string) {
		GinkgoHelper()
		Each(make([]int, n), 2, func(int) {
			for i, who := range []string{"thread", "child"} {
				began := time.Now()
				Expect(With(Within(5*time.Second)).Syd(ctx, opts, Fixture("ghost", "instant", who, strconv.Itoa(20+i))...)).To(ExitWith(20 + i))
				Expect(time.Since(began)).To(BeNumerically("<", Bound(5*time.Second)))
			}
		})
	}

	Spec("GHO-04.7", "in the instant of the eldest's death gives its status, soon, in 40 tries", func(ctx context.Context) {
		instant(ctx, 20, ghostly()...)
	}, TimeLimit(time.Minute), Stress)

	Spec("GHO-04.8", "in the instant of the eldest's death gives its status, soon, in 40 tries with exit_wait_all", func(ctx context.Context) {
		instant(ctx, 20, ghostly("trace/exit_wait_all:1")...)
	}, TimeLimit(time.Minute), Stress)

	Spec("GHO-04.9", "in the instant of the eldest's death gives its status, soon, in 1,000 tries", func(ctx context.Context) {
		instant(ctx, 250, ghostly()...)
		instant(ctx, 250, ghostly("trace/exit_wait_all:1")...)
	}, Slow, TimeLimit(10*time.Minute))

	Spec("GHO-04.10", "keeps SIGKILL of the supervisor the end of all", func(ctx context.Context) {
		run := With(Interactive()).Start(ctx, ghostly(), Fixture("ghost", "hold", "child")...)
		run.WaitLine(ctx, "ready")
		tree := run.Descendants()
		Expect(tree).NotTo(BeEmpty())
		run.Signal(syscall.SIGKILL)
		Expect(run.Wait(ctx)).To(BeKilledBy(syscall.SIGKILL))
		for _, process := range tree {
			Expect(Within1s(ctx, func() bool { return !Alive(process.PID) })).To(BeTrue(), "%+v", process)
		}
	})

	Spec("GHO-04.11", "still has signals forwarded to the eldest", func(ctx context.Context) {
		run := With(Interactive()).Start(ctx, ghostly(), Fixture("ghost", "hold", "self")...)
		run.WaitLine(ctx, "ready")
		run.Signal(syscall.SIGTERM)
		Expect(run.Wait(ctx)).To(DieOf(syscall.SIGTERM))
	})
})

var _ = Describe("the lock", func() {
	Spec("GHO-05.1", "refuses ghost mode when it is on", func(ctx context.Context) {
		haunted(ctx, "next")
		for _, who := range askers {
			refusedGhost(ctx, emulated("lock:on"), who)
		}
	})

	Spec("GHO-05.2", "refuses ghost mode when it allows reading only", func(ctx context.Context) {
		for _, who := range askers {
			refusedGhost(ctx, emulated("lock:read"), who)
		}
	})

	Spec("GHO-05.3", "refuses ghost mode when nobody has set it", func(ctx context.Context) {
		refusedGhost(ctx, emulated(), "self")
	})

	Spec("GHO-05.4", "that is the eldest's refuses ghost mode to its children, and grants it to its threads", func(ctx context.Context) {
		opts := emulated("lock:exec")
		for _, who := range []string{"child", "grandchild", "vfork", "late"} {
			refusedGhost(ctx, opts, who)
		}
		for _, who := range []string{"self", "thread"} {
			Expect(Syd(ctx, opts, Fixture("ghost", "after", who, "exit", "3")...)).To(SatisfyAll(HaveFact("ghost", "ok"), ExitWith(3)))
		}
	})

	Spec("GHO-05.5", "that is for removing privileges grants ghost mode", func(ctx context.Context) {
		for _, who := range askers {
			Expect(Syd(ctx, emulated("lock:drop"), Fixture("ghost", "after", who, "exit", "3")...)).To(SatisfyAll(HaveFact("ghost", "ok"), ExitWith(3)))
		}
	})

	Spec("GHO-05.6", "that is for a socket refuses ghost mode", func(ctx context.Context) {
		refusedGhost(ctx, emulated("lock:ipc"), "self")
	})
})

var _ = Describe("a listener of a program's own", func() {
	refused := []string{"plain", "tsync", "killable", "high-flags", "high-operation"}

	expectRefused := func(result Result) {
		GinkgoHelper()
		for _, name := range refused {
			Expect(result.Fact(name)).To(BeDenied("EBUSY"), name)
		}
		Expect(result).To(HaveFact("without", "ok"))
	}

	Spec("GHO-06.1", "is refused after ghost mode, and a filter without one is not", func(ctx context.Context) {
		native := Native(ctx, Fixture("filter", "listener")...)
		Expect(native).To(HaveFact("plain", "ok"))
		for _, who := range []string{"self", "child"} {
			result := Syd(ctx, ghostly(), append(Fixture("ghost", "become", who), Fixture("filter", "listener")...)...)
			Expect(result).To(HaveFact("ghost", "ok"))
			expectRefused(result)
		}
	}, Clauses("HRD-04"), Requires("wait_killable_recv"), Smoke)

	Spec("GHO-06.2", "is refused before, under every lock", func(ctx context.Context) {
		for _, lock := range []string{"off", "exec", "drop", "read", "on"} {
			expectRefused(Syd(ctx, emulated("lock:"+lock), Fixture("filter", "listener")...))
		}
	}, Clauses("HRD-04"), Requires("wait_killable_recv"))

	Spec("HRD-04.1", "is refused in every profile, before and after ghost mode", func(ctx context.Context) {
		list := configProfiles(ctx)
		Expect(list).To(ContainElement("off"))
		Each(list, 2, func(profile string) {
			opts := append([]string{"-p", profile}, emulated()...)
			expectRefused(Syd(ctx, opts, Fixture("filter", "listener")...))
			opened := append(append([]string{"-p", profile}, Rules("lock:off", "sandbox/all:on")...), emulated()...)
			result := Syd(ctx, opened, append(Fixture("ghost", "become", "self"), Fixture("filter", "listener")...)...)
			Expect(result).To(HaveFact("ghost", "ok"), profile)
			expectRefused(result)
		})
	}, Clauses("GHO-06"), Requires("wait_killable_recv"))

	Spec("GHO-06.3", "is refused to i386 programs after ghost mode", func(ctx context.Context) {
		result := Syd(ctx, ghostly(), append(Fixture("ghost", "become", "self"), ForeignFixture("filter", "listener")...)...)
		Expect(result).To(HaveFact("ghost", "ok"))
		expectRefused(result)
	}, Clauses("HRD-04"), Requires("wait_killable_recv", "i386"))

	Spec("GHO-06.4", "of another sandbox inside is refused after ghost mode", func(ctx context.Context) {
		inner := append([]string{Build()}, Off...)
		inner = append(append(inner, "--"), Fixture("process", "exit", "0")...)
		result := Syd(ctx, ghostly(), append(Fixture("ghost", "become", "self"), inner...)...)
		Expect(result).To(SatisfyAll(HaveFact("ghost", "ok"), ExitWith(16)))
	}, Clauses("LCH-09"))
})
