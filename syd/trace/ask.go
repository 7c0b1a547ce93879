// SPDX-License-Identifier: GPL-3.0-or-later

package trace

import (
	"fmt"
	"sync/atomic"
	"syscall"

	"syd/syd/audit"
	"syd/syd/kernel"
	"syd/syd/policy"
)

// question is what a worker is to find out about a task. The tracer thread
// reads no memory of a tracee and resolves no path: either may wait for a page
// or an answer that the tracee itself has in its hands (userfaultfd(2), fuse(4)).
// Nor does it open anything below /proc: who reads a directory into such a page
// holds its lock, /proc/PID's too, and keeps everybody from looking up a name there
// (fs/readdir.c, iterate_dir; fs/namei.c, lookup_slow).
type question struct {
	event Event
	task  *task
	// roaming: the task isn't stopped for it.
	roaming bool
	find    func() answer // on a worker thread: reaches nothing of the tracer's
	lost    answer        // when there's nobody to ask

	answer answer
	state  atomic.Uint32
	next   *question // in the stack of answers

	worker  *worker
	ticks   int  // seen since a worker has it
	overdue bool // its worker is abandoned
}

// answer is what was found, as data: the tracer thread acts on it.
type answer struct {
	resume    resume
	errno     syscall.Errno    // not 0: the call isn't done and fails with it
	signal    syscall.Signal   // not 0: sent to the process
	leaves    bool             // the sandbox ends with status
	status    int              //
	restart   bool             // the call that a signal ended is made again
	pending   pending          // the end of the call is awaited
	forbidden *kernel.Identity // a directory that nobody may be in
	fault     error            // it couldn't be found out
}

// ask has a worker find out what becomes of e's task, which stays stopped. The
// answer may come now or later; meanwhile the others go on.
func (t *Tracer) ask(e Event, find func() answer, lost answer) resume {
	q := &question{event: e, task: t.cache.task(e.TID), find: find, lost: lost}
	q.task.open = q
	return t.post(q)
}

func (t *Tracer) post(q *question) resume {
	if !t.pool.post(q) {
		return t.refuse(q)
	}
	if q.worker == nil || !t.pool.await(q) {
		return none
	}
	t.pool.free(q)
	return t.apply(q, q.answer)
}

// settle acts on answers that came late, and on questions that get none.
func (t *Tracer) settle() {
	t.serve()
	for _, q := range t.pool.take() {
		t.pool.free(q)
		if t.isOpen(q) {
			t.resume(q.event, t.apply(q, q.answer))
		}
	}
	for _, q := range t.pool.late() {
		t.abandon(q)
	}
	if t.pool.abandoned < maxWorkers {
		return
	}
	waiting := t.pool.waiting
	t.pool.waiting = nil
	for _, q := range waiting {
		if t.isOpen(q) {
			t.resume(q.event, t.refuse(q))
		}
	}
}

// isOpen says whether q still has an effect: its task may be dead, or about to
// be, and its number another task's.
func (t *Tracer) isOpen(q *question) bool {
	t.cache.fresh(q.event.TID)
	switch {
	case t.cache.tasks[q.event.TID] != q.task:
		return false
	case q.roaming:
		return !q.overdue
	case q.task.open != q:
		return false
	}
	return q.event.Kind == ExitEvent || !kernel.Dying(q.event.TID)
}

// mayCome says whether e can be of a task that waits for an answer, if its task
// does: nothing but its end, and the takeover of its number.
func (t *Tracer) mayCome(e Event) bool {
	task := t.cache.tasks[e.TID]
	if task == nil || task.open == nil {
		return true
	}
	switch e.Kind {
	case Exited, Killed, ExecEvent, Unknown:
		return true
	case ExitEvent:
		task.open = nil
		return true
	}
	t.cache.fresh(e.TID)
	return t.cache.tasks[e.TID] != task
}

// apply acts on a.
func (t *Tracer) apply(q *question, a answer) resume {
	if !q.roaming {
		q.task.open, q.task.pending = nil, a.pending
	}
	if a.leaves {
		t.leave(a.status)
	}
	switch {
	case a.fault != nil:
		t.fault(q.event, "answer", a.fault)
		return a.resume
	case a.signal != 0:
		kernel.Kill(q.event.TID, a.signal)
	case a.restart:
		restart(q.event)
	case a.forbidden != nil:
		t.forbid(q, *a.forbidden)
	}
	if a.errno != 0 {
		return t.skip(call{Event: q.event}, a.errno)
	}
	return a.resume
}

// refuse does without an answer: all workers are stuck.
func (t *Tracer) refuse(q *question) resume {
	t.recordStuck(q, q.lost.act(), fmt.Sprintf("all %d workers are stuck", maxWorkers))
	return t.apply(q, q.lost)
}

// abandon ends a process that keeps a worker.
func (t *Tracer) abandon(q *question) {
	open := t.cache.tasks[q.event.TID] == q.task && (q.roaming || q.task.open == q)
	if !open {
		return
	}
	const message = "its memory or file system gives no answer"
	if q.event.Kind == ExitEvent { // which SIGKILL doesn't end
		t.recordStuck(q, q.lost.act(), message)
		t.resume(q.event, t.apply(q, q.lost))
		return
	}
	t.recordStuck(q, policy.Kill.String(), message)
	if !q.roaming {
		q.task.open = nil
	}
	kernel.Kill(q.event.TID, syscall.SIGKILL)
}

// act is what the log says of a.
func (a answer) act() string {
	switch {
	case a.leaves:
		return policy.Exit.String()
	case a.resume == kill:
		return policy.Kill.String()
	case a.errno != 0:
		return policy.Deny.String()
	}
	return policy.Allow.String()
}

func (t *Tracer) recordStuck(q *question, act, message string) {
	t.log.Write(audit.Record{
		Level: audit.Warn, Ctx: "trace", Op: q.event.Kind.String(), PID: q.event.TID, Act: act, Msg: message,
	})
}
