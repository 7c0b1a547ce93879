// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"os"
	"path/filepath"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "syd/conformance/harness"
)

var _ = Describe("an operator", func() {
	Spec("CFG-01.1", "`:` sets, and what is set later counts", func(ctx context.Context) {
		configRows(ctx, []configRow{
			{[]string{"default/exec:allow"}, []string{"a", "b", "c"}},
			{[]string{"default/exec:allow", "default/exec:deny"}, []string{}},
			{[]string{"default/exec:deny", "default/exec:allow"}, []string{"a", "b", "c"}},
			{[]string{"sandbox/exec:off"}, []string{"a", "b", "c"}},
			{[]string{"sandbox/exec:off", "sandbox/exec:on"}, []string{}},
		})
	}, Smoke)

	Spec("CFG-01.2", "`+` adds a rule behind those that are there", func(ctx context.Context) {
		configRows(ctx, []configRow{
			{[]string{"allow/exec+DIR/a"}, []string{"a"}},
			{[]string{"allow/exec+DIR/a", "allow/exec+DIR/b"}, []string{"a", "b"}},
			{[]string{"allow/exec+DIR/*", "deny/exec+DIR/b"}, []string{"a", "c"}},
			{[]string{"deny/exec+DIR/b", "allow/exec+DIR/*"}, []string{"a", "b", "c"}},
		})
	}, Smoke)

	Spec("CFG-01.3", "`-` removes the equal rule that was added last", func(ctx context.Context) {
		configRows(ctx, []configRow{
			{[]string{"allow/exec+DIR/a", "allow/exec-DIR/a"}, []string{}},
			{[]string{"allow/exec+DIR/a", "allow/exec+DIR/a", "allow/exec-DIR/a"}, []string{"a"}},
			{[]string{"allow/exec+DIR/a", "deny/exec+DIR/*", "allow/exec+DIR/a", "allow/exec-DIR/a"}, []string{}},
			{[]string{"deny/exec+DIR/a", "allow/exec+DIR/*", "deny/exec+DIR/a", "deny/exec-DIR/a"}, []string{"a", "b", "c"}},
		})
	})

	Spec("CFG-01.4", "`-` removes no rule of another action, category or text", func(ctx context.Context) {
		configRows(ctx, []configRow{
			{[]string{"allow/exec+DIR/a", "warn/exec-DIR/a"}, []string{"a"}},
			{[]string{"allow/exec+DIR/a", "allow/chdir-DIR/a"}, []string{"a"}},
			{[]string{"allow/exec+DIR/a", "allow/exec-DIR/?"}, []string{"a"}},
			{[]string{"allow/exec+DIR/a", "allow/exec-DIR/a/***"}, []string{"a"}},
			{[]string{"allow/exec+DIR/[a]", "allow/exec-DIR/a"}, []string{"a"}},
		})
	})

	Spec("CFG-01.5", "`-` and `^` of a rule that is not there change nothing", func(ctx context.Context) {
		configRows(ctx, []configRow{
			{[]string{"allow/exec-DIR/a", "allow/exec+DIR/a"}, []string{"a"}},
			{[]string{"allow/exec^DIR/a", "allow/exec+DIR/a"}, []string{"a"}},
			{[]string{"allow/exec+DIR/a", "allow/exec-DIR/b", "allow/exec^DIR/b"}, []string{"a"}},
			{[]string{"allow/exec+DIR/b", "allow/exec-DIR/b", "allow/exec-DIR/b"}, []string{}},
		})
	})

	Spec("CFG-01.6", "`^` removes all equal rules", func(ctx context.Context) {
		configRows(ctx, []configRow{
			{[]string{"allow/exec+DIR/a", "allow/exec+DIR/a", "allow/exec+DIR/b", "allow/exec^DIR/a"}, []string{"b"}},
			{[]string{"allow/exec+DIR/a", "deny/exec+DIR/*", "allow/exec+DIR/a", "allow/exec^DIR/a"}, []string{}},
			{[]string{"allow/exec+DIR/*", "deny/exec+DIR/a", "deny/exec+DIR/a", "deny/exec^DIR/a"}, []string{"a", "b", "c"}},
		})
	})

	Spec("CFG-01.7", "`^` leaves the others, and their order", func(ctx context.Context) {
		configRows(ctx, []configRow{
			{[]string{"deny/exec+DIR/*", "allow/exec+DIR/a", "deny/exec+DIR/b", "allow/exec+DIR/b", "deny/exec^DIR/*"}, []string{"a", "b"}},
			{[]string{"allow/exec+DIR/*", "kill/exec+DIR/c", "deny/exec+DIR/?", "kill/exec^DIR/c", "allow/exec+DIR/c"}, []string{"c"}},
			{[]string{"allow/exec+DIR/a", "warn/exec^DIR/a"}, []string{"a"}},
		})
	})

	Spec("CFG-01.8", "is not needed by reset, which forgets what was said before", func(ctx context.Context) {
		// What it turns on again beside exec is allowed.
		others := []string{"allow/all+/***", "allow/exec-/***"}
		configRows(ctx, []configRow{
			{append([]string{"allow/exec+DIR/a", "reset"}, others...), []string{}},
			{append([]string{"sandbox/exec:off", "reset"}, others...), []string{}},
			{append([]string{"default/exec:allow", "reset", "allow/exec+DIR/b"}, others...), []string{"b"}},
		})
		Expect(configRan(ctx, append(append([]string{}, Off...), Rules(append([]string{"reset"}, others...)...)...), TempDir()+"/a")).To(BeEmpty())
	})

	Spec("CFG-01.9", "that no command of this version takes is refused: `?`, `!`", func(ctx context.Context) {
		configMistakes(ctx, "sandbox/exec?", "pid/max?", "cmd/exec!/bin/true", "allow/exec!/bin/true", "reset!x", "reset?", "reset:on", "include!x")
	})

	Spec("CFG-01.10", "is refused where it makes no sense", func(ctx context.Context) {
		configMistakes(ctx, "pid/max+1", "sandbox/exec+on", "sandbox/exec-on", "default/exec^deny", "allow/exec:/bin/true", "allow+/bin/true",
			"trace/exit_wait_all-on", "setuid:0:1", "setuid^0:1", "setuid+0", "allow/exec", "sandbox/exec", "exec")
	})

	Spec("CFG-01.11", "edits lists of numbers as it edits rules", func(ctx context.Context) {
		for _, row := range []struct {
			rules []string
			says  string
		}{
			{[]string{"setuid+1:2", "setuid+3:4"}, "setuid+1:2\nsetuid+3:4\n"},
			{[]string{"setuid+1:2", "setuid+3:4", "setuid-1:2"}, "setuid+3:4\n"},
			{[]string{"setuid+1:2", "setuid+3:4", "setuid^3"}, "setuid+1:2\n"},
			{[]string{"setuid+1:2", "setuid-1:3", "setuid^9"}, "setuid+1:2\n"},
		} {
			Expect(configPrint(ctx, Rules(row.rules...)...)).To(HaveSuffix("trace/allow_safe_setgid:off\n" + row.says))
		}
	})
})

