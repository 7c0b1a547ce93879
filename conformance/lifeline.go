// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	. "syd/conformance/harness"
)

// launchEverything intercepts what this version can intercept, and allows it.
var launchEverything = OnlyExecChdir("allow/exec,chdir+/***")

// launchProfiles is under what a fact of a start has to hold.
var launchProfiles = [][]string{Off, launchEverything}

// A lifeline is a pipe whose write end is inherited by a command and all that
// comes of it: it is cut when the last of them that has not closed it is dead.
// Zombies hold no descriptors; sleeping, running and stopped processes do.
type lifeline struct{ near, far *os.File }

func newLifeline() *lifeline {
	GinkgoHelper()
	near, far, err := os.Pipe()
	Expect(err).NotTo(HaveOccurred())
	return &lifeline{near, far}
}

// held closes this side's copy of the far end; it comes after the start.
func (l *lifeline) held() { l.far.Close() }

// cut says whether nobody holds the far end.
func (l *lifeline) cut() bool {
	fds := []unix.PollFd{{Fd: int32(l.near.Fd())}}
	_, err := unix.Poll(fds, 0)
	return err == nil && fds[0].Revents&unix.POLLHUP != 0
}

func (l *lifeline) close() {
	l.near.Close()
	l.far.Close()
}

// startOnLifeline starts a command that a lifeline, descriptor 3, belongs to.
func startOnLifeline(ctx context.Context, opts []string, cmd ...string) (*Proc, *lifeline) {
	GinkgoHelper()
	line := newLifeline()
	DeferCleanup(line.close)
	run := With(Files(line.far)).Start(ctx, opts, cmd...)
	line.held()
	return run, line
}

// leave is the fixture that leaves processes behind.
func leave(end string, kinds ...string) []string {
	return Fixture("process", append([]string{"leave", end}, kinds...)...)
}

// leftPID is the process of that kind which the leave fixture speaks of.
func leftPID(output, kind string) int {
	GinkgoHelper()
	for line := range strings.Lines(output) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "left "+kind+" pid:"); ok {
			pid, err := strconv.Atoi(rest)
			Expect(err).NotTo(HaveOccurred())
			return pid
		}
	}
	Fail("no " + kind + " was left behind:\n" + output)
	return 0
}

// killLeft ends what a native run left behind: the very process that the
// fixture named, as the caller has just seen it alive.
func killLeft(pids ...int) {
	for _, pid := range pids {
		// 0 and -1 would be many processes.
		Expect(pid).To(BeNumerically(">", 1))
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// launchMoment waits for a part of a run that no event marks: that is the
// spec's subject, a moment that nobody chose.
func launchMoment(ctx context.Context, moment time.Duration) {
	select {
	case <-time.After(moment):
	case <-ctx.Done():
	}
}

// launchNobody starts as an ordinary user, whoever runs the suite.
func launchNobody() LaunchOption {
	if os.Geteuid() == 0 {
		return As(65534, 65534)
	}
	return func(*Launch) {}
}
