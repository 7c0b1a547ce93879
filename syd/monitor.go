// SPDX-License-Identifier: GPL-3.0-or-later

package syd

import (
	"fmt"
	"slices"
	"sync/atomic"
	"syscall"

	"syd/syd/kernel"
	"syd/syd/kernel/signals"
)

// forwarded are the signals that are meant for the program, whichever thread
// they reach.
var forwarded = []syscall.Signal{
	syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGUSR2,
}

// jobControl are those that stop it and let it go on. They mean what they mean in
// the order in which they were sent: only the monitor's thread takes them, or one
// whose handler was late could undo the next.
var jobControl = []syscall.Signal{syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU, syscall.SIGCONT}

// monitor is the helper beside the tracer: it forwards signals to the eldest,
// stops the supervisor together with it, and notices when no task is under the
// sandbox's filter any more.
type monitor struct {
	pidfd    int // the eldest
	listener int
	signals  *signals.Queue
	wake     int
	unused   func() // no filter user is left
	done     chan struct{}

	deaf    atomic.Bool   // the listener is about to be closed
	left    atomic.Uint32 // 1: it isn't polled any more
	stopped atomic.Int32  // the signal that the eldest is stopped by; 0: it isn't
	ending  atomic.Bool

	stopWanted bool // the supervisor was told to stop and the eldest hasn't yet
}

func newMonitor(pidfd, listener int) (*monitor, error) {
	m := &monitor{pidfd: pidfd, listener: listener, done: make(chan struct{})}
	var err error
	if m.wake, err = kernel.EventFD(); err != nil {
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	if m.signals, err = signals.Catch(slices.Concat(forwarded, jobControl)...); err != nil {
		kernel.Close(m.wake)
		return nil, fmt.Errorf("sigaction: %w", err)
	}
	// These may be sent to the main thread alone, which is the calling one.
	return m, signals.Unblock(forwarded...)
}

// eldestStopped and eldestContinued are called by the tracer thread.
func (m *monitor) eldestStopped(s syscall.Signal) {
	m.stopped.Store(int32(s))
	kernel.Wake(m.wake)
}

func (m *monitor) eldestContinued() { m.stopped.Store(0) }

// ignore has the monitor let go of the listener, and returns when it has: who
// sleeps in poll(2) keeps what it polls open. Any thread but its own.
func (m *monitor) ignore() {
	m.deaf.Store(true)
	kernel.Wake(m.wake)
	for m.left.Load() == 0 {
		kernel.FutexWait(&m.left, 0, 0)
	}
}

// stop ends run and waits for it.
func (m *monitor) stop() {
	m.ending.Store(true)
	kernel.Wake(m.wake)
	<-m.done
	kernel.Close(m.wake)
}

func (m *monitor) run() {
	defer close(m.done)
	defer func() { m.left.Store(1); kernel.FutexWake(&m.left) }()
	// This thread, which is the monitor's for good, takes the signals.
	if err := signals.Unblock(slices.Concat(forwarded, jobControl)...); err != nil {
		panic(fmt.Sprintf("rt_sigprocmask: %v", err))
	}
	// The listener becomes readable with every call: that is the receivers' affair.
	fds := []kernel.Polled{{FD: m.signals.FD}, {FD: m.wake}, {FD: m.listener, Ends: true}}
	for {
		ready, err := kernel.Poll(fds...)
		if err != nil {
			panic(fmt.Sprintf("poll: %v", err))
		}
		if ready[1].Readable {
			kernel.Drain(m.wake)
		}
		if m.ending.Load() {
			return
		}
		if m.deaf.Load() {
			fds = fds[:2]
			m.left.Store(1)
			kernel.FutexWake(&m.left)
		}
		if ready[0].Readable {
			m.handleSignals()
		}
		if len(fds) > 2 && len(ready) > 2 && ready[2].HungUp {
			m.unused()
			fds = fds[:2]
		}
		m.stopSelf()
	}
}

func (m *monitor) handleSignals() {
	for _, s := range m.signals.Read() {
		switch s.Number {
		case syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU:
			m.stopWanted = true
		case syscall.SIGCONT:
			m.stopWanted = false
		}
		if m.forwards(s) {
			kernel.SendSignal(m.pidfd, s.Number) // ESRCH: it is dead, which is being told
		}
	}
}

// forwards: what a process outside sent to the supervisor is meant for the
// program. What the terminal sends reaches the whole foreground group, and
// kill(0, ...) inside the sandbox its members, without us.
func (m *monitor) forwards(s signals.Signal) bool {
	if s.Code > 0 {
		return false
	}
	return !kernel.Tracee(s.PID)
}

// stopSelf stops the supervisor once it was told to and the eldest is stopped:
// its handler for SIGTSTP has run by then, and the shell that waits for us sees
// what it would see of the eldest.
func (m *monitor) stopSelf() {
	signal := syscall.Signal(m.stopped.Load())
	if !m.stopWanted || signal == 0 {
		return
	}
	stopped, err := m.signals.StopSelf(signal)
	if err != nil {
		panic(fmt.Sprintf("stop: %v", err))
	}
	m.stopWanted = !stopped // there is something to be read first
}
