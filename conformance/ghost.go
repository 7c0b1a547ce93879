// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "syd/conformance/harness"
)

// emulated has every call on a path made by the supervisor, and nothing denied
// that a program here asks for; rules come behind.
func emulated(rules ...string) []string {
	return Rules(append([]string{"allow/all+/***", "deny/all+/nowhere/***"}, rules...)...)
}

// ghostly is a sandbox that may be asked for ghost mode.
func ghostly(rules ...string) []string { return emulated(append([]string{"lock:off"}, rules...)...) }

// askers are who asks for ghost mode.
var askers = []string{"self", "thread", "child", "grandchild", "vfork", "late"}

// haunted runs the fixture in a sandbox where its request is granted. The control
// is a sandbox that is locked, where it is refused.
func haunted(ctx context.Context, args ...string) Result {
	GinkgoHelper()
	result := Syd(ctx, ghostly(), Fixture("ghost", args...)...)
	Expect(result.Facts("ghost")).To(ContainElement("ok"), "%s", result)
	return result
}

// threadsNamed is how many threads of a process have this name.
func threadsNamed(pid int, name string) (count int) {
	GinkgoHelper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	Expect(err).NotTo(HaveOccurred())
	for _, entry := range entries {
		// It may be gone by now.
		if comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/comm", pid, entry.Name())); err == nil && strings.TrimSpace(string(comm)) == name {
			count++
		}
	}
	return count
}

const receiverThread = "syd_receiver"

// pathFacts are the calls on paths of `ghost calls`.
var pathFacts = []string{"open", "openat", "create", "stat", "lstat", "access", "readlink", "statfs", "mkdir", "symlink", "rename",
	"link", "chmod", "truncate", "utimes", "mkfifo", "unlink", "rmdir"}

// callsAfter is what calls give after who asked for ghost mode, and what the same
// ones give when nobody does.
func callsAfter(ctx context.Context, who string) (after, control Result) {
	GinkgoHelper()
	run := func(who string) Result {
		return With(Dir(fresh())).Syd(ctx, ghostly(), Fixture("ghost", "calls", who)...)
	}
	after, control = run(who), run("nobody")
	Expect(after).To(SatisfyAll(ExitWith(0), HaveFact("ghost", "ok")))
	Expect(control).To(ExitWith(0))
	for _, name := range pathFacts {
		Expect(control.Fact(name)).To(Equal("ok"), name)
	}
	return after, control
}

// opensInGhost is what opens of FIFOs give that wait when ghost mode comes. The
// control is that they do wait: the fixture begins only then.
func opensInGhost(ctx context.Context, kind string, n int, who string) {
	GinkgoHelper()
	began := time.Now()
	result := haunted(ctx, "blocked", kind, strconv.Itoa(n), who)
	Expect(result).To(SatisfyAll(ExitWith(0), HaveFact("blocked", strconv.Itoa(n))))
	Expect(result).To(SatisfyAll(HaveFact("ENOSYS", strconv.Itoa(n)), HaveFact("otherwise", "0")))
	Expect(time.Since(began)).To(BeNumerically("<", Bound(10*time.Second)))
}

// refusedGhost expects the request to find nothing, and calls to be made as before.
func refusedGhost(ctx context.Context, opts []string, who string) {
	GinkgoHelper()
	result := Syd(ctx, opts, Fixture("ghost", "judged", who, TempDir())...)
	Expect(result.Fact("ghost")).To(BeDenied("ENOENT"))
	next := Syd(ctx, opts, Fixture("ghost", "next")...)
	Expect(next).To(HaveFact("open", map[bool]string{true: "ENOSYS", false: "ok"}[next.Fact("ghost") == "ok"]))
}
