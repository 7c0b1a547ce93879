// SPDX-License-Identifier: GPL-3.0-or-later

package kernel

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// ReadMemory fills buf from addr in tid's memory; EFAULT if not all of it can be
// had. It may sleep, for as long as the tracee likes (userfaultfd(2), fuse(4)).
func ReadMemory(tid int, addr uint64, buf []byte) error {
	return transfer(unix.ProcessVMReadv, tid, addr, buf)
}

// WriteMemory copies buf to addr in tid's memory, which the tracee itself must be
// able to write to. It may sleep as ReadMemory does.
func WriteMemory(tid int, addr uint64, buf []byte) error {
	return transfer(unix.ProcessVMWritev, tid, addr, buf)
}

func transfer(call func(pid int, local []unix.Iovec, remote []unix.RemoteIovec, flags uint) (int, error),
	tid int, addr uint64, buf []byte) error {
	if len(buf) == 0 {
		return nil
	}
	local := []unix.Iovec{{Base: &buf[0]}}
	local[0].SetLen(len(buf))
	n, err := call(tid, local, []unix.RemoteIovec{{Base: uintptr(addr), Len: len(buf)}}, 0)
	if err == nil && n < len(buf) {
		err = unix.EFAULT
	}
	return err
}

// Stat is struct stat of the native architecture.
type Stat = unix.Stat_t

// Fstat describes a descriptor of ours, O_PATH ones too.
func Fstat(fd int) (st Stat, err error) {
	err = unix.Fstat(fd, &st)
	return st, err
}

// Bytes is a structure as it lies in memory.
func Bytes[T any](structure *T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(structure)), unsafe.Sizeof(*structure))
}
