// SPDX-License-Identifier: GPL-3.0-or-later

package trace

import (
	"runtime"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"syd/syd/kernel"
	"syd/syd/kernel/signals"
)

// newTestPool makes the calling goroutine's thread the tracer thread.
func newTestPool(t *testing.T) *pool {
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	if err := signals.Interruptible(); err != nil {
		t.Fatal(err)
	}
	all, _ := kernel.Affinity()
	return &pool{start: func(f func()) { go f() }, tracer: kernel.ThreadID(), all: all}
}

func numbered(n int) *question {
	return &question{find: func() answer { return answer{status: n} }}
}

// stuck is answered when the test says so.
func stuck(until *atomic.Uint32) *question {
	return &question{find: func() answer {
		for until.Load() == 0 {
			kernel.FutexWait(until, 0, time.Millisecond)
		}
		return answer{errno: syscall.EIO}
	}}
}

// takeAll waits, as the tracer thread does, for n late answers.
func takeAll(p *pool, n int) (all []*question) {
	var never atomic.Uint32
	for len(all) < n {
		kernel.FutexWait(&never, 0, 0) // until it is interrupted
		for _, q := range p.take() {
			p.free(q)
			all = append(all, q)
		}
	}
	return all
}

func TestOneWorkerWillDoForQuickAnswers(t *testing.T) {
	p := newTestPool(t)
	for n := range 1000 {
		q := numbered(n)
		if !p.post(q) {
			t.Fatal("no worker")
		}
		if p.await(q) {
			p.free(q)
		} else {
			takeAll(p, 1)
		}
		if q.answer.status != n {
			t.Fatalf("question %d has the answer %d", n, q.answer.status)
		}
	}
	if p.workers != 1 {
		t.Errorf("%d workers", p.workers)
	}
}

func TestStuckWorkersKeepNobody(t *testing.T) {
	p := newTestPool(t)
	var until atomic.Uint32
	open := make([]*question, maxWorkers-1)
	for i := range open {
		open[i] = stuck(&until)
		if !p.post(open[i]) || p.await(open[i]) {
			t.Fatal("a stuck question was refused or answered")
		}
	}
	q := numbered(7)
	if !p.post(q) {
		t.Fatal("the last worker was refused")
	}
	if !p.await(q) {
		takeAll(p, 1)
	} else {
		p.free(q)
	}
	if q.answer.status != 7 || len(p.idle) != 1 {
		t.Errorf("got %+v, %d are idle", q.answer, len(p.idle))
	}
	until.Store(1)
	if got := takeAll(p, len(open)); !slices.Contains(got, open[0]) || len(p.idle) != maxWorkers {
		t.Errorf("%d answers, %d idle of %d", len(got), len(p.idle), p.workers)
	}
}

func TestAbandonedWorkersJoinAgain(t *testing.T) {
	p := newTestPool(t)
	var until atomic.Uint32
	for range maxWorkers {
		q := stuck(&until)
		if !p.post(q) || p.await(q) {
			t.Fatal("a stuck question was refused or answered")
		}
	}
	waiting := numbered(7)
	if !p.post(waiting) || waiting.worker != nil {
		t.Fatal("a question doesn't wait for a worker")
	}
	ticks := func(n int) (late []*question) {
		for range n {
			p.ticked.Store(1)
			late = append(late, p.late()...)
		}
		return late
	}
	if late := ticks(overdueTicks); len(late) != 0 {
		t.Fatalf("%d are late too soon", len(late))
	}
	if late := ticks(1); len(late) != maxWorkers || p.abandoned != maxWorkers {
		t.Fatalf("%d are late, %d abandoned", len(late), p.abandoned)
	}
	if p.post(numbered(8)) {
		t.Error("a question was taken that nobody can answer")
	}
	until.Store(1)
	takeAll(p, maxWorkers+1)
	if p.abandoned != 0 || len(p.idle) != maxWorkers || waiting.answer.status != 7 {
		t.Errorf("%d abandoned, %d idle, the one that waited has %+v", p.abandoned, len(p.idle), waiting.answer)
	}
}
