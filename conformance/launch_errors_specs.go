// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	. "syd/conformance/harness"
)

// everyWait is the calls by which a supervisor can learn of a death.
const everyWait = "waitid,wait4"

// inject runs the build under a fixture that makes its system calls fail. The
// fixture's own status is the build's.
func inject(ctx context.Context, what []string, opts []string, cmd ...string) Result {
	GinkgoHelper()
	line := newLifeline()
	defer line.close()
	argv := append(Fixture("tracestate", append([]string{"inject"}, what...)...), Build())
	argv = append(append(append(argv, opts...), "--"), cmd...)
	run := With(Files(line.far), Within(10*time.Second)).StartNative(ctx, argv...)
	line.held()
	result := run.Wait(ctx)
	Expect(Within1s(ctx, line.cut)).To(BeTrue(), "a process outlived the sandbox by a second\n%s", result)
	return result
}

var _ = Describe("an eldest whose status cannot be had", func() {
	Spec("LCH-03.1", "gives 127 when there is nothing to wait for from the start", func(ctx context.Context) {
		for _, opts := range launchProfiles {
			control := inject(ctx, []string{"ECHILD", "1000000", "1", everyWait}, opts, Fixture("process", "exit", "5")...)
			Expect(control).To(ExitWith(5))
			result := inject(ctx, []string{"ECHILD", "1", "1000000", everyWait}, opts, Fixture("process", "exit", "5")...)
			Expect(result).To(ExitWith(127))
		}
	})

	Spec("LCH-03.2", "gives 127 when the waits end at any time before its death is told", func(ctx context.Context) {
		Each([]string{"2", "3", "4", "5", "6", "7", "8"}, 2, func(first string) {
			result := inject(ctx, []string{"ECHILD", first, "1000000", everyWait}, Off, Fixture("process", "fork-exit", "1", "5")...)
			if len(result.Facts("injected")) > 0 {
				Expect(result).To(ExitWith(127))
			} else {
				Expect(result).To(ExitWith(5))
			}
		})
	})

	Spec("LCH-03.3", "gives 127 with trace/exit_wait_all too", func(ctx context.Context) {
		result := inject(ctx, []string{"ECHILD", "2", "1000000", everyWait}, OffWaitAll, leave("4", "session", "daemon")...)
		Expect(result).To(ExitWith(127))
	})

	Spec("LCH-03.4", "is none whose parent ignores SIGCHLD: the kernel keeps it for the tracer", func(ctx context.Context) {
		for _, opts := range [][]string{Off, OffWaitAll, launchEverything} {
			result := With(IgnoreSignal(syscall.SIGCHLD)).Syd(ctx, opts, Fixture("process", "exit", "5")...)
			Expect(result).To(ExitWith(5))
			result = With(IgnoreSignal(syscall.SIGCHLD)).Syd(ctx, opts, Fixture("process", "kill-self", "SIGTERM")...)
			Expect(result).To(DieOf(syscall.SIGTERM))
		}
	})
})

var _ = Describe("an eldest that exits 127", func() {
	Spec("LCH-04.1", "gives 127 at once, in every profile", func(ctx context.Context) {
		for _, opts := range [][]string{Off, OffWaitAll, launchEverything} {
			result := With(Within(5*time.Second)).Syd(ctx, opts, Fixture("process", "exit", "127")...)
			Expect(result).To(ExitWith(127))
			Expect(result.Stderr).To(BeEmpty())
		}
	}, Smoke)

	Spec("LCH-04.2", "gives 127 when it is a shell that does not find a command", func(ctx context.Context) {
		result, _ := SameAsNative(ctx, Off, "/bin/sh", "-c", "no-such-command 2>/dev/null")
		Expect(result).To(ExitWith(127))
	})

	Spec("LCH-04.3", "ends the sandbox, whatever it leaves behind", func(ctx context.Context) {
		Expect(expectLeft(ctx, Off, leave("127", "session", "daemon", "stopped")...)).To(ExitWith(127))
	})

	Spec("LCH-04.4", "gives 127 after the others have ended, with trace/exit_wait_all", func(ctx context.Context) {
		run := startWaiting(ctx, OffWaitAll, "127", "reader", "crasher")
		Expect(Holds(ctx, 20*time.Millisecond, func() bool { return !run.Exited() })).To(BeTrue())
		run.CloseStdin()
		Expect(run.Wait(ctx)).To(SatisfyAll(ExitWith(127), SayLine("reader done")))
	})
})

// A refusal is a path that execve(2) refuses, with the words of strerror(3).
type refusal struct {
	path  string
	errno syscall.Errno
	name  string
	words string
}

