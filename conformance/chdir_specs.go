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

// chdirTree makes directories a, a/b and c and the symlink to-b in the spec's
// directory and returns their paths.
func chdirTree() (a, b, c, link string) {
	GinkgoHelper()
	a, c = filepath.Join(TempDir(), "a"), filepath.Join(TempDir(), "c")
	b = filepath.Join(a, "b")
	Expect(os.MkdirAll(b, 0o755)).To(Succeed())
	Expect(os.Mkdir(c, 0o755)).To(Succeed())
	return a, b, c, execLink("a/b", "to-b")
}

var _ = Describe("the end of a call that the tracer waits for", func() {
	Spec("EVT-SYX-01.1", "gives the program the native result, good or bad", func(ctx context.Context) {
		a, b, c, link := chdirTree()
		execSame(ctx, Fixture("tracestate", "chdir", a, "b", "..", "../c", link, "../../to-b", "/", c, ".", "./.", "missing", "/proc", "sys/../self/..")...)
		execSame(ctx, Fixture("tracestate", "fchdir", a, b, c, link, "/")...)
		execSame(ctx, Fixture("tracestate", "chdir-errors", File("file", "", 0o644))...)
	}, Smoke)

	Spec("EVT-SYX-01.2", "is not waited for in later calls", func(ctx context.Context) {
		for _, profile := range execProfiles {
			result := Syd(ctx, profile, Fixture("tracestate", "chdir-work", "200", TempDir())...)
			Expect(result).To(HaveFact("failed", "0"))
			Expect(result.Stderr).To(BeEmpty())
		}
	})

	Spec("EVT-SYX-01.3", "makes no noise when the process is killed in it", func(ctx context.Context) {
		result := Syd(ctx, execOpen, Fixture("exec", "kill-storm", "100", "chdir", TempDir())...)
		Expect(result).To(HaveFact("killed", "100"))
		Expect(result.Stderr).To(BeEmpty())
	}, Clauses("EVT-SCM-01"), Stress)

	Spec("EVT-SYX-01.4", "loses no signal and no call when signals come all the time", func(ctx context.Context) {
		_, native := execSame(ctx, Fixture("tracestate", "chdir-signals", "200", TempDir())...)
		Expect(native).To(HaveFact("handled", "200"))
		Expect(native).To(HaveFact("failed", "0"))
	})
})

