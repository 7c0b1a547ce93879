// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "syd/conformance/harness"
)

// cloneOf is the fixture that calls clone(2) with these flags, as a program of
// the machine's own ABI.
func cloneOf(flags ...string) []string {
	return Fixture("fork", append([]string{"clone"}, flags...)...)
}

var _ = Describe("clone(2)", func() {
	escapes := []string{
		"untraced+sigchld", "ptrace+sigchld", "untraced", "ptrace", "untraced+ptrace+files+fs", "untraced+sigusr1",
	}

	Spec("EVT-FRK-04.1", "with CLONE_UNTRACED or CLONE_PTRACE is EPERM, in every profile", func(ctx context.Context) {
		control := Native(ctx, cloneOf(escapes...)...)
		for _, flags := range escapes {
			Expect(control.Fact("clone " + flags)).To(Equal("ok"))
		}
		bothProfiles(func(opts []string) {
			result := Syd(ctx, opts, cloneOf(escapes...)...)
			for _, flags := range escapes {
				Expect(result.Fact("clone "+flags)).To(BeDenied("EPERM"), flags)
			}
		})
	}, Smoke)

	Spec("EVT-FRK-04.2", "with them is EPERM although bits that the kernel does not read are set", func(ctx context.Context) {
		flags := []string{"untraced+sigchld+high", "ptrace+sigchld+high"}
		control := Native(ctx, cloneOf(append(flags, "sigchld+high")...)...)
		Expect(control.Lines()).NotTo(ContainElement(ContainSubstring(" E")))
		bothProfiles(func(opts []string) {
			result := Syd(ctx, opts, cloneOf(append(flags, "sigchld+high")...)...)
			for _, row := range flags {
				Expect(result.Fact("clone "+row)).To(BeDenied("EPERM"), row)
			}
			Expect(result).To(SayLine("clone sigchld+high ok"))
		})
	})

	Spec("EVT-FRK-04.3", "with them is EPERM for another thread than the leader, for a child and after an exec", func(ctx context.Context) {
		bothProfiles(func(opts []string) {
			threaded := Syd(ctx, opts, cloneOf("by-thread", "untraced+sigchld", "ptrace+sigchld", "sigchld")...)
			Expect(threaded.Fact("clone untraced+sigchld")).To(BeDenied("EPERM"))
			Expect(threaded.Fact("clone ptrace+sigchld")).To(BeDenied("EPERM"))
			Expect(threaded).To(SayLine("clone sigchld ok"))
			child := Syd(ctx, opts, append(Fixture("process", "fork-exec"), cloneOf("untraced+sigchld")...)...)
			Expect(child.Fact("clone untraced+sigchld")).To(BeDenied("EPERM"))
		})
	})

	Spec("EVT-FRK-04.4", "with them is EPERM for a program of the other ABI, and clone3 is ENOSYS", func(ctx context.Context) {
		flags := []string{"clone", "untraced+sigchld", "ptrace+sigchld", "sigchld"}
		Expect(Native(ctx, ForeignFixture("fork", flags...)...)).To(SayLine("clone untraced+sigchld ok"))
		bothProfiles(func(opts []string) {
			result := Syd(ctx, opts, ForeignFixture("fork", flags...)...)
			Expect(result.Fact("clone untraced+sigchld")).To(BeDenied("EPERM"))
			Expect(result.Fact("clone ptrace+sigchld")).To(BeDenied("EPERM"))
			Expect(result).To(SayLine("clone sigchld ok"))
			three := Syd(ctx, opts, ForeignFixture("fork", "clone3", "good", "untraced")...)
			Expect(three.Fact("clone3 good")).To(BeDenied("ENOSYS"))
			Expect(three.Fact("clone3 untraced")).To(BeDenied("ENOSYS"))
		})
	}, Requires("i386"))

	Spec("EVT-FRK-04.5", "with any other flags is as natively", func(ctx context.Context) {
		bothProfiles(func(opts []string) {
			result, _ := SameAsNative(ctx, opts, cloneOf("sigchld", "sigchld+files", "sigchld+fs", "sigchld+io",
				"sigchld+sysvsem", "sigusr1", "files+fs", "thread-alone", "sighand-alone")...)
			Expect(result).To(SayLine("sigchld exit 7"))
		})
	})

	Spec("EVT-FRK-04.6", "that makes a thread and names an exit signal all the same is as natively", func(ctx context.Context) {
		bothProfiles(func(opts []string) {
			for _, sig := range []string{"SIGCHLD", "SIGUSR1", "0"} {
				result, _ := SameAsNative(ctx, opts, Fixture("fork", "thread-signal", sig)...)
				Expect(result).To(SayLine("thread ran yes"))
			}
		})
	}, Clauses("EVT-FRK-01"))
})

var _ = Describe("clone3(2)", func() {
	Spec("EVT-FRK-04.7", "is ENOSYS, well or badly called, in every profile", func(ctx context.Context) {
		cmd := Fixture("fork", "clone3", "good", "untraced", "short", "null")
		control := Native(ctx, cmd...)
		Expect(control).To(SayLine("clone3 good ok"))
		Expect(control).To(SayLine("clone3 untraced ok"))
		bothProfiles(func(opts []string) {
			result := Syd(ctx, opts, cmd...)
			for _, how := range []string{"good", "untraced", "short", "null"} {
				Expect(result.Fact("clone3 "+how)).To(BeDenied("ENOSYS"), how)
			}
		})
	}, Smoke, Requires("clone3"))

	Spec("EVT-FRK-04.8", "is not missed by libc: threads and posix_spawn work without it", func(ctx context.Context) {
		bothProfiles(func(opts []string) {
			SameAsNative(ctx, opts, Fixture("fork", "spawn", "/bin/true")...)
			SameAsNative(ctx, opts, Fixture("fork", "live-threads", "20")...)
			SameAsNative(ctx, opts, "sh", "-c", "echo a | cat | cat; (exit 3); echo $?")
		})
	})
})
