// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "syd/conformance/harness"
)

// launchInner is a shell's words that run the build inside of the build, say
// what became of it, and go on.
func launchInner() []string {
	return []string{"/bin/sh", "-c", `"$@"; echo "inner $?"; /bin/echo "outer goes on"; exit 5`, "sh", Build()}
}

var _ = Describe("syd inside syd", func() {
	Spec("LCH-09.1", "exits 16 and starts nothing, whatever the profiles outside and inside", func(ctx context.Context) {
		profiles := [][]string{Off, OffWaitAll, launchEverything}
		for _, outer := range profiles {
			for _, inner := range append(profiles, nil) {
				cmd := append(append(launchInner(), inner...), "--", "/bin/echo", "ran")
				result := Syd(ctx, outer, cmd...)
				Expect(result).To(SatisfyAll(ExitWith(5), SayLine("inner 16"), SayLine("outer goes on")))
				Expect(result).NotTo(SayLine("ran"))
			}
		}
		// The control: the same words natively.
		Expect(Native(ctx, append(append(launchInner(), Off...), "--", "/bin/echo", "ran")...)).
			To(SatisfyAll(ExitWith(5), SayLine("inner 0"), SayLine("ran")))
	}, Smoke)

	Spec("LCH-09.2", "exits 16 as the eldest itself", func(ctx context.Context) {
		for _, opts := range launchProfiles {
			result := Syd(ctx, opts, append(append([]string{Build()}, Off...), "--", "/bin/echo", "ran")...)
			Expect(result).To(SatisfyAll(ExitWith(16), SayNothing(), Complain("syd: ")))
		}
	})

	Spec("LCH-09.3", "says why in one line", func(ctx context.Context) {
		result := Syd(ctx, Off, Build(), "-p", "off", "--", "/bin/echo", "ran")
		Expect(strings.Count(result.Stderr, "\n")).To(Equal(1), result.String())
	})

	Spec("LCH-09.4", "leaves the outer sandbox what it was: its rules and its tracer", func(ctx context.Context) {
		path := denied(ctx)
		script := Build() + ` -p off -- /bin/true 2>/dev/null; echo "inner $?"; ` + path + ` 2>/dev/null; echo "exec $?"; exec ` +
			strings.Join(launchStatus(), " ")
		control := Syd(ctx, launchEverything, "/bin/sh", "-c", script)
		Expect(control).To(SatisfyAll(SayLine("inner 16"), SayLine("exec 3")))
		opts := append(append([]string{}, launchEverything...), Rules("deny/exec+"+path)...)
		result := Syd(ctx, opts, "/bin/sh", "-c", script)
		Expect(result).To(SatisfyAll(ExitWith(0), SayLine("inner 16"), SayLine("exec 126"), HaveFact("Seccomp", "2")))
		Expect(result.Fact("TracerPid")).NotTo(BeElementOf("", "0"))
	})

	Spec("LCH-09.5", "still prints its help, version and language, and knows that it is inside", func(ctx context.Context) {
		for _, option := range []string{"-h", "-V", "--api"} {
			native := Native(ctx, Build(), option)
			Expect(native).To(ExitWith(0))
			Expect(Syd(ctx, Off, Build(), option)).To(EqualNative(native))
		}
		Expect(Syd(ctx, Off, Build(), "--check")).To(ExitWith(0))
	})

	Spec("LCH-09.6", "exits 16 each time, ten at once", func(ctx context.Context) {
		script := `for i in 0 1 2 3 4 5 6 7 8 9; do ("$@" 2>/dev/null; echo "inner $?") & done; wait; exit 3`
		result := Syd(ctx, Off, "/bin/sh", "-c", script, "sh", Build(), "-p", "off", "--", "/bin/true")
		Expect(result).To(ExitWith(3))
		Expect(result.Facts("inner")).To(HaveLen(10))
		Expect(result.Facts("inner")).To(HaveEach("16"))
	})
})

