// SPDX-License-Identifier: GPL-3.0-or-later

package trace

import (
	"slices"

	"syd/syd/kernel"
	"syd/syd/policy"
)

// cache is what is known of each live tracee, by TID and by TGID. A number is
// only as good as the task behind it: forget drops both at every reap, before
// any later event of the same number, and exec re-keys.
type cache struct {
	tasks     map[int]*task    // by TID
	processes map[int]*process // by TGID
	// stillborn are tasks that died before the fork event that names them was seen,
	// which comes later, and must not make an entry. waitid looks at new tasks
	// first: a child can have lived its whole life before the event is reported.
	stillborn map[int]bool
	// refused are tasks that pid/max has killed and that are not reaped yet: they
	// take nobody's place.
	refused map[int]bool
}

// count is how many tasks live.
func (c *cache) count() int { return len(c.tasks) - len(c.refused) }

// task is one thread.
type task struct {
	tid     int
	process *process // nil until the event that made it has been seen, or it is asked for
	known   bool     // that event has been seen, or there is none
	pending pending
	// interrupted is the emulated call that a signal interrupted last.
	interrupted kernel.SyscallInfo
	// acquisition is the terminal that it is about to acquire, if any.
	acquisition *acquisition
	// open is the question that it is stopped for. An entry ends with its task:
	// an answer that finds another question here, or another entry, comes too late.
	open *question
}

// pending is a call that was let go and whose end is awaited, or not judged yet.
type pending struct {
	row  *row            // nil: none
	want kernel.Identity // chdir: the directory that was checked
}

func (p pending) isChdir() bool {
	return p.row != nil && slices.Contains(p.row.categories, policy.Chdir)
}

// process is one thread group.
type process struct {
	tgid    int
	threads map[int]*task
	crashed bool // counted by SegvGuard
}

func newCache() *cache {
	return &cache{tasks: map[int]*task{}, processes: map[int]*process{}, stillborn: map[int]bool{}, refused: map[int]bool{}}
}

// task returns tid's entry, made if it is new. tid has stopped, or was stopped
// by the kernel at its birth: it is alive or unreaped.
func (c *cache) task(tid int) *task {
	t := c.tasks[tid]
	if t == nil {
		delete(c.stillborn, tid)
		t = &task{tid: tid}
		c.tasks[tid] = t
	}
	return t
}

// fresh drops tid's entry when it is another task's. An exec by a thread that
// doesn't lead frees its number without a report, and a new task may have it, and
// be heard of, before the exec event is. The new task is in another thread group:
// that of the exec is stopped.
func (c *cache) fresh(tid int) {
	if t := c.tasks[tid]; t != nil && t.process != nil && !kernel.InGroup(tid, t.process.tgid) {
		c.forget(tid)
	}
}

// born notes a task that a fork event of parent names, unless it is dead and
// reaped already.
func (c *cache) born(tid int, parent *task) *task {
	if c.stillborn[tid] {
		// The event of a dead task may never have come, if its parent was killed:
		// then this is of another task with its number.
		delete(c.stillborn, tid)
		if !kernel.Tracee(tid) {
			return nil
		}
	}
	c.fresh(tid)
	t := c.task(tid)
	t.known = true
	if kernel.IsLeader(tid) {
		c.join(t, tid)
	} else {
		c.join(t, c.process(parent).tgid)
	}
	return t
}

// join puts t into thread group tgid.
func (c *cache) join(t *task, tgid int) {
	p := c.processes[tgid]
	if p == nil {
		p = &process{tgid: tgid, threads: map[int]*task{}}
		c.processes[tgid] = p
	}
	t.process = p
	p.threads[t.tid] = t
}

// process returns t's thread group, asking the kernel when the event that
// would have told was never seen (its parent was killed first).
func (c *cache) process(t *task) *process {
	if t.process == nil {
		c.join(t, c.leader(t.tid))
	}
	return t.process
}

// leader is the TGID of tid, which is not reaped: neither is its leader then, which
// has stopped before it made a thread, and has an entry.
func (c *cache) leader(tid int) int {
	if !kernel.IsLeader(tid) {
		for id := range c.tasks {
			if kernel.InGroup(tid, id) {
				return id
			}
		}
	}
	return tid
}

// forget drops everything about id, a TID or TGID that was just reaped: the
// one place where entries end. Dropping a TGID drops its TIDs.
func (c *cache) forget(id int) {
	if p := c.processes[id]; p != nil {
		for tid := range p.threads {
			delete(c.tasks, tid)
		}
		delete(c.processes, id)
		delete(c.tasks, id)
		return
	}
	t := c.tasks[id]
	if t == nil {
		return
	}
	if t.process != nil {
		delete(t.process.threads, id)
	}
	delete(c.tasks, id)
}

// died drops id, which was just reaped, and remembers it if its fork event is
// still to come.
func (c *cache) died(id int) {
	delete(c.refused, id)
	if t := c.tasks[id]; t == nil || !t.known {
		c.stillborn[id] = true
	}
	c.forget(id)
}

// exec re-keys thread group tgid at its EVENT_EXEC: the thread that was former
// is now the leader, and the only one. Its number may be another task's by now.
func (c *cache) exec(tgid, former int) *task {
	if t := c.tasks[former]; t != nil && t.process == nil && kernel.Kill(former, 0) != nil {
		c.forget(former)
	}
	known := c.tasks[tgid] != nil && c.tasks[tgid].known
	c.forget(tgid) // and all its threads, former too
	t := c.task(tgid)
	t.known = known
	c.join(t, tgid)
	return t
}
