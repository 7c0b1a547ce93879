// SPDX-License-Identifier: GPL-3.0-or-later

package trace

import (
	"sync"

	"syd/syd/kernel"
)

// Here a signal-delivery-stop doesn't tell what the signal interrupts. Of a call that
// the kernel means to make again it shows the registers from before the call; of one
// that ended with EINTR the first argument is lost: the waits that ptrace's stops
// end (interruptible) can't be made again.

// errOurs is what a receiver answers for a signal that natively interrupts the call,
// too: nobody could put anything else right afterwards.
const errOurs = errRestart

// unseen are the calls of tasks that receivers answered so, by TID.
type unseen struct{ calls sync.Map }

func (u *unseen) note(n *notice) {
	u.calls.Store(n.tid, kernel.SyscallInfo{Arch: n.Arch, Number: uint64(uint32(n.Number)), Args: n.Args})
	if !n.waits() {
		u.forget(n.tid) // who died before that is not asked for again
	}
}

// forget: the task is dead, and its number may soon be another's.
func (u *unseen) forget(tid int) { u.calls.Delete(tid) }

// mendUnseen does what mendEmulated does, where the task may be about to make an
// emulated call: that it stands at one can only be seen in its memory.
func (t *Tracer) mendUnseen(e Event, task *task, deliver resume) resume {
	if t.receivers == nil {
		return deliver
	}
	if ours, ok := t.receivers.unseen.calls.LoadAndDelete(e.TID); ok {
		task.interrupted = ours.(kernel.SyscallInfo)
		return deliver
	}
	call, at, err := kernel.NextCall(e.TID)
	row := t.receivers.rows[syscallKey{call.Arch, call.Number}]
	switch {
	case err != nil, row == nil:
	case call.Number == task.interrupted.Number && call.Args == task.interrupted.Args:
		// By another signal already, or it waits for what it waited for then.
	case row.waits != nil && row.waits(call.Args):
		// Perhaps the kernel made the call itself.
	default:
		return t.ask(e, func() answer {
			return answer{resume: deliver, restart: kernel.IsCall(e.TID, at)}
		}, answer{resume: deliver})
	}
	return deliver
}

func restart(e Event) { kernel.Again(e.TID) }
