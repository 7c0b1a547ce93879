// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "syd/conformance/harness"
)

// lockStates are those that a lock can be given, and what reads it then.
var lockStates = map[string]string{"off": "off", "exec": "exec", "ipc": "ENOENT", "drop": "drop", "read": "read", "on": "ENOENT"}

// What can be asked of a sandbox, as far as the lock cares.
const (
	lockLoosen  = "sandbox/mkdir:off"
	lockTighten = "deny/mkdir+/nowhere/***"
	lockQuery   = "sandbox/mkdir?"
	lockRead    = "@open"
)

// lockLets expects that with these options each who that lets names can make the
// command, and nobody else. Where nothing is said but lock:off everybody can.
func lockLets(ctx context.Context, opts []string, command string, lets ...string) {
	GinkgoHelper()
	var want, granted, pairs []string
	for _, who := range everybody {
		result := who + " ENOENT"
		if slices.Contains(lets, who) {
			result = who + " ok"
		}
		want, granted, pairs = append(want, result), append(granted, who+" ok"), append(pairs, who, command)
	}
	if !strings.HasPrefix(command, "lock:") {
		ask := Fixture("api", append([]string{"ask"}, pairs...)...)
		Expect(Syd(ctx, apiOpen("off"), ask...).Lines()).To(Equal(granted), "the control")
		Expect(Syd(ctx, opts, ask...).Lines()).To(Equal(want))
		return
	}
	// After a change of the lock the next one would find another.
	Expect(apiAsk(ctx, apiOpen("off"), "child", command)).To(Equal([]string{"ok"}), "the control")
	for i, who := range everybody {
		Expect(Syd(ctx, opts, Fixture("api", "ask", who, command)...).Lines()).To(Equal(want[i : i+1]))
	}
}

var _ = Describe("the lock", func() {
	Spec("LCK-01.1", "is in the state that an option says", func(ctx context.Context) {
		for state, seen := range lockStates {
			Expect(apiAsk(ctx, apiOpen(state), "self", "@lock")).To(Equal([]string{seen}), state)
		}
	}, Smoke)

	Spec("LCK-01.2", "is in the state that a file says", func(ctx context.Context) {
		for state, seen := range lockStates {
			file := configFile("lock.syd-3", "allow/all+/***", "lock:"+state)
			Expect(apiAsk(ctx, []string{"-P", file}, "self", "@lock")).To(Equal([]string{seen}), state)
		}
	})

	Spec("LCK-01.3", "is put into each state through /dev/syd", func(ctx context.Context) {
		for state, seen := range lockStates {
			Expect(apiAsk(ctx, apiOpen("off"), "self", "lock:"+state, "@lock")).To(Equal([]string{"ok", seen}), state)
		}
	}, Smoke)

	Spec("LCK-01.4", "is put into each state by a text that is loaded", func(ctx context.Context) {
		for state, seen := range lockStates {
			result := Syd(ctx, apiOpen("off"), "/bin/sh", "-c", `"$0" load memory "lock:$1"; exec "$0" name then @lock`, Fixture("api")[0], state)
			Expect(result.Lines()).To(Equal([]string{"load ok", "then " + seen}), state)
		}
	})

	Spec("LCK-01.5", "has no other states", func(ctx context.Context) {
		words := []string{"lock:", "lock:unset", "lock:ON", "lock:true", "lock:1", "lock:offf", "lock:on ", "lock: on", "lock:off,on"}
		results, before, after := apiAfter(ctx, apiOpen("off"), words...)
		Expect(results).To(Equal(apiEach(len(words), "EINVAL")))
		Expect(apiChanges(before, after)).To(BeEmpty())
		for _, word := range words[:4] {
			configRefused(ctx, append(apiOpen("off"), "-m", word), 22, "-m:1:")
		}
	})

	Spec("LCK-01.6", "is set by a colon only", func(ctx context.Context) {
		words := []string{"lock", "lock+on", "lock-on", "lock^on", "lock!on", "lock?", "lock:on?", "lock on", "lock=on"}
		results, before, after := apiAfter(ctx, apiOpen("off"), words...)
		Expect(results).To(HaveEach(Or(Equal("EINVAL"), Equal("EOPNOTSUPP"))))
		Expect(apiChanges(before, after)).To(BeEmpty())
	})

	Spec("LCK-01.7", "is in the state that is said last, at the start", func(ctx context.Context) {
		for last, seen := range lockStates {
			for _, first := range []string{"on", "off"} {
				Expect(apiAsk(ctx, apiOpen(first, "lock:"+last), "self", "@lock")).To(Equal([]string{seen}), "%s %s", first, last)
			}
		}
	})
})