func refusals() []refusal {
	dir := TempDir()
	GinkgoHelper()
	Expect(os.Symlink("loop", filepath.Join(dir, "loop"))).To(Succeed())
	return []refusal{
		{filepath.Join(dir, "missing"), unix.ENOENT, "ENOENT", "No such file or directory"},
		{File("no-interpreter", "#!/no/such/interpreter\n", 0o755), unix.ENOENT, "ENOENT", "No such file or directory"},
		{File("plain", "#!/bin/sh\n", 0o644), unix.EACCES, "EACCES", "Permission denied"},
		{dir, unix.EACCES, "EACCES", "Permission denied"},
		{filepath.Join(dir, "plain", "below"), unix.ENOTDIR, "ENOTDIR", "Not a directory"},
		{filepath.Join(dir, "loop"), unix.ELOOP, "ELOOP", "Too many levels of symbolic links"},
		{filepath.Join(dir, strings.Repeat("n", 256)), unix.ENAMETOOLONG, "ENAMETOOLONG", "File name too long"},
		{dir + "/" + strings.Repeat("./", 2100) + "x", unix.ENAMETOOLONG, "ENAMETOOLONG", "File name too long"},
	}
}

var _ = Describe("a first exec that fails", func() {
	Spec("LCH-05.1", "gives the errno that a native exec gives, for every errno", func(ctx context.Context) {
		Each(refusals(), 3, func(r refusal) {
			native := Native(ctx, Fixture("exec", "execve", r.path)...)
			Expect(native.Fact("execve")).To(BeDenied(r.name))
			for _, opts := range [][]string{Off, OffWaitAll, launchEverything} {
				result := Syd(ctx, opts, r.path)
				Expect(result).To(ExitWith(int(r.errno)))
				Expect(result.Stderr).To(Equal("syd: exec error: "+r.words+"\n"), result.String())
				Expect(result).To(SayNothing())
			}
		})
	}, Smoke)

	Spec("LCH-05.2", "gives ENOEXEC (8) for a file of no format, and no shell runs it", func(ctx context.Context) {
		for name, content := range map[string]string{"text": "echo ran\n", "empty": "", "damaged": "\x7fELF\x02\x01\x01 and no more"} {
			path := File(name, content, 0o755)
			Expect(Native(ctx, Fixture("exec", "execve", path)...).Fact("execve")).To(BeDenied("ENOEXEC"))
			for _, opts := range launchProfiles {
				result := Syd(ctx, opts, path)
				Expect(result).To(ExitWith(int(unix.ENOEXEC)))
				Expect(result).To(SatisfyAll(SayNothing(), Complain("syd: exec error: Exec format error")))
			}
		}
	})

	Spec("LCH-05.3", "gives ETXTBSY (26) for a file that somebody writes to", func(ctx context.Context) {
		path := File("busy", "", 0o755)
		program, err := os.ReadFile("/bin/true")
		Expect(err).NotTo(HaveOccurred())
		file, err := os.OpenFile(path, os.O_WRONLY, 0)
		Expect(err).NotTo(HaveOccurred())
		defer file.Close()
		_, err = file.Write(program)
		Expect(err).NotTo(HaveOccurred())
		Expect(Native(ctx, Fixture("exec", "execve", path)...).Fact("execve")).To(BeDenied("ETXTBSY"))
		Expect(Syd(ctx, Off, path)).To(SatisfyAll(ExitWith(int(unix.ETXTBSY)), Complain("syd: exec error: Text file busy")))
	})

	Spec("LCH-05.4", "looks for a name in PATH as natively", func(ctx context.Context) {
		locked := filepath.Dir(File("one/tool", "#!/bin/sh\nexit 1\n", 0o644))
		open := filepath.Dir(File("two/tool", "#!/bin/sh\nexit 22\n", 0o755))
		cases := []struct {
			path, name string
			native     string
			status     int
		}{
			{open, "tool", "exit 22", 22},
			{locked + ":" + open, "tool", "exit 22", 22},
			{"/no/such/directory:" + open, "tool", "exit 22", 22},
			{locked, "tool", "EACCES", 13},
			{locked, "other", "ENOENT", 2},
			{"", "tool", "ENOENT", 2},
		}
		for _, c := range cases {
			env := With(OnlyEnv("PATH=" + c.path))
			native := env.Native(ctx, Fixture("process", "fork-exec", c.name)...)
			Expect(append(native.Facts("exec"), native.Facts("child")...)).To(ContainElement(c.native), native.String())
			result := env.Syd(ctx, Off, c.name)
			Expect(result).To(ExitWith(c.status))
		}
	})

	Spec("LCH-05.5", "gives EACCES (13) when no rule allows the program", func(ctx context.Context) {
		touch := []string{"/bin/sh", "-c", "echo ran"}
		Expect(Syd(ctx, launchEverything, touch...)).To(SatisfyAll(ExitWith(0), SayLine("ran")))
		for _, opts := range [][]string{nil, Rules("deny/exec+/***"), append(launchEverything, Rules("deny/exec+/***")...)} {
			result := Syd(ctx, opts, touch...)
			Expect(result).To(SatisfyAll(ExitWith(13), SayNothing(), Complain("syd: exec error: Permission denied")))
		}
	}, Smoke)

	Spec("LCH-05.6", "leaves nothing running, however often it happens", func(ctx context.Context) {
		missing := filepath.Join(TempDir(), "missing")
		Each(make([]int, 30), 4, func(int) {
			run, line := startOnLifeline(ctx, Off, missing)
			Expect(run.Wait(ctx)).To(ExitWith(2))
			Expect(Within1s(ctx, line.cut)).To(BeTrue())
		})
	})
})

