// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "syd/conformance/harness"
)

// goodAndBad are two directories, and rules that allow changing to the first.
func goodAndBad() (good, bad string, opts []string) {
	good, bad = filepath.Join(TempDir(), "good"), filepath.Join(TempDir(), "bad")
	for _, dir := range []string{good, bad} {
		Expect(os.Mkdir(dir, 0o755)).To(Succeed())
	}
	return good, bad, allowAll("deny/chdir+" + bad)
}

// trueProgram is a copy of a program that exits with 0.
func trueProgram(name string) string {
	return File(name, "#!/bin/sh\nexit 0\n", 0o755)
}

var _ = Describe("a seccomp stop", func() {
	Spec("TRC-06.1", "gets the decision on its call, each of 200 execs by 200 new processes", func(ctx context.Context) {
		bad := trueProgram("bad")
		opts := allowAll("filter/exec+" + bad)
		control := Syd(ctx, allowAll(), Fixture("fork", "first-exec", "20", bad)...)
		Expect(control).To(SayLine("ran 20"))
		denied := Syd(ctx, opts, Fixture("fork", "first-exec", "200", bad)...)
		Expect(denied).To(SayLine("ran 0"))
		Expect(denied).To(SayLine("denied 200"))
	}, Smoke)

	Spec("TRC-06.2", "gets the decision on its own call, not on another thread's", func(ctx context.Context) {
		good, bad, _ := goodAndBad()
		opts := allowAll("filter/chdir+" + bad)
		control := Native(ctx, Fixture("fork", "chdir-threads", "2", "5", good, bad+"/none", "ENOENT")...)
		Expect(control).To(SayLine("wrong 0"))
		result := Syd(ctx, opts, Fixture("fork", "chdir-threads", "20", "50", good, bad, "EACCES")...)
		Expect(result).To(SayLine("wrong 0"))
	})

	Spec("TRC-06.3", "gets the decision when its caller is a vfork child whose parent is suspended", func(ctx context.Context) {
		bad := trueProgram("bad")
		Expect(Syd(ctx, allowAll(), Fixture("fork", "vfork-path", "5", bad)...)).To(SayLine("ran 5"))
		result := Syd(ctx, allowAll("filter/exec+"+bad), Fixture("fork", "vfork-path", "50", bad)...)
		Expect(result).To(SayLine("denied 50"))
	})

	Spec("TRC-06.4", "gets the decision when a program of the other ABI makes the call", func(ctx context.Context) {
		good, bad, opts := goodAndBad()
		cmd := ForeignFixture("fork", "chdirs", good, bad)
		control := Syd(ctx, allowAll(), cmd...)
		Expect(control.Facts("chdir")).To(Equal([]string{"ok", "ok"}))
		result := Syd(ctx, opts, cmd...)
		Expect(result.Facts("chdir")).To(Equal([]string{"ok", "EACCES"}))
		Expect(result.Facts("fchdir")).To(Equal([]string{"ok", "EACCES"}))
	}, Requires("i386"))

	Spec("TRC-06.5", "does not happen with the rules off: what would be denied runs", func(ctx context.Context) {
		bad := trueProgram("bad")
		opts := append(append([]string{}, Rules("deny/exec+"+bad)...), Off...)
		Expect(Syd(ctx, opts, Fixture("fork", "first-exec", "3", bad)...)).To(SayLine("ran 3"))
	})
})

var _ = Describe("the exit stop of a call", func() {
	Spec("TRC-07.1", "leaves the call's result and effect as natively", func(ctx context.Context) {
		good, bad, _ := goodAndBad()
		bothProfiles(func(opts []string) {
			SameAsNative(ctx, opts, Fixture("fork", "chdirs", good, bad, "/", good+"/none", "/dev/null", "")...)
		})
	}, Smoke)

	Spec("TRC-07.2", "comes once a call: 1,000 calls by 10 threads all end", func(ctx context.Context) {
		good, bad, _ := goodAndBad()
		bothProfiles(func(opts []string) {
			result, _ := SameAsNative(ctx, opts, Fixture("fork", "chdir-threads", "10", "50", good, bad+"/none", "ENOENT")...)
			Expect(result).To(SayLine("wrong 0"))
		})
	})

	Spec("TRC-07.3", "is not mistaken for a signal that arrives meanwhile", func(ctx context.Context) {
		good, bad, opts := goodAndBad()
		Expect(Native(ctx, Fixture("fork", "chdir-signals", "100", good, bad+"/none", "ENOENT")...)).To(SayLine("wrong 0"))
		result := Syd(ctx, opts, Fixture("fork", "chdir-signals", "500", good, bad, "EACCES")...)
		Expect(result).To(SayLine("signalled yes"))
		Expect(result).To(SayLine("wrong 0"))
	})

	Spec("TRC-07.4", "of a tracee that is killed in it disturbs nobody else", func(ctx context.Context) {
		good, _, opts := goodAndBad()
		result, _ := SameAsNative(ctx, opts, Fixture("fork", "chdir-killed", "50", good)...)
		Expect(result).To(SayLine("wrong 0"))
		Expect(result).To(SayLine("chdir ok"))
		Expect(result.Stderr).To(BeEmpty())
	})

	Spec("TRC-07.5", "works for a program of the other ABI", func(ctx context.Context) {
		good, bad, _ := goodAndBad()
		bothProfiles(func(opts []string) {
			SameAsNative(ctx, opts, ForeignFixture("fork", "chdirs", good, bad, "/none", "/dev/null")...)
		})
	}, Requires("i386"))
})

