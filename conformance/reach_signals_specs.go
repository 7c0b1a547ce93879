// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"fmt"
	"os"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "syd/conformance/harness"
)

// Ways to send a signal, and what the receiver finds in its siginfo: si_code,
// and the sender, which SIGIO has none of.
var signalWays = []struct {
	id, way, code string
	directed      bool // to a thread
	group         bool // to all of the receiver's group
}{
	{"PRC-04.1", "kill", "0", false, false},
	{"PRC-04.2", "tkill", "-6", true, false},
	{"PRC-04.3", "tgkill", "-6", true, false},
	{"PRC-04.4", "rt_sigqueueinfo", "-1", false, false},
	{"PRC-04.5", "rt_tgsigqueueinfo", "-1", true, false},
	{"PRC-04.6", "pidfd_send_signal", "0", false, false},
	{"PRC-04.7", "pidfd_send_signal-thread", "-6", true, false},
	{"PRC-04.8", "F_SETOWN", "1", false, false},
	{"PRC-04.9", "F_SETOWN-group", "1", false, true},
	{"PRC-04.10", "F_SETOWN_EX-tid", "1", true, false},
	{"PRC-04.11", "F_SETOWN_EX-pid", "1", false, false},
	{"PRC-04.12", "F_SETOWN_EX-group", "1", false, true},
	{"PRC-04.13", "FIOSETOWN", "1", false, false},
	{"PRC-04.14", "SIOCSPGRP", "1", false, false},
}

var _ = Describe("a signal from the sandbox", func() {
	for _, row := range signalWays {
		decorators := []any{Requires("landlock_scope_signal")}
		if row.way == "pidfd_send_signal-thread" {
			decorators = append(decorators, Requires("pidfd_thread"))
		}
		Spec(row.id, "by "+row.way+" reaches no thread of syd", func(ctx context.Context) {
			control := startWitness(ctx)
			for _, thread := range threads {
				Expect(control.aimedAt(ctx, thread, []string{row.way})).To(HaveFact(row.way, "ok"))
				fact := control.tells(ctx)
				Expect(fact).To(HavePrefix("SIGUSR1 by "))
				if row.directed {
					Expect(fact).To(HavePrefix("SIGUSR1 by " + thread))
				}
				Expect(fact).To(ContainSubstring(" code " + row.code + " "))
			}
			want := "EPERM"
			if row.code == "1" {
				want = "ok" // to name an owner is free, the signal doesn't come
			}
			bothProfiles(func(opts []string) {
				if row.group { // the sender is in it too: syd lives to tell its death
					Expect(Syd(ctx, opts, Fixture("reach", "shot", row.way, "SIGKILL")...)).To(DieOf(syscall.SIGKILL))
					return
				}
				for _, thread := range threads {
					Expect(aimAtSyd(ctx, opts, thread, []string{row.way})).To(HaveFact(row.way, want), thread)
				}
			})
		}, decorators...)
	}

	Spec("PRC-04.15", "by no way there is reaches it from a program of the other ABI", func(ctx context.Context) {
		var ways []string
		for _, row := range signalWays {
			if !row.group {
				ways = append(ways, row.way)
			}
		}
		for _, thread := range threads {
			result := aimWith(ctx, ForeignFixture("reach"), Off, thread, ways)
			for _, way := range ways {
				Expect(result.Fact(way)).To(BeElementOf("EPERM", "ok"), way)
			}
			Expect(result.Fact("kill")).To(BeDenied("EPERM"))
		}
	}, Requires("landlock_scope_signal", "i386"))

	Spec("PRC-04.16", "reaches a member by every way, as natively", func(ctx context.Context) {
		cmd := []string{"pair"}
		for _, row := range signalWays {
			cmd = append(cmd, row.way)
		}
		bothProfiles(func(opts []string) {
			_, native := SameAsNative(ctx, opts, Fixture("reach", cmd...)...)
			Expect(native.Facts("member 1 taken SIGUSR1")).To(HaveLen(len(signalWays)))
		})
	}, Requires("pidfd_thread"))
})

var _ = Describe("a signal to a group that syd is in", func() {
	members := func(result Result, first, uid int) {
		GinkgoHelper()
		for member := first; member <= 5; member++ {
			Expect(result).To(SayLine(fmt.Sprintf("member %d taken SIGUSR1 code 0 sender right uid %d", member, uid)))
		}
	}

	for _, row := range []struct{ id, how, text string }{
		{"PRC-04.17", "zero", "by kill(0) reaches each member with its sender, and not syd"},
		{"PRC-04.18", "number", "by kill(-PGRP) reaches each member with its sender, and not syd"},
	} {
		Spec(row.id, row.text, func(ctx context.Context) {
			members(Native(ctx, Fixture("reach", "group", row.how, "SIGUSR1", "5")...), 0, os.Getuid())
			Expect(Native(ctx, Fixture("reach", "shot", row.how, "SIGKILL")...)).To(BeKilledBy(syscall.SIGKILL), "the control")
			bothProfiles(func(opts []string) {
				result, _ := SameAsNative(ctx, opts, Fixture("reach", "group", row.how, "SIGUSR1", "5")...)
				members(result, 0, os.Getuid())
				Expect(result).To(ExitWith(21))
				// Nothing outlives SIGKILL: the status is syd's own word for the eldest's death.
				Expect(Syd(ctx, opts, Fixture("reach", "shot", row.how, "SIGKILL")...)).To(DieOf(syscall.SIGKILL))
			})
		}, Requires("landlock_scope_signal"))
	}

	Spec("PRC-04.19", "by kill(-1) reaches each member with its sender, and not syd", func(ctx context.Context) {
		alone := func(cmd ...string) []string {
			return Fixture("fork", append([]string{"namespace", "0"}, cmd...)...)
		}
		group := Fixture("reach", "group", "everyone", "SIGUSR1", "5")
		shot := Fixture("reach", "shot", "everyone", "SIGKILL")
		control := Native(ctx, alone(group...)...)
		members(control, 1, 0) // root of its user namespace at least
		bothProfiles(func(opts []string) {
			syd := append(append([]string{Build()}, opts...), "--")
			result := Native(ctx, alone(append(syd, group...)...)...)
			Expect(result.Lines()).To(Equal(control.Lines()))
			Expect(result).To(ExitWith(21))
			result = Native(ctx, alone(append(syd, shot...)...)...)
			Expect(result).To(HaveFact("kill", "ok"))
			Expect(result).To(HaveFact("member", "signal SIGKILL"))
			Expect(result).To(ExitWith(21), "status of syd, which lives on")
		})
	}, Requires("landlock_scope_signal", "pid_namespaces"))
})
