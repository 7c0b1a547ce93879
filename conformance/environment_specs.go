// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "syd/conformance/harness"
)

// startedAsNatively compares all that `process surroundings` sees.
func startedAsNatively(ctx context.Context, launch *Launch, args ...string) Result {
	GinkgoHelper()
	cmd := Fixture("process", append([]string{"surroundings"}, args...)...)
	native := launch.Native(ctx, cmd...)
	for _, profile := range signalProfiles {
		Expect(launch.Syd(ctx, profile, cmd...)).To(EqualNative(native))
	}
	return native
}

// everySignal is all signals that libc lets a program change.
func everySignal() []syscall.Signal {
	var all []syscall.Signal
	for sig := syscall.Signal(1); sig <= 64; sig++ {
		if sig != syscall.SIGKILL && sig != syscall.SIGSTOP && sig != 32 && sig != 33 {
			all = append(all, sig)
		}
	}
	return all
}

var _ = Describe("the eldest's start", func() {
	Spec("LCH-11.1", "equals a native one in argv, cwd, environment, session, group, signals, limits and descriptors", func(ctx context.Context) {
		startedAsNatively(ctx, With(SameGroup()))
	}, Smoke)

	Spec("LCH-11.2", "keeps every argument: empty ones, many, long ones and such as look like options", func(ctx context.Context) {
		args := []string{"", "--", "-m", "two words", "a=b", "*", "\\", strings.Repeat("long", 500)}
		for range 200 {
			args = append(args, "more")
		}
		native := startedAsNatively(ctx, With(SameGroup()), args...)
		Expect(native.Facts("argv")).To(HaveLen(209))
	})

	Spec("LCH-11.3", "keeps the working directory, also one that was removed", func(ctx context.Context) {
		dir := filepath.Join(TempDir(), "with blanks", "and ünicode")
		Expect(os.MkdirAll(dir, 0o755)).To(Succeed())
		native := startedAsNatively(ctx, With(SameGroup(), Dir(dir)))
		Expect(native).To(SayLine("cwd " + dir))
		place := Fixture("process", "surroundings")
		script := `mkdir gone && cd gone && rmdir ../gone && exec "$@"`
		removed := With(SameGroup()).Native(ctx, append([]string{"/bin/sh", "-c", script, "sh"}, place...)...)
		Expect(removed).To(SayLine("cwd ENOENT"))
		sandboxed := append([]string{"/bin/sh", "-c", script, "sh", Build()}, Off...)
		again := With(SameGroup()).Native(ctx, append(append(sandboxed, "--"), place...)...)
		// The shell hands its own PWD on in both.
		Expect(again).To(EqualNative(removed))
	})

	Spec("LCH-11.4", "keeps the umask, whichever", func(ctx context.Context) {
		for _, mask := range []int{0, 0o22, 0o77, 0o777} {
			startedAsNatively(ctx, With(SameGroup(), Umask(mask)))
		}
	})

	Spec("LCH-11.5", "keeps the environment: none at all, odd names, values of many lines", func(ctx context.Context) {
		startedAsNatively(ctx, With(SameGroup(), OnlyEnv()))
		native := startedAsNatively(ctx, With(SameGroup(), OnlyEnv("A=", "B=b=b", "lower=1", "GODEBUG=gctrace=0", "GOMAXPROCS=1", "SYD_LOG=error", "IFS=x")))
		Expect(native.Facts("environment")).To(HaveLen(7))
		startedAsNatively(ctx, With(SameGroup(), OnlyEnv("LONG="+strings.Repeat("x", 20000))))
	})

	Spec("LCH-11.6", "keeps descriptors that are open and leaves closed ones closed, 0, 1 and 2 too", func(ctx context.Context) {
		for _, fd := range []int{0, 2} {
			startedAsNatively(ctx, With(SameGroup(), CloseFile(fd)))
		}
		read, write, err := os.Pipe()
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func() { read.Close(); write.Close() })
		null, err := os.Open(os.DevNull)
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(null.Close)
		native := startedAsNatively(ctx, With(SameGroup(), Files(read, write, null)))
		for _, fact := range []string{"3 fifo flags 0 tty no", "4 fifo flags 01 tty no"} {
			Expect(native).To(HaveFact("descriptor", fact))
		}
	})

	Spec("LCH-11.7", "keeps the signal mask, with every signal blocked", func(ctx context.Context) {
		options := []LaunchOption{SameGroup()}
		for _, sig := range everySignal() {
			options = append(options, BlockSignal(sig))
		}
		native := startedAsNatively(ctx, With(options...))
		Expect(native).To(SayLine("SigBlk fffffffe7ffbfeff"))
	})

	Spec("LCH-11.8", "keeps ignored signals ignored, with every signal ignored", func(ctx context.Context) {
		options := []LaunchOption{SameGroup()}
		for _, sig := range everySignal() {
			options = append(options, IgnoreSignal(sig))
		}
		native := startedAsNatively(ctx, With(options...))
		Expect(native).To(SayLine("SigIgn fffffffe7ffbfeff"))
	})

	Spec("LCH-11.9", "keeps limits, the nice value and the CPUs", func(ctx context.Context) {
		startedAsNatively(ctx, With(SameGroup(), OpenFiles(64)))
		startedAsNatively(ctx, With(SameGroup(), OpenFiles(777), Nice(7), CPU(0)))
	})

	Spec("LCH-11.10", "is on the controlling terminal, in the foreground, in its starter's session and group", func(ctx context.Context) {
		place := Fixture("process", "place")
		// The shell's session and group: what follows keeps it from replacing itself.
		native := With(Pty()).Native(ctx, append([]string{"/bin/sh", "-c", `"$@"; echo status $?`, "sh"}, place...)...)
		Expect(native).To(SayLine("foreground yes"))
		cmd := append([]string{"/bin/sh", "-c", `"$@"; echo status $?`, "sh", Build()}, append(slices.Clone(Off), "--")...)
		Expect(With(Pty()).Native(ctx, append(cmd, place...)...)).To(EqualNative(native))
	}, Requires("pty"))

	Spec("LCH-11.11", "equals a native one in names, namespaces, process control settings, scheduling, timers and auxiliary vector", func(ctx context.Context) {
		signalsAsNatively(ctx, Fixture("process", "attributes")...)
	})

	Spec("LCH-11.12", "leaves orphans to whom they go natively", func(ctx context.Context) {
		native := signalsAsNatively(ctx, Fixture("process", "adopted")...)
		Expect(native.Fact("adopted")).NotTo(BeEmpty())
	})

	Spec("LCH-11.13", "keeps other IDs, without supplementary groups", func(ctx context.Context) {
		launch := With(As(65534, 65533))
		attributes := Fixture("process", "attributes")
		native := launch.Native(ctx, attributes...)
		Expect(native).To(SayLine("users 65534 65534 65534"))
		Expect(launch.Syd(ctx, Off, attributes...)).To(EqualNative(native))
	}, RootOnly)
})