// lockRow is what a state lets whom do.
type lockRow struct {
	id, text, command string
	lets              []string
}

func lockTable(opts []string, rows []lockRow) {
	for _, row := range rows {
		Spec(row.id, row.text, func(ctx context.Context) { lockLets(ctx, opts, row.command, row.lets...) })
	}
}

var (
	lockEldest = everybody[:2]
	lockNobody []string
)

var _ = Describe("lock:off", func() {
	lockTable(apiOpen("off"), []lockRow{
		{"LCK-02.1", "lets every thread and process loosen the rules", lockLoosen, everybody},
		{"LCK-02.2", "lets every thread and process tighten the rules", lockTighten, everybody},
		{"LCK-02.3", "lets every thread and process ask", lockQuery, everybody},
		{"LCK-02.4", "lets every thread and process read the state", lockRead, everybody},
		{"LCK-02.5", "lets every thread and process close the lock", "lock:on", everybody},
	})
})

var _ = Describe("lock:exec", func() {
	lockTable(apiOpen("exec"), []lockRow{
		{"LCK-02.6", "lets the eldest process alone loosen the rules", lockLoosen, lockEldest},
		{"LCK-02.7", "lets the eldest process alone tighten the rules", lockTighten, lockEldest},
		{"LCK-02.8", "lets the eldest process alone ask", lockQuery, lockEldest},
		{"LCK-02.9", "lets the eldest process alone read the state", lockRead, lockEldest},
		{"LCK-02.10", "lets the eldest process alone open the lock", "lock:off", lockEldest},
		{"LCK-02.11", "is shown as it is to the eldest process alone: for others there is no /dev/syd", "@root", lockEldest},
	})
})

var _ = Describe("lock:ipc", func() {
	lockTable(apiOpen("ipc"), []lockRow{
		{"LCK-02.12", "lets nobody loosen the rules through /dev/syd", lockLoosen, lockNobody},
		{"LCK-02.13", "lets nobody tighten the rules through /dev/syd", lockTighten, lockNobody},
		{"LCK-02.14", "lets nobody ask through /dev/syd", lockQuery, lockNobody},
		{"LCK-02.15", "lets nobody read the state through /dev/syd", lockRead, lockNobody},
		{"LCK-02.16", "lets nobody change the lock through /dev/syd", "lock:off", lockNobody},
	})
})

var _ = Describe("lock:drop", func() {
	lockTable(apiOpen("drop"), []lockRow{
		{"LCK-02.17", "lets nobody loosen the rules", lockLoosen, lockNobody},
		{"LCK-02.18", "lets every thread and process tighten the rules", lockTighten, everybody},
		{"LCK-02.19", "lets every thread and process ask", lockQuery, everybody},
		{"LCK-02.20", "lets every thread and process read the state", lockRead, everybody},
		{"LCK-02.21", "lets every thread and process close the lock further", "lock:read", everybody},
		{"LCK-02.22", "lets nobody open the lock", "lock:off", lockNobody},
	})
})

