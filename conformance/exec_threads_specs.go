// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "syd/conformance/harness"
)

var _ = Describe("exec from another thread than the first", func() {
	Spec("EVT-EXE-02.1", "leaves one thread that has the process's number, among 50 siblings", func(ctx context.Context) {
		_, native := execSame(ctx, Fixture("exec", append([]string{"thread-exec", "50"}, Fixture("exec", "whoami")...)...)...)
		Expect(Normalise(native.Stdout)).To(Equal("before pid:#1\nwhoami pid:#1 tid:#1 threads 1\n"))
	}, Smoke)

	Spec("EVT-EXE-02.2", "leaves a process whose forks, waits, signals and status are right", func(ctx context.Context) {
		for _, after := range [][]string{
			Fixture("process", "fork-exit", "9", "5"),
			Fixture("process", "fork-kill", "SIGKILL", "6"),
			Fixture("process", "kill-self", "SIGTERM"),
			Fixture("exec", "thread-exec", "10", Fixture("process")[0], "exit", "8"),
		} {
			execSame(ctx, Fixture("exec", append([]string{"thread-exec", "20"}, after...)...)...)
		}
	})

	Spec("EVT-EXE-02.3", "can be done again by the new program, 12 times over", func(ctx context.Context) {
		_, native := execSame(ctx, Fixture("exec", "thread-again", "12", "5", "whoami")...)
		Expect(native.Lines()).To(HaveLen(1))
	})

	Spec("EVT-EXE-02.4", "takes the former threads out of the count that pid/max bounds", func(ctx context.Context) {
		// Twelve times 10 threads, never more than 12 tasks at once: also one
		// forgotten thread a round would be too many.
		cmd := Fixture("exec", "thread-again", "12", "10", "whoami")
		Expect(Syd(ctx, execRules("pid/max:8", "default/pid:kill"), cmd...)).To(DieOf(syscall.SIGKILL))
		result := Syd(ctx, execRules("pid/max:16", "default/pid:kill"), cmd...)
		Expect(result).To(ExitWith(0))
		Expect(Normalise(result.Stdout)).To(Equal("whoami pid:#1 tid:#1 threads 1\n"))
	})

	Spec("EVT-EXE-02.5", "works after the first thread has exited", func(ctx context.Context) {
		_, native := execSame(ctx, Fixture("exec", append([]string{"no-leader", "5"}, Fixture("exec", "whoami")...)...)...)
		Expect(Normalise(native.Stdout)).To(Equal("before pid:#1\nwhoami pid:#1 tid:#1 threads 1\n"))
	})

	Spec("EVT-EXE-02.6", "is done once when many threads do it at the same time", func(ctx context.Context) {
		for range 3 {
			_, native := execSame(ctx, Fixture("exec", append([]string{"duel", "20"}, Fixture("exec", "whoami")...)...)...)
			Expect(native.Lines()).To(HaveLen(2))
		}
	})

	Spec("EVT-EXE-02.7", "leaves all threads alive when it is refused", func(ctx context.Context) {
		program := execCopy("process", "program")
		cmd := Fixture("exec", "thread-exec", "20", program, "exit", "3")
		Expect(Syd(ctx, execOpen, cmd...)).To(ExitWith(3))
		result := Syd(ctx, execRules("deny/exec+"+program), cmd...)
		Expect(result).To(ExitWith(0))
		Expect(result).To(SayLine("execve EACCES"))
		Expect(result).To(SayLine("threads 22"))
	})

	Spec("EVT-EXE-02.8", "leaves nothing of calls that its siblings were in", func(ctx context.Context) {
		_, native := execSame(ctx, Fixture("exec", "exec-over-chdir", "6", TempDir())...)
		Expect(native).To(SayLine("directory " + TempDir()))
	}, Clauses("EVT-SYX-01"))

	Spec("EVT-EXE-02.9", "works in a program with Go's runtime, several times in a row", func(ctx context.Context) {
		_, native := execSame(ctx, Fixture("gofix", "exec-chain", "6")...)
		Expect(native).To(SayLine("end"))
	})
})

var _ = Describe("a storm of exec", func() {
	Spec("EVT-EXE-01.10", "loses no process and no status", func(ctx context.Context) {
		for _, profile := range execProfiles {
			result := Syd(ctx, profile, Fixture("exec", "storm", "20", "6")...)
			Expect(result).To(HaveFact("good", "20"))
			Expect(result.Stderr).To(BeEmpty())
		}
	})

	Spec("EVT-EXE-01.11", "ends as natively when each process is killed in the middle of a call", func(ctx context.Context) {
		program := execCopy("process", "program")
		result := Syd(ctx, append([]string{}, execRules("filter/exec+"+program)...), Fixture("exec", "kill-storm", "100", "execve", program)...)
		Expect(result).To(HaveFact("killed", "100"))
		Expect(result.Stderr).To(BeEmpty())
	}, Clauses("EVT-SCM-01"), Stress)
})
