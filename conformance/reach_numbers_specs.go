// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"slices"
	"strconv"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "syd/conformance/harness"
)

// The answers for a number that is nobody's, and for somebody else's process.
var (
	noSuch   = []string{"ESRCH", "EPERM", "EACCES"}
	notYours = []string{"EPERM", "EACCES"}
)

// Calls that name a process by its number and change or tell how it is
// scheduled or limited; what the witness says of itself once one was made.
var numberWays = []struct {
	id, way, changes string
	want             []string
}{
	{"PRC-04.40", "prlimit64-get", "", noSuch},
	{"PRC-04.41", "prlimit64-set", "stack 4096", noSuch},
	{"PRC-04.42", "sched_getaffinity", "", noSuch},
	{"PRC-04.43", "sched_setaffinity", "cpus 1 ", noSuch},
	{"PRC-04.44", "sched_getscheduler", "", noSuch},
	{"PRC-04.45", "sched_setscheduler", "policy 3 ", noSuch},
	{"PRC-04.46", "sched_getparam", "", noSuch},
	{"PRC-04.47", "sched_setparam", "", noSuch},
	{"PRC-04.48", "sched_getattr", "", noSuch},
	{"PRC-04.49", "sched_setattr", "policy 3 ", noSuch},
	{"PRC-04.50", "sched_rr_get_interval", "", noSuch},
	{"PRC-04.51", "setpriority", "nice 7 ", noSuch},
	{"PRC-04.52", "setpriority-group", "nice 7 ", notYours},
	{"PRC-04.53", "ioprio_set", "ioprio 16391 ", noSuch},
	{"PRC-04.54", "ioprio_set-group", "ioprio 16391 ", notYours},
}

// ownGroupWays mean the caller's group, by the number 0.
var ownGroupWays = []string{"setpriority-own-group", "ioprio_set-own-group"}

func numberWayNames() []string {
	var names []string
	for _, row := range numberWays {
		names = append(names, row.way)
	}
	return names
}

// changed aims a way at a thread of a new witness and expects the change.
func changed(ctx context.Context, thread, way, changes string, options ...LaunchOption) {
	GinkgoHelper()
	control := startWitness(ctx, options...)
	before := control.state(ctx, thread)
	Expect(control.aimedAt(ctx, thread, []string{way}, options...)).To(HaveFact(way, "ok"))
	if changes != "" {
		Expect(before).NotTo(ContainSubstring(changes))
		Expect(control.state(ctx, thread)).To(ContainSubstring(changes))
	}
}

var _ = Describe("a process of the sandbox", func() {
	for _, row := range numberWays {
		var decorators []any
		if row.way == "sched_setaffinity" {
			decorators = []any{Requires("two_cpus")}
		}
		Spec(row.id, "can't reach a thread of syd by "+row.way, func(ctx context.Context) {
			for _, thread := range threads {
				changed(ctx, thread, row.way, row.changes)
				bothProfiles(func(opts []string) {
					Expect(aimAtSyd(ctx, opts, thread, []string{row.way}).Fact(row.way)).To(BeElementOf(row.want), thread)
				})
			}
		}, decorators...)
	}

	Spec("PRC-04.55", "can't re-nice the group that it shares with syd", func(ctx context.Context) {
		native := startWitness(ctx).aimedAt(ctx, "main", ownGroupWays)
		bothProfiles(func(opts []string) {
			result := aimAtSyd(ctx, opts, "main", ownGroupWays)
			for _, way := range ownGroupWays {
				Expect(native).To(HaveFact(way, "ok"))
				Expect(result.Fact(way)).To(BeElementOf(notYours), way)
			}
		})
	})

	for i, row := range []struct{ id, way, changes string }{
		{"PRC-04.56", "setpriority-user", "nice 7 "},
		{"PRC-04.57", "setpriority-own-user", "nice 7 "},
		{"PRC-04.58", "ioprio_set-user", "ioprio 16391 "},
	} {
		// Only root can become a user that no other spec is.
		Spec(row.id, "can't reach syd by "+row.way, func(ctx context.Context) {
			user := lone(10 + i)
			changed(ctx, "main", row.way, row.changes, user...)
			changed(ctx, "other", row.way, row.changes, user...)
			bothProfiles(func(opts []string) {
				Expect(aimAtSyd(ctx, opts, "main", []string{row.way}, user...).Fact(row.way)).To(BeElementOf(notYours))
			})
		}, RootOnly)
	}

	Spec("PRC-04.59", "can't reach syd by any of these from a program of the other ABI", func(ctx context.Context) {
		ways := append(numberWayNames(), append(ownGroupWays, "sched_rr_get_interval_time64")...)
		for _, thread := range threads {
			result := aimWith(ctx, ForeignFixture("reach"), Off, thread, ways)
			for _, way := range ways {
				Expect(result.Fact(way)).To(BeElementOf(noSuch), "%s: %s", way, thread)
			}
		}
	}, Requires("i386"))

	Spec("PRC-04.60", "reaches a member by all of these as natively, in a program of either ABI", func(ctx context.Context) {
		for _, fixture := range [][]string{Fixture("reach", "pair"), ForeignFixture("reach", "pair")} {
			cmd := append(fixture, numberWayNames()...)
			bothProfiles(func(opts []string) {
				_, native := SameAsNative(ctx, opts, cmd...)
				Expect(native.Fact("state")).To(HavePrefix("nice 7 "))
				for _, way := range numberWayNames() {
					Expect(native).To(HaveFact(way, "ok"))
				}
			})
		}
	}, Requires("i386"))

	Spec("PRC-04.61", "reaches, in a PID namespace, a member that has the number of syd there", func(ctx context.Context) {
		ways := slices.DeleteFunc(numberWayNames(), func(way string) bool { return way == "setpriority-group" || way == "ioprio_set-group" })
		bothProfiles(func(opts []string) {
			_, native := SameAsNative(ctx, opts, Fixture("reach", append([]string{"namesake"}, ways...)...)...)
			for _, way := range ways {
				Expect(native).To(HaveFact(way, "ok"))
			}
		})
	}, Requires("ns_last_pid"))

	Spec("PRC-04.62", "can't re-nice the group that it shares with syd from a PID namespace either", func(ctx context.Context) {
		cmd := Fixture("fork", append([]string{"namespace", "0"}, Fixture("reach",
			append([]string{"try", "2", "main", "0", "0"}, ownGroupWays...)...)...)...)
		native := With(Stdin("\n\n")).Native(ctx, cmd...)
		bothProfiles(func(opts []string) {
			run := With(Interactive()).Start(ctx, opts, cmd...)
			run.WaitLine(ctx, "ready")
			before := condition(run)
			run.Send("\n")
			run.WaitLine(ctx, "done")
			Expect(condition(run)).To(HaveKeyWithValue(strconv.Itoa(run.PID()), before[strconv.Itoa(run.PID())]))
			run.Send("\n")
			result := run.Wait(ctx)
			for _, way := range ownGroupWays {
				Expect(native).To(HaveFact(way, "ok"))
				Expect(result.Fact(way)).To(BeElementOf(notYours), way)
			}
		})
	}, Requires("pid_namespaces"))

	Spec("PRC-04.63", "lives on when a thread executes a program while its leader makes such calls", func(ctx context.Context) {
		_, native := SameAsNative(ctx, Off, Fixture("reach", "exec-beside", "300")...)
		Expect(native).To(SayLine("executed 300 of 300"))
	}, Stress)
})
