// SPDX-License-Identifier: GPL-3.0-or-later

package harness

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// resetLibcSignals gives the signals that libc keeps for itself (32 to 34) their
// default action back. glibc's posix_spawn(3), by which make(1) starts programs,
// leaves them ignored, and what we start would inherit that.
func resetLibcSignals() error {
	type sigaction struct{ handler, flags, restorer, mask uint64 }
	const ignored = 1 // SIG_IGN
	for signal := uintptr(32); signal <= 34; signal++ {
		var old, byDefault sigaction
		if _, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, signal, 0, uintptr(unsafe.Pointer(&old)), 8, 0, 0); errno != 0 {
			return fmt.Errorf("rt_sigaction %d: %w", signal, errno)
		}
		if old.handler != ignored {
			continue
		}
		if _, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, signal, uintptr(unsafe.Pointer(&byDefault)), 0, 8, 0, 0); errno != 0 {
			return fmt.Errorf("rt_sigaction %d: %w", signal, errno)
		}
	}
	return nil
}