var _ = Describe("a mistake on the command line", func() {
	Spec("LCH-10.1", "in an option gives 22 and one line that names it, and starts nothing", func(ctx context.Context) {
		expectMistakes(ctx, []mistake{
			{"--no-such-option", []string{"--no-such-option"}},
			{"-Y", []string{"-Y"}},
			{"unknown profile", []string{"-p", "no-such"}},
			{"no-such", []string{"-p", "no-such"}},
			{"=value", []string{"-p", "off", "-e", "=value"}},
			{"-e", []string{"-p", "off", "-e", ""}},
		})
	}, Smoke)

	Spec("LCH-10.2", "in a rule gives 22 and one line that quotes it and says what was expected", func(ctx context.Context) {
		var mistakes []mistake
		for _, rule := range []string{
			"", "nonsense", "allow/exec", "allow/exec:/bin/x", "allow/nonsense+/bin/x", "nonsense/exec+/bin/x", "allow/exec+relative",
			"allow/exec+", "default/exec:nonsense", "default/nonsense:deny", "sandbox/exec:maybe", "sandbox/nonsense:on",
			"pid/max:many", "pid/max:-1", "pid/max:99999999999", "trace/exit_wait_all:perhaps", "trace/nonsense:on", "segvguard/expiry:x",
			"allow/pid+/bin/x", "allow/exec+/bin/[x",
		} {
			mistakes = append(mistakes, mistake{`"` + rule + `": expected `, append(Rules(rule), Off...)})
		}
		expectMistakes(ctx, mistakes)
	})

	Spec("LCH-10.3", "counts wherever it stands among good rules", func(ctx context.Context) {
		bad := "allow/exec+relative"
		good := Rules("allow/exec,chdir+/***", "pid/max:9")
		for _, opts := range [][]string{
			append(Rules(bad), good...), append(append([]string{}, good...), Rules(bad)...), append(append(Rules("pid/max:9"), Rules(bad)...), good...),
		} {
			expectMistakes(ctx, []mistake{{bad, opts}})
		}
	})

	Spec("LCH-10.4", "in the environment gives 22 or the errno of the descriptor", func(ctx context.Context) {
		for _, c := range []struct {
			variable, words string
			status          int
		}{
			{"SYD_LOG=loud", "loud", int(unix.EINVAL)},
			{"SYD_LOG=", "SYD_LOG", int(unix.EINVAL)},
			{"SYD_LOG_FD=two", "two", int(unix.EINVAL)},
			{"SYD_LOG_FD=-1", "-1", int(unix.EINVAL)},
			{"SYD_LOG_FD=", "SYD_LOG_FD", int(unix.EINVAL)},
			{"SYD_LOG_FD=1000003", "1000003", int(unix.EBADF)},
		} {
			result := With(Env(c.variable)).Syd(ctx, Off, "/bin/echo", "ran")
			Expect(result).To(SatisfyAll(ExitWith(c.status), SayNothing(), Complain(c.words)))
			Expect(strings.Count(result.Stderr, "\n")).To(Equal(1), result.String())
		}
		for _, variable := range []string{"SYD_LOG=debug", "SYD_LOG=emerg", "SYD_LOG_FD=2"} {
			Expect(With(Env(variable)).Syd(ctx, Off, "/bin/echo", "ran")).To(SatisfyAll(ExitWith(0), SayLine("ran")))
		}
	})

	Spec("LCH-10.7", "of a descriptor for the log that the caller has closed gives EBADF, whatever its number", func(ctx context.Context) {
		for fd := 3; fd < 10; fd++ {
			result := With(Env("SYD_LOG_FD="+strconv.Itoa(fd))).Syd(ctx, Off, "/bin/echo", "ran")
			Expect(result).To(SatisfyAll(ExitWith(int(unix.EBADF)), SayNothing(), Complain(strconv.Itoa(fd))), "descriptor %d", fd)
			Expect(strings.Count(result.Stderr, "\n")).To(Equal(1), result.String())
		}
	})

	Spec("LCH-10.8", "by a /proc of another PID namespace gives one line, and starts nothing", func(ctx context.Context) {
		enter := []string{"unshare", "-pf"}
		if os.Geteuid() != 0 {
			enter[1] = "-Urpf"
		}
		Expect(Native(ctx, append(enter, "/bin/echo", "ran")...)).To(SayLine("ran"))
		result := Native(ctx, slices.Concat(enter, []string{Build()}, Off, []string{"--", "/bin/echo", "ran"})...)
		Expect(result).To(SatisfyAll(SayNothing(), Complain("/proc")))
		Expect(result.Status).NotTo(BeZero())
		Expect(strings.Count(result.Stderr, "\n")).To(Equal(1), result.String())
	}, Requires("pid_namespaces"))

	Spec("LCH-10.9", "by a kernel that can't keep signals from repeating calls gives one line with what it lacks, and 95; where no call is made for programs, none", func(ctx context.Context) {
		old := func(opts []string) Result {
			return Native(ctx, slices.Concat(Fixture("filter", "old"), []string{Build()}, opts, []string{"--", "/bin/echo", "ran"})...)
		}
		for _, opts := range [][]string{Rules("allow/all+/***", "deny/read+/nowhere"), Rules("sandbox/all:off", "sandbox/write:on"), Rules("sandbox/all:off", "lock:exec")} {
			result := old(opts)
			Expect(result).To(SatisfyAll(ExitWith(int(unix.EOPNOTSUPP)), SayNothing(), Complain("SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (Linux 5.19)")), "%v", opts)
			Expect(strings.Count(result.Stderr, "\n")).To(Equal(1), result.String())
		}
		for _, opts := range [][]string{Off, OnlyExecChdir("allow/exec,chdir+/***"), Rules("sandbox/all:off", "sandbox/pid:on")} {
			Expect(old(opts)).To(SatisfyAll(ExitWith(0), SayLine("ran")), "%v", opts)
		}
	})

	Spec("LCH-10.10", "by a kernel that is told to let nobody trace gives one line that says so, and 95", func(ctx context.Context) {
		result := Native(ctx, Build(), "-p", "off", "--", "/bin/echo", "ran")
		Expect(result).To(SatisfyAll(ExitWith(int(unix.EOPNOTSUPP)), SayNothing(), Complain("kernel.yama.ptrace_scope")))
		Expect(strings.Count(result.Stderr, "\n")).To(Equal(1), result.String())
	}, Requires("yama_refuses"))

	Spec("LCH-10.5", "that leaves out the command, or an option's value, gives 22", func(ctx context.Context) {
		for _, argv := range [][]string{Off, {"-p", "off", "--"}, {"-m"}, {"-p"}, {"-a"}, {"-e"}} {
			result := Syd(ctx, argv)
			Expect(result).To(SatisfyAll(ExitWith(22), SayNothing(), Complain("syd: ")))
			Expect(strings.Count(result.Stderr, "\n")).To(Equal(1), result.String())
		}
	})

	Spec("LCH-10.6", "is not passed over when it is an option that comes later", func(ctx context.Context) {
		// Reserved names: one that does nothing yet says so.
		expectMistakes(ctx, []mistake{{"-E", []string{"-E", "bpf"}}, {"-q", []string{"-q"}}})
	})
})

// A mistake is options that are refused, and words of the line that says so.
type mistake struct {
	words string
	opts  []string
}

// expectMistakes expects each command line to be refused with one line, and its
// command, which runs without them, not to run.
func expectMistakes(ctx context.Context, mistakes []mistake) {
	GinkgoHelper()
	Expect(Syd(ctx, Off, "/bin/echo", "ran")).To(SatisfyAll(ExitWith(0), SayLine("ran")))
	Each(mistakes, 3, func(m mistake) {
		result := Syd(ctx, m.opts, "/bin/echo", "ran")
		Expect(result).To(SatisfyAll(ExitWith(22), SayNothing(), Complain(m.words)))
		Expect(result.Stderr).To(HavePrefix("syd: "), result.String())
		Expect(strings.Count(result.Stderr, "\n")).To(Equal(1), result.String())
	})
}
