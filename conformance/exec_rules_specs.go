// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "syd/conformance/harness"
)

// execOpen intercepts everything that the tracer decides on and allows it all.
var execOpen = OnlyExecChdir("allow/exec,chdir+/***")

// execRules is execOpen with more configuration after it.
func execRules(rules ...string) []string {
	return append(append([]string{}, execOpen...), Rules(rules...)...)
}

// execProfiles are the two ends between which every fact that is as natively
// has to hold.
var execProfiles = [][]string{Off, execOpen}

// execSame compares the command with its native run under both profiles.
func execSame(ctx context.Context, cmd ...string) (sandboxed, native Result) {
	GinkgoHelper()
	for _, profile := range execProfiles {
		sandboxed, native = SameAsNative(ctx, profile, cmd...)
	}
	return sandboxed, native
}

// execCopy copies a fixture into the spec's directory: a program that rules can
// name without touching others.
func execCopy(fixture, name string) string {
	GinkgoHelper()
	content, err := os.ReadFile(Fixture(fixture)[0])
	Expect(err).NotTo(HaveOccurred())
	return File(name, string(content), 0o755)
}

// execLink makes a symlink in the spec's directory.
func execLink(target, name string) string {
	GinkgoHelper()
	path := filepath.Join(TempDir(), name)
	Expect(os.Symlink(target, path)).To(Succeed())
	return path
}

// execRecords is the records that the build wrote to its stderr.
func execRecords(r Result) []map[string]any {
	GinkgoHelper()
	var records []map[string]any
	for _, line := range strings.Split(r.Stderr, "\n") {
		if !strings.HasPrefix(line, "{") {
			continue
		}
		var record map[string]any
		Expect(json.Unmarshal([]byte(line), &record)).To(Succeed(), line)
		records = append(records, record)
	}
	return records
}

