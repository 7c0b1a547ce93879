// SPDX-License-Identifier: GPL-3.0-or-later

package trace

import (
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"syscall"

	"syd/syd/audit"
	"syd/syd/kernel"
	"syd/syd/kernel/signals"
	"syd/syd/policy"
)

// SeizeOptions are the ptrace options that the event table needs under p, and
// EXITKILL. Exit events serve SegvGuard, and keep the number of a leader, which
// an exec by another thread takes over, from changing hands while a stop of the
// leader is being handled: to resume the leader would then resume the new image
// unjudged. A sandbox that judges nothing doesn't pay for them.
func SeizeOptions(p *policy.Policy) int {
	options := kernel.OptSyscallGood | kernel.OptFork | kernel.OptVfork | kernel.OptClone |
		kernel.OptExec | kernel.OptSeccomp | kernel.OptExitKill
	if p.SegvGuard.Expiry != 0 || judgesCalls(p) {
		options |= kernel.OptExit
	}
	return options
}

// statusUnknown is what syd exits with when nobody could tell how the eldest ended.
const statusUnknown = 127

// resume is what a handler wants done with the stopped task.
type resume struct {
	op     op
	signal syscall.Signal
}

type op uint8

const (
	opNone        op = iota // it is dead, or reported so soon
	opCont                  // go on, delivering signal
	opSyscallExit           // go on to the end of the call it is in
	opListen                // stay in the group-stop
	opKill                  // SIGKILL: what a tracee may not survive
)

var (
	cont        = resume{op: opCont}
	syscallExit = resume{op: opSyscallExit}
	listen      = resume{op: opListen}
	none        = resume{op: opNone}
	kill        = resume{op: opKill}
)

// handlers is the dispatch table: what is done about each kind of event.
var handlers = [numKinds]func(*Tracer, Event) resume{
	Unknown:     (*Tracer).handleUnknown,
	Exited:      (*Tracer).handleDeath,
	Killed:      (*Tracer).handleDeath,
	GroupStop:   (*Tracer).handleGroupStop,
	OtherStop:   (*Tracer).handleOtherStop,
	SignalStop:  (*Tracer).handleSignal,
	SeccompStop: (*Tracer).handleSeccomp,
	SyscallStop: (*Tracer).handleSyscallExit,
	ForkEvent:   (*Tracer).handleFork,
	ExecEvent:   (*Tracer).handleExec,
	ExitEvent:   (*Tracer).handleExit,
}

// Eldest is the process that the sandbox was started with, and whom its life
// concerns. Its PID means it only until it is reaped.
type Eldest struct {
	PID, PIDFD int
	// Executed is called at its first EVENT_EXEC, on the tracer thread.
	Executed func()
	// Stopped is called when it enters a group-stop, on the tracer thread.
	Stopped func(syscall.Signal)
	// Continued is called when it leaves one, on the tracer thread.
	Continued func()
	// FDFirst: on this kernel an open takes its number before it reads the path.
	FDFirst bool
}

// Tracer owns the tracees. All its methods but Stop run on the tracer thread.
type Tracer struct {
	judge
	pool      pool
	rows      numbers
	cache     *cache
	recent    recent
	turns     turns
	placement placement
	// forbidden are directories that a raced chdir got to.
	forbidden []kernel.Identity
	eldest    Eldest

	receivers *receivers // nil: nothing is emulated
	nudges    nudges
	acquired  bool // a task was to acquire a terminal

	executed bool // the eldest runs its program
	known    bool // the eldest was reaped: status is its own
	status   int
	left     bool  // a rule's action ends the sandbox with status
	fatal    error // ends the loop at once

	shouldExit atomic.Bool
}