var _ = Describe("a value", func() {
	Spec("CFG-02.1", "on, 1, true or t turns on", func(ctx context.Context) {
		var rows []configRow
		for _, value := range []string{"on", "1", "true", "t"} {
			rows = append(rows, configRow{[]string{"sandbox/exec:off", "sandbox/exec:" + value}, []string{}})
		}
		configRows(ctx, rows)
	})

	Spec("CFG-02.2", "off, 0, false or f turns off", func(ctx context.Context) {
		var rows []configRow
		for _, value := range []string{"off", "0", "false", "f"} {
			rows = append(rows, configRow{[]string{"sandbox/exec:on", "sandbox/exec:" + value}, []string{"a", "b", "c"}})
		}
		configRows(ctx, rows)
	})

	Spec("CFG-02.3", "of another spelling is no boolean", func(ctx context.Context) {
		configMistakes(ctx, "sandbox/exec:", "sandbox/exec:ON", "sandbox/exec:yes", "sandbox/exec:2", "sandbox/exec: on", "sandbox/exec:o",
			"trace/exit_wait_all:True", "trace/allow_unsafe_env:enabled")
	})

	Spec("CFG-02.4", "of decimal digits is a number", func(ctx context.Context) {
		for _, row := range [][2]string{{"0", "0"}, {"7", "7"}, {"007", "7"}, {"2147483647", "2147483647"}} {
			printed := configPrint(ctx, Rules("pid/max:"+row[0], "segvguard/expiry:"+row[0], "segvguard/maxcrashes:"+row[0])...)
			Expect(printed).To(SatisfyAll(ContainSubstring("\npid/max:"+row[1]+"\n"), ContainSubstring("\nsegvguard/expiry:"+row[1]+"\n"),
				ContainSubstring("\nsegvguard/maxcrashes:"+row[1]+"\n")))
		}
	})

	Spec("CFG-02.5", "that is no whole number, or too large, is refused where one belongs", func(ctx context.Context) {
		configMistakes(ctx, "pid/max:", "pid/max:-1", "pid/max:+1", "pid/max:1.5", "pid/max:0x10", "pid/max:1_000", "pid/max:1e3", "pid/max: 1",
			"pid/max:2147483648", "pid/max:99999999999999999999", "pid/max:1K", "segvguard/expiry:2m", "segvguard/maxcrashes:many")
	})

	Spec("CFG-02.6", "set twice is what was set last", func(ctx context.Context) {
		Expect(configPrint(ctx, Rules("pid/max:7", "pid/max:3")...)).To(ContainSubstring("\npid/max:3\n"))
		Expect(configPrint(ctx, Rules("trace/exit_wait_all:on", "trace/exit_wait_all:off")...)).To(ContainSubstring("\ntrace/exit_wait_all:off\n"))
	})
})