var _ = Describe("the exec rules", func() {
	Spec("EVT-EXE-01.1", "let the last rule that matches win", func(ctx context.Context) {
		program := execCopy("process", "program")
		for _, row := range []struct {
			rules   []string
			allowed bool
		}{
			{[]string{"allow/exec+" + program}, true},
			{[]string{"deny/exec+" + program}, false},
			{[]string{"deny/exec+" + program, "allow/exec+" + program}, true},
			{[]string{"deny/exec+/***", "allow/exec+/***"}, true},
			{[]string{"deny/exec+" + program, "allow/exec+/***", "deny/exec+" + TempDir() + "/***"}, false},
			{[]string{"deny/exec+" + TempDir() + "/prog*"}, false},
			{[]string{"deny/exec+" + TempDir() + "/prog?"}, true},
			{[]string{"deny/exec+" + program, "deny/exec-" + program}, true},
		} {
			// The eldest's own program stays allowed, whatever the row says.
			rules := execRules(append(row.rules, "allow/exec+"+Fixture("exec")[0])...)
			result := Syd(ctx, rules, Fixture("exec", "each", program)...)
			if row.allowed {
				Expect(result).To(HaveFact("1", "exit 3"), "%v", row.rules)
			} else {
				Expect(result).To(HaveFact("1", "EACCES"), "%v", row.rules)
			}
		}
	}, Smoke)

	Spec("EVT-EXE-01.2", "deny everything where no rule and no default says otherwise", func(ctx context.Context) {
		program := Fixture("process", "exit", "3")
		Expect(Syd(ctx, OnlyExecChdir("default/exec:allow"), program...)).To(ExitWith(3))
		Expect(Syd(ctx, nil, program...)).To(ExitWith(13))
		result := Syd(ctx, OnlyExecChdir("allow/exec+"+Fixture("exec")[0]), Fixture("exec", "each", program[0])...)
		Expect(result).To(HaveFact("1", "EACCES"))
	}, Smoke)

	Spec("EVT-EXE-01.3", "judge what a symlink leads to, not the symlink", func(ctx context.Context) {
		program := execCopy("process", "program")
		link := execLink("program", "link")
		far := execLink(link, "far")
		directory := execLink(".", "directory")
		try := Fixture("exec", "each", link, far, directory+"/link")
		for i, want := range []struct {
			rules []string
			facts string
		}{
			{execRules(), "exit 3"},
			{execRules("deny/exec+" + program), "EACCES"},
			{execRules("deny/exec+"+TempDir()+"/***", "allow/exec+"+link, "allow/exec+"+far), "EACCES"},
			{execRules("deny/exec+"+link, "deny/exec+"+far, "deny/exec+"+directory+"/***"), "exit 3"},
		} {
			result := Syd(ctx, want.rules, try...)
			Expect(result.Lines()).To(Equal([]string{"1 " + want.facts, "2 " + want.facts, "3 " + want.facts}), "row %d\n%s", i, result)
		}
	})

	Spec("EVT-EXE-01.4", "judge a hard link by the name that it is executed by", func(ctx context.Context) {
		program := execCopy("process", "program")
		other := filepath.Join(TempDir(), "other")
		Expect(os.Link(program, other)).To(Succeed())
		try := Fixture("exec", "each", program, other)
		Expect(Syd(ctx, execOpen, try...).Lines()).To(Equal([]string{"1 exit 3", "2 exit 3"}))
		Expect(Syd(ctx, execRules("deny/exec+"+program), try...).Lines()).To(Equal([]string{"1 EACCES", "2 exit 3"}))
		Expect(Syd(ctx, execRules("deny/exec+"+other), try...).Lines()).To(Equal([]string{"1 exit 3", "2 EACCES"}))
	})

	Spec("EVT-EXE-01.5", "judge /proc/self/exe as the file that it is", func(ctx context.Context) {
		program := execCopy("exec", "program")
		run := []string{program, "execve", "/proc/self/exe", "nothing"}
		Expect(Syd(ctx, execOpen, run...)).To(SayNothing())
		// The eldest's first exec is judged by the same rules: a shell that is
		// allowed removes the right by a name that only the second one has.
		inner := execCopy("exec", "inner")
		result := Syd(ctx, execRules("deny/exec+"+program), inner, "execve", "/proc/self/exe", "nothing")
		Expect(result).To(SayNothing())
		result = Syd(ctx, execRules("deny/exec+/proc/***"), run...)
		Expect(result).To(SayNothing())
		link := execLink("/proc/self/exe", "self")
		Expect(Syd(ctx, execRules("deny/exec+"+link), program, "execve", link, "nothing")).To(SayNothing())
	})

	Spec("EVT-EXE-01.6", "allow no memfd and no deleted file, whatever the path rules say", func(ctx context.Context) {
		program := Fixture("process")[0]
		for _, cmd := range [][]string{
			Fixture("exec", "memfd", program, "exit", "4"),
			Fixture("exec", "unlinked", program, filepath.Join(TempDir(), "copy"), "exit", "4"),
		} {
			Expect(Native(ctx, cmd...)).To(ExitWith(4))
			Expect(Syd(ctx, Off, cmd...)).To(ExitWith(4))
			result := Syd(ctx, execOpen, cmd...)
			Expect(result).To(ExitWith(0))
			Expect(result.Lines()).To(Equal([]string{"execve EACCES", "execveat EACCES"}), "%s", result)
		}
	}, Requires("memfd_create"))

	Spec("EVT-EXE-01.7", "go by the file's identity where its name ends in ' (deleted)'", func(ctx context.Context) {
		odd := execCopy("process", "program (deleted)")
		try := Fixture("exec", "each", odd)
		Expect(Syd(ctx, execOpen, try...)).To(HaveFact("1", "exit 3"))
		Expect(Syd(ctx, execRules("deny/exec+"+odd), try...)).To(HaveFact("1", "EACCES"))
	})

	Spec("EVT-EXE-01.8", "leave a program alone that removes its own file, and refuse to start it again", func(ctx context.Context) {
		// Each run needs a file of its own: it is removed.
		Expect(Native(ctx, execCopy("exec", "a"), "unlink-self")).To(SayLine("child exit 7"))
		Expect(Syd(ctx, Off, execCopy("exec", "b"), "unlink-self").Lines()).To(HaveLen(2))
		result := Syd(ctx, execOpen, execCopy("exec", "c"), "unlink-self")
		Expect(result.Lines()).To(Equal([]string{"child exit 7", "execve EACCES"}), "%s", result)
	})

	Spec("EVT-EXE-01.9", "say nothing about a file that an allowed program merely reads", func(ctx context.Context) {
		secret := File("secret", "read\n", 0o755)
		cat := []string{"cat", secret}
		Expect(Native(ctx, cat...)).To(SayLine("read"))
		result := Syd(ctx, execRules("deny/exec+"+secret), cat...)
		Expect(result).To(SayLine("read"))
		Expect(execRecords(result)).To(BeEmpty())
	})
})

