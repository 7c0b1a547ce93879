// SPDX-License-Identifier: GPL-3.0-or-later

package trace

import (
	"sync/atomic"

	"syd/syd/kernel"
)

// placement keeps the tracer beside a task that stops again and again. The
// kernel wakes us on an idle processor if there is one, and the task, which
// waits for us, on its own: both have to be woken out of their idle state at
// every stop, which costs more than all the rest of it. While one task has all
// the events, its processor is the best place; the first event of another ends
// that.
type placement struct {
	tid    int // of the last event
	streak int // events of it in a row
	bound  bool
	cpu    int           // where we run, and
	all    kernel.CPUSet // where we may run, while bound

	// The finder is a thread of its own, for which nobody waits.
	start  func(func())
	finder bool          // is running
	wanted atomic.Uint32 // the task whose processor it is to find; 0: none
	found  atomic.Uint64 // a task and its processor: task<<32 | processor
}

const (
	// bindAfter is how many events in a row make a task worth the move.
	bindAfter = 16
	// followAfter is how often to look whether it runs elsewhere by now.
	followAfter = 64
)

// note is told of every event. Preconditions: tracer thread.
func (p *placement) note(tid int) {
	if tid != p.tid {
		p.tid, p.streak = tid, 0
		p.unbind()
		return
	}
	if p.streak++; p.streak == bindAfter || p.streak%followAfter == 0 {
		p.find()
	}
	if p.found.Load() != 0 {
		if found := p.found.Swap(0); int(found>>32) == tid {
			p.bind(int(uint32(found)))
		}
	}
}

// find asks for the task's processor, unless the finder has no answer to its last
// question yet.
func (p *placement) find() {
	if !p.wanted.CompareAndSwap(0, uint32(p.tid)) {
		return
	}
	if !p.finder {
		p.finder = true
		p.start(p.search)
	}
	kernel.FutexWake(&p.wanted)
}

// search is the finder's life.
func (p *placement) search() {
	for {
		for p.wanted.Load() == 0 {
			kernel.FutexWait(&p.wanted, 0, 0)
		}
		tid := p.wanted.Load()
		if cpu, ok := kernel.LastCPU(int(tid)); ok {
			p.found.Store(uint64(tid)<<32 | uint64(cpu))
		}
		p.wanted.Store(0)
	}
}

func (p *placement) bind(cpu int) {
	if p.bound && p.cpu == cpu {
		return
	}
	p.unbind()
	all, err := kernel.Affinity()
	if err != nil || !all.IsSet(cpu) || all.Count() == 1 {
		return
	}
	var one kernel.CPUSet
	one.Set(cpu)
	p.all, p.cpu, p.bound = all, cpu, kernel.SetAffinity(&one) == nil
}

func (p *placement) unbind() {
	if p.bound {
		kernel.SetAffinity(&p.all) // it was ours before: fails only where nothing is left of it
		p.bound = false
	}
}
