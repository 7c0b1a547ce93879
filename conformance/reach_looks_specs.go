// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"os"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"syd/conformance/capability"
	. "syd/conformance/harness"
)

// Files of /proc/PID that only who may trace the process may read. What
// everybody may read (status, stat, cmdline and the like) is a matter of what
// the sandbox may open at all, and of the rules on paths; so is, for root, what
// the process's owner may write: no kernel asks root for more.
var (
	secretFiles = []string{"mem", "syscall", "personality", "io"}
	secretLinks = []string{"cwd", "root", "exe", "fd/0", "fd/1", "fd/2", "fdinfo/1", "ns/user", "ns/mnt"}
	// To a process with CAP_PERFMON newer kernels give these without asking
	// (kernel/fork.c, may_access_mm): root's come with the rules on paths, too.
	mappingFiles = []string{"maps", "smaps", "environ", "auxv", "pagemap", "map_files"}
	settingFiles = []string{"oom_score_adj", "autogroup", "clear_refs", "coredump_filter"}
)

func procWays(files []string) []string {
	ways := make([]string, len(files))
	for i, file := range files {
		ways[i] = "proc:" + file
	}
	return ways
}

// refused goes the ways to a thread of a witness, where they lead somewhere,
// and to the same thread of syd, where each is refused.
func refused(ctx context.Context, ways []string, options ...LaunchOption) {
	GinkgoHelper()
	control := startWitness(ctx, options...)
	for _, thread := range threads {
		native := control.aimedAt(ctx, thread, ways, options...)
		for _, way := range ways {
			want := "ok"
			if thread == "other" && strings.HasPrefix(way, "proc:fdinfo") {
				want = native.Fact(way)
			}
			Expect(native.Fact(way)).To(Equal(want), "%s, natively: %s", way, thread)
		}
		bothProfiles(func(opts []string) {
			result := aimAtSyd(ctx, opts, thread, ways, options...)
			for _, way := range ways {
				Expect(result.Fact(way)).To(BeElementOf("EPERM", "EACCES", "ESRCH"), "%s: %s", way, thread)
			}
		})
	}
}

var _ = Describe("a process of the sandbox", func() {
	for _, row := range []struct {
		id, way    string
		decorators []any
	}{
		{"PRC-04.20", "PTRACE_ATTACH", nil},
		{"PRC-04.21", "PTRACE_SEIZE", nil},
		{"PRC-04.22", "process_vm_readv", nil},
		{"PRC-04.23", "process_vm_writev", nil},
		{"PRC-04.24", "kcmp", nil},
		{"PRC-04.25", "pidfd_getfd", nil},
		{"PRC-04.26", "setns", []any{RootOnly}},
		{"PRC-04.27", "move_pages", nil},
		{"PRC-04.28", "migrate_pages", nil},
		{"PRC-04.29", "get_robust_list", nil},
		{"PRC-04.30", "perf_event_open", []any{Requires("perf_events")}},
	} {
		decorators := append([]any{Requires("landlock_scope_signal")}, row.decorators...)
		Spec(row.id, "can't reach a thread of syd by "+row.way, func(ctx context.Context) {
			refused(ctx, []string{row.way})
		}, decorators...)
	}

	Spec("PRC-04.31", "can't reach syd by any of these from a program of the other ABI", func(ctx context.Context) {
		ways := []string{"PTRACE_ATTACH", "PTRACE_SEIZE", "process_vm_readv", "process_vm_writev", "kcmp",
			"pidfd_getfd", "move_pages", "migrate_pages", "get_robust_list", "perf_event_open"}
		for _, thread := range threads {
			result := aimWith(ctx, ForeignFixture("reach"), Off, thread, ways)
			for _, way := range ways {
				Expect(result.Fact(way)).To(BeElementOf("EPERM", "EACCES", "ESRCH"), way)
			}
		}
	}, Requires("landlock_scope_signal", "i386"))

	Spec("PRC-04.32", "can't read the files of syd and its threads that tell what it does", func(ctx context.Context) {
		refused(ctx, procWays(secretFiles))
	}, Requires("landlock_scope_signal"))

	Spec("PRC-04.33", "can't follow the links of syd and its threads, nor look at a descriptor", func(ctx context.Context) {
		refused(ctx, procWays(secretLinks))
	}, Requires("landlock_scope_signal"))

	Spec("PRC-04.34", "can't read the kernel stack of syd's threads", func(ctx context.Context) {
		refused(ctx, procWays([]string{"stack"}))
	}, Requires("landlock_scope_signal"), RootOnly)

	Spec("PRC-04.35", "can't read the mappings of an ordinary user's syd", func(ctx context.Context) {
		refused(ctx, procWays(mappingFiles), lone(1)...)
	}, Requires("landlock_scope_signal"))

	Spec("PRC-04.65", "can't write to the files of an ordinary user's syd", func(ctx context.Context) {
		there := slices.DeleteFunc(slices.Clone(settingFiles), func(name string) bool {
			_, err := os.Stat("/proc/self/" + name) // not every kernel has all of them
			return err != nil
		})
		refused(ctx, procWays(there), lone(4)...)
	})

	Spec("PRC-04.36", "can look into a member as natively, by a call or a file", func(ctx context.Context) {
		cmd := []string{"pair", "process_vm_readv", "process_vm_writev", "kcmp", "pidfd_getfd", "move_pages",
			"migrate_pages", "get_robust_list"}
		if answer, err := capability.Ask("perf_events"); err == nil && answer.OK {
			cmd = append(cmd, "perf_event_open")
		}
		cmd = append(append(cmd, procWays(secretFiles)...), procWays(append(secretLinks, mappingFiles...))...)
		bothProfiles(func(opts []string) {
			_, native := SameAsNative(ctx, opts, Fixture("reach", cmd...)...)
			for _, way := range cmd[1:] {
				Expect(native).To(HaveFact(way, "ok"))
			}
		})
	})
})
