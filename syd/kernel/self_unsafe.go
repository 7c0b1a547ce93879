// SPDX-License-Identifier: GPL-3.0-or-later

package kernel

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Undumpable makes no core file of this process, and its memory and most of its
// /proc the business of root alone (PR_SET_DUMPABLE(2const), proc_pid(5)).
func Undumpable() error { return unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) }

// OwnProc is an error unless /proc is a procfs(5) of our own PID namespace. In
// another's our numbers, and those of tracees, mean somebody else or nobody.
func OwnProc() error {
	text, err := readProc("/proc/self/status")
	if err != nil {
		return fmt.Errorf("/proc/self/status: %w; /proc has to be mounted", err)
	}
	return ownStatus(string(text), unix.Getpid())
}

// ownStatus: NStgid begins with the number in the procfs's own namespace and ends
// with that in the task's (Linux 4.1, CONFIG_PID_NS).
func ownStatus(text string, pid int) error {
	want := strconv.Itoa(pid)
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":\t")
		if (key == "Tgid" || key == "NStgid") && value != want {
			return errors.New("/proc is of another PID namespace: mount one of this (mount -t proc proc /proc)")
		}
	}
	return nil
}

// Home is the directory that this process is in.
func Home() (Identity, error) {
	var st unix.Stat_t
	err := unix.Stat(".", &st)
	return Identity{st.Dev, st.Ino}, err
}

// Ours reports whether tid, any number, is that of a thread of this process.
func Ours(tid int) bool { return tid > 0 && InGroup(tid, own) }

// own is our number: a system call less each time.
var own = unix.Getpid()

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
