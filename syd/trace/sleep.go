// SPDX-License-Identifier: GPL-3.0-or-later

package trace

import (
	"runtime"
	"sync/atomic"

	"syd/syd/kernel"
)

// sleep is when a thread may be interrupted: at no other time than between begin
// and end. A signal that came while a descriptor is handed over would have the
// caller told that its call returned 0: the kernel has taken the reply, and takes
// the descriptor back (kernel/seccomp.c, seccomp_notify_addfd).
type sleep struct {
	phase atomic.Uint32
	sent  bool // by who moved phase to signalling
}

const (
	awake uint32 = iota
	asleep
	signalling
)

func (s *sleep) begin() { s.phase.Store(asleep) }

// end returns when every signal that was sent has come.
func (s *sleep) end() {
	for !s.phase.CompareAndSwap(asleep, awake) {
		runtime.Gosched()
	}
	if s.sent {
		s.sent = false
		kernel.ThreadID() // any system call: it comes at its end at the latest
	}
}

func (s *sleep) now() bool { return s.phase.Load() == asleep }

// interrupt has send send a signal, or not, if the thread sleeps, which it goes
// on to do meanwhile. Any thread.
func (s *sleep) interrupt(send func() bool) {
	if s.phase.CompareAndSwap(asleep, signalling) {
		if send() {
			s.sent = true
		}
		s.phase.Store(asleep)
	}
}