var _ = Describe("a refused execve", func() {
	Spec("EVT-EXE-03.1", "gives EACCES and leaves the caller as it was", func(ctx context.Context) {
		program := execCopy("process", "program")
		keep := Fixture("exec", "keep", program)
		Expect(Syd(ctx, execOpen, keep...)).To(ExitWith(3))
		result := Syd(ctx, execRules("deny/exec+"+program), keep...)
		Expect(result.Lines()).To(Equal([]string{
			"execve EACCES", "file ok", "handler kept", "mask kept", "directory kept",
		}), "%s", result)
	}, Smoke)

	Spec("EVT-EXE-03.2", "can be repeated, and allowed ones in between go on", func(ctx context.Context) {
		good, bad := execCopy("process", "good"), execCopy("process", "bad")
		var paths, want []string
		for i := range 10 {
			paths = append(paths, good, bad)
			want = append(want, "exit 3", "EACCES")
			_ = i
		}
		result := Syd(ctx, execRules("deny/exec+"+bad), Fixture("exec", append([]string{"each"}, paths...)...)...)
		for i, line := range result.Lines() {
			Expect(line).To(HaveSuffix(" "+want[i]), "%s", result)
		}
		Expect(result.Lines()).To(HaveLen(20))
	})

	Spec("EVT-EXE-03.3", "is judged by the path that it means from where the caller is", func(ctx context.Context) {
		execCopy("process", "a/program")
		execCopy("process", "b/program")
		try := Fixture("exec", "each", "a/program", "./b/program", "a/../b/program", "../"+filepath.Base(TempDir())+"//a/./program")
		Expect(Syd(ctx, execOpen, try...).Lines()).To(Equal([]string{"1 exit 3", "2 exit 3", "3 exit 3", "4 exit 3"}))
		result := Syd(ctx, execRules("deny/exec+"+TempDir()+"/b/*"), try...)
		Expect(result.Lines()).To(Equal([]string{"1 exit 3", "2 EACCES", "3 EACCES", "4 exit 3"}), "%s", result)
	})

	Spec("EVT-EXE-03.4", "has the native errno when the file can't be executed anyway", func(ctx context.Context) {
		File("plain", "text\n", 0o644)
		File("empty", "", 0o755)
		File("garbage", "\x7fELF garbage", 0o755)
		execLink("loop", "loop")
		execLink("missing", "dangling")
		Expect(os.Mkdir(filepath.Join(TempDir(), "directory"), 0o755)).To(Succeed())
		execSame(ctx, Fixture("exec", "each", "missing", "missing/below", "plain", "plain/below", "empty", "garbage",
			"loop", "dangling", "directory", "plain/", "/dev/null", "/proc/self/mem")...)
		execSame(ctx, Fixture("exec", "errors", Fixture("process")[0])...)
	})

	Spec("EVT-EXE-03.5", "reaches the parent of a vforked child as it does natively", func(ctx context.Context) {
		program := execCopy("process", "program")
		// bash and posix_spawn use vfork where they can; both report the errno.
		script := "set +e; '" + program + "' exit 3; echo status $?; exec '" + program + "' exit 4"
		Expect(Syd(ctx, execOpen, "bash", "-c", script)).To(ExitWith(4))
		result := Syd(ctx, execRules("deny/exec+"+program), "bash", "-c", script)
		Expect(result).To(ExitWith(126))
		Expect(result).To(SayLine("status 126"))
		Expect(result).To(Complain("Permission denied"))
	}, Requires("bash"))

	Spec("EVT-EXE-03.6", "is refused to an i386 program by the same rules", func(ctx context.Context) {
		good, bad := execCopy("process", "good"), execCopy("process", "bad")
		try := ForeignFixture("exec", "each", good, bad)
		for _, profile := range execProfiles {
			Expect(Syd(ctx, profile, try...).Lines()).To(Equal([]string{"1 exit 3", "2 exit 3"}))
		}
		result := Syd(ctx, execRules("deny/exec+"+bad), try...)
		Expect(result.Lines()).To(Equal([]string{"1 exit 3", "2 EACCES"}), "%s", result)
	}, Requires("i386"))

	Spec("EVT-EXE-03.7", "is refused for an i386 program as for any other file", func(ctx context.Context) {
		foreign := ForeignFixture("process")[0]
		try := Fixture("exec", "each", foreign, Fixture("process")[0])
		Expect(Syd(ctx, execOpen, try...).Lines()).To(Equal([]string{"1 exit 3", "2 exit 3"}))
		result := Syd(ctx, execRules("deny/exec+"+foreign), try...)
		Expect(result.Lines()).To(Equal([]string{"1 EACCES", "2 exit 3"}), "%s", result)
	}, Requires("i386"))

	Spec("EVT-EXE-01.16", "is judged by where it lies, not by a path that only the program's own mounts give it", func(ctx context.Context) {
		denied, open := filepath.Join(TempDir(), "denied"), filepath.Join(TempDir(), "open")
		Expect(os.MkdirAll(filepath.Join(TempDir(), "held"), 0o777)).To(Succeed())
		Expect(os.MkdirAll(open, 0o777)).To(Succeed())
		Expect(os.MkdirAll(denied, 0o777)).To(Succeed())
		Expect(os.Rename(execCopy("process", "moved"), filepath.Join(denied, "moved"))).To(Succeed())
		// Outside, open/bin leads to the denied directory; inside it is a mount of it.
		Expect(os.Symlink(denied, filepath.Join(open, "bin"))).To(Succeed())
		script := "mount --bind denied held && mount -t tmpfs none open && mkdir open/bin && mount --bind held open/bin && open/bin/moved exit 9"
		cmd := []string{"unshare", "-Urm", "sh", "-c", script}
		Expect(Native(ctx, cmd...)).To(ExitWith(9))
		Expect(Syd(ctx, execRules("deny/exec+"+denied+"/***"), cmd...)).To(ExitWith(126))
	}, Requires("user_namespaces"))
})