// configMoves is what becomes of an exec and a chdir under opts, which come
// behind those that leave these two alone to be decided on.
func configMoves(ctx context.Context, opts []string) (exec, chdir string) {
	GinkgoHelper()
	directory := filepath.Join(TempDir(), "directory")
	Expect(os.MkdirAll(directory, 0o755)).To(Succeed())
	if _, err := os.Stat(TempDir() + "/program"); err != nil {
		execCopy("process", "program")
	}
	all := append(append(OnlyExecChdir(), opts...), Rules("allow/exec+"+Fixture("exec")[0], "allow/exec+"+Fixture("tracestate")[0])...)
	exec = Syd(ctx, all, Fixture("exec", "each", TempDir()+"/program")...).Fact("1")
	return exec, Syd(ctx, all, Fixture("tracestate", "chdir", directory)...).Fact("chdir")
}

var _ = Describe("categories", func() {
	moves := func(ctx context.Context, rules []string, exec, chdir string) {
		GinkgoHelper()
		gotExec, gotChdir := configMoves(ctx, Rules(rules...))
		Expect([]string{gotExec, gotChdir}).To(Equal([]string{exec, chdir}), "%q", rules)
	}
	const ran, refused = "exit 3", "EACCES"

	Spec("CFG-03.1", "joined by a comma are all turned on or off", func(ctx context.Context) {
		moves(ctx, nil, refused, refused)
		moves(ctx, []string{"sandbox/exec,chdir:off"}, ran, "ok")
		moves(ctx, []string{"sandbox/exec:off"}, ran, refused)
		moves(ctx, []string{"sandbox/chdir:off"}, refused, "ok")
		moves(ctx, []string{"sandbox/exec,chdir:off", "sandbox/chdir,pid:on"}, ran, refused)
	}, Smoke)

	Spec("CFG-03.2", "joined by a comma all get a rule", func(ctx context.Context) {
		moves(ctx, []string{"allow/exec,chdir+/***"}, ran, "ok")
		moves(ctx, []string{"allow/chdir,exec+/***", "deny/chdir+/***"}, ran, refused)
		moves(ctx, []string{"allow/exec+/***"}, ran, refused)
		moves(ctx, []string{"allow/chdir+/***"}, refused, "ok")
	})

	Spec("CFG-03.3", "joined by a comma all get a default", func(ctx context.Context) {
		moves(ctx, []string{"default/exec,chdir:allow"}, ran, "ok")
		moves(ctx, []string{"default/chdir:allow"}, refused, "ok")
		moves(ctx, []string{"default/exec,chdir,pid:warn", "default/exec:filter"}, refused, "ok")
	})

	Spec("CFG-03.4", "all are every one of paths: switched", func(ctx context.Context) {
		moves(ctx, []string{"sandbox/all:off"}, ran, "ok")
		moves(ctx, []string{"sandbox/all:off", "sandbox/exec:on"}, refused, "ok")
		moves(ctx, []string{"default/all:allow", "default/exec,chdir:deny", "sandbox/all:off", "sandbox/all:on"}, refused, refused)
	})

	Spec("CFG-03.5", "all are every one of paths: in rules", func(ctx context.Context) {
		moves(ctx, []string{"allow/all+/***"}, ran, "ok")
		moves(ctx, []string{"allow/all+/***", "deny/exec+/***"}, refused, "ok")
		moves(ctx, []string{"allow/exec+/***", "allow/all^/***"}, refused, refused)
		moves(ctx, []string{"allow/all+/***", "allow/chdir-/***"}, ran, refused)
	})

	Spec("CFG-03.6", "all are every one of paths: with a default", func(ctx context.Context) {
		moves(ctx, []string{"default/all:allow"}, ran, "ok")
		moves(ctx, []string{"default/all:allow", "default/chdir:deny"}, ran, refused)
	})

	Spec("CFG-03.7", "all are not pid, which has no paths", func(ctx context.Context) {
		Expect(configPrint(ctx, Rules("sandbox/all:off", "default/all:allow")...)).To(SatisfyAll(
			ContainSubstring("sandbox/pid:on\n"), ContainSubstring("default/pid:kill\n")))
		Expect(configPrint(ctx, Rules("sandbox/pid,all:off")...)).To(SatisfyAll(
			ContainSubstring("sandbox/pid:off\n"), ContainSubstring("sandbox/exec:off\n"), ContainSubstring("sandbox/chdir:off\n")))
		configMistakes(ctx, "allow/pid+/***", "deny/exec,pid+/***")
	})

	Spec("CFG-03.8", "that are unknown, or of a later version, are refused", func(ctx context.Context) {
		configMistakes(ctx, "sandbox/nonsense:on", "sandbox/:on", "sandbox/Exec:on", "sandbox/exec,:on", "sandbox/exec,,chdir:on", "sandbox/ exec:on",
			"default/net:deny", "deny/net/connect+any!80", "sandbox/lock:on", "ALLOW/exec+/***")
	})
})

