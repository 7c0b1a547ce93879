// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "syd/conformance/harness"
)

// learned has the build learn from cmd, with options before, and returns the
// policy's file and what cmd came to.
func learned(ctx context.Context, l *Launch, opts []string, cmd ...string) (string, Result) {
	GinkgoHelper()
	file := filepath.Join(TempDir(), "learned.syd-3")
	result := l.Syd(ctx, append([]string{"--learn", file}, opts...), cmd...)
	return file, result
}

// learnedText is what was written.
func learnedText(file string) string {
	GinkgoHelper()
	text, err := os.ReadFile(file)
	Expect(err).NotTo(HaveOccurred())
	return string(text)
}

// sameAsLearned runs a script natively, to learn, and under what was learned, and
// expects the same of all, and in the sandbox nothing to complain of. The script
// works in an empty directory.
func sameAsLearned(ctx context.Context, script string) {
	GinkgoHelper()
	cmd := []string{"/bin/sh", "-ec", "rm -rf work; mkdir work; cd work\n" + script}
	l := With(Env(programEnv...))
	native := l.Native(ctx, cmd...)
	Expect(native).To(ExitWith(0))
	// Nothing is lost for want of a log.
	file, result := learned(ctx, With(Env(append([]string{"SYD_LOG=emerg"}, programEnv...)...)), nil, cmd...)
	Expect(result).To(EqualNative(native))
	result = l.Syd(ctx, []string{"-P", file}, cmd...)
	Expect(result).To(EqualNative(native), "under\n%s", learnedText(file))
	Expect(result.Stderr).To(Equal(native.Stderr), "under\n%s", learnedText(file))
}

var _ = Describe("a run with -x", func() {
	Spec("CFG-11.1", "does what a rule denies, with a record of it", func(ctx context.Context) {
		secret := File("secret", "told\n", 0o644)
		rules := Rules("allow/all+/***", "deny/read+"+secret)
		Expect(Syd(ctx, rules, "/bin/cat", secret)).To(ExitWith(1))
		result := Syd(ctx, append([]string{"-x"}, rules...), "/bin/cat", secret)
		Expect(result).To(SatisfyAll(ExitWith(0), SayLine("told")))
		Expect(result.Stderr).To(SatisfyAll(ContainSubstring(`"cap":"read","act":"warn"`), ContainSubstring(`"path":"`+secret+`"`)))
	})
})