var _ = Describe("lock:read", func() {
	lockTable(apiOpen("read"), []lockRow{
		{"LCK-02.23", "lets nobody loosen the rules", lockLoosen, lockNobody},
		{"LCK-02.24", "lets nobody tighten the rules", lockTighten, lockNobody},
		{"LCK-02.25", "lets every thread and process ask", lockQuery, everybody},
		{"LCK-02.26", "lets every thread and process read the state", lockRead, everybody},
		{"LCK-02.27", "lets nobody change the lock", "lock:on", lockNobody},
	})
})

var _ = Describe("lock:on", func() {
	lockTable(apiOpen("on"), []lockRow{
		{"LCK-02.28", "lets nobody loosen the rules", lockLoosen, lockNobody},
		{"LCK-02.29", "lets nobody tighten the rules", lockTighten, lockNobody},
		{"LCK-02.30", "lets nobody ask", lockQuery, lockNobody},
		{"LCK-02.31", "lets nobody read the state", lockRead, lockNobody},
		{"LCK-02.32", "lets nobody change the lock", "lock:off", lockNobody},
		{"LCK-02.33", "leaves no /dev/syd to anybody", "@root", lockNobody},
	})
})

var _ = Describe("a lock that nobody gave", func() {
	lockTable(Rules("allow/all+/***"), []lockRow{
		{"LCK-04.1", "is closed to everybody's edits by the time the program runs", lockLoosen, lockNobody},
		{"LCK-04.2", "is closed to everybody's questions by the time the program runs", lockQuery, lockNobody},
		{"LCK-04.3", "leaves no state to read by the time the program runs", lockRead, lockNobody},
		{"LCK-04.4", "can't be opened any more by the time the program runs", "lock:off", lockNobody},
	})
})

var _ = Describe("the eldest process", func() {
	Spec("LCK-02.34", "is the same one after it has executed another program", func(ctx context.Context) {
		for _, thread := range []string{"leader", "thread"} {
			result := Syd(ctx, apiOpen("exec"), Fixture("api", "become", thread, "ask", "self", lockLoosen, "thread", lockRead, "child", lockQuery)...)
			Expect(result.Lines()).To(Equal([]string{"self ok", "thread ok", "child ENOENT"}), thread)
		}
	})

	Spec("LCK-02.35", "is its other threads when its first one has ended", func(ctx context.Context) {
		result := Syd(ctx, apiOpen("exec"), Fixture("api", "leaderless", lockLoosen, "@lock")...)
		Expect(result.Lines()).To(Equal([]string{"thread ok", "thread exec"}))
	})
})

var _ = Describe("lock:drop", func() {
	Spec("LCK-02.36", "takes what only takes away: denying rules, fewer allowing ones, categories on, defaults that deny", func(ctx context.Context) {
		words := []string{"deny/read+/x", "filter/read,stat+/x/***", "panic/all+/x", "stop/write+/x", "abort/write+/x", "kill/write+/x", "exit/write+/x",
			"allow/read-/y", "allow/read^/y", "warn/read-/z", "warn/read^/z", "sandbox/read:on", "sandbox/mkdir:on", "default/read:deny",
			"default/all:filter", "default/write:kill", "lock:drop"}
		opts := apiOpen("drop", "sandbox/mkdir:on", "allow/read+/y", "allow/read+/y", "warn/read+/z", "warn/read+/z")
		results, before, after := apiAfter(ctx, opts, words...)
		Expect(results).To(Equal(apiEach(len(words), "ok")))
		Expect(apiChanges(before, after)).NotTo(BeEmpty())
	})

	Spec("LCK-02.37", "refuses what gives, and leaves the policy as it is", func(ctx context.Context) {
		words := []string{"allow/read+/x", "warn/read+/x", "deny/read-/x", "deny/read^/x", "filter/read-/x", "filter/read^/x", "kill/read-/x",
			"sandbox/read:off", "sandbox/all:off", "default/read:allow", "default/read:warn", "reset", "pid/max:0", "pid/max:10000",
			"lock:off", "lock:exec", "lock:ipc", "mask+/x", "mask-/m", "mask^/m", "append+/x", "append-/a", "append^/a", "panic"}
		opts := func(lock string) []string {
			return apiOpen(lock, "deny/read+/x", "filter/read+/x", "mask+/m", "append+/a")
		}
		harmless := slices.DeleteFunc(slices.Clone(words), func(word string) bool {
			return slices.Contains([]string{"panic", "reset", "lock:ipc"}, word)
		})
		Expect(apiAsk(ctx, opts("off"), "self", harmless...)).To(Equal(apiEach(len(harmless), "ok")), "the control")
		results, before, after := apiAfter(ctx, opts("drop"), words...)
		Expect(results).To(Equal(apiEach(len(words), "ENOENT")))
		Expect(apiChanges(before, after)).To(BeEmpty())
	})

	Spec("LCK-02.38", "refuses to load, and reads nothing from the descriptor", func(ctx context.Context) {
		for _, lock := range []string{"drop", "read"} {
			script := `{ "$0" name load load/3; cat <&3; } 3<"$1"`
			cmd := []string{"/bin/sh", "-c", script, Fixture("api")[0], File("text", "deny/read+/x\n", 0o644)}
			Expect(Syd(ctx, apiOpen("off"), cmd...).Lines()).To(Equal([]string{"load ok"}))
			Expect(Syd(ctx, apiOpen(lock), cmd...).Lines()).To(Equal([]string{"load ENOENT", "deny/read+/x"}), lock)
		}
	})
})

