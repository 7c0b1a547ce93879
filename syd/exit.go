// SPDX-License-Identifier: GPL-3.0-or-later

package syd

import (
	"errors"
	"fmt"
	"syscall"

	"syd/syd/kernel/spawn"
	"syd/syd/policy"
)

// Exit is the status that syd is to exit with.
type Exit int

// StatusFault is the status of a fault of syd's own, and of an eldest whose end
// nobody could tell.
const StatusFault Exit = 127

// exitOf finds the status for an error: EINVAL for what was written wrongly,
// else the errno. A file that could not be read counts if nothing else is wrong.
func exitOf(err error) Exit {
	if wrong, ok := errors.AsType[policy.Errors](err); ok {
		for _, e := range wrong {
			if _, ok := errors.AsType[syscall.Errno](e); !ok {
				return Exit(syscall.EINVAL)
			}
		}
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return Exit(errno)
	}
	return StatusFault
}

// A missing feature of the kernel, without which the sandbox can't be what was
// asked for.
type missing struct{ feature, since, so string }

func (m *missing) Error() string {
	return fmt.Sprintf("the kernel has no %s (Linux %s): %s", m.feature, m.since, m.so)
}
func (m *missing) Unwrap() error { return syscall.EOPNOTSUPP }

// untraceable is a kernel that is told to let nobody trace, or only who has
// CAP_SYS_PTRACE (Documentation/admin-guide/LSM/Yama.rst).
type untraceable struct{ scope int }

func (u *untraceable) Error() string {
	who := "nobody may trace, until the next boot"
	if u.scope == 2 {
		who = "only who has CAP_SYS_PTRACE may trace; root can set it to 1"
	}
	return fmt.Sprintf("PTRACE_SEIZE: %s: kernel.yama.ptrace_scope is %d: %s", spawn.Strerror(syscall.EPERM), u.scope, who)
}
func (u *untraceable) Unwrap() error { return syscall.EOPNOTSUPP }

// execError is the eldest's exec that failed.
type execError struct{ errno syscall.Errno }

func (e *execError) Error() string { return "exec error: " + spawn.Strerror(e.errno) }
func (e *execError) Unwrap() error { return e.errno }
