// SPDX-License-Identifier: GPL-3.0-or-later

package trace

import (
	"sync/atomic"
	"time"

	"syd/syd/kernel"
	"syd/syd/kernel/signals"
)

const (
	// maxWorkers is how many threads there are at most: what a tracee can have
	// stuck. While some are left, nobody waits for those.
	maxWorkers = 32
	// patience is how long the tracer thread itself waits for an answer: nearly
	// all come in time, and cost no second wake-up then.
	patience = 200 * time.Microsecond
	// processors is the least GOMAXPROCS. A thread that leaves a system call takes a
	// processor of the runtime's; with the machine's one or two of them it mostly
	// finds none free and waits for the runtime's monitor to notice: an answer then
	// takes ten times as long.
	processors = 8
	// tick and overdueTicks bound an answer. A disk may have to spin up first,
	// which takes up to ten seconds. Ticks, since a supervisor that is stopped, by
	// job control, must not take the time for its workers'.
	tick         = time.Second
	overdueTicks = 12
	// firstPause and maxPause are between two interruptions of the tracer thread.
	firstPause = time.Millisecond
	maxPause   = 100 * time.Millisecond
)

// States of a question: who has it, and who is to be told of the answer.
const (
	asked    uint32 = iota // the tracer thread is about to sleep on it
	sleeping               // the tracer thread sleeps on it
	left                   // the tracer thread went on
	answered
	taken // an answer after it had gone on was taken
)

// pool are the threads that do what may take long. Its fields belong to the
// tracer thread, but for the atomic ones and start, which is constant.
type pool struct {
	start  func(func()) // runs a function on a thread of its own
	tracer int          // TID
	all    kernel.CPUSet

	workers   int
	abandoned int
	idle      []*worker
	open      []*question // that workers have and the tracer thread doesn't wait for
	waiting   []*question // that no worker has yet

	answers  atomic.Pointer[question] // a stack
	watching atomic.Uint32            // 1: something is open
	ticked   atomic.Uint32            // 1: a tick that wasn't seen yet
	watchdog bool                     // is running
}

// worker is one thread, and its mailbox.
type worker struct {
	question *question
	full     atomic.Uint32
	tid      atomic.Int32 // 0: it doesn't run yet
	cpu      int          // that it is bound to, if bound
	bound    bool
}

// post gives q to a worker, or has it wait for one. false: there is none, and
// none will be free.
func (p *pool) post(q *question) bool {
	switch {
	case len(p.idle) > 0:
		last := len(p.idle) - 1
		w := p.idle[last]
		p.idle = p.idle[:last]
		w.bind()
		p.give(w, q)
	case p.workers < maxWorkers:
		p.workers++
		w := &worker{}
		p.give(w, q)
		p.start(func() { p.work(w) })
	case p.abandoned < maxWorkers:
		q.state.Store(left)
		p.waiting = append(p.waiting, q)
	default:
		return false
	}
	return true
}

func (p *pool) give(w *worker, q *question) {
	q.worker, w.question = w, q
	w.full.Store(1)
	kernel.FutexWake(&w.full)
}

// bind puts the worker beside the tracer thread, which is about to sleep: to
// switch to it takes less than to wake another processor.
func (w *worker) bind() {
	cpu, tid := kernel.CurrentCPU(), int(w.tid.Load())
	if cpu < 0 || tid == 0 || w.bound && w.cpu == cpu {
		return
	}
	var one kernel.CPUSet
	one.Set(cpu)
	if kernel.SetThreadAffinity(tid, &one) == nil {
		w.cpu, w.bound = cpu, true
	}
}

// unbind lets the worker run wherever there is room.
func (w *worker) unbind(all *kernel.CPUSet) {
	if w.bound {
		kernel.SetThreadAffinity(int(w.tid.Load()), all) // fails only where nothing is left of it
		w.bound = false
	}
}

// await says whether q is answered soon. If not, the answer will interrupt the
// tracer thread, and be among those of take.
func (p *pool) await(q *question) bool {
	if q.state.CompareAndSwap(asked, sleeping) {
		kernel.FutexWait(&q.state, sleeping, patience)
	}
	if !q.state.CompareAndSwap(sleeping, left) {
		return q.state.Load() == answered
	}
	p.watch(q)
	return false
}

// watch has the watchdog tick while q is open.
func (p *pool) watch(q *question) {
	p.open = append(p.open, q)
	if q.worker != nil {
		q.worker.unbind(&p.all)
	}
	if !p.watchdog {
		p.watchdog = true
		p.start(p.tick)
	}
	if p.watching.Swap(1) == 0 {
		kernel.FutexWake(&p.watching)
	}
}

// take returns the answered questions that the tracer thread had left.
func (p *pool) take() (all []*question) {
	for q := p.answers.Swap(nil); q != nil; q = q.next {
		q.state.Store(taken)
		kernel.FutexWake(&q.state)
		if q.overdue {
			p.abandoned--
		}
		all = append(all, q)
	}
	return all
}

// free is told that q's worker has nothing to do.
func (p *pool) free(q *question) {
	if len(p.waiting) == 0 {
		p.idle = append(p.idle, q.worker)
		return
	}
	next := p.waiting[0]
	p.waiting = p.waiting[1:]
	next.worker = q.worker
	p.watch(next)
	p.give(next.worker, next)
}

// late returns the questions whose time is over, whose workers are abandoned.
// Each is returned once.
func (p *pool) late() (all []*question) {
	if p.ticked.Load() == 0 {
		return nil
	}
	still := p.open[:0]
	for _, q := range p.open {
		q.ticks++
		switch {
		case q.state.Load() != left:
		case q.ticks > overdueTicks:
			q.overdue = true
			p.abandoned++
			all = append(all, q)
		default:
			still = append(still, q)
		}
	}
	clear(p.open[len(still):])
	p.open = still
	if len(still) == 0 {
		p.watching.Store(0)
	}
	p.ticked.Store(0)
	kernel.FutexWake(&p.ticked)
	return all
}

// work is a worker's life.
func (p *pool) work(w *worker) {
	w.tid.Store(int32(kernel.ThreadID()))
	for {
		for w.full.Load() == 0 {
			kernel.FutexWait(&w.full, 0, 0)
		}
		q := w.question
		w.full.Store(0)
		q.answer = q.find()
		switch q.state.Swap(answered) {
		case sleeping:
			kernel.FutexWake(&q.state)
		case left:
			q.next = p.answers.Load()
			for !p.answers.CompareAndSwap(q.next, q) {
				q.next = p.answers.Load()
			}
			p.interrupt(&q.state, answered)
		}
	}
}

// tick is the watchdog's life: the tracer thread, which sleeps without a limit,
// looks at the open questions once a tick.
func (p *pool) tick() {
	for {
		for p.watching.Load() == 0 {
			kernel.FutexWait(&p.watching, 0, 0)
		}
		time.Sleep(tick)
		p.ticked.Store(1)
		p.interrupt(&p.ticked, 1)
	}
}

// interrupt wakes the tracer thread until it has changed word. Once is not
// enough: the signal is lost when it comes between a look at the answers and
// the sleep.
func (p *pool) interrupt(word *atomic.Uint32, value uint32) {
	for pause := firstPause; word.Load() == value; pause = min(2*pause, maxPause) {
		kernel.SignalThread(p.tracer, signals.Interruption)
		kernel.FutexWait(word, value, pause)
	}
}
