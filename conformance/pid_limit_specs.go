// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"strconv"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "syd/conformance/harness"
)

var _ = Describe("pid/max", func() {
	limited := func(action string) []string { return allowAll("pid/max:8", "default/pid:"+action) }

	Spec("EVT-FRK-02.1", "lets exactly so many tasks live, the eldest among them", func(ctx context.Context) {
		for _, tasks := range []int{2, 8, 20} {
			within := Syd(ctx, atMost(tasks), Fixture("fork", "live", strconv.Itoa(tasks-1))...)
			Expect(within).To(SayLine("first-error none"))
			beyond := Syd(ctx, atMost(tasks), Fixture("fork", "live", strconv.Itoa(tasks+10))...)
			Expect(beyond).To(SayLine("forks " + strconv.Itoa(tasks-1)))
			Expect(beyond.Fact("first-error")).To(Or(Equal("EAGAIN"), Equal("EACCES")))
			Expect(beyond).To(SayLine("after ok"))
		}
	}, Smoke)

	Spec("EVT-FRK-02.2", "meets the caller with the action: it goes on, fails, stops or dies, its parent goes on", func(ctx context.Context) {
		// With room for 8 the caller, beside its parent, can have 6 children.
		rows := map[string][]string{
			"allow":  {"caller exit 5", "had 12"},
			"warn":   {"caller exit 5", "had 12"},
			"filter": {"caller exit 5", "had 6"},
			"deny":   {"caller exit 5", "had 6"},
			"stop":   {"caller stopped SIGSTOP", "had 6"},
			"abort":  {"caller signal SIGABRT", "had 6"},
			"kill":   {"caller signal SIGKILL", "had 6"},
		}
		for action, want := range rows {
			result := With(Env("SYD_LOG=emerg")).Syd(ctx, limited(action), Fixture("fork", "over", "12")...)
			Expect(result).To(ExitWith(6), action)
			for _, line := range want {
				Expect(result).To(SayLine(line), action)
			}
		}
	})

	Spec("EVT-FRK-02.3", "ends the whole sandbox with exit and panic", func(ctx context.Context) {
		for action, status := range map[string]int{"panic": 127, "exit": 13} {
			result := Syd(ctx, limited(action), Fixture("fork", "over", "12")...)
			Expect(result).To(ExitWith(status), action)
			Expect(Within1s(ctx, func() bool { return len(runningIn(TempDir())) == 0 })).To(BeTrue())
		}
	})

	Spec("EVT-FRK-02.4", "never meets the supervisor or another process of its group", func(ctx context.Context) {
		for _, action := range []string{"kill", "abort", "stop"} {
			script := `"$0" sleep & "$@"; echo status $?; kill -0 $! && echo neighbour alive; kill -9 $!`
			argv := append([]string{"sh", "-c", script, Fixture("process")[0], Build()}, limited(action)...)
			result := With(Env("SYD_LOG=emerg")).Native(ctx, append(append(argv, "--"), Fixture("fork", "over", "12")...)...)
			Expect(result).To(SayLine("status 6"), action)
			Expect(result).To(SayLine("neighbour alive"), action)
		}
	})

	Spec("EVT-FRK-02.5", "is reported with the caller's number, by deny and not by filter", func(ctx context.Context) {
		denied := Syd(ctx, limited("deny"), Fixture("fork", "over", "12")...)
		caller := strconv.Itoa(numberIn(denied.Fact("caller")))
		Expect(denied).To(Complain(`"cap":"pid"`))
		Expect(denied).To(Complain(`"pid":` + caller))
		Expect(Syd(ctx, limited("filter"), Fixture("fork", "over", "12")...).Stderr).To(BeEmpty())
	})

	Spec("EVT-FRK-02.6", "counts threads too", func(ctx context.Context) {
		Expect(Syd(ctx, limited("kill"), Fixture("fork", "live-threads", "7")...)).To(SayLine("threads 7"))
		result := With(Env("SYD_LOG=emerg")).Syd(ctx, limited("kill"), Fixture("fork", "live-threads", "8")...)
		Expect(result).To(DieOf(syscall.SIGKILL))
		Expect(result).To(SayNothing())
	})

	Spec("EVT-FRK-02.7", "is no limit when it is 0, or with the rules off", func(ctx context.Context) {
		unlimited := [][]string{
			allowAll("pid/max:0", "default/pid:kill"),
			append(Rules("pid/max:8", "default/pid:kill"), Off...),
			allowAll("pid/max:8", "default/pid:kill", "sandbox/pid:off"),
		}
		Expect(Syd(ctx, limited("filter"), Fixture("fork", "live", "40")...)).To(SayLine("forks 7"))
		for _, opts := range unlimited {
			Expect(Syd(ctx, opts, Fixture("fork", "live", "40")...)).To(SayLine("forks 40"))
		}
	})

	Spec("EVT-FRK-02.8", "does not let the refused task run: what it would print is not printed", func(ctx context.Context) {
		cmd := []string{"sh", "-c", `(echo child); (echo child); (echo child)`}
		Expect(Syd(ctx, atMost(2), cmd...).Facts("child")).To(HaveLen(3))
		result := With(Env("SYD_LOG=emerg")).Syd(ctx, allowAll("pid/max:1", "default/pid:deny"), cmd...)
		Expect(result.Facts("child")).To(BeEmpty())
	})
})
