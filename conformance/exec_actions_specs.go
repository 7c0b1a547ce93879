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

var _ = Describe("the action of a rule", func() {
	// act runs a child that tries to execute a program which the action meets,
	// by a rule and by a default, and shows what became of it.
	act := func(ctx context.Context, action string, judge func(Result, string)) {
		GinkgoHelper()
		program := execCopy("process", "program")
		cmd := Fixture("exec", "watch", "execve", program, "exit", "3")
		Expect(Syd(ctx, execOpen, cmd...).Lines()).To(Equal([]string{"child exit 3"}))
		judge(Syd(ctx, execRules(action+"/exec+"+program), cmd...), program)
		judge(Syd(ctx, OnlyExecChdir("default/exec:"+action, "allow/exec+"+Fixture("exec")[0]), cmd...), program)
	}
	// recorded expects one record of the action.
	recorded := func(r Result, action, program string) {
		GinkgoHelper()
		records := execRecords(r)
		Expect(records).To(HaveLen(1), "%s", r)
		Expect(records[0]).To(And(HaveKeyWithValue("ctx", "access"), HaveKeyWithValue("cap", "exec"),
			HaveKeyWithValue("act", action), HaveKeyWithValue("sys", "execve"), HaveKeyWithValue("path", program)))
		Expect(records[0]["pid"]).To(BeNumerically(">", 0))
	}

	Spec("EVT-SCM-02.1", "lets the call happen: silently for allow, with a record for warn", func(ctx context.Context) {
		act(ctx, "allow", func(r Result, program string) {
			Expect(r.Lines()).To(Equal([]string{"child exit 3"}), "%s", r)
			Expect(r.Stderr).To(BeEmpty())
		})
		act(ctx, "warn", func(r Result, program string) {
			Expect(r.Lines()).To(Equal([]string{"child exit 3"}), "%s", r)
			recorded(r, "warn", program)
		})
	})

	Spec("EVT-SCM-02.2", "fails the call with EACCES: silently for filter, with a record for deny", func(ctx context.Context) {
		act(ctx, "filter", func(r Result, program string) {
			Expect(r.Lines()).To(Equal([]string{"execve EACCES", "child exit 0"}), "%s", r)
			Expect(r.Stderr).To(BeEmpty())
		})
		act(ctx, "deny", func(r Result, program string) {
			Expect(r.Lines()).To(Equal([]string{"execve EACCES", "child exit 0"}), "%s", r)
			recorded(r, "deny", program)
		})
	}, Smoke)

	Spec("EVT-SCM-02.3", "stops the caller for stop, which finds the call refused when it is continued", func(ctx context.Context) {
		act(ctx, "stop", func(r Result, program string) {
			Expect(r.Lines()).To(Equal([]string{"child stopped SIGSTOP", "execve EACCES", "child exit 0"}), "%s", r)
			recorded(r, "stop", program)
		})
	})

	Spec("EVT-SCM-02.4", "ends the caller, and no other process, for abort and kill", func(ctx context.Context) {
		act(ctx, "abort", func(r Result, program string) {
			Expect(r).To(ExitWith(0))
			Expect(r.Lines()).To(HaveLen(1), "%s", r)
			Expect(r.Lines()[0]).To(MatchRegexp(`^child (signal|core) SIGABRT$`))
			recorded(r, "abort", program)
		})
		act(ctx, "kill", func(r Result, program string) {
			Expect(r).To(ExitWith(0))
			Expect(r.Lines()).To(Equal([]string{"child signal SIGKILL"}), "%s", r)
			recorded(r, "kill", program)
		})
	})

	Spec("EVT-SCM-02.5", "ends the sandbox: with 127 for panic, with the errno for exit", func(ctx context.Context) {
		act(ctx, "panic", func(r Result, program string) {
			Expect(r).To(ExitWith(127))
			Expect(r).NotTo(SayLine("child exit 3"))
			recorded(r, "panic", program)
		})
		act(ctx, "exit", func(r Result, program string) {
			Expect(r).To(ExitWith(13))
			Expect(r).NotTo(SayLine("child exit 3"))
			recorded(r, "exit", program)
		})
	})

	Spec("EVT-SCM-02.6", "meets chdir and fchdir as it meets exec", func(ctx context.Context) {
		directory := filepath.Join(TempDir(), "directory")
		Expect(os.Mkdir(directory, 0o755)).To(Succeed())
		// The caller may see its call fail before the sandbox ends, or not.
		const refused = "refused"
		for _, call := range []string{"chdir", "fchdir"} {
			cmd := Fixture("tracestate", call, directory)
			Expect(Syd(ctx, execOpen, cmd...)).To(HaveFact(call, "ok"))
			for _, row := range []struct {
				action, result string
				status, logged int
			}{
				{"warn", "ok", 0, 1}, {"filter", "EACCES", 0, 0}, {"deny", "EACCES", 0, 1},
				{"kill", "", 137, 1}, {"abort", "", 134, 1}, {"exit", refused, 13, 1}, {"panic", refused, 127, 1},
			} {
				r := Syd(ctx, execRules(row.action+"/chdir+"+directory), cmd...)
				Expect(r).To(ExitWith(row.status), row.action)
				if row.result == refused {
					Expect(r.Fact(call)).NotTo(Equal("ok"), "%s\n%s", row.action, r)
				} else {
					Expect(r.Fact(call)).To(Equal(row.result), "%s\n%s", row.action, r)
				}
				Expect(execRecords(r)).To(HaveLen(row.logged), "%s", r)
			}
		}
	})

	Spec("EVT-SCM-02.7", "is a warning only when syd is told to observe", func(ctx context.Context) {
		program := execCopy("process", "program")
		cmd := Fixture("exec", "watch", "execve", program, "exit", "3")
		rules := execRules("kill/exec+" + program)
		Expect(Syd(ctx, rules, cmd...)).To(HaveFact("child", "signal SIGKILL"))
		r := Syd(ctx, append([]string{"-x"}, rules...), cmd...)
		Expect(r.Lines()).To(Equal([]string{"child exit 3"}), "%s", r)
		recorded(r, "warn", program)
	})
})
