// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "syd/conformance/harness"
)

// startupOnly are commands that count only at the start.
var startupOnly = []string{"segvguard/expiry:1", "segvguard/suspension:1", "segvguard/maxcrashes:1", "trace/exit_wait_all:1", "trace/allow_unsafe_env:1",
	"trace/allow_unsafe_exec_speculative:1", "trace/allow_unsafe_nocookie:1", "trace/allow_unsafe_nomseal:1", "trace/allow_safe_kcapi:1",
	"trace/allow_safe_setuid:1", "trace/allow_safe_setgid:1", "setuid+1:2", "setuid-1:2", "setuid^1", "setgid+1:2", "setgid-1:2", "setgid^1",
	"include /nowhere.syd-3", "include_profile off"}

// startupMatters are those among them that change something.
var startupMatters = slices.DeleteFunc(slices.Clone(startupOnly), func(command string) bool {
	return command == "include /nowhere.syd-3" || command == "include_profile off"
})

var _ = Describe("what counts only at the start", func() {
	Spec("CFG-13.1", "gives EBUSY at run time", func(ctx context.Context) {
		for _, command := range startupMatters {
			Expect(Syd(ctx, apiOpen("off", command), "/bin/true")).To(ExitWith(0), "the control: %s", command)
		}
		for i, result := range apiAsk(ctx, apiOpen("off"), "self", startupOnly...) {
			Expect(result).To(Equal("EBUSY"), startupOnly[i])
		}
	}, Smoke)

	Spec("CFG-13.2", "is at run time what it was", func(ctx context.Context) {
		_, before, after := apiAfter(ctx, apiOpen("off", "setuid+1:2", "segvguard/expiry:7"), startupOnly...)
		Expect(apiChanges(before, after)).To(BeEmpty())
		_, other, _ := apiAfter(ctx, apiOpen("off", startupMatters[:4]...))
		Expect(apiChanges(before, other)).NotTo(BeEmpty(), "the control")
	})

	Spec("CFG-13.3", "gives EBUSY even if it would change nothing", func(ctx context.Context) {
		commands := []string{"trace/exit_wait_all:1", "segvguard/expiry:7", "setuid+1:2"}
		Expect(apiAsk(ctx, apiOpen("off", commands...), "self", commands...)).To(HaveEach("EBUSY"))
		Expect(apiAsk(ctx, apiOpen("off"), "self", "trace/exit_wait_all:0")).To(HaveEach("EBUSY"))
	})

	Spec("CFG-13.4", "gives EBUSY to everybody, the eldest with lock:exec too", func(ctx context.Context) {
		for _, who := range everybody {
			Expect(apiAsk(ctx, apiOpen("off"), who, startupOnly[:4]...)).To(HaveEach("EBUSY"), who)
		}
		Expect(apiAsk(ctx, apiOpen("exec"), "thread", startupOnly[:4]...)).To(HaveEach("EBUSY"))
	})

	Spec("CFG-13.5", "gives EINVAL at run time when it is malformed", func(ctx context.Context) {
		commands := []string{"trace/exit_wait_all:maybe", "segvguard/expiry:x", "setuid+1", "setgid:1:2", "trace/allow_safe_kcapi", "segvguard/expiry+1"}
		for i, result := range apiAsk(ctx, apiOpen("off"), "self", commands...) {
			Expect(result).To(Equal("EINVAL"), commands[i])
		}
	})

	Spec("CFG-13.6", "keeps the text that it stands in from being loaded", func(ctx context.Context) {
		result, before, after := apiLoad(ctx, apiOpen("off"), "load", "memory", "deny/read+/x\ntrace/exit_wait_all:1\n")
		Expect(result).To(Equal("EBUSY"))
		Expect(apiChanges(before, after)).To(BeEmpty())
		result, before, after = apiLoad(ctx, apiOpen("off"), "load", "memory", "deny/read+/x\n")
		Expect(result).To(Equal("ok"))
		Expect(apiChanges(before, after)).NotTo(BeEmpty(), "the control")
	})

	Spec("CFG-13.7", "is also to switch on what was off at the start, and so is not looked at", func(ctx context.Context) {
		for _, command := range []string{"sandbox/mkdir:on", "sandbox/mkdir,rmdir:on", "sandbox/all:on"} {
			results, before, after := apiAfter(ctx, apiOpen("off", "sandbox/mkdir:off"), command)
			Expect(results).To(Equal([]string{"EBUSY"}), command)
			Expect(apiChanges(before, after)).To(BeEmpty())
		}
		results, before, after := apiAfter(ctx, apiOpen("off"), "sandbox/mkdir:off", "sandbox/mkdir:on", "sandbox/all:on")
		Expect(results).To(Equal([]string{"ok", "ok", "ok"}), "the control")
		Expect(apiChanges(before, after)).To(BeEmpty())
	})

	Spec("CFG-13.8", "is nothing else: the rest of the language works at run time", func(ctx context.Context) {
		commands := []string{"allow/read+/x", "allow/read-/x", "deny/all^/x", "mask+/m", "append+/a", "default/all:allow", "sandbox/mkdir:off", "pid/max:100", "reset", "sandbox/all:off"}
		Expect(apiAsk(ctx, apiOpen("off"), "self", commands...)).To(HaveEach("ok"))
	})
})
