// SPDX-License-Identifier: GPL-3.0-or-later

package kernel

import (
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Credentials are what the calling thread makes files with, and is judged by
// where it opens them: the effective user and group and with them the file
// system's, which alone would leave it root to some files (/proc/sys, uid_map,
// cgroup.procs), the supplementary groups, the effective capabilities and the
// umask. A thread that works for tracees takes theirs. Its methods belong to one
// thread, which is locked for good.
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
	if err := setEffectiveGID(to.gid); err != nil {
		return err
	}
	if err := setEffectiveUID(to.uid); err != nil {
		return err
	}
	// A change of the user from 0 has taken all of them (capabilities(7)).
	if err := setEffective(to.effective); err != nil {
		return err
	}
	c.now = to
	return nil
}

// setEffectiveUID and setEffectiveGID leave the real and the saved ID, by which
// the thread gets back, and by which it is no prey of its tracees.
func setEffectiveUID(id int) error {
	return result(syscall.RawSyscall6(unix.SYS_SETRESUID, ^uintptr(0), uintptr(id), ^uintptr(0),
		GuardSetresuid.at(3), GuardSetresuid.at(4), GuardSetresuid.at(5)))
}

func setEffectiveGID(id int) error {
	return result(syscall.RawSyscall6(unix.SYS_SETRESGID, ^uintptr(0), uintptr(id), ^uintptr(0),
		GuardSetresgid.at(3), GuardSetresgid.at(4), GuardSetresgid.at(5)))
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

// IDMap is how a user namespace numbers the IDs of ours (user_namespaces(7)).
type IDMap []struct{ inside, outside, count uint32 }

// overflowID is what an ID without a number there is shown as (the default of
// /proc/sys/kernel/overflowuid and overflowgid).
const overflowID = 65534

// IDMapOf reads tid's uid_map or gid_map.
func IDMapOf(tid int, which string) (m IDMap, err error) {
	text, err := readProc("/proc/" + strconv.Itoa(tid) + "/" + which)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		var numbers [3]uint32
		for i, field := range strings.Fields(line) {
			n, err := strconv.ParseUint(field, 10, 32)
			if err != nil || i > 2 {
				return nil, unix.EIO
			}
			numbers[i] = uint32(n)
		}
		m = append(m, struct{ inside, outside, count uint32 }{numbers[0], numbers[1], numbers[2]})
	}
	return m, nil
}

// Inside is the number that one of our IDs has there.
func (m IDMap) Inside(id uint32) uint32 {
	for _, r := range m {
		if id >= r.outside && id-r.outside < r.count {
			return r.inside + id - r.outside
		}
	}
	return overflowID
}

// Outside is the ID of ours that a number there means.
func (m IDMap) Outside(id uint32) (uint32, bool) {
	for _, r := range m {
		if id >= r.inside && id-r.inside < r.count {
			return r.outside + id - r.inside, true
		}
	}
	return 0, false
}
