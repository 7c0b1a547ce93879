// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"os"
	"path/filepath"
	"strconv"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "syd/conformance/harness"
)

// seccompData is what a program's own filter may add to its answer.
var seccompData = []string{"0", "1", "7", "59", "80", "32767", "65535"}

var _ = Describe("a seccomp stop", func() {
	Spec("EVT-SCM-01.1", "of a process that is killed in it makes no noise", func(ctx context.Context) {
		for _, profile := range execProfiles {
			result := Syd(ctx, profile, Fixture("filter", "trace-kill", "80")...)
			Expect(result).To(HaveFact("killed", "80"))
			Expect(result.Stderr).To(BeEmpty())
		}
	})

	Spec("EVT-SCM-01.2", "does not keep a process whose other thread ends it", func(ctx context.Context) {
		for _, profile := range execProfiles {
			result := Syd(ctx, profile, Fixture("filter", "trace-exit", "15", "20")...)
			Expect(result).To(HaveFact("good", "15"))
			Expect(result.Stderr).To(BeEmpty())
		}
	})

	Spec("EVT-SCM-01.3", "of one thread among many is answered to that thread", func(ctx context.Context) {
		_, native := execSame(ctx, Fixture("filter", "trace-threads", "16", "100")...)
		Expect(native).To(HaveFact("odd", "0"))
	})

	Spec("EVT-SCM-01.4", "of an older thread has its turn, however busy others keep the tracer", func(ctx context.Context) {
		const threads = 16
		cmd := Fixture("filter", "trace-busy", strconv.Itoa(threads), "100")
		Expect(Native(ctx, cmd...)).To(ExitWith(0))
		for _, profile := range execProfiles {
			result := Syd(ctx, profile, cmd...)
			Expect(result).To(ExitWith(0))
			Expect(execCount(result, "each")).To(BeNumerically("<", 10*threads), "%s", result)
		}
	})
})

var _ = Describe("a filter of the program's own", func() {
	own := func(action, call, path string) []string {
		return Fixture("filter", append([]string{"own", action, call, path}, seccompData...)...)
	}

	Spec("EVT-SCM-03.1", "that asks for a tracer gets ENOSYS, whatever data it adds, and the program lives", func(ctx context.Context) {
		for _, call := range []string{"getpgid", "getppid", "sched_yield", "unlinkat"} {
			_, native := execSame(ctx, own("trace", call, File("file", "", 0o644))...)
			Expect(native.Lines()[0]).To(Equal("0 ENOSYS"))
		}
		_, err := os.Stat(filepath.Join(TempDir(), "file"))
		Expect(err).NotTo(HaveOccurred(), "a call that is refused has no effect")
	}, Smoke)

	Spec("EVT-SCM-03.2", "that asks for a tracer gets ENOSYS for the calls that a profile doesn't decide on", func(ctx context.Context) {
		for _, call := range []string{"execve", "execveat", "chdir", "fchdir"} {
			_, native := SameAsNative(ctx, Off, own("trace", call, TempDir())...)
			Expect(native.Lines()[0]).To(Equal("0 ENOSYS"))
		}
	})

	Spec("EVT-SCM-03.3", "that asks for a tracer gets no denied call by any data", func(ctx context.Context) {
		program := execCopy("process", "program")
		directory := filepath.Join(TempDir(), "directory")
		Expect(os.Mkdir(directory, 0o755)).To(Succeed())
		for _, row := range []struct{ call, path, rule string }{
			{"execve", program, "filter/exec+" + program},
			{"execveat", program, "filter/exec+" + program},
			{"chdir", directory, "filter/chdir+" + directory},
			{"fchdir", directory, "filter/chdir+" + directory},
		} {
			denied := Syd(ctx, execRules(row.rule), own("trace", row.call, row.path)...)
			for _, data := range seccompData {
				Expect(denied).To(HaveFact(data, "EACCES"), row.call)
			}
			// The same call, allowed: the data changes nothing either.
			allowed := Syd(ctx, execOpen, own("trace", row.call, row.path)...)
			for _, data := range seccompData {
				Expect(allowed).NotTo(HaveFact(data, "EACCES"), row.call)
			}
		}
	})

	Spec("EVT-SCM-03.4", "that answers with an errno has its word, before any rule", func(ctx context.Context) {
		program := execCopy("process", "program")
		for _, call := range []string{"getpgid", "execve", "execveat", "chdir", "fchdir"} {
			path := program
			if call == "chdir" || call == "fchdir" {
				path = TempDir()
			}
			_, native := execSame(ctx, own("errno", call, path)...)
			Expect(native).To(HaveFact("1", "EPERM"))
			Expect(Syd(ctx, execRules("kill/exec+"+program, "kill/chdir+"+TempDir()), own("errno", call, path)...)).To(EqualNative(native))
		}
	})

	Spec("EVT-SCM-03.5", "that traps or logs acts as natively", func(ctx context.Context) {
		for _, data := range []string{"0", "65535"} {
			execSame(ctx, Fixture("filter", "trap", data)...)
		}
		execSame(ctx, own("trap", "getpgid", "/")...)
		execSame(ctx, own("log", "getpgid", "/")...)
	})

	Spec("EVT-SCM-03.6", "goes to children and threads, and asks for a tracer there as natively", func(ctx context.Context) {
		_, native := execSame(ctx, Fixture("filter", "inherit", "7")...)
		Expect(native).To(HaveFact("child", "ENOSYS"))
		Expect(native).To(HaveFact("thread", "ENOSYS"))
	})

	Spec("EVT-SCM-03.7", "of an i386 program asks for a tracer as natively", func(ctx context.Context) {
		_, native := execSame(ctx, ForeignFixture("filter", append([]string{"own", "trace", "getpgid", "/"}, seccompData...)...)...)
		Expect(native).To(HaveFact("7", "ENOSYS"))
		program := execCopy("process", "program")
		denied := Syd(ctx, execRules("filter/exec+"+program), ForeignFixture("filter", "own", "trace", "execve", program, "0", "11")...)
		Expect(denied).To(HaveFact("0", "EACCES"))
		Expect(denied).To(HaveFact("11", "EACCES"))
	}, Requires("i386"))

	listeners := func(ctx context.Context, fixture []string) {
		GinkgoHelper()
		refused := []string{"plain", "tsync", "killable", "high-flags", "high-operation"}
		native := Native(ctx, fixture...)
		for _, name := range append(refused, "without") {
			Expect(native).To(HaveFact(name, "ok"))
		}
		for _, profile := range append(execProfiles, OffWaitAll) {
			result := Syd(ctx, profile, fixture...)
			for _, name := range refused {
				Expect(result.Fact(name)).To(BeDenied("EBUSY"), name)
			}
			Expect(result).To(HaveFact("without", "ok"))
		}
	}

	Spec("EVT-SCM-03.8", "gets no listener in any profile, and works without one", func(ctx context.Context) {
		listeners(ctx, Fixture("filter", "listener"))
	}, Requires("wait_killable_recv"), Smoke)

	Spec("EVT-SCM-03.20", "of an i386 program gets no listener either", func(ctx context.Context) {
		listeners(ctx, ForeignFixture("filter", "listener"))
	}, Requires("i386", "wait_killable_recv"))
})
