// SPDX-License-Identifier: GPL-3.0-or-later

package kernel

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// Undumpable makes no core file of this process, and its memory and most of its
// /proc the business of root alone (PR_SET_DUMPABLE(2const), proc_pid(5)).
func Undumpable() error { return unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) }

// Home is the directory that this process is in.
func Home() (Identity, error) {
	var st unix.Stat_t
	err := unix.Stat(".", &st)
	return Identity{st.Dev, st.Ino}, err
}

// Ours reports whether tid, any number, is that of a thread of this process.
func Ours(tid int) bool { return tid > 0 && InGroup(tid, unix.Getpid()) }

// GroupOf is the process group of tid, 0 means the caller.
func GroupOf(tid int) (int, error) { return unix.Getpgid(tid) }

// User is the real user ID of this process.
func User() int { return unix.Getuid() }

// OurUsers reports whether a user ID means the same to tid as to us: it is in
// our user namespace.
func OurUsers(tid int) bool {
	var ours, theirs unix.Stat_t
	if unix.Stat("/proc/self/ns/user", &ours) != nil ||
		unix.Stat("/proc/"+strconv.Itoa(tid)+"/ns/user", &theirs) != nil {
		return false
	}
	return ours.Dev == theirs.Dev && ours.Ino == theirs.Ino
}
