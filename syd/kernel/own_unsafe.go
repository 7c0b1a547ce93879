// SPDX-License-Identifier: GPL-3.0-or-later

package kernel

import (
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ofOurs says whether the file behind fd is in the directory of a thread of ours
// in a procfs, whichever way it was found: by a working directory or a descriptor
// there, by a mount of a part of procfs. The kernel shows us there what it shows
// nobody in the sandbox. tid's mounts are those that it may have been found in.
func ofOurs(fd, tid int) bool {
	var st unix.Stat_t
	return unix.Fstat(fd, &st) != nil || isOfOurs(fd, &st, tid)
}

// isOfOurs is ofOurs of a file whose status is known. A procfs is on no device: its
// number is one of the kernel's own (fs/super.c, set_anon_super_fc), of major 0.
func isOfOurs(fd int, st *unix.Stat_t, tid int) bool {
	if unix.Major(st.Dev) != 0 {
		return false
	}
	var fs unix.Statfs_t
	switch {
	case unix.Fstatfs(fd, &fs) != nil:
		return true
	case fs.Type != unix.PROC_SUPER_MAGIC:
		return false
	case Ours(tid):
		return false // we look ourselves
	}
	text, err := linkText(fd)
	if err != nil {
		return true
	}
	var file, proc unix.Statx_t
	const mount = unix.STATX_MNT_ID // Linux 5.8
	if unix.Statx(fd, "", unix.AT_EMPTY_PATH, mount, &file) != nil || file.Mask&mount == 0 {
		return anyOurs(text)
	}
	if unix.Statx(unix.AT_FDCWD, "/proc", 0, mount|unix.STATX_INO, &proc) == nil && proc.Mnt_id == file.Mnt_id && proc.Ino == procRootIno {
		return firstOurs(strings.TrimPrefix(text, "/proc"))
	}
	for _, whose := range []string{"self", strconv.Itoa(tid)} {
		root, point, ok := mountOf(whose, file.Mnt_id)
		if !ok {
			continue
		}
		if below, ok := strings.CutPrefix(text, point); ok && root == "/" {
			return firstOurs(below)
		}
		return firstOurs(root) || root == "/" && anyOurs(text)
	}
	return true // of a mount that is nowhere
}

// mountOf is which part of its file system mount id shows, and where
// (proc_pid_mountinfo(5)).
func mountOf(whose string, id uint64) (root, point string, ok bool) {
	text, err := readProc("/proc/" + whose + "/mountinfo")
	if err != nil {
		return "", "", false
	}
	number := strconv.FormatUint(id, 10)
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 4 && f[0] == number {
			return f[3], strings.TrimSuffix(f[4], "/"), true
		}
	}
	return "", "", false
}

// firstOurs: the first component is the number of a thread of ours.
func firstOurs(text string) bool {
	name, _, _ := strings.Cut(strings.TrimLeft(text, "/"), "/")
	return name != "" && oursByName(name)
}

func anyOurs(text string) bool {
	for name := range strings.SplitSeq(text, "/") {
		if name != "" && oursByName(name) {
			return true
		}
	}
	return false
}
