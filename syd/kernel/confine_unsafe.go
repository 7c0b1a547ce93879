// SPDX-License-Identifier: GPL-3.0-or-later

package kernel

import (
	"fmt"
	"strconv"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// FilterFlags say how LoadFilter loads.
type FilterFlags uint

// The flags (seccomp(2)).
const (
	// AllThreads: every thread of the process is put under the filter (Linux 3.17).
	AllThreads FilterFlags = unix.SECCOMP_FILTER_FLAG_TSYNC
	// SpeculationAllowed: the Speculative Store Bypass mitigation stays off (Linux 4.17).
	SpeculationAllowed FilterFlags = unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW
)

// LoadFilter puts the calling thread, which stays locked to its goroutine for
// good, under program: struct sock_filter entries.
//
// Preconditions: no_new_privs is on, or the caller has CAP_SYS_ADMIN.
func LoadFilter(program []byte, flags FilterFlags) error {
	fprog := unix.SockFprog{
		Len:    uint16(len(program) / unix.SizeofSockFilter),
		Filter: (*unix.SockFilter)(unsafe.Pointer(&program[0])),
	}
	thread, _, errno := syscall.RawSyscall6(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, uintptr(flags),
		uintptr(unsafe.Pointer(&fprog)), GuardSeccomp.at(3), GuardSeccomp.at(4), GuardSeccomp.at(5))
	switch {
	case errno != 0:
		return errno
	case thread != 0:
		return fmt.Errorf("thread %d has filters of its own", thread)
	}
	return nil
}

// NameThread names the calling thread, as ps(1) shows it: at most 15 bytes count.
func NameThread(name string) {
	text := append([]byte(name), 0)
	unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&text[0])), 0, 0, 0) // it can't fail but for the pointer
}

// RuntimeEventFD is the eventfd by which the Go runtime wakes its poller, which
// it opens with the first timer: here, at the latest. There is no other eventfd
// that is close-on-exec yet: one that was inherited can't be.
//
// Preconditions: EventFD was not called yet.
func RuntimeEventFD() (int, error) {
	time.AfterFunc(time.Hour, func() {}).Stop()
	const eventfd = "anon_inode:[eventfd"
	var link [len(eventfd)]byte
	for fd := range 1 << 16 {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
			continue
		}
		n, err := unix.Readlink("/proc/self/fd/"+strconv.Itoa(fd), link[:])
		if err == nil && string(link[:n]) == eventfd {
			return fd, nil
		}
	}
	return -1, fmt.Errorf("the runtime's eventfd is not in /proc/self/fd")
}

// dotDot is the path of the parent directory: the filters know its address,
// and so it must not be writable.
const dotDot = "..\x00"

// DotDot is the address of the program's constant "..".
func DotDot() uint64 { return uint64(uintptr(unsafe.Pointer(unsafe.StringData(dotDot)))) }
