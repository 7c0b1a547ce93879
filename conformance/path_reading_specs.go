// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "syd/conformance/harness"
)

// Where only changes are decided on, opens for reading need not be looked at: a
// flag that changes a file must not slip through with them.
var _ = Describe("a sandbox that decides on changes alone", func() {
	changes := func(rules ...string) []string {
		return append(Rules("sandbox/all:off", "sandbox/write,create,truncate,mktemp:on", "allow/write,create,truncate,mktemp+/***"), Rules(rules...)...)
	}
	denied := func(call string, foreign bool) func(context.Context) {
		return func(ctx context.Context) {
			steps := []string{call + " path=file flags=O_WRONLY", call + " path=file flags=O_RDWR", call + " path=file flags=O_ACCMODE", call + " path=file flags=O_TRUNC",
				call + " path=file flags=O_WRONLY|O_APPEND|O_CLOEXEC", call + " path=link flags=O_RDWR|O_NONBLOCK", call + " path=dir/new flags=O_CREAT mode=644",
				call + " path=dir/new2 flags=O_CREAT|O_EXCL|O_NOFOLLOW mode=644", call + " path=dir flags=O_TMPFILE|O_WRONLY mode=600"}
			t := pathTry{steps: steps, foreign: foreign}
			native, _ := t.run(ctx, nil)
			Expect(pathVerdicts(native)).To(HaveEach(HaveSuffix(" ok")), "%s", native)
			result, state := t.run(ctx, changes("deny/all+"+TempDir()+"/w/***"))
			Expect(pathVerdicts(result)).To(HaveLen(len(steps)), "%s", result)
			Expect(pathVerdicts(result)).To(HaveEach(HaveSuffix(" EACCES")), "%s", result)
			Expect(state).To(ContainElement(ContainSubstring(`changed old "8 bytes: content\n"`)))
		}
	}
	Spec("PTH-01.301", "denies every open that could change a file", denied("openat", false))
	Spec("PTH-01.302", "denies every open(2) that could change a file", denied("open", false), Requires("amd64"))
	Spec("PTH-01.303", "denies every openat2 that could change a file", func(ctx context.Context) {
		t := pathTry{steps: []string{"openat2 path=file flags=O_WRONLY", "openat2 path=file flags=O_RDWR", "openat2 path=file flags=O_TRUNC", "openat2 path=dir/new flags=O_CREAT mode=644"}}
		result, _ := t.run(ctx, changes("deny/all+"+TempDir()+"/w/***"))
		Expect(pathVerdicts(result)).To(Equal([]string{"openat2 EACCES", "openat2 EACCES", "openat2 EACCES", "openat2 EACCES"}), "%s", result)
	})
	Spec("PTH-01.304", "denies every open of a 32-bit program that could change a file", denied("openat", true), Requires("i386"))
	Spec("PTH-01.305", "reads as natively", func(ctx context.Context) {
		pathTry{steps: []string{"openat path=file", "read fd=3", "openat path=dir flags=O_DIRECTORY|O_CLOEXEC", "openat2 path=file", "openat path=file flags=O_PATH", "openat path=missing",
			"openat path=link flags=O_NOFOLLOW", "openat path=unreadable"}}.same(ctx, changes("deny/all+"+TempDir()+"/w/***"))
	})
	Spec("PTH-01.306", "masks files for who reads", func(ctx context.Context) {
		t := pathTry{steps: []string{"openat path=file", "read fd=3", "openat path=other", "read fd=4"}}
		result, _ := t.run(ctx, changes("mask+"+TempDir()+"/w/file"))
		Expect(result.Facts("read.length")).To(Equal([]string{"0", "6"}), "%s", result)
	})
})