var _ = Describe("a fork event", func() {
	Spec("TRC-08.1", "lets parent and child go on with the results that they have natively", func(ctx context.Context) {
		bothProfiles(func(opts []string) {
			result, _ := SameAsNative(ctx, opts, Fixture("process", "fork-exit", "3", "5")...)
			Expect(result).To(ExitWith(5))
			for _, kind := range []string{"fork", "vfork", "raw-clone"} {
				born := Syd(ctx, opts, Fixture("fork", "born", kind)...)
				Expect(born).To(SayLine(kind + " result-is-pid yes"))
				Expect(born).To(SayLine(kind + " exit 7"))
			}
		})
	}, Smoke)

	Spec("TRC-08.2", "and the child's first stop may come in either order, 600 times from 12 threads at once", func(ctx context.Context) {
		bothProfiles(func(opts []string) {
			result := Syd(ctx, opts, Fixture("fork", "thread-forks", "12", "50")...)
			Expect(result).To(SayLine("children 600"))
			Expect(result).To(SayLine("failed 0"))
			Expect(result.Stderr).To(BeEmpty())
		})
	}, Stress)

	Spec("TRC-08.3", "whose parent is killed leaves the child traced and running", func(ctx context.Context) {
		bothProfiles(func(opts []string) {
			result, _ := SameAsNative(ctx, opts, Fixture("fork", "vfork-orphan")...)
			Expect(result).To(SayLine("child ran on yes"))
		})
	})

	Spec("TRC-08.4", "of a thread lets the thread go on: 400 are made and joined", func(ctx context.Context) {
		bothProfiles(func(opts []string) {
			SameAsNative(ctx, opts, Fixture("fork", "batches", "thread", "400")...)
			SameAsNative(ctx, opts, Fixture("gofix", "threads", "200")...)
		})
	})

	Spec("TRC-08.5", "of a program of the other ABI is handled alike", func(ctx context.Context) {
		kinds := []string{"born", "fork", "vfork", "raw-clone", "clone-vm", "clone-silent"}
		bothProfiles(func(opts []string) {
			result := Syd(ctx, opts, ForeignFixture("fork", kinds...)...)
			for _, kind := range kinds[1:] {
				Expect(result).To(SayLine(kind+" exit 7"), kind)
				Expect(result).To(SayLine(kind+" tracer same"), kind)
			}
		})
	}, Requires("i386"))
})

var _ = Describe("an exec event", func() {
	Spec("TRC-09.1", "lets the new program go on, 100 times in one process", func(ctx context.Context) {
		bothProfiles(func(opts []string) {
			result, _ := SameAsNative(ctx, opts, Fixture("exec", "again", "100", "execve", "/bin/sh", "-c", "exit 11")...)
			Expect(result).To(ExitWith(11))
		})
	}, Smoke)

	Spec("TRC-09.2", "is no signal to the new program: SIGTRAP is neither pending nor delivered", func(ctx context.Context) {
		bothProfiles(func(opts []string) {
			SameAsNative(ctx, opts, Fixture("exec", "again", "3", "execve", "/bin/sh", "-c", "grep -E '^(SigPnd|ShdPnd|SigBlk)' /proc/self/status")...)
		})
	})

	Spec("TRC-09.3", "keeps the process's number when another thread than the leader execs, 20 times over 20 sleeping threads", func(ctx context.Context) {
		bothProfiles(func(opts []string) {
			result, _ := SameAsNative(ctx, opts, Fixture("fork", "thread-exec", "20", "20")...)
			Expect(result).To(SayLine("pid same"))
		})
	})

	Spec("TRC-09.4", "of a vfork child lets its parent go on while the new program runs", func(ctx context.Context) {
		bothProfiles(func(opts []string) {
			result, _ := SameAsNative(ctx, opts, Fixture("fork", "vfork-exec")...)
			Expect(result).To(SayLine("child alive yes"))
		})
	})

	Spec("TRC-09.5", "of a busy Go program leaves nothing of it, 20 times", func(ctx context.Context) {
		bothProfiles(func(opts []string) {
			result, _ := SameAsNative(ctx, opts, Fixture("gofix", "exec-chain", "20")...)
			Expect(result).To(SayLine("end"))
		})
	}, Stress)
})
