// SPDX-License-Identifier: GPL-3.0-or-later

package kernel

import (
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Guard is a system call that the supervisor makes with a secret number, its
// cookie, in every register that the call itself does not use. The filters of
// the supervisor's threads compare them: who takes over a thread without
// knowing them dies of the first guarded call.
//
// Each guarded call has one typed function in this package, which is the only
// way to make it.
type Guard uint8

// The guarded calls. Those of the last group are made by nobody yet.
const (
	GuardWrite Guard = iota
	GuardOpenat2
	GuardClose
	GuardPtrace
	GuardPidfdSendSignal
	GuardSeccomp
	GuardSigaction

	// Those of threads that work for tracees.
	GuardIoctl
	GuardFaccessat2
	GuardGetdents64
	GuardPidfdGetfd
	GuardPidfdOpen
	GuardUnshare
	GuardSetresuid
	GuardSetresgid
	GuardSetgroups
	GuardCapset
	GuardMkdirat
	GuardMknodat
	GuardLinkat
	GuardSymlinkat
	GuardUnlinkat
	GuardRenameat2
	GuardFchmodat
	GuardFchownat
	GuardUtimensat
	GuardTruncate
	GuardFtruncate
	GuardSetxattr
	GuardRemovexattr
	GuardGetxattr
	GuardLgetxattr
	GuardListxattr
	GuardLlistxattr
	GuardInotifyAddWatch
	GuardUmask
	GuardMemfdCreate
	GuardDup3
	GuardKill

	GuardCloseRange
	GuardExecveat
	GuardSocket
	GuardBind
	GuardAccept4
	GuardPipe2
	GuardSendfile
	GuardRecvmsg
	GuardSendmsg
	numGuards
)

// guards says how many registers each call uses (its man page).
var guards = [numGuards]struct {
	name string
	used uint
}{
	GuardWrite:           {"write", 3},
	GuardOpenat2:         {"openat2", 4},
	GuardClose:           {"close", 1},
	GuardPtrace:          {"ptrace", 4},
	GuardPidfdSendSignal: {"pidfd_send_signal", 4},
	GuardSeccomp:         {"seccomp", 3},
	GuardSigaction:       {"rt_sigaction", 4},
	GuardCloseRange:      {"close_range", 3},
	GuardIoctl:           {"ioctl", 3},
	GuardExecveat:        {"execveat", 5},
	GuardFaccessat2:      {"faccessat2", 4},
	GuardGetdents64:      {"getdents64", 3},
	GuardPidfdGetfd:      {"pidfd_getfd", 3},
	GuardPidfdOpen:       {"pidfd_open", 2},
	GuardUnshare:         {"unshare", 1},
	GuardSetresuid:       {"setresuid", 3},
	GuardSetresgid:       {"setresgid", 3},
	GuardSetgroups:       {"setgroups", 2},
	GuardCapset:          {"capset", 2},
	GuardMkdirat:         {"mkdirat", 3},
	GuardMknodat:         {"mknodat", 4},
	GuardLinkat:          {"linkat", 5},
	GuardSymlinkat:       {"symlinkat", 3},
	GuardUnlinkat:        {"unlinkat", 3},
	GuardRenameat2:       {"renameat2", 5},
	GuardFchmodat:        {"fchmodat", 3},
	GuardFchownat:        {"fchownat", 5},
	GuardUtimensat:       {"utimensat", 4},
	GuardTruncate:        {"truncate", 2},
	GuardFtruncate:       {"ftruncate", 2},
	GuardSetxattr:        {"setxattr", 5},
	GuardRemovexattr:     {"removexattr", 2},
	GuardGetxattr:        {"getxattr", 4},
	GuardLgetxattr:       {"lgetxattr", 4},
	GuardListxattr:       {"listxattr", 3},
	GuardLlistxattr:      {"llistxattr", 3},
	GuardInotifyAddWatch: {"inotify_add_watch", 3},
	GuardUmask:           {"umask", 1},
	GuardMemfdCreate:     {"memfd_create", 2},
	GuardDup3:            {"dup3", 3},
	GuardKill:            {"kill", 2},
	GuardSocket:          {"socket", 3},
	GuardBind:            {"bind", 3},
	GuardAccept4:         {"accept4", 4},
	GuardPipe2:           {"pipe2", 2},
	GuardSendfile:        {"sendfile", 4},
	GuardRecvmsg:         {"recvmsg", 3},
	GuardSendmsg:         {"sendmsg", 3},
}

// Registers calls f with every register of syscall name that carries a cookie,
// and an identity of that cookie that is the same in every run.
func Registers(name string, f func(register uint, id int)) {
	for g, known := range guards {
		if known.name != name {
			continue
		}
		for r := known.used; r < 6; r++ {
			f(r, 6*g+int(r))
		}
	}
}

// Cookies is how many identities Registers tells: they are below it.
const Cookies = 6 * int(numGuards)

type cookiePage [numGuards][6]uint64

// noCookies are in force until MakeCookies, and for good if it is never called:
// the unused registers are 0.
var (
	noCookies cookiePage
	cookies   = &noCookies
)

// MakeCookies draws new cookies, puts them into a page of their own, outside
// the heap, that no core dump contains, and makes it read-only and, with seal,
// immutable where the kernel can (mseal(2), Linux 6.10).
//
// Preconditions: no filter that compares cookies is loaded yet; no other thread
// makes guarded calls.
func MakeCookies(seal bool) error {
	size := unix.Getpagesize()
	page, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return fmt.Errorf("cookies: mmap: %w", err)
	}
	made := (*cookiePage)(unsafe.Pointer(&page[0]))
	secret := page[:unsafe.Sizeof(*made)]
	for len(secret) > 0 {
		// Not by the vDSO, whose state would be mapped for these bytes alone.
		n, _, errno := syscall.RawSyscall(unix.SYS_GETRANDOM, uintptr(unsafe.Pointer(&secret[0])), uintptr(len(secret)), 0)
		switch errno {
		case 0:
			secret = secret[n:]
		case unix.EINTR:
		default:
			return fmt.Errorf("cookies: getrandom: %w", errno)
		}
	}
	for g := range guards {
		clear(made[g][:guards[g].used])
	}
	if err := unix.Madvise(page, unix.MADV_DONTDUMP); err != nil {
		return fmt.Errorf("cookies: madvise: %w", err)
	}
	if err := unix.Mprotect(page, unix.PROT_READ); err != nil {
		return fmt.Errorf("cookies: mprotect: %w", err)
	}
	if seal {
		_, _, errno := syscall.RawSyscall(unix.SYS_MSEAL, uintptr(unsafe.Pointer(made)), uintptr(size), 0)
		if errno != 0 && errno != unix.ENOSYS {
			return fmt.Errorf("cookies: mseal: %w", errno)
		}
		unsealable = errno == unix.ENOSYS
	}
	cookies = made
	return nil
}

var unsealable bool

// Unsealable says whether MakeCookies found that the kernel has no mseal(2).
func Unsealable() bool { return unsealable }

// Cookie is the cookie of an identity that Registers told.
func Cookie(id int) uint64 { return cookies[id/6][id%6] }

// at is what register r of g carries.
func (g Guard) at(r int) uintptr { return uintptr(cookies[g][r]) }

// Cookies points at what the six registers of g carry; those that the call uses
// are 0. Valid for the life of the process, for C code that makes the call.
func (g Guard) Cookies() *[6]uint64 { return &cookies[g] }
