// SPDX-License-Identifier: GPL-3.0-or-later

package trace

import (
	"fmt"
	"syscall"
	"time"

	"syd/syd/kernel"
)

// Kind says what waitid reported of a task.
type Kind uint8

// The kinds of event: one row each in the dispatch table.
const (
	Unknown     Kind = iota // not to be had: ends the sandbox
	Exited                  // Value is the exit code
	Killed                  // Value is the signal
	GroupStop               // Signal stopped its whole thread group
	OtherStop               // a new tracee, or one continued from a group-stop
	SignalStop              // Signal is about to be delivered
	SeccompStop             // our filter says TRACE, or the tracee's own does
	SyscallStop             // at the exit of a call that a handler asked to see end
	ForkEvent               // fork, vfork or clone made a task
	ExecEvent               // a new image, before its first instruction
	ExitEvent               // about to exit, memory and descriptors still there
	numKinds
)

var kindNames = [numKinds]string{"unknown", "exited", "killed", "group-stop", "other stop", "signal-stop",
	"seccomp-stop", "syscall-stop", "fork event", "exec event", "exit event"}

func (k Kind) String() string { return kindNames[k] }

// Event is one status, decoded.
type Event struct {
	Kind   Kind
	TID    int
	Signal syscall.Signal // of stops
	Value  int            // of deaths
	Raw    kernel.WaitInfo
}

func (e Event) String() string {
	return fmt.Sprintf("%s of %d (code %d, status %#x)", e.Kind, e.TID, e.Raw.Code, e.Raw.Status)
}

// decode names a status. What it doesn't know stays Unknown: PTRACE_EVENT_VFORK_DONE,
// say, which is never asked for.
func decode(w kernel.WaitInfo) Event {
	e := Event{TID: w.PID, Raw: w}
	switch w.Code {
	case kernel.CLDExited:
		e.Kind, e.Value = Exited, w.Status
	case kernel.CLDKilled, kernel.CLDDumped:
		e.Kind, e.Value = Killed, w.Status
	case kernel.CLDTrapped:
		e.Signal = syscall.Signal(w.Status & 0xff)
		e.Kind = decodeStop(w.Status>>8, e.Signal)
	}
	return e
}

// syscallStop is the signal of a syscall-stop under PTRACE_O_TRACESYSGOOD.
const syscallStop = syscall.SIGTRAP | 0x80

func decodeStop(event int, signal syscall.Signal) Kind {
	switch {
	case event == kernel.EventStop:
		switch signal {
		case syscall.SIGSTOP, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU:
			return GroupStop
		}
		return OtherStop
	case event == 0 && signal == syscallStop:
		return SyscallStop
	case event == 0:
		return SignalStop
	case signal != syscall.SIGTRAP:
		return Unknown
	}
	switch event {
	case kernel.EventSeccomp:
		return SeccompStop
	case kernel.EventFork, kernel.EventVfork, kernel.EventClone:
		return ForkEvent
	case kernel.EventExec:
		return ExecEvent
	case kernel.EventExit:
		return ExitEvent
	}
	return Unknown
}

// recent are the tasks that the last events were about: the next one is likely
// to be about one of them.
type recent struct {
	tids [4]int
	next int
	hits int // in a row; the others are not to starve
}

func (r *recent) add(tid int) {
	for _, known := range r.tids {
		if known == tid {
			return
		}
	}
	r.tids[r.next] = tid
	r.next = (r.next + 1) % len(r.tids)
}

const (
	// walkTime is what waitid(P_ALL) takes for each task that is not waitable.
	walkTime = 6 * time.Nanosecond
	// worthwhile is the least walk that is worth looking at the clock for.
	worthwhile = 5 * time.Microsecond
	// maxHits is how many events in a row are taken from recent tasks only.
	maxHits = 32
)

// turns sees to it that every task has its turn. waitid(P_ALL) goes through them in
// one order, the newest first (kernel/ptrace.c, __ptrace_link), and reports the first
// that it can: threads that stop again and again, as fast as we let them go on, would
// keep all the older ones waiting for ever.
type turns struct {
	events int
	left   []int // TIDs that had no turn yet in this round; some may be gone
}

// turnEvery is after how many events one task has its turn.
const turnEvery = 4

// turn returns the status of the task whose turn it is now, if it has one.
func (t *Tracer) turn() (info kernel.WaitInfo, ok bool) {
	if t.turns.events++; t.turns.events%turnEvery != 0 || len(t.cache.tasks) < 2 {
		return info, false
	}
	if len(t.turns.left) == 0 {
		for tid := range t.cache.tasks {
			t.turns.left = append(t.turns.left, tid)
		}
	}
	last := len(t.turns.left) - 1
	info, err := kernel.WaitTask(t.turns.left[last])
	t.turns.left = t.turns.left[:last]
	return info, err == nil && info.PID != 0
}

// wait returns the next status. A wait for any task walks over all of them
// before it sleeps, which in a large sandbox takes longer than the likely tasks
// take to stop again: look at those first, for as long as the walk would take.
// Preconditions: tracer thread.
func (t *Tracer) wait() (kernel.WaitInfo, error) {
	if info, ok := t.turn(); ok {
		return info, nil
	}
	walk := time.Duration(len(t.cache.tasks)) * walkTime
	if walk >= worthwhile && t.recent.hits < maxHits {
		for until := time.Now().Add(walk); time.Now().Before(until); {
			for _, tid := range t.recent.tids {
				if tid == 0 {
					continue
				}
				if info, err := kernel.WaitTask(tid); err == nil && info.PID != 0 {
					t.recent.hits++
					return info, nil
				}
			}
		}
	}
	info, err := kernel.Wait()
	t.recent.add(info.PID)
	t.recent.hits = 0
	return info, err
}
