// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "syd/conformance/harness"
)

// pathNames are what generated calls are about: few, so that they meet. The calls
// are made natively, too, and by root: no name and no text of a symlink may lead
// out of the tree, whatever becomes of it. So there is no `..` and no other
// absolute path than the tree's own.
var pathNames = []string{"file", "dir", "dir/a", "dir/sub", "link", "dirlink", "dirlink/a", "dangling", "closed", "new", "new2", "dir/new", "new/x", ".", "dir/.", "dir/sub/c", "new/", "loop", "fifo", "hard", "$W/other", "setgid/y", "missing/z", ""}

// pathGenerators make a step of two names and a number.
var pathGenerators = []func(a, b string, n int) string{
	func(a, b string, n int) string {
		flags := []string{"O_RDONLY", "O_WRONLY", "O_RDWR", "O_CREAT|O_RDWR", "O_CREAT|O_EXCL|O_WRONLY", "O_RDWR|O_TRUNC", "O_WRONLY|O_APPEND", "O_DIRECTORY", "O_NOFOLLOW", "O_CREAT|O_WRONLY|O_TRUNC|O_CLOEXEC"}
		return fmt.Sprintf("openat path=%s flags=%s|O_NONBLOCK mode=%o", a, flags[n%len(flags)], []int{0o644, 0o600, 0o4755, 0o777, 0}[n%5])
	},
	func(a, b string, n int) string {
		return fmt.Sprintf("openat2 path=%s flags=O_NONBLOCK resolve=%d", a, []int{0, 4, 8, 16}[n%4])
	},
	func(a, b string, n int) string {
		return fmt.Sprintf("openat path=%s flags=O_TMPFILE|O_RDWR mode=640", a)
	},
	func(a, b string, n int) string {
		return "newfstatat path=" + a + []string{"", " flags=AT_SYMLINK_NOFOLLOW"}[n%2]
	},
	func(a, b string, n int) string { return "statx path=" + a },
	func(a, b string, n int) string {
		return "faccessat2 path=" + a + " want=" + []string{"R_OK", "W_OK", "X_OK", "F_OK"}[n%4]
	},
	func(a, b string, n int) string { return "readlinkat path=" + a },
	func(a, b string, n int) string { return fmt.Sprintf("truncate path=%s n=%d", a, n%20-2) },
	func(a, b string, n int) string {
		return fmt.Sprintf("mkdirat path=%s mode=%o", a, []int{0o755, 0o700, 0o1777, 0o2755}[n%4])
	},
	func(a, b string, n int) string {
		return fmt.Sprintf("mknodat path=%s kind=%s mode=644", a, []string{"reg", "fifo", "sock"}[n%3])
	},
	func(a, b string, n int) string { return "symlinkat path=" + a + " to=" + b },
	func(a, b string, n int) string {
		return "linkat path=" + a + " to=" + b + []string{"", " flags=AT_SYMLINK_FOLLOW"}[n%2]
	},
	func(a, b string, n int) string {
		return "unlinkat path=" + a + []string{"", " flags=AT_REMOVEDIR"}[n%2]
	},
	func(a, b string, n int) string {
		return "renameat2 path=" + a + " to=" + b + []string{"", " flags=RENAME_NOREPLACE", " flags=RENAME_EXCHANGE"}[n%3]
	},
	func(a, b string, n int) string {
		return fmt.Sprintf("fchmodat path=%s mode=%o", a, []int{0o644, 0o755, 0o7777, 0o600}[n%4])
	},
	func(a, b string, n int) string { return fmt.Sprintf("utimensat path=%s atime=%d mtime=%d", a, n, n+1) },
	func(a, b string, n int) string { return fmt.Sprintf("umask mode=%o", []int{0, 0o22, 0o77}[n%3]) },
	func(a, b string, n int) string {
		return "chdir path=" + []string{"dir", "$W", ".", "$W/dir/sub", "new"}[n%5]
	},
	func(a, b string, n int) string { return fmt.Sprintf("close fd=%d", 3+n%6) },
	func(a, b string, n int) string { return fmt.Sprintf("write fd=%d value=written", 3+n%6) },
	func(a, b string, n int) string { return fmt.Sprintf("read fd=%d size=%d", 3+n%6, n%9) },
	func(a, b string, n int) string { return fmt.Sprintf("fstat fd=%d", 3+n%6) },
	func(a, b string, n int) string { return fmt.Sprintf("ftruncate fd=%d n=%d", 3+n%6, n%9) },
	func(a, b string, n int) string { return fmt.Sprintf("getdents64 fd=%d", 3+n%6) },
	func(a, b string, n int) string { return fmt.Sprintf("fchmod fd=%d mode=640", 3+n%6) },
	func(a, b string, n int) string {
		return fmt.Sprintf("openat dir=%d path=%s flags=O_NONBLOCK", 3+n%6, a)
	},
	func(a, b string, n int) string {
		return fmt.Sprintf("newfstatat dir=%d path= flags=AT_EMPTY_PATH", 3+n%6)
	},
}