var _ = Describe("an open lock", func() {
	Spec("LCK-03.1", "is closed by anybody, to everybody at once", func(ctx context.Context) {
		for _, who := range []string{"self", "thread", "grandchild"} {
			result := Syd(ctx, apiOpen("off"), Fixture("api", "ask", "self", lockQuery, who, "lock:on", "self", lockQuery, "grandchild", "@root")...)
			Expect(result.Facts("grandchild")).To(ContainElement("ENOENT"), who)
			Expect(result.Lines()[2]).To(Equal("self ENOENT"), who)
		}
	}, Smoke)

	Spec("LCK-03.2", "is closed to those that run already", func(ctx context.Context) {
		late := Fixture("api", "load-late", "deny/mkdir+/x\n", "self", lockQuery, "self", "lock:on", "self", lockQuery)
		result := Syd(ctx, apiOpen("off"), late...)
		Expect(result.Lines()).To(Equal([]string{"self ok", "self ok", "self ENOENT", "load ENOENT", "loader exit 0"}))
	})
})

// lockStays expects that from a state none of the others can be had, by
// anybody, and that it is still that state.
func lockStays(ctx context.Context, from string, refused ...string) {
	GinkgoHelper()
	var changes, asks, want []string
	for _, to := range refused {
		Expect(apiAsk(ctx, apiOpen("off"), "self", "lock:"+to)).To(Equal([]string{"ok"}), "the control")
		changes = append(changes, "lock:"+to)
	}
	for _, who := range []string{"thread", "child", "self"} {
		for _, command := range append(changes, lockLoosen) {
			asks, want = append(asks, who, command), append(want, who+" ENOENT")
		}
		asks, want = append(asks, who, "@lock"), append(want, who+" "+lockStates[from])
	}
	Expect(Syd(ctx, apiOpen(from), Fixture("api", append([]string{"ask"}, asks...)...)...).Lines()).To(Equal(want), from)
	asks, want = append([]string{"self", "lock:" + from}, asks...), append([]string{"self ok"}, want...)
	Expect(Syd(ctx, apiOpen("off"), Fixture("api", append([]string{"ask"}, asks...)...)...).Lines()).To(Equal(want), "off, then "+from)
}

