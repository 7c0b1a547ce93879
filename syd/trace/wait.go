// SPDX-License-Identifier: GPL-3.0-or-later

package trace

import (
	"fmt"
	"syscall"

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