// pathSequence is so many generated steps.
func pathSequence(random *rand.Rand, length int) []string {
	name := func() string { return pathNames[random.IntN(len(pathNames))] }
	steps := make([]string, length)
	for i := range steps {
		steps[i] = pathGenerators[random.IntN(len(pathGenerators))](name(), name(), random.IntN(1000))
		if strings.Contains(steps[i], "..") || strings.Contains(steps[i], "=/") {
			panic("a generated call that may leave the tree: " + steps[i])
		}
	}
	return steps
}

// pathDiffers says how the steps differ between a native and a sandboxed run, ""
// if they don't. Numbers of inodes are used again as chance will have it.
func pathDiffers(ctx context.Context, steps []string) string {
	GinkgoHelper()
	t := pathTry{steps: steps}
	seen := func(opts []string) (Result, []string) {
		result, state := t.run(ctx, opts)
		all := result.Lines()
		for i, line := range all {
			all[i], _, _ = strings.Cut(line, " ino:")
		}
		return result, append(append(all, fmt.Sprint("status ", result.Status)), state...)
	}
	_, native := seen(nil)
	result, sandboxed := seen(pathEverything)
	for i := range min(len(native), len(sandboxed)) {
		if native[i] != sandboxed[i] {
			return fmt.Sprintf("natively %q, sandboxed %q", native[i], sandboxed[i])
		}
	}
	if len(native) != len(sandboxed) {
		return fmt.Sprintf("natively %d lines, sandboxed %d\n%s", len(native), len(sandboxed), result)
	}
	return ""
}

// pathShrink is the fewest of the steps of which wrong still holds, as far as
// leaving out parts of them tells.
func pathShrink(steps []string, wrong func([]string) bool) []string {
	for size := len(steps) / 2; size > 0; size /= 2 {
		for at := 0; at+size <= len(steps); {
			if fewer := slices.Concat(steps[:at], steps[at+size:]); len(fewer) > 0 && wrong(fewer) {
				steps = fewer
			} else {
				at += size
			}
		}
	}
	return steps
}

// pathSequences tries so many sequences and fails with the shortest that differs.
func pathSequences(ctx context.Context, seed uint64, count, length int) {
	GinkgoHelper()
	for i := range count {
		steps := pathSequence(rand.New(rand.NewPCG(seed, uint64(i))), length)
		if pathDiffers(ctx, steps) == "" {
			continue
		}
		steps = pathShrink(steps, func(steps []string) bool { return pathDiffers(ctx, steps) != "" })
		Expect(pathDiffers(ctx, steps)).To(BeEmpty(), "sequence %d of seed %d, shrunk:\n  path show '%s'", i, seed, strings.Join(steps, "' '"))
	}
}

var _ = Describe("a sequence of calls on files that chance has made", func() {
	for seed := range uint64(4) {
		Spec(fmt.Sprintf("PTH-04.%d", 201+seed), fmt.Sprintf("ends as natively, call by call: seed %d", seed+1), func(ctx context.Context) {
			pathSequences(ctx, seed+1, 10, 40)
		}, TimeLimit(time.Minute))
	}

	Spec("PTH-04.205", "ends as natively with a seed of its own in each run", func(ctx context.Context) {
		pathSequences(ctx, uint64(GinkgoRandomSeed()), 10, 40)
	}, TimeLimit(time.Minute))

	Spec("PTH-04.206", "ends as natively in thousands of calls", func(ctx context.Context) {
		pathSequences(ctx, uint64(GinkgoRandomSeed())+1, 1000, 60)
	}, Slow, TimeLimit(10*time.Minute))

	Spec("PTH-04.207", "is shrunk to the calls that matter", func(context.Context) {
		steps := pathSequence(rand.New(rand.NewPCG(7, 7)), 20)
		Expect(steps).To(Equal(pathSequence(rand.New(rand.NewPCG(7, 7)), 20)), "the same seed makes the same sequence")
		first, second := "openat path=first", "openat path=second"
		steps = slices.Concat(steps[:5], []string{first}, steps[5:], []string{second})
		wrong := func(steps []string) bool { return slices.Contains(steps, first) && slices.Contains(steps, second) }
		Expect(pathShrink(steps, wrong)).To(Equal([]string{first, second}))
	})
})
