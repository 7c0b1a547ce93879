// SPDX-License-Identifier: GPL-3.0-or-later

package trace

import (
	"fmt"
	"syscall"

	"syd/syd/audit"
	"syd/syd/kernel"
	"syd/syd/policy"
)

// handleFork notes the new task, which is seized and stopped before its first
// instruction, and counts. Its own first stop may have come before this event.
func (t *Tracer) handleFork(e Event) resume {
	msg, r, ok := t.eventMessage(e)
	switch {
	case !ok:
		return r
	case kernel.Dying(e.TID):
		return none // msg is no TID then; the child's own stops make it known
	}
	t.recent.add(int(msg))
	child := t.cache.born(int(msg), t.cache.task(e.TID))
	if child == nil || t.policy().PIDMax == 0 || t.cache.count() <= t.policy().PIDMax {
		return cont
	}
	return t.overLimit(e, child)
}

// overLimit applies the pid category's action to the caller, and to nobody else,
// once it is recorded: a record has the command line, which is the caller's memory.
func (t *Tracer) overLimit(e Event, child *task) resume {
	action := t.policy().Decide(policy.Request{Category: policy.PID})
	if action == policy.Allow {
		return cont
	}
	message := fmt.Sprintf("%d tasks, pid/max is %d", t.cache.count(), t.policy().PIDMax)
	a := t.refuseFork(e, child, action)
	if action == policy.Filter || !t.log.Enabled(audit.Warn) {
		return t.apply(&question{event: e, task: t.cache.task(e.TID)}, a)
	}
	log := t.log
	return t.ask(e, func() answer {
		note(log, e.TID, audit.Record{
			Level: audit.Warn, Ctx: "access", Cap: policy.PID.String(), Act: action.String(), Sys: "clone",
			Msg: message, Tip: "configure `default/pid:allow'",
		})
		return a
	}, a)
}

// refuseFork is what becomes of the caller whose child is one too many.
func (t *Tracer) refuseFork(e Event, child *task, action policy.Action) (a answer) {
	switch action {
	case policy.Warn:
		return answer{resume: cont}
	case policy.Panic:
		a.leaves, a.status = true, statusUnknown
	case policy.Exit:
		a.leaves, a.status = true, int(syscall.EACCES)
	case policy.Stop:
		return answer{resume: cont, signal: syscall.SIGSTOP}
	case policy.Abort:
		return answer{resume: cont, signal: syscall.SIGABRT}
	case policy.Kill:
		return answer{resume: kill}
	}
	// Denied: the task that is one too many dies unborn, and the call fails as
	// at RLIMIT_NPROC. A thread can't be killed without its process: the caller's
	// own action is then the only one.
	a.resume = kill
	if child.process != t.cache.task(e.TID).process {
		kernel.Kill(child.tid, syscall.SIGKILL)
		t.cache.refused[child.tid] = true
		a.resume, a.pending = syscallExit, pending{row: &deniedFork}
	}
	return a
}

// deniedFork ends a fork whose child was killed.
var deniedFork = row{name: "clone", exit: func(t *Tracer, c call) resume {
	if err := kernel.SetReturn(c.TID, -int64(syscall.EAGAIN)); err != nil && err != syscall.ESRCH {
		return t.fault(c.Event, "set return value", err)
	}
	return cont
}}
