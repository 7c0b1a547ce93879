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
	if child == nil || t.policy.PIDMax == 0 || t.cache.count() <= t.policy.PIDMax {
		return cont
	}
	return t.overLimit(e, child)
}

// overLimit applies the pid category's action to the caller, and to nobody else.
func (t *Tracer) overLimit(e Event, child *task) resume {
	action := t.policy.Decide(policy.Request{Category: policy.PID})
	if action == policy.Allow {
		return cont
	}
	if action != policy.Filter {
		t.log.Write(audit.Record{
			Level: audit.Warn, Ctx: "access", Cap: policy.PID.String(), Act: action.String(), Sys: "clone",
			PID: e.TID, Cmd: kernel.CommandLine(e.TID),
			Msg: fmt.Sprintf("%d tasks, pid/max is %d", t.cache.count(), t.policy.PIDMax),
		})
	}
	switch action {
	case policy.Warn:
		return cont
	case policy.Panic:
		t.leave(statusUnknown)
	case policy.Exit:
		t.leave(int(syscall.EACCES))
	case policy.Stop:
		kernel.Kill(e.TID, syscall.SIGSTOP)
		return cont
	case policy.Abort:
		kernel.Kill(e.TID, syscall.SIGABRT)
		return cont
	case policy.Kill:
		return kill
	}
	// Denied: the task that is one too many dies unborn, and the call fails as
	// at RLIMIT_NPROC. A thread can't be killed without its process: the caller's
	// own action is then the only one.
	if child.process != t.cache.task(e.TID).process {
		kernel.Kill(child.tid, syscall.SIGKILL)
		t.cache.refused[child.tid] = true
		t.cache.task(e.TID).pending = pending{row: &deniedFork}
		return syscallExit
	}
	return kill
}

// deniedFork ends a fork whose child was killed.
var deniedFork = row{name: "clone", exit: func(t *Tracer, c call) resume {
	if err := kernel.SetReturn(c.TID, -int64(syscall.EAGAIN)); err != nil && err != syscall.ESRCH {
		return t.fault(c.Event, "set return value", err)
	}
	return cont
}}