var _ = Describe("a lock that was closed", func() {
	Spec("LCK-03.3", "never opens again from on", func(ctx context.Context) {
		lockStays(ctx, "on", "off", "exec", "ipc", "drop", "read")
	})

	Spec("LCK-03.4", "never opens again from read", func(ctx context.Context) {
		lockStays(ctx, "read", "off", "exec", "ipc", "drop", "on")
	})

	Spec("LCK-03.5", "never opens again from ipc, through /dev/syd", func(ctx context.Context) {
		lockStays(ctx, "ipc", "off", "exec", "drop", "read", "on")
	})

	Spec("LCK-03.6", "opens from drop to nothing but less", func(ctx context.Context) {
		lockStays(ctx, "drop", "off", "exec", "ipc")
		Expect(apiAsk(ctx, apiOpen("drop"), "self", "lock:read", "@lock", "lock:drop", "@lock")).To(Equal([]string{"ok", "read", "ENOENT", "read"}))
		Expect(apiAsk(ctx, apiOpen("drop"), "child", "lock:on", "@lock")).To(Equal([]string{"ok", "ENOENT"}))
	})

	Spec("LCK-03.7", "opens from exec for the eldest, and for no child", func(ctx context.Context) {
		Expect(apiAsk(ctx, apiOpen("exec"), "self", "lock:off", "@lock", "lock:exec", "@lock")).To(Equal([]string{"ok", "off", "ok", "exec"}))
		result := Syd(ctx, apiOpen("exec"), Fixture("api", "ask", "child", "lock:off", "self", "@lock", "self", "lock:off", "child", "@lock")...)
		Expect(result.Lines()).To(Equal([]string{"child ENOENT", "self exec", "self ok", "child off"}))
	})

	Spec("LCK-03.8", "ends the text that closes it: what follows is refused, and so is all of it", func(ctx context.Context) {
		for _, lock := range []string{"drop", "read", "on"} {
			script := `"$0" load memory "$1"; exec "$0" name then @lock`
			run := func(text string) []string {
				return Syd(ctx, apiOpen("off"), "/bin/sh", "-c", script, Fixture("api")[0], text).Lines()
			}
			Expect(run("sandbox/mkdir:off\nlock:" + lock + "\n")).To(Equal([]string{"load ok", "then " + lockStates[lock]}))
			Expect(run("lock:" + lock + "\nsandbox/mkdir:off\n")).To(Equal([]string{"load ENOENT", "then off"}))
		}
	})
})

var _ = Describe("a lock that was given", func() {
	Spec("LCK-04.5", "stays as it is when the eldest executes programs", func(ctx context.Context) {
		for state, seen := range lockStates {
			result := Syd(ctx, apiOpen(state), Fixture("api", "become", "leader", "become", "thread", "ask", "self", "@lock")...)
			Expect(result.Lines()).To(Equal([]string{"self " + seen}), state)
		}
	})

	Spec("LCK-04.6", "stays as it is when children execute programs", func(ctx context.Context) {
		for state, seen := range lockStates {
			result := Syd(ctx, apiOpen(state), Fixture("api", "ask", "program", "@root", "self", "@lock")...)
			Expect(result.Lines()[1]).To(Equal("self "+seen), state)
		}
	})
})