var _ = Describe("a run with --learn", func() {
	Spec("CFG-11.2", "does all that no rule allows or denies, without a word", func(ctx context.Context) {
		secret := File("secret", "told\n", 0o644)
		Expect(Syd(ctx, nil, "/bin/cat", secret)).To(ExitWith(13))
		_, result := learned(ctx, With(), nil, "/bin/cat", secret)
		Expect(result).To(SatisfyAll(ExitWith(0), SayLine("told")))
		Expect(result.Stderr).To(BeEmpty())
	}, Smoke)

	Spec("CFG-11.3", "has the program's status", func(ctx context.Context) {
		for status, script := range map[int]string{7: "exit 7", 143: "kill -TERM $$"} {
			file, result := learned(ctx, With(), nil, "/bin/sh", "-c", script)
			Expect(result).To(ExitWith(status))
			Expect(learnedText(file)).To(ContainSubstring("allow/exec+/"))
		}
	})

	Spec("CFG-11.4", "ends in a policy under which a shell works with files", func(ctx context.Context) {
		sameAsLearned(ctx, `echo x >f; cat f; mkdir d; mv f d/g; ln -s g d/l; cat d/l; cd d; ls; chmod 600 g; cp g h; echo more >>h; cat h
test -e /nonexistent/x || echo no; cat missing 2>&1 || echo $?; cat <<.
here
.
grep -c root: /etc/passwd; rm g h; cd ..; rm d/l; rmdir d; ls -A; touch -d 2001-01-01 t; find . -name t -newermt 2000-01-01`)
	})

	Spec("CFG-11.5", "ends in a policy under which python3 works with temporary files and other programs", func(ctx context.Context) {
		sameAsLearned(ctx, `exec python3 -c 'import json, os, subprocess, tempfile
with tempfile.TemporaryDirectory() as d:
    open(d + "/x", "w").write(json.dumps({"a": 1}))
    print(os.listdir(d), open(d + "/x").read())
with tempfile.NamedTemporaryFile("w+", dir=".") as f:
    f.write("here"); f.flush(); print(len(os.listdir(".")), os.stat(f.name).st_size)
print(subprocess.run(["sh", "-c", "echo sub; exit 3"], capture_output=True))'`)
	}, Requires("python3"), TimeLimit(time.Minute))

	Spec("CFG-11.6", "ends in a policy under which git makes a commit", func(ctx context.Context) {
		sameAsLearned(ctx, `git init -q .; echo 1 >f; git add f; git commit -qm one; git log --format='%H %s'; git status --short; git fsck`)
	}, Requires("git"), TimeLimit(time.Minute))

	Spec("CFG-11.7", "ends in a policy under which gcc makes a program that runs", func(ctx context.Context) {
		sameAsLearned(ctx, `echo 'int main(void) { return 3; }' >a.c; gcc -o a a.c; ./a || echo $?`)
	}, Requires("gcc"), TimeLimit(time.Minute))

	Spec("CFG-11.8", "ends in a policy under which perl works with directories and children", func(ctx context.Context) {
		sameAsLearned(ctx, `exec perl -MFile::Find -MFile::Temp=tempfile -e 'mkdir "d"; open F, ">d/f"; print F "x"; close F; rename "d/f", "d/g"; utime 1, 2, "d/g";
find(sub { print "$File::Find::name\n" }, "d"); ($f, $n) = tempfile(); print -e $n ? "made\n" : "no\n"; unlink $n; print `+"`echo sub`"+`; truncate "d/g", 0; print -s "d/g", (stat "d/g")[2], "\n"'`)
	}, Requires("perl"), TimeLimit(time.Minute))

	Spec("CFG-11.9", "ends in a policy that denies all else", func(ctx context.Context) {
		secret, open := File("secret", "told\n", 0o644), File("open", "open\n", 0o644)
		file, result := learned(ctx, With(), nil, "/bin/cat", open)
		Expect(result).To(SayLine("open"))
		Expect(Syd(ctx, []string{"-P", file}, "/bin/cat", open)).To(SayLine("open"))
		result = Syd(ctx, []string{"-P", file}, "/bin/cat", secret)
		Expect(result).To(SatisfyAll(ExitWith(1), Not(SayLine("told"))))
		Expect(result.Stderr).To(ContainSubstring(`"act":"deny"`))
		Expect(Syd(ctx, []string{"-P", file}, "/bin/ls", "/")).To(ExitWith(13))
	})

	Spec("CFG-11.10", "misses nothing that many processes do at once", func(ctx context.Context) {
		var script strings.Builder
		for i := range 40 {
			File(fmt.Sprintf("in/%d/some", i), fmt.Sprintln(i), 0o644)
			fmt.Fprintf(&script, "(cat in/%d/some >out%d; cd in/%d; test -e missing%d || cat some >&3) &\n", i, i, i, i)
		}
		cmd := []string{"/bin/sh", "-c", "exec 3>&1\n" + script.String() + "wait"}
		file, result := learned(ctx, With(), nil, cmd...)
		Expect(result.Lines()).To(HaveLen(40))
		result = Syd(ctx, []string{"-P", file}, cmd...)
		Expect(result.Lines()).To(HaveLen(40), "under\n%s", learnedText(file))
		Expect(result.Stderr).To(BeEmpty())
	}, TimeLimit(time.Minute))

	Spec("CFG-11.11", "keeps to the rules that deny, and so does its policy", func(ctx context.Context) {
		secret := File("secret", "told\n", 0o644)
		cmd := []string{"/bin/sh", "-c", "cat " + secret + " || echo $?"}
		_, result := learned(ctx, With(), nil, cmd...)
		Expect(result).To(SayLine("told"))
		file, result := learned(ctx, With(), Rules("deny/read+"+secret), cmd...)
		Expect(result).To(SatisfyAll(ExitWith(0), SayLine("1"), Not(SayLine("told"))))
		Expect(result.Stderr).To(ContainSubstring(`"act":"deny"`))
		Expect(Syd(ctx, []string{"-P", file}, cmd...)).To(SatisfyAll(ExitWith(0), SayLine("1"), Not(SayLine("told"))))
	})

	Spec("CFG-11.12", "writes down what was allowed before, too", func(ctx context.Context) {
		tool := File("tool", "#!/bin/sh\ncat $1\n", 0o755)
		more := configFile("more.syd-3", "allow/exec+"+tool, "sandbox/pid:off")
		file, _ := learned(ctx, With(), []string{"-p", "linux", "-P", more, "-m", "mask+/etc/hostname"}, "/bin/true")
		text := learnedText(file)
		Expect(text).To(SatisfyAll(ContainSubstring("allow/exec+"+tool+"\n"), ContainSubstring("sandbox/pid:off\n"), ContainSubstring("mask+/etc/hostname\n")))
		Expect(Syd(ctx, []string{"-P", file}, "/bin/cat", "/etc/passwd")).To(ExitWith(0))
	})

	Spec("CFG-11.13", "leaves nothing of a former policy in its file", func(ctx context.Context) {
		file := configFile("learned.syd-3", strings.Repeat("allow/all+/old/***\n", 1000))
		again, _ := learned(ctx, With(), nil, "/bin/true")
		Expect(again).To(Equal(file))
		Expect(learnedText(file)).NotTo(ContainSubstring("/old/"))
	})

	Spec("CFG-11.14", "is refused with a file that no policy could be read from, or with -x", func(ctx context.Context) {
		directory := filepath.Join(TempDir(), "dir.syd-3")
		Expect(os.Mkdir(directory, 0o755)).To(Succeed())
		missing := filepath.Join(TempDir(), "none", "x.syd-3")
		for _, row := range []struct {
			status int
			says   string
			opts   []string
		}{
			{22, "NAME.syd-3", []string{"--learn", File("x.conf", "", 0o644)}},
			{21, directory + ": Is a directory", []string{"--learn", directory}},
			{2, missing + ": No such file or directory", []string{"--learn", missing}},
			{22, "one of -x and --learn", []string{"-x", "--learn", filepath.Join(TempDir(), "y.syd-3")}},
		} {
			result := Syd(ctx, row.opts, "/bin/echo", "ran")
			Expect(result).To(SatisfyAll(ExitWith(row.status), Not(SayLine("ran"))))
			Expect(result.Stderr).To(SatisfyAll(HavePrefix("syd: "), ContainSubstring(row.says)))
		}
	})
})