var _ = Describe("an option", func() {
	environment := func(ctx context.Context, variables, opts []string) Result {
		return With(OnlyEnv(variables...)).Syd(ctx, opts, "/usr/bin/env")
	}

	Spec("LCH-16.1", "-a sets argv[0] and nothing else", func(ctx context.Context) {
		for _, opts := range launchProfiles {
			show := Fixture("process", "surroundings")
			plain := launchLines(ctx, opts, show)
			Expect(launchLines(ctx, append([]string{"-a", show[0]}, opts...), show)).To(Equal(plain), "the same name changes nothing")
			cmdline := []string{"/bin/sh", "-c", `tr '\0' ' ' </proc/$$/cmdline; echo`, "x"}
			Expect(Syd(ctx, append([]string{"-a", "other"}, opts...), cmdline...).Stdout).To(HavePrefix("other -c "))
			Expect(Syd(ctx, append([]string{"-a", "-sh"}, opts...), cmdline...).Stdout).To(HavePrefix("-sh -c "))
			Expect(Syd(ctx, opts, cmdline...).Stdout).To(HavePrefix("/bin/sh -c "))
		}
	}, Smoke)

	Spec("LCH-16.2", "-a does not change which program is found", func(ctx context.Context) {
		Expect(Syd(ctx, append([]string{"-a", "/no/such/program"}, Off...), "/bin/sh", "-c", "exit 8")).To(ExitWith(8))
		Expect(Syd(ctx, append([]string{"-a", "true"}, Off...), "/no/such/program")).To(ExitWith(2))
	})

	Spec("LCH-16.3", "-e VAR=VAL sets a variable, new or not, and the last one wins", func(ctx context.Context) {
		given := []string{"A=1", "B=2"}
		Expect(environment(ctx, given, append([]string{"-e", "C=3"}, Off...)).Lines()).To(ConsistOf("A=1", "B=2", "C=3"))
		Expect(environment(ctx, given, append([]string{"-e", "A=x=y z"}, Off...)).Lines()).To(ConsistOf("A=x=y z", "B=2"))
		Expect(environment(ctx, given, append([]string{"-e", "A=5", "-e", "A=6"}, Off...)).Lines()).To(ConsistOf("A=6", "B=2"))
	}, Smoke)

	Spec("LCH-16.4", "-e VAR unsets a variable, one that is not set as well", func(ctx context.Context) {
		given := []string{"A=1", "AB=2"}
		Expect(environment(ctx, given, append([]string{"-e", "A"}, Off...)).Lines()).To(ConsistOf("AB=2"))
		Expect(environment(ctx, given, append([]string{"-e", "NONE"}, Off...)).Lines()).To(ConsistOf("A=1", "AB=2"))
		Expect(environment(ctx, given, append([]string{"-e", "A", "-e", "AB"}, Off...)).Lines()).To(BeEmpty())
		Expect(environment(ctx, given, append([]string{"-e", "A=7", "-e", "A"}, Off...)).Lines()).To(ConsistOf("AB=2"))
		Expect(environment(ctx, given, append([]string{"-e", "A", "-e", "A=7"}, Off...)).Lines()).To(ConsistOf("A=7", "AB=2"))
	})

	Spec("LCH-16.5", "-e VAR= passes on a variable that is dropped without it, with its value", func(ctx context.Context) {
		for _, name := range []string{"LD_LIBRARY_PATH", "LD_NOTHING", "API_TOKEN", "MY_PASSWORD", "SSH_KEY", "AWS_CREDENTIAL_FILE"} {
			given := []string{"A=1", name + "=/value"}
			Expect(environment(ctx, given, launchEverything).Lines()).To(ConsistOf("A=1"), "the control: %s is dropped", name)
			Expect(environment(ctx, given, append([]string{"-e", name + "="}, launchEverything...)).Lines()).To(ConsistOf(given))
		}
		Expect(environment(ctx, []string{"A=1"}, append([]string{"-e", "A=", "-e", "B="}, Off...)).Lines()).To(ConsistOf("A=1"))
	})

	Spec("LCH-16.6", "-V, -h or --api prints to stdout, exits 0 and starts nothing", func(ctx context.Context) {
		for _, option := range []string{"-V", "-h", "--api"} {
			for _, cmd := range [][]string{nil, {"/bin/echo", "ran"}} {
				result := Syd(ctx, []string{option}, cmd...)
				Expect(result).To(ExitWith(0))
				Expect(result.Stdout).NotTo(BeEmpty())
				Expect(result.Stderr).To(BeEmpty())
				Expect(result).NotTo(SayLine("ran"))
			}
		}
		Expect(Syd(ctx, []string{"-V"}).Stdout).To(MatchRegexp(`(?i)syd \d+\.\d+`))
		Expect(Syd(ctx, []string{"--api"}).Stdout).To(MatchRegexp(`^\d+\n$`))
		help := Syd(ctx, []string{"-h"}).Stdout
		for _, option := range []string{"-m", "-p", "-a", "-e", "-h", "-V"} {
			Expect(help).To(ContainSubstring(option))
		}
	}, Smoke)

	Spec("LCH-16.7", "--check exits 0 inside a sandbox and not outside, even in a process of its own there", func(ctx context.Context) {
		Expect(Native(ctx, Build(), "--check").Status).NotTo(BeZero())
		for _, opts := range [][]string{Off, OffWaitAll, launchEverything} {
			Expect(Syd(ctx, opts, Build(), "--check")).To(SatisfyAll(ExitWith(0), SayNothing()))
			Expect(Syd(ctx, opts, Fixture("process", "fork-exec", Build(), "--check")...)).To(HaveFact("child", "exit 0"))
		}
	}, Smoke)

	Spec("LCH-16.8", "after the command's name is the command's", func(ctx context.Context) {
		Expect(Syd(ctx, Off, "/bin/echo", "-h", "-V", "--", "-p").Stdout).To(Equal("-h -V -- -p\n"))
		Expect(With().StartNative(ctx, Build(), "-p", "off", "/bin/echo", "-m", "x").Wait(ctx).Stdout).To(Equal("-m x\n"))
	})
})

