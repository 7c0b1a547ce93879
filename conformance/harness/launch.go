// SPDX-License-Identifier: GPL-3.0-or-later

package harness

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// A Launch is how a command is started. The zero value is: an environment of
// PATH, HOME, TMPDIR and LANG, the spec's directory, an empty stdin, a process
// group of its own, both outputs collected.
type Launch struct {
	env         []string
	noEnv       bool
	dir         string
	stdin       string
	interactive bool
	pty         bool
	session     bool
	sameGroup   bool
	files       []*os.File
	credential  *syscall.Credential
	setup       []string
	within      time.Duration
	quiet       bool
	doomed      bool
}

// A LaunchOption changes one thing of a start.
type LaunchOption func(*Launch)

// With starts commands with options: With(Env("A=1"), Pty()).Start(ctx, Off, ...).
func With(options ...LaunchOption) *Launch {
	l := &Launch{}
	for _, option := range options {
		option(l)
	}
	return l
}

// Env adds variables ("NAME=value") to the environment.
func Env(variables ...string) LaunchOption {
	return func(l *Launch) { l.env = append(l.env, variables...) }
}

// OnlyEnv is the whole environment; without arguments it is empty.
func OnlyEnv(variables ...string) LaunchOption {
	return func(l *Launch) { l.noEnv, l.env = true, variables }
}

// Dir is the working directory.
func Dir(path string) LaunchOption { return func(l *Launch) { l.dir = path } }

// Stdin is a text to read; then comes the end of file.
func Stdin(text string) LaunchOption { return func(l *Launch) { l.stdin = text } }

// Interactive makes stdin a pipe that Proc.Send writes to and Proc.CloseStdin
// closes.
func Interactive() LaunchOption { return func(l *Launch) { l.interactive = true } }

// Pty runs the command on a terminal of its own, as its session's leader;
// Proc.Send types, Proc.WaitOutput reads.
func Pty() LaunchOption { return func(l *Launch) { l.pty, l.session = true, true } }

// OwnSession starts it by setsid.
func OwnSession() LaunchOption { return func(l *Launch) { l.session = true } }

// SameGroup leaves it in the harness's own process group, so that session and
// group are the same numbers in a native run and in a sandbox.
func SameGroup() LaunchOption { return func(l *Launch) { l.sameGroup = true } }

// Files passes open files as descriptors 3, 4, ...
func Files(files ...*os.File) LaunchOption {
	return func(l *Launch) { l.files = append(l.files, files...) }
}

// As runs it with other IDs and no supplementary groups; only root can.
func As(uid, gid uint32) LaunchOption {
	return func(l *Launch) { l.credential = &syscall.Credential{Uid: uid, Gid: gid} }
}

// Umask, IgnoreSignal, BlockSignal, OpenFiles, Processes, Nice and CPU are set by the
// fixture `process setup` before it becomes the command.
func Umask(mask int) LaunchOption { return setup("umask", strconv.FormatInt(int64(mask), 8)) }

// IgnoreSignal makes the command start with the signal ignored.
func IgnoreSignal(sig syscall.Signal) LaunchOption { return setup("ignore", strconv.Itoa(int(sig))) }

// BlockSignal makes the command start with the signal blocked.
func BlockSignal(sig syscall.Signal) LaunchOption { return setup("block", strconv.Itoa(int(sig))) }

// OpenFiles sets the soft RLIMIT_NOFILE.
func OpenFiles(soft int) LaunchOption { return setup("nofile", strconv.Itoa(soft)) }

// Processes sets the soft RLIMIT_NPROC, OnlyProcesses both limits.
func Processes(soft int) LaunchOption { return setup("nproc-soft", strconv.Itoa(soft)) }

// OnlyProcesses is described at Processes.
func OnlyProcesses(hard int) LaunchOption { return setup("nproc", strconv.Itoa(hard)) }

// Nice sets the nice value.
func Nice(value int) LaunchOption { return setup("nice", strconv.Itoa(value)) }

// CPU binds to one CPU.
func CPU(number int) LaunchOption { return setup("cpu", strconv.Itoa(number)) }

