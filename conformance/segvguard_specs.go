// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "syd/conformance/harness"
)

var _ = Describe("SegvGuard", func() {
	const crashed, refused = "signal SIGSEGV", "EACCES"

	// attempts runs a program some times, one after another, and returns what
	// became of each run.
	attempts := func(ctx context.Context, opts []string, number, pauseMS string, program ...string) []string {
		GinkgoHelper()
		result := Syd(ctx, opts, Fixture("exec", append([]string{"attempts", number, pauseMS}, program...)...)...)
		Expect(result).To(ExitWith(0))
		return result.Facts("attempt")
	}
	times := func(value string, n int) []string { return strings.Split(strings.Repeat(value+"\n", n-1)+value, "\n") }
	series := func(parts ...[]string) (all []string) {
		for _, part := range parts {
			all = append(all, part...)
		}
		return all
	}

	Spec("EVT-EXT-01.1", "suspends an executable after five crashes, and not where it is off", func(ctx context.Context) {
		program := execCopy("exec", "program")
		for _, off := range [][]string{Off, execRules("segvguard/expiry:0"), execRules("segvguard/maxcrashes:1", "segvguard/expiry:0")} {
			Expect(attempts(ctx, off, "8", "0", program, "crash", "0")).To(Equal(times(crashed, 8)))
		}
		Expect(attempts(ctx, execOpen, "8", "0", program, "crash", "0")).To(Equal(series(times(crashed, 5), times(refused, 3))))
	}, Smoke)

	Spec("EVT-EXT-01.2", "counts a crash once a process, however many threads it has", func(ctx context.Context) {
		program := execCopy("exec", "program")
		for _, max := range []int{1, 2, 4} {
			opts := execRules("segvguard/maxcrashes:" + string(rune('0'+max)))
			Expect(attempts(ctx, opts, "5", "0", program, "crash", "30")).To(Equal(series(times(crashed, max), times(refused, 5-max))))
		}
	}, Smoke)

	Spec("EVT-EXT-01.3", "counts the signals that dump core, dumped or not, and no others", func(ctx context.Context) {
		program := execCopy("process", "program")
		opts := execRules("segvguard/maxcrashes:1")
		for _, sig := range []string{"SIGQUIT", "SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE", "SIGSEGV", "SIGSYS", "SIGXCPU", "SIGXFSZ"} {
			Expect(attempts(ctx, opts, "2", "0", program, "kill-self", sig)).To(Equal([]string{"signal " + sig, refused}))
		}
		for _, sig := range []string{"SIGHUP", "SIGINT", "SIGKILL", "SIGUSR1", "SIGPIPE", "SIGALRM", "SIGTERM", "SIG34"} {
			Expect(attempts(ctx, opts, "2", "0", program, "kill-self", sig)).To(Equal(times("signal "+sig, 2)))
		}
		Expect(attempts(ctx, opts, "2", "0", program, "exit", "139")).To(Equal(times("exit 139", 2)))
	})

	Spec("EVT-EXT-01.4", "counts no crash that the program handles", func(ctx context.Context) {
		program := execCopy("exec", "program")
		opts := execRules("segvguard/maxcrashes:1")
		Expect(attempts(ctx, opts, "2", "0", program, "crash", "0")).To(Equal([]string{crashed, refused}))
		Expect(attempts(ctx, opts, "4", "0", program, "caught-crash")).To(Equal(times("exit 9", 4)))
	})

	Spec("EVT-EXT-01.5", "counts the crashes of children without a program of their own for their parent's", func(ctx context.Context) {
		program := execCopy("exec", "program")
		script := "'" + program + "' fork-crash 3; exec '" + program + "' nothing"
		Expect(Syd(ctx, execRules("segvguard/maxcrashes:4"), "sh", "-c", script)).To(ExitWith(0))
		Expect(Syd(ctx, execRules("segvguard/maxcrashes:3"), "sh", "-c", script)).To(ExitWith(126))
	})

	Spec("EVT-EXT-01.6", "counts each executable by itself, by whichever symlink it was started", func(ctx context.Context) {
		program, other := execCopy("exec", "program"), execCopy("exec", "other")
		link := execLink("program", "link")
		script := "for p in program link other; do ./$p crash 0; echo $p $?; done; for p in program link other; do ./$p nothing; echo $p $?; done"
		result := Syd(ctx, execRules("segvguard/maxcrashes:2"), "sh", "-c", script)
		Expect(result.Facts("program")).To(Equal([]string{"139", "126"}), "%s\n%s", program, result)
		Expect(result.Facts("link")).To(Equal([]string{"139", "126"}), "%s\n%s", link, result)
		Expect(result.Facts("other")).To(Equal([]string{"139", "0"}), "%s\n%s", other, result)
	})

	// What these two wait for is nothing but time, so the scripts sleep.
	Spec("EVT-EXT-01.7", "forgets a crash that is older than the expiry", func(ctx context.Context) {
		execCopy("exec", "program")
		opts := execRules("segvguard/maxcrashes:2", "segvguard/expiry:1")
		script := func(pause string) string {
			return "./program crash 0; sleep " + pause + "; ./program crash 0; ./program nothing; echo then $?"
		}
		Expect(Syd(ctx, execRules("segvguard/maxcrashes:2"), "sh", "-c", script("0"))).To(HaveFact("then", "126"))
		Expect(Syd(ctx, opts, "sh", "-c", script("1.1"))).To(HaveFact("then", "0"))
	})

	Spec("EVT-EXT-01.8", "ends a suspension after the time that is set", func(ctx context.Context) {
		execCopy("exec", "program")
		opts := execRules("segvguard/maxcrashes:1", "segvguard/suspension:1")
		script := func(pause string) string {
			return "./program crash 0; sleep " + pause + "; ./program nothing; echo then $?"
		}
		Expect(Syd(ctx, execRules("segvguard/maxcrashes:1"), "sh", "-c", script("0"))).To(HaveFact("then", "126"))
		Expect(Syd(ctx, opts, "sh", "-c", script("1.1"))).To(HaveFact("then", "0"))
	})

	Spec("EVT-EXT-01.9", "changes nothing in how a crash ends, for the parent and for syd", func(ctx context.Context) {
		execSame(ctx, Fixture("exec", "fork-crash", "2")...)
		crash := Fixture("exec", "crash", "20")
		Expect(Native(ctx, crash...)).To(DieOf(11))
		for _, profile := range execProfiles {
			Expect(Syd(ctx, profile, crash...)).To(DieOf(11))
		}
	})

	Spec("EVT-EXT-01.10", "records each crash for who wants to know, and the suspension for all", func(ctx context.Context) {
		program := execCopy("exec", "program")
		cmd := Fixture("exec", "attempts", "3", "0", program, "crash", "10")
		opts := execRules("segvguard/maxcrashes:2")
		silent := Syd(ctx, execRules("segvguard/expiry:0"), cmd...)
		Expect(silent.Stderr).To(BeEmpty())
		var told []string
		for _, record := range execRecords(With(Env("SYD_LOG=info")).Syd(ctx, opts, cmd...)) {
			if record["ctx"] == "confine" {
				continue // what the kernel lacks
			}
			Expect(record).To(And(HaveKeyWithValue("ctx", "segvguard"), HaveKeyWithValue("path", program)))
			what, _ := record["op"].(string)
			if act, ok := record["act"].(string); ok {
				what = act
			}
			told = append(told, what)
		}
		Expect(told).To(Equal([]string{"crash", "suspend", "deny"}))
		Expect(execRecords(Syd(ctx, opts, cmd...))).To(HaveLen(2))
	})
})
