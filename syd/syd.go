// SPDX-License-Identifier: GPL-3.0-or-later

package syd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"syscall"

	"syd/syd/audit"
	"syd/syd/confine"
	"syd/syd/filter"
	"syd/syd/kernel"
	"syd/syd/kernel/spawn"
	"syd/syd/policy"
	"syd/syd/trace"
)

// The main goroutine keeps the main thread for good: it is the tracer thread.
func init() { runtime.LockOSThread() }

// Options say what to run and how.
type Options struct {
	// Argv is the program, looked up in PATH if it has no slash, and its arguments.
	Argv []string
	// Arg0 replaces argv[0] if it is not empty.
	Arg0 string
	// Env are edits of the environment, in order: VAR=VAL sets, VAR unsets,
	// VAR= passes a variable on that would be dropped.
	Env []string
	// Config are the commands that make the policy, in order.
	Config []Command
	// Observe turns denials into warnings.
	Observe bool
	// Learn, if it is not empty, is the file for a policy under which the program
	// runs; meanwhile it may do what no rule denies.
	Learn string
	// LogFD and LogLevel say where records go; the descriptor stays the caller's,
	// and is close-on-exec from Run on unless it is 0, 1 or 2.
	LogFD    int
	LogLevel audit.Level
}

// Run runs a program in a sandbox and returns the status to exit with: the
// program's own, or that of the error. The caller should exit then at once:
// that is what kills tracees which the program left behind.
//
// Preconditions: the main goroutine; nothing else in the process waits for
// children.
func Run(ctx context.Context, o Options) (Exit, error) {
	if kernel.ListenerRefused() {
		// Nor could its configuration be read, or itself be confined, in ghost mode.
		err := &spawn.StepError{Step: "seccomp", Errno: syscall.EBUSY}
		return exitOf(err), err
	}
	p, err := configure(o)
	if err != nil {
		return exitOf(err), err
	}
	if err := spawn.Early(); err != nil {
		return exitOf(err), err
	}
	if o.Observe {
		p = p.Observing()
	}
	if err := kernel.OwnProc(); err != nil {
		return exitOf(err), err
	}
	if o.LogFD > 2 {
		err := kernel.CloseOnExec(o.LogFD)
		if spawn.Closed(o.LogFD) {
			err = syscall.EBADF
		}
		if err != nil {
			return exitOf(err), fmt.Errorf("log descriptor %d: %s", o.LogFD, spawn.Strerror(err.(syscall.Errno)))
		}
	}
	school, err := enrol(o, p)
	if err != nil {
		return exitOf(err), err
	}
	if school != nil {
		p = p.Learning()
	}
	if trace.Emulates(p) && !kernel.WaitsKillable() {
		err := &missing{"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", "5.19", "calls on files can't be decided on; -p off, or rules on exec, chdir and pid alone, do without"}
		return exitOf(err), err
	}
	p = p.Intercepting(func(c policy.Category) bool { return trace.Intercepts(p, c) })
	plan, err := confine.New(confinement(p, o.LogFD))
	if err != nil {
		return exitOf(err), err
	}
	helpers := newCrew(plan)
	log := audit.New(o.LogFD, o.LogLevel, helpers.as(filter.Writer))
	defer log.Close()
	defer helpers.dismiss()
	if !spawn.Scoped() {
		log.Write(audit.Record{Level: audit.Info, Ctx: "confine", Op: "landlock",
			Msg: "the kernel has no signal scopes (Linux 6.12): programs may signal and trace what runs as the same user, syd too"})
	}
	if kernel.Unsealable() {
		log.Write(audit.Record{Level: audit.Info, Ctx: "confine", Op: "mseal",
			Msg: "the kernel has no mseal (Linux 6.10): the page of the cookies is read-only and could be made writable again"})
	}
	env, dropped := environment(os.Environ(), o.Env, p.AllowUnsafeEnv)
	for _, name := range dropped {
		log.Write(audit.Record{Level: audit.Notice, Ctx: "env", Op: "drop", Msg: name,
			Tip: "configure `trace/allow_unsafe_env:1' or pass -e " + name + "="})
	}
	request, err := newRequest(o, p, env)
	if err != nil {
		return exitOf(err), err
	}
	return start(ctx, request, p, log, helpers, school)
}

// confinement is what p says about the supervisor itself.
func confinement(p *policy.Policy, logFD int) confine.Options {
	s := p.Supervisor
	o := confine.Options{LogFD: logFD, Speculation: s.AllowSpeculation, Unsealed: s.AllowNoMseal}
	o.NoCookies, o.Kcapi, o.Emulate = s.AllowNoCookie, s.AllowKcapi, trace.Emulates(p)
	if s.AllowSetuid {
		o.UIDs = transitions(s.Setuid)
	}
	if s.AllowSetgid {
		o.GIDs = transitions(s.Setgid)
	}
	return o
}

func transitions(list []policy.Transition) []filter.Transition {
	converted := make([]filter.Transition, len(list))
	for i, t := range list {
		converted[i] = filter.Transition(t)
	}
	return converted
}