// CloseFile starts it with this descriptor (0, 1, 2) closed.
func CloseFile(fd int) LaunchOption { return setup("close", strconv.Itoa(fd)) }

func setup(words ...string) LaunchOption {
	return func(l *Launch) { l.setup = append(l.setup, words...) }
}

// Within bounds this one run more tightly than its spec; the bound is scaled.
func Within(bound time.Duration) LaunchOption { return func(l *Launch) { l.within = bound } }

// ExpectPanicText is for specs whose own program prints a Go panic: the words
// on stderr do not count as a crash of the build.
func ExpectPanicText() LaunchOption { return func(l *Launch) { l.quiet = true } }

// ExpectDeath is for specs that make the build die of a fault: that does not
// count as a crash of it.
func ExpectDeath() LaunchOption { return func(l *Launch) { l.doomed = true } }

// Syd runs `BUILD OPTS -- CMD` to its end.
func Syd(ctx context.Context, opts []string, cmd ...string) Result {
	GinkgoHelper()
	return With().Syd(ctx, opts, cmd...)
}

// Native runs CMD without the build, to its end.
func Native(ctx context.Context, cmd ...string) Result {
	GinkgoHelper()
	return With().Native(ctx, cmd...)
}

// Start starts `BUILD OPTS -- CMD` and returns at once.
func Start(ctx context.Context, opts []string, cmd ...string) *Proc {
	GinkgoHelper()
	return With().Start(ctx, opts, cmd...)
}

// StartNative starts CMD without the build and returns at once.
func StartNative(ctx context.Context, cmd ...string) *Proc {
	GinkgoHelper()
	return With().StartNative(ctx, cmd...)
}

// SameAsNative runs CMD natively and in the build, one right after the other,
// and expects the same status and the same stdout (see Normalise). It returns
// both for further looks.
func SameAsNative(ctx context.Context, opts []string, cmd ...string) (sandboxed, native Result) {
	GinkgoHelper()
	return With().SameAsNative(ctx, opts, cmd...)
}

// Syd is the function of that name, started as l says.
func (l *Launch) Syd(ctx context.Context, opts []string, cmd ...string) Result {
	GinkgoHelper()
	result := l.Start(ctx, opts, cmd...).Wait(ctx)
	if what, how := fixtureTrouble(result); how != "" {
		// A sandbox can be the reason: the native run tells whose fault it is.
		native := l.StartNative(ctx, cmd...).Wait(ctx)
		if _, same := fixtureTrouble(native); same == how {
			giveUp(native, what, how)
		}
		Fail(fmt.Sprintf("the fixture says %q in the sandbox and not natively\n%s\n%s", how+" "+what, result, native))
	}
	return result
}

// Native is the function of that name, started as l says.
func (l *Launch) Native(ctx context.Context, cmd ...string) Result {
	GinkgoHelper()
	result := l.StartNative(ctx, cmd...).Wait(ctx)
	if what, how := fixtureTrouble(result); how != "" {
		giveUp(result, what, how)
	}
	return result
}

// Start is the function of that name, started as l says.
func (l *Launch) Start(ctx context.Context, opts []string, cmd ...string) *Proc {
	GinkgoHelper()
	argv := append([]string{config.Build}, opts...)
	if len(cmd) > 0 {
		argv = append(append(argv, "--"), cmd...)
	}
	return l.start(ctx, true, argv)
}

// StartNative is the function of that name, started as l says.
func (l *Launch) StartNative(ctx context.Context, cmd ...string) *Proc {
	GinkgoHelper()
	return l.start(ctx, false, cmd)
}

// SameAsNative is the function of that name, started as l says.
func (l *Launch) SameAsNative(ctx context.Context, opts []string, cmd ...string) (sandboxed, native Result) {
	GinkgoHelper()
	native = l.Native(ctx, cmd...)
	sandboxed = l.Syd(ctx, opts, cmd...)
	Expect(sandboxed).To(EqualNative(native))
	return sandboxed, native
}