// New makes the tracer of a sandbox whose eldest is seized and not yet released.
// start runs a function on a thread of its own, which answers the tracer thread's
// questions.
func New(p *policy.Policy, log *audit.Log, eldest Eldest, start func(func())) (*Tracer, error) {
	if err := signals.Interruptible(); err != nil {
		return nil, fmt.Errorf("sigaction: %w", err)
	}
	home, _ := kernel.Home() // unknown: nobody is taken to be there
	t := &Tracer{
		judge: judge{sandbox: newSandbox(p, eldest.PID), log: log, guard: newSegvGuard(p.SegvGuard), home: home, user: kernel.User()},
		pool:  pool{start: start, tracer: kernel.ThreadID()},
		rows:  numbersOf(traced(p)), cache: newCache(), eldest: eldest,
		placement: placement{start: start},
	}
	t.nudges.tracer = t.pool.tracer
	t.pool.all, _ = kernel.Affinity() // unknown: workers stay where they are
	if judgesCalls(p) || Emulates(p) {
		runtime.GOMAXPROCS(max(processors, runtime.GOMAXPROCS(0)))
	}
	first := t.cache.task(eldest.PID)
	first.known = true
	t.cache.join(first, eldest.PID)
	return t, nil
}

// Learn has l learn what the sandbox's policy warns of. Before Serve.
func (t *Tracer) Learn(l *policy.Lessons) { t.lessons = l }

// Serve has the calls answered that wait on listener. start runs a function on a
// thread of its own that may make calls for tracees; unheard is told that the
// listener is about to be closed for good. Before Run.
func (t *Tracer) Serve(listener int, start func(func()), unheard func()) {
	t.receivers = newReceivers(t.judge, listener, start, t.nudge, unheard)
	t.receivers.acquire, t.receivers.fdFirst = t.acquire, t.eldest.FDFirst
	if status, err := kernel.ReadStatus(t.eldest.PID); err == nil {
		t.receivers.filters = status.Filters
	}
	t.receivers.leave = t.end
	t.receivers.run()
}

// end has the loop leave with status, soon. Any thread.
func (t *Tracer) end(status int) {
	t.status32.Store(int32(status))
	t.ended.Store(true)
	t.nudge(0)
}

// Stop asks the loop to leave after the status that it handles next: no tracee
// is left, or a helper failed. Any thread.
func (t *Tracer) Stop() { t.shouldExit.Store(true) }

// Run serves the sandbox until the eldest is reaped or, with ExitWaitAll, until
// no tracee is left, and returns the eldest's status: its exit code, 128 plus
// the signal that killed it, or 127 when that can't be known. The error is one
// that the status doesn't tell: of waitid, or a fault of the tracer.
//
// Preconditions: the thread that seized the eldest.
func (t *Tracer) Run() (status int, err error) {
	if t.receivers != nil {
		defer t.receivers.over.Store(true)
	}
	if err := t.loop(t.done); err != nil {
		return statusUnknown, err
	}
	if t.left {
		return t.status, nil
	}
	if !t.known {
		// A helper asked to leave before the eldest was reaped: go on, for all
		// tracees (it may wait for one of them), until it is.
		if err := t.loop(func() bool { return t.known }); err != nil {
			return statusUnknown, err
		}
	}
	if !t.known {
		return statusUnknown, nil
	}
	return t.status, nil
}

// Executed reports whether the eldest ever executed its program.
func (t *Tracer) Executed() bool { return t.executed }

func (t *Tracer) done() bool {
	return t.shouldExit.Load() || t.left || t.known && !t.policy().ExitWaitAll
}

// loop is the whole life of the sandbox: status, event, decision, action. The
// decisions that workers make follow in settle.
func (t *Tracer) loop(done func() bool) error {
	for {
		info, err := t.wait()
		switch err {
		case nil:
			event := decode(info)
			t.resume(event, t.handle(event))
		case syscall.EINTR, syscall.EAGAIN:
		case syscall.ECHILD:
			return nil
		default:
			return fmt.Errorf("waitid: %w", err)
		}
		t.settle()
		if t.ended.Load() {
			t.leave(int(t.status32.Load()))
		}
		if t.fatal != nil {
			return t.fatal
		}
		if done() {
			return nil
		}
	}
}

func (t *Tracer) handle(e Event) resume {
	t.placement.note(e.TID)
	if !t.mayCome(e) {
		return t.fault(e, "waitid", errors.New("its stop isn't over"))
	}
	return handlers[e.Kind](t, e)
}

