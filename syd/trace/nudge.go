// SPDX-License-Identifier: GPL-3.0-or-later

package trace

import (
	"sync/atomic"

	"syd/syd/kernel"
)

// nudges are tracees that others have the tracer thread interrupt.
type nudges struct {
	tracer int // TID
	stack  atomic.Pointer[nudge]
}

type nudge struct {
	tid         int          // 0: the tracer thread is only to look around
	acquisition *acquisition // what tid is to do then, if anything
	served      atomic.Uint32
	next        *nudge
}

// nudge has the tracer thread make tid look at its signals as soon as it leaves
// the call that it is in, and returns when it will: a call that is to be restarted
// is told so by ERESTARTSYS, which the kernel only takes back from a task that has
// something to look at. Any thread but the tracer's.
func (t *Tracer) nudge(tid int) {
	t.push(&nudge{tid: tid})
}

// push returns when the tracer thread has served n.
func (t *Tracer) push(n *nudge) {
	n.next = t.nudges.stack.Load()
	for !t.nudges.stack.CompareAndSwap(n.next, n) {
		n.next = t.nudges.stack.Load()
	}
	t.pool.interrupt(&n.served, 0)
}

// serve interrupts them. ESRCH: it died. Preconditions: tracer thread.
func (t *Tracer) serve() {
	for each := t.nudges.stack.Swap(nil); each != nil; {
		next := each.next // each is its owner's again once it is served
		if task := t.cache.tasks[each.tid]; task != nil && each.acquisition != nil {
			task.acquisition, t.acquired = each.acquisition, true
		}
		if each.tid != 0 {
			kernel.Interrupt(each.tid)
		}
		each.served.Store(1)
		kernel.FutexWake(&each.served)
		each = next
	}
}