var _ = Describe("an action in a file", func() {
	// meets runs a child whose exec meets the action, by a rule and by a default.
	meets := func(ctx context.Context, action string, judge func(Result)) {
		GinkgoHelper()
		program := execCopy("process", "program")
		cmd := Fixture("exec", "watch", "execve", program, "exit", "3")
		allowed := "allow/exec+" + Fixture("exec")[0]
		under := func(lines ...string) []string {
			return append(OnlyExecChdir(), "-P", configFile("action.syd-3", lines...))
		}
		Expect(Syd(ctx, under("allow/exec+/***"), cmd...).Lines()).To(Equal([]string{"child exit 3"}))
		judge(Syd(ctx, under("allow/exec+/***", action+"/exec+"+program), cmd...))
		judge(Syd(ctx, under("default/exec:"+action, allowed), cmd...))
	}
	expects := func(status int, lines []string, records int) func(Result) {
		return func(r Result) {
			GinkgoHelper()
			Expect(r).To(ExitWith(status))
			if lines != nil {
				Expect(r.Lines()).To(Equal(lines), "%s", r)
			}
			Expect(execRecords(r)).To(HaveLen(records), "%s", r)
		}
	}
	refused := []string{"execve EACCES", "child exit 0"}

	Spec("CFG-04.1", "allow: lets it happen", func(ctx context.Context) {
		meets(ctx, "allow", expects(0, []string{"child exit 3"}, 0))
	})
	Spec("CFG-04.2", "warn: lets it happen and logs it", func(ctx context.Context) {
		meets(ctx, "warn", expects(0, []string{"child exit 3"}, 1))
	})
	Spec("CFG-04.3", "filter: denies it and logs nothing", func(ctx context.Context) {
		meets(ctx, "filter", expects(0, refused, 0))
	})
	Spec("CFG-04.4", "deny: denies it and logs it", func(ctx context.Context) {
		meets(ctx, "deny", expects(0, refused, 1))
	}, Smoke)
	Spec("CFG-04.5", "panic: syd exits with 127", func(ctx context.Context) {
		meets(ctx, "panic", expects(127, nil, 1))
	})
	Spec("CFG-04.6", "stop: the process stops", func(ctx context.Context) {
		meets(ctx, "stop", expects(0, append([]string{"child stopped " + SignalName(syscall.SIGSTOP)}, refused...), 1))
	})
	Spec("CFG-04.7", "kill and abort: the process dies of the signal", func(ctx context.Context) {
		meets(ctx, "kill", expects(0, []string{"child signal SIGKILL"}, 1))
		meets(ctx, "abort", func(r Result) {
			GinkgoHelper()
			expects(0, nil, 1)(r)
			Expect(r.Fact("child")).To(MatchRegexp(`^(signal|core) SIGABRT$`))
		})
	})
	Spec("CFG-04.8", "exit: syd exits with the errno", func(ctx context.Context) {
		meets(ctx, "exit", expects(13, nil, 1))
	})
	Spec("CFG-04.9", "that is none is refused, in a rule and as a default", func(ctx context.Context) {
		configMistakes(ctx, "permit/exec+/***", "Allow/exec+/***", "/exec+/***", "default/exec:permit", "default/exec:", "default/exec:Deny",
			"default/exec:deny,warn", "default/exec:on", "sandbox/exec:deny")
	})
})
