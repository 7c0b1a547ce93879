// SPDX-License-Identifier: GPL-3.0-or-later

package kernel

import (
	"math"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Notice is struct seccomp_notif (uapi linux/seccomp.h, Linux 5.0): a system call
// that waits for an answer. PID is the thread that makes it, 0 if it has no
// number in our PID namespace.
type Notice struct {
	ID             uint64
	PID            uint32
	Flags          uint32
	Number         int32
	Arch           uint32
	InstructionPtr uint64
	Args           [6]uint64
}

// reply is struct seccomp_notif_resp.
type reply struct {
	id    uint64
	value int64
	errno int32
	flags uint32
}

// addFD is struct seccomp_notif_addfd (Linux 5.9).
type addFD struct {
	id       uint64
	flags    uint32
	source   uint32
	number   uint32
	newFlags uint32
}

var (
	_ [80]byte = [unsafe.Sizeof(Notice{})]byte{}
	_ [24]byte = [unsafe.Sizeof(reply{})]byte{}
	_ [24]byte = [unsafe.Sizeof(addFD{})]byte{}
)

const (
	notifContinue = 1 // SECCOMP_USER_NOTIF_FLAG_CONTINUE, Linux 5.5
	addFDSend     = 2 // SECCOMP_ADDFD_FLAG_SEND, Linux 5.14
)

// ioctl makes one request on fd. Sleeping ones go through call Syscall6.
func ioctl(call func(trap, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2 uintptr, err syscall.Errno),
	fd int, request uint, data unsafe.Pointer) (int, error) {
	r, _, errno := call(unix.SYS_IOCTL, uintptr(fd), uintptr(request), uintptr(data),
		GuardIoctl.at(3), GuardIoctl.at(4), GuardIoctl.at(5))
	if errno != 0 {
		return -1, errno
	}
	return int(r), nil
}

// Receive sleeps until a call waits for an answer on listener and fills n.
// Errors: EINTR; ENOENT, the caller died meanwhile; EBADF or ENOTTY, listener is
// closed or no longer one.
func (n *Notice) Receive(listener int) error {
	*n = Notice{} // the kernel refuses anything else
	_, err := ioctl(syscall.Syscall6, listener, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(n))
	return err
}

// Answer ends call id with value, or with -errno if that is not 0; errno may be
// one of the kernel's own, such as ERESTARTSYS. ENOENT: the caller is gone.
func Answer(listener int, id uint64, value int64, errno int32) error {
	r := reply{id: id, value: value, errno: -errno}
	_, err := ioctl(syscall.RawSyscall6, listener, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&r))
	return err
}

// AnswerContinue has the kernel make call id itself. What its pointers lead to
// may have changed since it was looked at.
func AnswerContinue(listener int, id uint64) error {
	r := reply{id: id, flags: notifContinue}
	_, err := ioctl(syscall.RawSyscall6, listener, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&r))
	return err
}

// AnswerFD ends call id with fd, under the lowest number that the caller has
// free, close-on-exec or not; fd is closed. Errors are the call's: EMFILE. What is
// shared may stay open here for a moment after the caller goes on, and even after
// it has closed it: that takes one step, where the kernel can (Linux 5.14). If it
// isn't, handed is told the number before the caller is.
func AnswerFD(listener int, id uint64, fd int, cloexec, shared bool, handed func(number int)) error {
	defer func() {
		if fd >= 0 {
			Close(fd)
		}
	}()
	a := addFD{id: id, flags: addFDSend, source: uint32(fd)}
	if cloexec {
		a.newFlags = unix.O_CLOEXEC
	}
	if shared {
		_, err := ioctl(syscall.RawSyscall6, listener, unix.SECCOMP_IOCTL_NOTIF_ADDFD, unsafe.Pointer(&a))
		if err != syscall.EINVAL {
			return err
		}
	}
	a.flags = 0
	number, err := ioctl(syscall.RawSyscall6, listener, unix.SECCOMP_IOCTL_NOTIF_ADDFD, unsafe.Pointer(&a))
	if err != nil {
		return err
	}
	Close(take(&fd))
	handed(int(number))
	return Answer(listener, id, int64(number), 0)
}

