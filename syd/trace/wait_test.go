// SPDX-License-Identifier: GPL-3.0-or-later

package trace

import (
	"strings"
	"syscall"
	"testing"

	"syd/syd/kernel"
)

func TestDecode(t *testing.T) {
	const trap = int(syscall.SIGTRAP)
	for _, row := range []struct {
		name   string
		code   int
		status int
		kind   Kind
		signal syscall.Signal
		value  int
	}{
		{"exit 0", kernel.CLDExited, 0, Exited, 0, 0},
		{"exit 255", kernel.CLDExited, 255, Exited, 0, 255},
		{"exit with the number of a signal", kernel.CLDExited, 9, Exited, 0, 9},
		{"killed", kernel.CLDKilled, 9, Killed, 0, 9},
		{"killed by a real-time signal", kernel.CLDKilled, 64, Killed, 0, 64},
		{"killed, core dumped", kernel.CLDDumped, 11, Killed, 0, 11},
		{"group-stop SIGSTOP", kernel.CLDTrapped, 128<<8 | 19, GroupStop, syscall.SIGSTOP, 0},
		{"group-stop SIGTSTP", kernel.CLDTrapped, 128<<8 | 20, GroupStop, syscall.SIGTSTP, 0},
		{"group-stop SIGTTIN", kernel.CLDTrapped, 128<<8 | 21, GroupStop, syscall.SIGTTIN, 0},
		{"group-stop SIGTTOU", kernel.CLDTrapped, 128<<8 | 22, GroupStop, syscall.SIGTTOU, 0},
		{"new tracee or INTERRUPT", kernel.CLDTrapped, 128<<8 | trap, OtherStop, syscall.SIGTRAP, 0},
		{"continued", kernel.CLDTrapped, 128<<8 | 18, OtherStop, syscall.SIGCONT, 0},
		{"delivery of SIGTRAP", kernel.CLDTrapped, trap, SignalStop, syscall.SIGTRAP, 0},
		{"delivery of SIGSTOP", kernel.CLDTrapped, 19, SignalStop, syscall.SIGSTOP, 0},
		{"delivery of signal 1", kernel.CLDTrapped, 1, SignalStop, syscall.SIGHUP, 0},
		{"delivery of signal 64", kernel.CLDTrapped, 64, SignalStop, 64, 0},
		{"syscall-stop", kernel.CLDTrapped, trap | 0x80, SyscallStop, 0x85, 0},
		{"fork", kernel.CLDTrapped, 1<<8 | trap, ForkEvent, syscall.SIGTRAP, 0},
		{"vfork", kernel.CLDTrapped, 2<<8 | trap, ForkEvent, syscall.SIGTRAP, 0},
		{"clone", kernel.CLDTrapped, 3<<8 | trap, ForkEvent, syscall.SIGTRAP, 0},
		{"exec", kernel.CLDTrapped, 4<<8 | trap, ExecEvent, syscall.SIGTRAP, 0},
		{"exit event", kernel.CLDTrapped, 6<<8 | trap, ExitEvent, syscall.SIGTRAP, 0},
		{"seccomp", kernel.CLDTrapped, 7<<8 | trap, SeccompStop, syscall.SIGTRAP, 0},
		{"vfork done", kernel.CLDTrapped, 5<<8 | trap, Unknown, syscall.SIGTRAP, 0},
		{"an event to come", kernel.CLDTrapped, 8<<8 | trap, Unknown, syscall.SIGTRAP, 0},
		{"an event beyond a byte", kernel.CLDTrapped, 0x104<<8 | trap, Unknown, syscall.SIGTRAP, 0},
		{"an event with another signal", kernel.CLDTrapped, 1<<8 | 19, Unknown, syscall.SIGSTOP, 0},
		{"an event with a syscall-stop's signal", kernel.CLDTrapped, 7<<8 | trap | 0x80, Unknown, 0x85, 0},
		{"nothing", 0, 0, Unknown, 0, 0},
		{"stopped, not traced", 5, 19, Unknown, 0, 0},
		{"continued, not traced", 6, 18, Unknown, 0, 0},
		{"a code to come", 7, 0, Unknown, 0, 0},
		{"a negative code", -1, 0, Unknown, 0, 0},
	} {
		raw := kernel.WaitInfo{PID: 42, Code: row.code, Status: row.status}
		e := decode(raw)
		if want := (Event{row.kind, 42, row.signal, row.value, raw}); e != want {
			t.Errorf("%s: got %+v, want %+v", row.name, e, want)
		}
		if s := e.String(); !strings.Contains(s, e.Kind.String()) || !strings.Contains(s, "of 42 ") || strings.Contains(s, "\n") {
			t.Errorf("%s: String is %q", row.name, s)
		}
	}
}

func TestEveryKindIsHandledAndNamed(t *testing.T) {
	names := map[string]Kind{}
	for k := range numKinds {
		if handlers[k] == nil {
			t.Errorf("%v has no handler", k)
		}
		if other, taken := names[k.String()]; taken || k.String() == "" {
			t.Errorf("kind %d: the name %q is missing or that of kind %d", k, k.String(), other)
		}
		names[k.String()] = k
	}
}
