// SPDX-License-Identifier: GPL-3.0-or-later

package kernel

import (
	"slices"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Credentials are what the calling thread makes files with, and is judged by
// where it opens them: the file system's user and group, the supplementary
// groups, the effective capabilities and the umask. A thread that works for
// tracees takes theirs. Its methods belong to one thread, which is locked for
// good.
type Credentials struct {
	own     identity // what the thread was started with
	now     identity
	umask   int
	private bool // the umask is the thread's own
}

type identity struct {
	uid, gid  int
	groups    []int
	effective uint64
}

// Own gives the calling thread a umask of its own, and remembers who it is.
func (c *Credentials) Own() error {
	// CLONE_FS: the umask, root and working directory are no longer shared.
	if _, _, errno := syscall.RawSyscall6(unix.SYS_UNSHARE, unix.CLONE_FS, GuardUnshare.at(1), GuardUnshare.at(2),
		GuardUnshare.at(3), GuardUnshare.at(4), GuardUnshare.at(5)); errno != 0 {
		return errno
	}
	c.umask, c.private = -1, true
	effective, _, err := capabilities()
	if err != nil {
		return err
	}
	c.own = identity{uid: unix.Geteuid(), gid: unix.Getegid(), effective: effective}
	if c.own.groups, err = unix.Getgroups(); err != nil {
		return err
	}
	c.now = c.own
	return nil
}

// Umask makes mask that of files that the thread makes.
func (c *Credentials) Umask(mask int) {
	if c.umask != mask {
		syscall.RawSyscall6(unix.SYS_UMASK, uintptr(mask), GuardUmask.at(1), GuardUmask.at(2), GuardUmask.at(3), GuardUmask.at(4), GuardUmask.at(5))
		c.umask = mask
	}
}

// Privileged: the thread can become somebody else.
func (c *Credentials) Privileged() bool { return c.own.uid == 0 }

// As has the thread look at files as the task that s is the status of: never with
// more than that has, nor with more than the thread was given.
//
// Preconditions: Privileged.
func (c *Credentials) As(s Status) error {
	want := identity{uid: s.FSUID, gid: s.FSGID, groups: s.Groups, effective: s.Effective & c.own.effective}
	if s.Contained {
		want.effective = 0 // they are good in a user namespace below only
	}
	return c.become(want)
}

// Back makes the thread itself again.
func (c *Credentials) Back() error { return c.become(c.own) }

func (c *Credentials) become(to identity) error {
	if c.now.uid == to.uid && c.now.gid == to.gid && c.now.effective == to.effective && slices.Equal(c.now.groups, to.groups) {
		return nil
	}
	// Changes take the capabilities that the thread has by itself.
	if err := setEffective(c.own.effective); err != nil {
		return err
	}
	if !slices.Equal(c.now.groups, to.groups) {
		if err := setGroups(to.groups); err != nil {
			return err
		}
	}
	setFSGID(to.gid)
	setFSUID(to.uid)
	if setFSUID(-1) != to.uid || setFSGID(-1) != to.gid {
		return unix.EPERM
	}
	// A change of the user from 0 has taken capabilities of files (capabilities(7)).
	if err := setEffective(to.effective); err != nil {
		return err
	}
	c.now = to
	return nil
}

// setFSUID and setFSGID return the former ID: the calls tell no error.
func setFSUID(id int) int {
	before, _, _ := syscall.RawSyscall6(unix.SYS_SETFSUID, uintptr(id), GuardSetfsuid.at(1), GuardSetfsuid.at(2),
		GuardSetfsuid.at(3), GuardSetfsuid.at(4), GuardSetfsuid.at(5))
	return int(before)
}

func setFSGID(id int) int {
	before, _, _ := syscall.RawSyscall6(unix.SYS_SETFSGID, uintptr(id), GuardSetfsgid.at(1), GuardSetfsgid.at(2),
		GuardSetfsgid.at(3), GuardSetfsgid.at(4), GuardSetfsgid.at(5))
	return int(before)
}

// setGroups changes the calling thread only, where libc's would change all.
func setGroups(groups []int) error {
	list := make([]uint32, max(len(groups), 1))
	for i, g := range groups {
		list[i] = uint32(g)
	}
	return result(syscall.RawSyscall6(unix.SYS_SETGROUPS, uintptr(len(groups)), uintptr(unsafe.Pointer(&list[0])),
		GuardSetgroups.at(2), GuardSetgroups.at(3), GuardSetgroups.at(4), GuardSetgroups.at(5)))
}

func capabilities() (effective, permitted uint64, err error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if err := unix.Capget(&header, &sets[0]); err != nil {
		return 0, 0, err
	}
	return uint64(sets[1].Effective)<<32 | uint64(sets[0].Effective), uint64(sets[1].Permitted)<<32 | uint64(sets[0].Permitted), nil
}

// setEffective keeps the permitted set, from which the effective one can be had
// again.
func setEffective(effective uint64) error {
	_, permitted, err := capabilities()
	if err != nil {
		return err
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	for i := range sets {
		sets[i].Effective = uint32(effective >> (32 * i))
		sets[i].Permitted = uint32(permitted >> (32 * i))
	}
	return result(syscall.RawSyscall6(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&sets[0])),
		GuardCapset.at(2), GuardCapset.at(3), GuardCapset.at(4), GuardCapset.at(5)))
}