// Export writes a filter of the sandbox that o describes, in one of
// filter.Formats, and starts nothing: "sandbox", that of the tracees, "process",
// that of all of the supervisor's threads, or what one of these has besides.
func Export(w io.Writer, o Options, name, format string) (Exit, error) {
	p, err := configure(o)
	if err != nil {
		return exitOf(err), err
	}
	plan, err := confine.New(confinement(p, o.LogFD))
	if err == nil {
		err = plan.Export(w, name, format, sandboxRules(p))
	}
	if err != nil {
		return exitOf(err), err
	}
	return 0, nil
}

// Exports are the names and formats that Export knows.
func Exports() (names, formats []string) { return filter.Names(), filter.Formats }

func sandboxRules(p *policy.Policy) []filter.Rule {
	return append(filter.Always[:len(filter.Always):len(filter.Always)], trace.Rules(p)...)
}

func newRequest(o Options, p *policy.Policy, env []string) (spawn.Request, error) {
	program, err := filter.Sandbox(sandboxRules(p))
	if err != nil {
		return spawn.Request{}, err
	}
	path, err := lookPath(o.Argv[0], env)
	if err != nil {
		return spawn.Request{}, &execError{err.(syscall.Errno)}
	}
	argv := append([]string(nil), o.Argv...)
	if o.Arg0 != "" {
		argv[0] = o.Arg0
	}
	return spawn.Request{Path: path, Argv: argv, Env: env, Filter: program, Speculation: p.Supervisor.AllowSpeculation}, nil
}

// start spawns and seizes the eldest, lets it go and serves the sandbox.
func start(ctx context.Context, r spawn.Request, p *policy.Policy, log *audit.Log, helpers *crew, school *school) (Exit, error) {
	spawn.QuietSIGCHLD()
	child, err := spawn.Prepare(r)
	if err != nil {
		return exitOf(err), err
	}
	defer kernel.Close(child.PIDFD)
	if !trace.Emulates(p) { // else it is the receivers', to the end
		defer kernel.Close(child.Listener)
	}
	if err := kernel.Seize(child.PID, trace.SeizeOptions(p)); err != nil {
		kernel.Kill(child.PID, syscall.SIGKILL)
		if scope := kernel.YamaScope(); err == syscall.EPERM && scope >= 2 {
			err = &untraceable{scope}
			return exitOf(err), err
		}
		return exitOf(err), fmt.Errorf("PTRACE_SEIZE: %s", spawn.Strerror(err.(syscall.Errno)))
	}
	m, err := newMonitor(child.PIDFD, child.Listener)
	if err != nil {
		kernel.Kill(child.PID, syscall.SIGKILL)
		return exitOf(err), err
	}
	tracer, err := trace.New(p, log, trace.Eldest{
		PID: child.PID, PIDFD: child.PIDFD,
		Executed: func() { executed(child) }, Stopped: m.eldestStopped, Continued: m.eldestContinued, FDFirst: spawn.FDFirst(),
	}, helpers.as(filter.Worker))
	if err != nil {
		kernel.Kill(child.PID, syscall.SIGKILL)
		return exitOf(err), err
	}
	m.unused = tracer.Stop
	if school != nil {
		tracer.Learn(school.lessons)
	}
	if trace.Emulates(p) {
		tracer.Serve(child.Listener, helpers.receiver, m.ignore)
	}
	helpers.as(filter.Monitor)(m.run)
	defer m.stop()
	defer context.AfterFunc(ctx, func() { kernel.SendSignal(child.PIDFD, syscall.SIGKILL) })()

	// While it makes its way to the program we confine ourselves: it gets no further
	// than EVENT_EXEC, before the program's first instruction, until the tracer runs.
	child.Release()
	if err := helpers.confine(child.Listener); err != nil {
		kernel.Kill(child.PID, syscall.SIGKILL)
		helpers.dismiss()
		return exitOf(err), err
	}
	status, err := tracer.Run()
	if err != nil {
		return exitOf(err), err
	}
	if !tracer.Executed() {
		if err := child.Failure(); err != nil {
			return exitOf(err), execFailure(err)
		}
	}
	if school != nil {
		return school.graduate(Exit(status))
	}
	return Exit(status), nil
}

// executed: the child has left our memory, and no program has run yet. Up to
// here it could not be hidden: to seize the child, or to follow a path of its, is
// to look into the memory that it shares with us.
func executed(child *spawn.Child) {
	child.Executed()
	if err := kernel.Undumpable(); err != nil {
		panic(fmt.Sprintf("prctl PR_SET_DUMPABLE: %v", err))
	}
}

func execFailure(err error) error {
	if step, ok := errors.AsType[*spawn.StepError](err); ok && step.Step == spawn.StepExec {
		return &execError{step.Errno}
	}
	return err
}

// Inside says whether this process is in a sandbox of syd.
func Inside() bool { return kernel.ListenerRefused() }