// resume carries out what a handler decided. ESRCH is silent: the task was
// killed while it was stopped, and the next wait tells. Any other error would
// leave it stopped for ever, where SIGKILL does not reach it either if it is
// about to exit: the sandbox ends, which detaches and kills it.
func (t *Tracer) resume(e Event, r resume) {
	var err error
	switch r.op {
	case opCont:
		if t.acquired && t.asks(e.TID) {
			err = kernel.ContToSyscall(e.TID, int(r.signal))
			break
		}
		err = kernel.Cont(e.TID, int(r.signal))
	case opSyscallExit:
		// In its exit event already, the call isn't made: the next wait tells.
		if kernel.Stopped(e.TID) {
			err = kernel.ContToSyscall(e.TID, 0)
		}
	case opListen:
		// EIO: killed meanwhile, it is no longer in that group-stop but in its
		// exit event, which the next wait tells of.
		if err = kernel.Listen(e.TID); err == syscall.EIO {
			err = nil
		}
	case opKill:
		err = kernel.Kill(e.TID, syscall.SIGKILL)
	}
	if err != nil && err != syscall.ESRCH {
		t.fatal = fmt.Errorf("resume after %v: %v", e, err)
	}
}

// handleUnknown ends the sandbox: a stop that is not understood must not go on.
func (t *Tracer) handleUnknown(e Event) resume {
	t.fatal = errors.New("unknown wait status: " + e.String())
	return none
}

// handleDeath is for every reaped task. The entries go first, so that nothing
// decided later is decided from them.
func (t *Tracer) handleDeath(e Event) resume {
	if t.isEldest(e.TID) {
		t.orphaned.Store(true) // before the number can be another's
	}
	task := t.cache.tasks[e.TID]
	t.cache.died(e.TID)
	if t.receivers != nil {
		t.receivers.stopped.Delete(e.TID)
		t.receivers.unseen.forget(e.TID)
	}
	if t.isEldest(e.TID) {
		t.known = true
		t.status = e.Value
		if e.Kind == Killed {
			t.status = 128 + e.Value
		}
		if e.Kind == Exited && t.policy().ExitWaitAll {
			// Nobody is left who might edit (LCK-05).
			t.lock(policy.LockExec, policy.LockOn)
		}
	}
	if task != nil && task.pending.isChdir() {
		t.search()
	}
	return none
}

// handleGroupStop leaves the task stopped as job control wants it.
func (t *Tracer) handleGroupStop(e Event) resume {
	task := t.cache.task(e.TID)
	endStopped(e)
	if t.receivers != nil {
		t.receivers.stopped.Store(t.cache.process(task).tgid, true)
	}
	if t.isEldest(e.TID) {
		t.eldest.Stopped(e.Signal)
	}
	return listen
}

// handleOtherStop starts a new task, or one that SIGCONT took out of a group-stop.
func (t *Tracer) handleOtherStop(e Event) resume {
	t.cache.fresh(e.TID)
	task := t.cache.task(e.TID)
	if t.receivers != nil && task.process != nil {
		t.receivers.stopped.Delete(task.process.tgid)
	}
	if t.isEldest(e.TID) {
		t.eldest.Continued()
	}
	if task.acquisition != nil {
		t.inject(e, task)
	}
	if len(t.forbidden) == 0 {
		return cont
	}
	return t.ask(e, t.inForbidden(e.TID, cont), answer{resume: kill})
}

// leave ends the sandbox with status, whatever becomes of the eldest.
func (t *Tracer) leave(status int) { t.left, t.status = true, status }

func (t *Tracer) isEldest(tid int) bool { return tid == t.eldest.PID && !t.known }

// fault kills what couldn't be handled: a tracee doesn't go on unjudged.
func (t *Tracer) fault(e Event, op string, err error) resume {
	t.log.Write(audit.Record{
		Level: audit.Error, Ctx: "trace", Op: op, PID: e.TID, Act: "kill",
		Msg: fmt.Sprintf("%v: %v", e, err),
	})
	kernel.Kill(e.TID, syscall.SIGKILL)
	return none
}