var _ = Describe("the end of the eldest", func() {
	outlive := func(ctx context.Context, lock, how string) Result {
		GinkgoHelper()
		return Syd(ctx, apiOpen(lock, "trace/exit_wait_all:1"), Fixture("api", "outlive", how, lockLoosen, "@lock")...)
	}

	Spec("LCK-05.1", "by exit leaves lock:exec open for nobody", func(ctx context.Context) {
		Expect(apiAsk(ctx, apiOpen("exec"), "self", lockLoosen)).To(Equal([]string{"ok"}), "the control")
		result := outlive(ctx, "exec", "exit")
		Expect(result).To(ExitWith(3))
		Expect(result.Lines()).To(Equal([]string{"before ENOENT", "before ENOENT", "after ENOENT", "after ENOENT"}))
	}, Smoke)

	Spec("LCK-05.2", "by exit leaves every other state as it is", func(ctx context.Context) {
		for lock, edit := range map[string]string{"off": "ok", "drop": "ENOENT", "read": "ENOENT", "ipc": "ENOENT", "on": "ENOENT"} {
			result := outlive(ctx, lock, "exit")
			Expect(result).To(ExitWith(3))
			Expect(result.Facts("before")).To(Equal([]string{edit, lockStates[lock]}), lock)
			Expect(result.Facts("after")).To(Equal(result.Facts("before")), lock)
		}
	})

	Spec("LCK-05.3", "by a signal leaves every state as it is", func(ctx context.Context) {
		for lock, edit := range map[string]string{"off": "ok", "exec": "ENOENT", "drop": "ENOENT", "read": "ENOENT"} {
			result := outlive(ctx, lock, "SIGKILL")
			Expect(result).To(ExitWith(137))
			Expect(result.Facts("after")).To(Equal(result.Facts("before")), lock)
			Expect(result.Facts("after")[0]).To(Equal(edit), lock)
		}
	})

	for i, how := range []string{"exit", "SIGKILL"} {
		Spec([]string{"LCK-05.4", "LCK-05.5"}[i], "by "+how+" makes nobody its heir who gets its number", func(ctx context.Context) {
			for lock, want := range map[string][]string{"off": {"off", "ok"}, "exec": {"ENOENT", "ENOENT"}} {
				Expect(lockHeir(ctx, lock, how)).To(Equal(want), lock)
			}
		}, Requires("ns_last_pid", "wait_killable_recv"))
	}
})

// lockHeir is what a process that gets the number of the eldest is told. It is
// asked anew when somebody else's thread has got the number: then nothing was tried.
func lockHeir(ctx context.Context, lock, how string) []string {
	GinkgoHelper()
	argv := append([]string{"namespace", "0", Build()}, apiOpen(lock, "trace/exit_wait_all:1")...)
	argv = append(append(argv, "--"), Fixture("api", "heir", how, "@lock", lockLoosen)...)
	for {
		result := Native(ctx, Fixture("fork", argv...)...)
		if slices.Contains(result.Lines(), "number stolen") {
			continue
		}
		Expect(result).To(SayLine("eldest " + lock))
		return result.Facts("heir")
	}
}

var _ = Describe("an edit in a storm of forks, execs and exits", func() {
	calm := []string{"failed 0", "halves 0", "blind 0", "odd 0", "looked often", "bred often"}

	Spec("LCK-06.1", "of two categories by one command is seen whole, 10,000 times", func(ctx context.Context) {
		Expect(Syd(ctx, apiOpen("off"), Fixture("api", "storm", "one", "10000", "2")...).Lines()).To(Equal(calm))
	}, Stress, TimeLimit(time.Minute))

	Spec("LCK-06.2", "of two commands in one text is seen whole, 10,000 times", func(ctx context.Context) {
		Expect(Syd(ctx, apiOpen("off"), Fixture("api", "storm", "load", "10000", "2")...).Lines()).To(Equal(calm))
	}, Stress, TimeLimit(time.Minute))

	Spec("LCK-06.3", "is the eldest's alone with lock:exec, and seen whole by its threads", func(ctx context.Context) {
		result := Syd(ctx, apiOpen("exec"), Fixture("api", "storm", "one", "2000", "3")...)
		Expect(result).To(And(SayLine("failed 0"), SayLine("halves 0"), SayLine("odd 0"), SayLine("looked often"), SayLine("bred often")))
		Expect(result).NotTo(SayLine("blind 0"))
	}, Stress)

	Spec("LCK-06.4", "goes on across the eldest's exit, whose status is syd's", func(ctx context.Context) {
		Each(slices.Repeat([]string{"off", "exec"}, 10), 2, func(lock string) {
			result := Syd(ctx, apiOpen(lock, "trace/exit_wait_all:1"), Fixture("api", "edits-across", "50", lockLoosen)...)
			Expect(result).To(ExitWith(3))
			Expect(result).To(SayLine(map[string]string{"off": "failed 0", "exec": "failed 50"}[lock]))
		})
	})
})