// launchLines is the lines that a command prints in the sandbox.
func launchLines(ctx context.Context, opts, cmd []string) []string {
	GinkgoHelper()
	result := With(SameGroup()).Syd(ctx, opts, cmd...)
	Expect(result).To(ExitWith(0))
	return result.Lines()
}

var _ = Describe("an ordinary user's sandbox", func() {
	Spec("LCH-17.1", "gives the eldest's status", func(ctx context.Context) {
		start := With(launchNobody())
		locked := File("locked", "#!/bin/sh\n", 0o644)
		for _, opts := range launchProfiles {
			Expect(start.Syd(ctx, opts, Fixture("process", "exit", "42")...)).To(ExitWith(42))
			Expect(start.Syd(ctx, opts, Fixture("process", "kill-self", "SIGSEGV")...)).To(DieOf(syscall.SIGSEGV))
			Expect(start.Syd(ctx, opts, "/no/such/program")).To(ExitWith(2))
			Expect(start.Syd(ctx, opts, locked)).To(ExitWith(13))
		}
	}, Smoke)

	Spec("LCH-17.2", "runs the program as that user, as natively", func(ctx context.Context) {
		start := With(launchNobody(), SameGroup())
		for _, opts := range launchProfiles {
			result, _ := start.SameAsNative(ctx, opts, "/usr/bin/id")
			Expect(result.Stdout).NotTo(ContainSubstring("uid=0("))
		}
	})

	Spec("LCH-17.3", "traces and filters the program", func(ctx context.Context) {
		for _, opts := range launchProfiles {
			result := With(launchNobody()).Syd(ctx, opts, launchStatus()...)
			Expect(result).To(HaveFact("Seccomp", "2"))
			Expect(result.Fact("TracerPid")).NotTo(BeElementOf("", "0"))
		}
	})

	Spec("LCH-17.4", "applies its rules", func(ctx context.Context) {
		path := denied(ctx)
		start := With(launchNobody())
		Expect(start.Syd(ctx, launchEverything, Fixture("exec", "execve", path)...)).To(ExitWith(3))
		opts := append(append([]string{}, launchEverything...), Rules("deny/exec+"+path)...)
		Expect(start.Syd(ctx, opts, Fixture("exec", "execve", path)...).Fact("execve")).To(BeDenied("EACCES"))
	})

	Spec("LCH-17.5", "leaves nothing when it ends or is killed", func(ctx context.Context) {
		for _, end := range []string{"3", "wait"} {
			line := newLifeline()
			run := With(launchNobody(), Files(line.far)).Start(ctx, Off, leave(end, "session", "stopped", "deaf", "hop")...)
			line.held()
			run.WaitLine(ctx, "ready")
			if end == "wait" {
				run.Signal(syscall.SIGKILL)
				Expect(run.Wait(ctx)).To(BeKilledBy(syscall.SIGKILL))
			} else {
				Expect(run.Wait(ctx)).To(ExitWith(3))
			}
			Expect(Within1s(ctx, line.cut)).To(BeTrue())
			line.close()
		}
	})

	Spec("LCH-17.6", "that root has started stays one sandbox when the program becomes another user", func(ctx context.Context) {
		change := append([]string{"/usr/bin/setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"}, launchStatus()...)
		Expect(Native(ctx, change...)).To(ExitWith(0))
		result := Syd(ctx, launchEverything, change...)
		Expect(result).To(SatisfyAll(ExitWith(0), HaveFact("Seccomp", "2")))
		Expect(result.Fact("TracerPid")).NotTo(BeElementOf("", "0"))

		line := newLifeline()
		defer line.close()
		change = append([]string{"/usr/bin/setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"}, leave("wait", "session", "deaf")...)
		run := With(Files(line.far)).Start(ctx, Off, change...)
		line.held()
		run.WaitLine(ctx, "ready")
		Expect(Holds(ctx, 10*time.Millisecond, func() bool { return !line.cut() })).To(BeTrue())
		run.Signal(syscall.SIGKILL)
		Expect(run.Wait(ctx)).To(BeKilledBy(syscall.SIGKILL))
		Expect(Within1s(ctx, line.cut)).To(BeTrue(), "a process of another user lives")
	}, RootOnly)
})
