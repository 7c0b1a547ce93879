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

var _ = Describe("a program that hides", func() {
	decided := OnlyExecChdir("allow/exec,chdir+/***")

	Spec("HRD-13.1", "is told that it is not dumpable, and stays what it was", func(ctx context.Context) {
		dumpable := Fixture("process", "dumpable", "0")
		Expect(Native(ctx, dumpable...)).To(And(HaveFact("set", "ok"), HaveFact("is", "0")))
		Expect(Syd(ctx, decided, dumpable...)).To(And(HaveFact("set", "ok"), HaveFact("is", "1")))
	})

	Spec("HRD-13.2", "sets every other value as natively", func(ctx context.Context) {
		for _, value := range []string{"1", "2", "3", "-1", "4294967296"} {
			SameAsNative(ctx, decided, Fixture("process", "dumpable", value)...)
		}
	})

	Spec("HRD-13.3", "still has its paths decided on", func(ctx context.Context) {
		hidden := Fixture("process", append([]string{"hidden-exec"}, Fixture("process", "exit", "5")...)...)
		result, _ := SameAsNative(ctx, decided, hidden...)
		Expect(result).To(And(ExitWith(5), HaveFact("chdir", "ok")))
		denied := Syd(ctx, OnlyExecChdir("allow/exec,chdir+/***", "deny/chdir+/"), hidden...)
		Expect(denied.Fact("chdir")).To(BeDenied("EACCES"))
		Expect(denied).To(ExitWith(5))
	})

	Spec("HRD-13.4", "still has its paths decided on as a program of the other ABI", func(ctx context.Context) {
		hidden := ForeignFixture("process", append([]string{"hidden-exec"}, ForeignFixture("process", "exit", "5")...)...)
		result, _ := SameAsNative(ctx, decided, hidden...)
		Expect(result).To(And(ExitWith(5), HaveFact("chdir", "ok")))
	}, Requires("i386"))

	Spec("HRD-13.5", "has no memory that nobody else can read, as on a kernel without it", func(ctx context.Context) {
		secret := Fixture("process", "memfd-secret")
		Expect(Native(ctx, secret...)).To(HaveFact("memfd_secret", "ok"))
		Expect(Syd(ctx, decided, secret...).Fact("memfd_secret")).To(BeDenied("ENOSYS"))
	}, Requires("memfd_secret"))

	Spec("HRD-13.6", "hides as natively where nothing is decided on", func(ctx context.Context) {
		SameAsNative(ctx, Off, Fixture("process", "dumpable", "0")...)
		SameAsNative(ctx, Off, Fixture("process", "memfd-secret")...)
	})

	Spec("HRD-13.7", "by a file that may be executed and not read is refused", func(ctx context.Context) {
		program := filepath.Join(TempDir(), "unreadable")
		text, err := os.ReadFile(Fixture("process")[0])
		Expect(err).NotTo(HaveOccurred())
		Expect(os.WriteFile(program, text, 0o111)).To(Succeed())
		Expect(Native(ctx, program, "exit", "5")).To(ExitWith(5))
		Expect(Syd(ctx, decided, program, "exit", "5")).To(ExitWith(int(syscall.EACCES)))
	}, Requires("ordinary_user"))
})
