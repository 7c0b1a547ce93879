// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"regexp"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "syd/conformance/harness"
)

var _ = Describe("an append-only file", func() {
	// try makes the steps natively, where they succeed, and with file append-only.
	try := func(ctx context.Context, steps ...string) (Result, []string) {
		GinkgoHelper()
		t := pathTry{steps: steps}
		native, _ := t.run(ctx, nil)
		Expect(native).To(ExitWith(0))
		result, state := t.run(ctx, pathRules("append+"+TempDir()+"/w/file"))
		Expect(execRecords(result)).To(BeEmpty(), "%s", result)
		return result, state
	}
	content := func(text string) OmegaMatcher {
		return ContainElement(And(HavePrefix("/file "), ContainSubstring(text)))
	}
	untouched := content(`changed old "8 bytes: content\n"`)

	Spec("PTH-06.1", "can't be opened for writing without O_APPEND, nor be emptied, by any call, path or link", func(ctx context.Context) {
		steps := []string{"openat path=file flags=O_WRONLY", "openat path=file flags=O_RDWR", "openat path=file flags=O_WRONLY|O_TRUNC", "openat path=file flags=O_WRONLY|O_APPEND|O_TRUNC",
			"openat path=file flags=O_WRONLY|O_CREAT mode=600", "openat2 path=file flags=O_WRONLY", "openat path=link flags=O_WRONLY", "openat path=$W/dir/../file flags=O_WRONLY",
			"truncate path=file n=0", "truncate path=link n=3", "truncate path=file n=100"}
		result, state := try(ctx, steps...)
		Expect(pathVerdicts(result)).To(HaveLen(len(steps)), "%s", result)
		Expect(pathVerdicts(result)).To(HaveEach(HaveSuffix(" EPERM")), "%s", result)
		Expect(state).To(untouched)
	})

	Spec("PTH-06.2", "is read, looked at and written to with O_APPEND as natively", func(ctx context.Context) {
		pathTry{steps: []string{"openat path=file", "read fd=3", "newfstatat path=file", "openat path=file flags=O_WRONLY|O_APPEND", "lseek fd=4 n=0", "write fd=4 value=more",
			"fcntl fd=4 request=F_GETFL", "openat path=file flags=O_WRONLY|O_APPEND|O_CREAT|O_NONBLOCK mode=600", "write fd=5 value=still"}}.
			same(ctx, pathRules("append+"+TempDir()+"/w/file"))
	})

	Spec("PTH-06.3", "can't be opened for reading and writing at once, since it could be mapped shared and writable", func(ctx context.Context) {
		result, state := try(ctx, "openat path=file flags=O_RDWR|O_APPEND", "openat2 path=file flags=O_RDWR|O_APPEND")
		Expect(pathVerdicts(result)).To(Equal([]string{"openat EPERM", "openat2 EPERM"}), "%s", result)
		Expect(state).To(untouched)
	})

	Spec("PTH-06.4", "keeps O_APPEND on its descriptors, which take other flags", func(ctx context.Context) {
		result, state := try(ctx, "openat path=file flags=O_WRONLY|O_APPEND", "fcntl fd=3 request=F_SETFL n=0", "fcntl fd=3 request=F_SETFL n=0x800", "fcntl fd=3 request=F_SETFL n=0xc00",
			"fcntl fd=3 request=F_GETFL", "lseek fd=3 n=0", "write fd=3 value=more", "dup fd=3", "fcntl fd=4 request=F_SETFL n=0")
		Expect(pathVerdicts(result)).To(Equal([]string{"openat ok", "fcntl EPERM", "fcntl EPERM", "fcntl ok", "fcntl ok", "lseek ok", "write ok", "dup ok", "fcntl EPERM"}), "%s", result)
		Expect(result.Facts("fcntl.number")).To(Equal([]string{"0", "35841"}), "%s", result) // O_WRONLY, O_APPEND, O_NONBLOCK, O_LARGEFILE
		Expect(state).To(content(`12 bytes: content\nmore`))
	}, Requires("amd64"))

	Spec("PTH-06.5", "is neither cut, lengthened, nor written over by its descriptors", func(ctx context.Context) {
		result, state := try(ctx, "openat path=file flags=O_WRONLY|O_APPEND", "ftruncate fd=3 n=0", "ftruncate fd=3 n=100", "fallocate fd=3 flags=3 n=0 n2=4", "fallocate fd=3 flags=0 n=0 n2=4096",
			"openat path=/proc/self/fd/3 flags=O_WRONLY", "openat path=/proc/self/fd/3 flags=O_WRONLY|O_TRUNC")
		Expect(pathVerdicts(result)).To(Equal([]string{"openat ok", "ftruncate EPERM", "ftruncate EPERM", "fallocate EPERM", "fallocate EPERM", "openat EPERM", "openat EPERM"}), "%s", result)
		Expect(state).To(content(`8 bytes: content\n`))
	}, Requires("amd64"))

	Spec("PTH-06.6", "is not written over by pwritev2 with RWF_NOAPPEND", func(ctx context.Context) {
		result, state := try(ctx, "openat path=file flags=O_WRONLY|O_APPEND", "pwritev2 fd=3 value=over n=0 flags=0x20", "pwritev2 fd=3 value=more n=0 flags=0")
		Expect(pathVerdicts(result)).To(Equal([]string{"openat ok", "pwritev2 EPERM", "pwritev2 ok"}), "%s", result)
		Expect(state).To(content(`12 bytes: content\nmore`))
	}, Requires("amd64"))

	Spec("PTH-06.7", "is not mapped shared and writable", func(ctx context.Context) {
		steps := []string{"openat path=file flags=O_WRONLY|O_APPEND", "mmap fd=3 size=4096 request=3 flags=1", "openat path=file", "mmap fd=4 size=4096 request=3 flags=1", "mmap fd=4 size=4096 request=1 flags=1"}
		result, state := try(ctx, steps...)
		Expect(pathVerdicts(result)).To(Equal([]string{"openat ok", "mmap EACCES", "openat ok", "mmap EACCES", "mmap ok"}), "%s", result)
		Expect(state).To(content(`8 bytes: content\n`))
	}, Requires("amd64"))

	Spec("PTH-06.8", "leaves other files alone", func(ctx context.Context) {
		pathTry{steps: []string{"openat path=other flags=O_RDWR|O_TRUNC", "write fd=3 value=new", "openat path=other flags=O_WRONLY|O_APPEND", "fcntl fd=4 request=F_SETFL n=0", "fcntl fd=4 request=F_GETFL",
			"ftruncate fd=3 n=1", "truncate path=empty n=5", "fallocate fd=3 flags=0 n=0 n2=64"}}.same(ctx, pathRules("append+"+TempDir()+"/w/file"))
	}, Requires("amd64"))

	Spec("PTH-06.9", "is one by its pattern, and any more while the pattern is there", func(ctx context.Context) {
		root := TempDir() + "/w"
		t := pathTry{steps: []string{"openat path=dir/a flags=O_WRONLY", "openat path=dir/sub/c flags=O_WRONLY", "openat path=dir/new flags=O_WRONLY|O_CREAT mode=644",
			"openat path=dir/new flags=O_WRONLY|O_CREAT|O_APPEND mode=644", "openat path=file flags=O_WRONLY", "mkdir path=dir/made mode=755"}}
		result, _ := t.run(ctx, pathRules("append+"+root+"/dir/***"))
		Expect(pathVerdicts(result)).To(Equal([]string{"openat EPERM", "openat EPERM", "openat EPERM", "openat ok", "openat ok", "mkdir ok"}), "%s", result)
		result, _ = t.run(ctx, pathRules("append+"+root+"/dir/***", "append-"+root+"/dir/***"))
		Expect(pathVerdicts(result)).To(HaveEach(HaveSuffix(" ok")), "%s", result)
	})
})

var pathVerdict = regexp.MustCompile(`^[a-z0-9_]+ (?:ok|E[A-Z0-9]+)$`)

// pathVerdicts are the calls that the fixture made, and ok or the errno of each.
func pathVerdicts(r Result) []string {
	var outcomes []string
	for _, line := range r.Lines() {
		if m := pathVerdict.FindString(line); m != "" {
			outcomes = append(outcomes, m)
		}
	}
	return outcomes
}