// Waits says whether the caller of id still waits for its answer. As long as it
// does, its number is its own: ask after what was found by the number.
func Waits(listener int, id uint64) bool {
	_, err := ioctl(syscall.RawSyscall6, listener, unix.SECCOMP_IOCTL_NOTIF_ID_VALID, unsafe.Pointer(&id))
	return err == nil
}

// WakeInStep has a caller and whoever answers it take turns on one processor
// (SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP, Linux 6.6). It says whether the kernel can.
func WakeInStep(listener int) bool {
	_, _, errno := syscall.RawSyscall6(unix.SYS_IOCTL, uintptr(listener), unix.SECCOMP_IOCTL_NOTIF_SET_FLAGS,
		unix.SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP, GuardIoctl.at(3), GuardIoctl.at(4), GuardIoctl.at(5))
	return errno == 0
}

// AnswersAtOnce says whether AnswerFD can take one step (Linux 5.14).
func AnswersAtOnce(listener int) bool {
	a := addFD{flags: addFDSend, source: ^uint32(0)}
	_, err := ioctl(syscall.RawSyscall6, listener, unix.SECCOMP_IOCTL_NOTIF_ADDFD, unsafe.Pointer(&a))
	return err == unix.EBADF // it knows the flag, and there is no descriptor
}

// Has says whether the kernel has system call number, by making it in a way that
// none of those that came after oldest can do anything: no descriptor, no address and
// no flags are what it is given.
//
// Preconditions: the thread is not confined yet.
func Has(number uintptr) bool {
	if number <= oldest {
		return true
	}
	none := ^uintptr(0)
	_, _, errno := syscall.RawSyscall6(number, none, none, none, none, none, none)
	return errno != unix.ENOSYS
}

// FileFirst says whether call number, setxattr(2), getxattr(2), removexattr(2) or one
// of their like, looks for the file before its other arguments. It was so before Linux
// 6.13, of setxattr not always: it is made with a file that isn't there, by descriptor
// or by an empty path, with no name, and with flags that there are not.
//
// Preconditions: the thread is not confined yet.
func FileFirst(number uintptr, descriptor bool) bool {
	var empty byte
	file := uintptr(unsafe.Pointer(&empty))
	if descriptor {
		file = ^uintptr(0)
	}
	_, _, errno := syscall.RawSyscall6(number, file, 0, 0, 0, ^uintptr(0), 0)
	return errno == unix.ENOENT || errno == unix.EBADF
}

// Nulls is when a path of NULL is an empty one to calls with AT_EMPTY_PATH.
type Nulls int

// The kernels' ways, by release.
const (
	NullForNone       Nulls = iota // EFAULT
	NullForDescriptor              // stat-like calls, of a descriptor, with no flags more: Linux 6.11 (fs/stat.c, vfs_empty_path)
	NullForAny                     // Linux 6.13 (fs/namei.c, getname_maybe_null)
)

// NullPaths asks the kernel by calls that find no file.
func NullPaths() Nulls {
	refused := func(descriptor int) bool {
		_, _, errno := syscall.RawSyscall6(unix.SYS_STATX, uintptr(descriptor), 0, unix.AT_EMPTY_PATH, 0, 0, 0)
		return errno == unix.EFAULT
	}
	switch {
	case !refused(-1):
		return NullForAny
	case !refused(math.MaxInt32):
		return NullForDescriptor
	}
	return NullForNone
}

// oldest is the last call of Linux 5.19, which is needed where calls are made for
// tracees: set_mempolicy_home_node. Later ones have the same number on every
// architecture.
const oldest = 450

// Replace puts a copy of fd in the place of listener, which is closed. A thread
// that sleeps in Receive keeps it until it is interrupted.
func Replace(listener, fd int) error {
	return result(syscall.Syscall6(unix.SYS_DUP3, uintptr(fd), uintptr(listener), unix.O_CLOEXEC, GuardDup3.at(3), GuardDup3.at(4), GuardDup3.at(5)))
}