var _ = Describe("chdir", func() {
	Spec("EVT-SYX-02.3", "to a denied directory gives EACCES and leaves the process where it is", func(ctx context.Context) {
		a, b, c, _ := chdirTree()
		for _, call := range []string{"chdir", "fchdir"} {
			cmd := Fixture("tracestate", call, a, b, c)
			Expect(Syd(ctx, execOpen, cmd...).Lines()).To(Equal([]string{call + " ok", "cwd " + a, call + " ok", "cwd " + b, call + " ok", "cwd " + c}))
			result := Syd(ctx, execRules("deny/chdir+"+b), cmd...)
			Expect(result.Lines()).To(Equal([]string{call + " ok", "cwd " + a, call + " EACCES", "cwd " + a, call + " ok", "cwd " + c}), "%s", result)
		}
	}, Smoke)

	Spec("EVT-SYX-02.4", "is judged by where it leads: relative, through dots, a symlink, /proc/self/cwd", func(ctx context.Context) {
		a, b, _, link := chdirTree()
		cmd := Fixture("tracestate", "chdir", link, TempDir(), "a/b", a, "./b", TempDir(), "c/../a/./b/", TempDir(), "/proc/self/cwd/a/b")
		_, native := SameAsNative(ctx, execOpen, cmd...)
		Expect(native.Facts("chdir")).To(HaveEach("ok"))
		result := Syd(ctx, execRules("deny/chdir+"+b), cmd...)
		Expect(result.Facts("chdir")).To(Equal([]string{"EACCES", "ok", "EACCES", "ok", "EACCES", "ok", "EACCES", "ok", "EACCES"}), "%s", result)
		Expect(Syd(ctx, execRules("deny/chdir+"+link), cmd...)).To(EqualNative(native))
	})

	Spec("EVT-SYX-02.5", "lets the last rule that matches win, and is denied where none does", func(ctx context.Context) {
		a, b, c, _ := chdirTree()
		cmd := Fixture("tracestate", "chdir", a, b, c)
		program := "allow/exec+" + Fixture("tracestate")[0]
		for _, row := range []struct {
			rules []string
			want  []string
		}{
			{[]string{"default/chdir:allow"}, []string{"ok", "ok", "ok"}},
			{[]string{"sandbox/chdir:off"}, []string{"ok", "ok", "ok"}},
			{nil, []string{"EACCES", "EACCES", "EACCES"}},
			{[]string{"allow/chdir+" + a}, []string{"ok", "EACCES", "EACCES"}},
			{[]string{"allow/chdir+" + a + "/***"}, []string{"ok", "ok", "EACCES"}},
			{[]string{"allow/chdir+/***", "deny/chdir+" + a + "/***", "allow/chdir+" + b}, []string{"EACCES", "ok", "ok"}},
			{[]string{"allow/chdir+/***", "deny/chdir+" + TempDir() + "/?"}, []string{"EACCES", "ok", "EACCES"}},
		} {
			result := Syd(ctx, OnlyExecChdir(append([]string{program}, row.rules...)...), cmd...)
			Expect(result.Facts("chdir")).To(Equal(row.want), "%v\n%s", row.rules, result)
		}
	})

	Spec("EVT-SYX-02.6", "of an i386 program is judged by the same rules", func(ctx context.Context) {
		a, b, _, _ := chdirTree()
		for _, call := range []string{"chdir", "fchdir"} {
			cmd := ForeignFixture("tracestate", call, a, b)
			execSame(ctx, cmd...)
			Expect(Syd(ctx, execRules("deny/chdir+"+b), cmd...).Facts(call)).To(Equal([]string{"ok", "EACCES"}))
		}
	}, Requires("i386"))

	Spec("EVT-SYX-02.7", "by a process that shares the directory with another moves both, or is refused for both", func(ctx context.Context) {
		a, _, _, _ := chdirTree()
		cmd := Fixture("tracestate", "chdir-shared", a)
		_, native := execSame(ctx, cmd...)
		Expect(native.Facts("cwd")).To(Equal([]string{TempDir(), a}))
		result := Syd(ctx, execRules("deny/chdir+"+a), cmd...)
		Expect(result).To(HaveFact("chdir", "EACCES"))
		Expect(result.Facts("cwd")).To(Equal([]string{TempDir(), TempDir()}))
	})

	Spec("EVT-SYX-02.8", "of a shell works as natively, and as the rules say", func(ctx context.Context) {
		_, b, c, _ := chdirTree()
		script := "cd a/b && pwd && cd .. && pwd; cd ../c && pwd; (cd b && pwd); pwd"
		execSame(ctx, "sh", "-c", script)
		result := Syd(ctx, execRules("deny/chdir+"+c), "sh", "-c", script)
		Expect(result).NotTo(SayLine(c))
		Expect(result).To(SayLine(b))
	})

	Spec("EVT-SYX-02.9", "that raced its way to a denied directory leaves nobody who shares it there", func(ctx context.Context) {
		good, bad := filepath.Join(TempDir(), "one"), filepath.Join(TempDir(), "two")
		Expect(os.Mkdir(good, 0o777)).To(Succeed())
		Expect(os.Mkdir(bad, 0o777)).To(Succeed())
		cmd := Fixture("tracestate", "race-shared", good, bad)
		Expect(Native(ctx, cmd...)).To(SayLine("sharer exit 10"), "the race can be won")
		Expect(Syd(ctx, execOpen, cmd...)).To(SayLine("sharer exit 10"), "the race can be won")
		Expect(Syd(ctx, execRules("deny/chdir+"+bad), cmd...)).To(SayLine("sharer signal SIGKILL"))
	})

	Spec("EVT-SYX-02.10", "that raced its way to a denied directory and was killed at once leaves nobody who shares it there", func(ctx context.Context) {
		good, bad := filepath.Join(TempDir(), "one"), filepath.Join(TempDir(), "two")
		Expect(os.Mkdir(good, 0o777)).To(Succeed())
		Expect(os.Mkdir(bad, 0o777)).To(Succeed())
		cmd := Fixture("tracestate", "race-killed", good, bad, "10")
		Expect(Native(ctx, cmd...).Facts("sharer")).To(ContainElement("exit 10"), "the race can be won")
		Expect(Syd(ctx, execOpen, cmd...).Facts("sharer")).To(ContainElement("exit 10"), "the race can be won")
		result := Syd(ctx, execRules("filter/chdir+"+bad), cmd...)
		Expect(result).To(ExitWith(0))
		Expect(result.Facts("sharer")).To(ContainElement("signal SIGKILL"))
		Expect(result.Facts("sharer")).NotTo(ContainElement("exit 10"), "%s", result)
	}, Stress)
})
