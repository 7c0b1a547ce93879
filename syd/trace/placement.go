// SPDX-License-Identifier: GPL-3.0-or-later

package trace

import "syd/syd/kernel"

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
	all    kernel.CPUSet // where we may run, while bound
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
		p.bind()
	}
}

func (p *placement) bind() {
	p.unbind()
	cpu, ok := kernel.LastCPU(p.tid)
	all, err := kernel.Affinity()
	if !ok || err != nil || !all.IsSet(cpu) || all.Count() == 1 {
		return
	}
	var one kernel.CPUSet
	one.Set(cpu)
	p.all, p.bound = all, kernel.SetAffinity(&one) == nil
}

func (p *placement) unbind() {
	if p.bound {
		kernel.SetAffinity(&p.all) // it was ours before: fails only where nothing is left of it
		p.bound = false
	}
}
