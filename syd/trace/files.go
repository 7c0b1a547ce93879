// SPDX-License-Identifier: GPL-3.0-or-later

package trace

import (
	"syscall"

	"syd/syd/kernel"
	"syd/syd/policy"
)

// Groups of categories that calls are about.
var (
	aboutStat  = of(policy.Stat, policy.Walk)
	aboutRead  = of(policy.Read, policy.Walk)
	aboutOpen  = of(policy.Read, policy.Write, policy.Create, policy.Truncate, policy.Readdir, policy.Mktemp, policy.Stat, policy.Walk)
	aboutChown = of(policy.Chown, policy.Chgrp, policy.Walk)
	aboutMknod = of(policy.Create, policy.Mkfifo, policy.Mkcdev, policy.Mkbdev, policy.Walk)
	// aboutAll: calls that reach files past their paths.
	aboutAll = of(policy.Read, policy.Write, policy.Stat, policy.Create, policy.Readdir, policy.Walk)
)

// about adds walk, which every path is about.
func about(c policy.Category) []policy.Category { return of(c, policy.Walk) }

// refused is for calls that this version doesn't make for anybody: they end with
// errno while one of their categories is on.
func refused(errno syscall.Errno) func(*notice) reply {
	return func(*notice) reply { return fails(errno) }
}

// wander lets a call go on after which files may look different to its caller, or
// its caller to files.
func wander(n *notice) reply {
	n.wandered.Store(true)
	return proceed
}

// files is the part of THE table that receivers serve: every call that takes a
// path, or makes of a descriptor what a path could be asked for, in all its
// forms; those that only 32-bit ABIs have, too.
var files = []row{
	{name: "open", categories: aboutOpen, emulate: emulateOpen, api: true},
	{name: "openat", categories: aboutOpen, emulate: emulateOpenat, api: true},
	{name: "openat2", categories: aboutOpen, emulate: emulateOpenat2, api: true},
	{name: "creat", categories: aboutOpen, emulate: emulateCreat, api: true},

	{name: "stat", categories: aboutStat, emulate: emulateStat(byPath(0), 1, encodeStat), api: true},
	{name: "lstat", categories: aboutStat, emulate: emulateStat(byPath(0).itself(), 1, encodeStat), api: true},
	{name: "newfstatat", categories: aboutStat, emulate: emulateStat(byDir(0).withFlags(3, atNoAutomount), 2, encodeStat), api: true},
	{name: "statx", categories: aboutStat, emulate: emulateStatx, api: true},
	{name: "fstat", categories: of(policy.Stat), emulate: emulateFstat},
	{name: "stat64", categories: aboutStat, emulate: emulateStat(byPath(0), 1, encodeStat64), api: true},
	{name: "lstat64", categories: aboutStat, emulate: emulateStat(byPath(0).itself(), 1, encodeStat64), api: true},
	{name: "fstatat64", categories: aboutStat, emulate: emulateStat(byDir(0).withFlags(3, atNoAutomount), 2, encodeStat64), api: true},
	{name: "fstat64", categories: of(policy.Stat), emulate: emulateFstat},
	{name: "oldstat", categories: aboutStat, emulate: refused(syscall.ENOSYS)},
	{name: "oldlstat", categories: aboutStat, emulate: refused(syscall.ENOSYS)},
	{name: "oldfstat", categories: of(policy.Stat), emulate: refused(syscall.ENOSYS)},

	{name: "access", categories: aboutStat, emulate: emulateAccess(byPath(0), 1)},
	{name: "faccessat", categories: aboutStat, emulate: emulateAccess(byDir(0), 2)},
	{name: "faccessat2", categories: aboutStat, emulate: emulateAccess(byDir(0).withFlags(3, atEaccess), 2)},
	{name: "readlink", categories: aboutStat, emulate: emulateReadlink(byPath(0), 1)},
	{name: "readlinkat", categories: aboutStat, emulate: emulateReadlink(byDir(0), 2)},
	{name: "statfs", categories: aboutStat, emulate: emulateStatfs(byPath(0), 1)},
	{name: "fstatfs", categories: of(policy.Stat), emulate: emulateStatfs(byFD(0), 1)},
	{name: "statfs64", categories: aboutStat, emulate: emulateStatfs(byPath(0), 2)},
	{name: "fstatfs64", categories: of(policy.Stat), emulate: emulateStatfs(byFD(0), 2)},
	{name: "inotify_add_watch", categories: aboutStat, emulate: emulateWatch},
	{name: "fanotify_mark", categories: aboutStat, emulate: refused(syscall.EACCES)},
	{name: "name_to_handle_at", categories: aboutStat, emulate: refused(syscall.EOPNOTSUPP)},
	{name: "file_getattr", categories: aboutStat, emulate: refused(syscall.EOPNOTSUPP)},

	{name: "getxattr", categories: aboutRead, emulate: emulateGetxattr(byPath(0), 1)},
	{name: "lgetxattr", categories: aboutRead, emulate: emulateGetxattr(byPath(0).itself(), 1)},
	{name: "fgetxattr", categories: of(policy.Read), emulate: emulateGetxattr(byFD(0), 1)},
	{name: "listxattr", categories: aboutRead, emulate: emulateListxattr(byPath(0), 1)},
	{name: "llistxattr", categories: aboutRead, emulate: emulateListxattr(byPath(0).itself(), 1)},
	{name: "flistxattr", categories: of(policy.Read), emulate: emulateListxattr(byFD(0), 1)},
	{name: "getxattrat", categories: aboutRead, emulate: refused(syscall.ENOSYS)},
	{name: "listxattrat", categories: aboutRead, emulate: emulateListxattr(byDir(0).withFlags(2, 0), 3)},

	{name: "getdents", categories: of(policy.List), emulate: emulateGetdents(encodeDirent)},
	{name: "getdents64", categories: of(policy.List), emulate: emulateGetdents(encodeDirent64)},

	{name: "mkdir", categories: about(policy.Mkdir), emulate: emulateMkdir(byPath(0), 1)},
	{name: "mkdirat", categories: about(policy.Mkdir), emulate: emulateMkdir(byDir(0), 2)},
	{name: "mknod", categories: aboutMknod, emulate: emulateMknod(byPath(0), 1)},
	{name: "mknodat", categories: aboutMknod, emulate: emulateMknod(byDir(0), 2)},
	{name: "unlink", categories: about(policy.Delete), emulate: emulateUnlink(byPath(0))},
	{name: "unlinkat", categories: of(policy.Delete, policy.Rmdir, policy.Walk), emulate: emulateUnlink(byDir(0).withFlags(2, 0))},
	{name: "rmdir", categories: about(policy.Rmdir), emulate: emulateRmdir},
	{name: "symlink", categories: about(policy.Symlink), emulate: emulateSymlink(byPath(1))},
	{name: "symlinkat", categories: about(policy.Symlink), emulate: emulateSymlink(byDir(1))},
	{name: "rename", categories: about(policy.Rename), emulate: emulateRename(byPath(0), byPath(1), noArg)},
	{name: "renameat", categories: about(policy.Rename), emulate: emulateRename(byDir(0), byDir(2), noArg)},
	{name: "renameat2", categories: about(policy.Rename), emulate: emulateRename(byDir(0), byDir(2), 4)},
	{name: "link", categories: about(policy.Rename), emulate: emulateLink(byPath(0), byPath(1), noArg)},
	{name: "linkat", categories: about(policy.Rename), emulate: emulateLink(byDir(0), byDir(2), 4)},

	{name: "chmod", categories: about(policy.Chmod), emulate: emulateChmod(byPath(0), 1)},
	{name: "fchmod", categories: of(policy.Chmod), emulate: emulateChmod(byFD(0), 1)},
	{name: "fchmodat", categories: about(policy.Chmod), emulate: emulateChmod(byDir(0), 2)},
	{name: "fchmodat2", categories: about(policy.Chmod), emulate: emulateChmod(byDir(0).withFlags(3, 0), 2)},
	{name: "chown", categories: aboutChown, emulate: emulateChown(byPath(0), 1, narrowOn32)},
	{name: "lchown", categories: aboutChown, emulate: emulateChown(byPath(0).itself(), 1, narrowOn32)},
	{name: "fchown", categories: of(policy.Chown, policy.Chgrp), emulate: emulateChown(byFD(0), 1, narrowOn32)},
	{name: "fchownat", categories: aboutChown, emulate: emulateChown(byDir(0).withFlags(4, 0), 2, nil)},
	{name: "chown32", categories: aboutChown, emulate: emulateChown(byPath(0), 1, nil)},
	{name: "lchown32", categories: aboutChown, emulate: emulateChown(byPath(0).itself(), 1, nil)},
	{name: "fchown32", categories: of(policy.Chown, policy.Chgrp), emulate: emulateChown(byFD(0), 1, nil)},
	{name: "truncate", categories: about(policy.Truncate), emulate: emulateTruncate(byPath(0), 1, false)},
	{name: "ftruncate", categories: of(policy.Truncate), emulate: emulateTruncate(byFD(0), 1, false)},
	{name: "truncate64", categories: about(policy.Truncate), emulate: emulateTruncate(byPath(0), 1, true)},
	{name: "ftruncate64", categories: of(policy.Truncate), emulate: emulateTruncate(byFD(0), 1, true)},
	{name: "utime", categories: about(policy.Utime), emulate: emulateUtime(byPath(0), 1, timeNone)},
	{name: "utimes", categories: about(policy.Utime), emulate: emulateUtime(byPath(0), 1, timeMicro)},
	{name: "futimesat", categories: about(policy.Utime), emulate: emulateUtime(byDir(0), 2, timeMicro)},
	{name: "utimensat", categories: about(policy.Utime), emulate: emulateUtime(byDir(0).withFlags(3, 0), 2, timeNano)},
	{name: "utimensat_time64", categories: about(policy.Utime), emulate: emulateUtime(byDir(0).withFlags(3, 0), 2, timeNanoWide)},
	{name: "setxattr", categories: about(policy.Chattr), emulate: emulateSetxattr(byPath(0), 1)},
	{name: "lsetxattr", categories: about(policy.Chattr), emulate: emulateSetxattr(byPath(0).itself(), 1)},
	{name: "fsetxattr", categories: of(policy.Chattr), emulate: emulateSetxattr(byFD(0), 1)},
	{name: "removexattr", categories: about(policy.Chattr), emulate: emulateRemovexattr(byPath(0), 1)},
	{name: "lremovexattr", categories: about(policy.Chattr), emulate: emulateRemovexattr(byPath(0).itself(), 1)},
	{name: "fremovexattr", categories: of(policy.Chattr), emulate: emulateRemovexattr(byFD(0), 1)},
	{name: "setxattrat", categories: about(policy.Chattr), emulate: refused(syscall.ENOSYS)},
	{name: "removexattrat", categories: about(policy.Chattr), emulate: refused(syscall.ENOSYS)},
	{name: "file_setattr", categories: about(policy.Chattr), emulate: refused(syscall.EOPNOTSUPP)},

	{name: "chroot", categories: about(policy.Chroot), emulate: refused(syscall.EACCES)},
	{name: "ioctl", categories: of(policy.Ioctl), emulate: emulateIoctl, waits: ioctlWaits},

	{name: "open_by_handle_at", categories: aboutAll, emulate: refused(syscall.EPERM)},
	{name: "open_tree", categories: aboutAll, emulate: refused(syscall.EPERM)},
	{name: "open_tree_attr", categories: aboutAll, emulate: refused(syscall.EPERM)},
	{name: "uselib", categories: aboutAll, emulate: refused(syscall.ENOSYS)},
	{name: "landlock_create_ruleset", categories: aboutAll, emulate: refused(syscall.EOPNOTSUPP)},

	{name: "mount", wanders: true, emulate: wander},
	{name: "umount2", wanders: true, emulate: wander},
	{name: "umount", wanders: true, emulate: wander},
	{name: "pivot_root", wanders: true, emulate: wander},
	{name: "move_mount", wanders: true, emulate: wander},
	{name: "fsmount", wanders: true, emulate: wander},
	{name: "unshare", wanders: true, emulate: wander},
	{name: "setns", wanders: true, emulate: wander},
	{name: "setuid", wanders: true, emulate: wander},
	{name: "setgid", wanders: true, emulate: wander},
	{name: "setreuid", wanders: true, emulate: wander},
	{name: "setregid", wanders: true, emulate: wander},
	{name: "setresuid", wanders: true, emulate: wander},
	{name: "setresgid", wanders: true, emulate: wander},
	{name: "setfsuid", wanders: true, emulate: wander},
	{name: "setfsgid", wanders: true, emulate: wander},
	{name: "setgroups", wanders: true, emulate: wander},
	{name: "setuid32", wanders: true, emulate: wander},
	{name: "setgid32", wanders: true, emulate: wander},
	{name: "setreuid32", wanders: true, emulate: wander},
	{name: "setregid32", wanders: true, emulate: wander},
	{name: "setresuid32", wanders: true, emulate: wander},
	{name: "setresgid32", wanders: true, emulate: wander},
	{name: "setfsuid32", wanders: true, emulate: wander},
	{name: "setfsgid32", wanders: true, emulate: wander},
	{name: "setgroups32", wanders: true, emulate: wander},
	{name: "capset", wanders: true, emulate: wander},
}

// narrowOn32: IDs have 16 bits in calls of 32-bit x86.
func narrowOn32(n *notice) bool { return n.Arch == kernel.ArchCompat }

// ioctlWaits: a device may wait for anything. Requests that every program makes
// don't (uapi asm-generic/ioctls.h).
func ioctlWaits(args [6]uint64) bool {
	const tcgets, tcsets, tiocgpgrp, tiocspgrp, tiocgwinsz, tiocswinsz = 0x5401, 0x5402, 0x540f, 0x5410, 0x5413, 0x5414
	const fionread, fionbio, fionclex, fioclex, fioasync = 0x541b, 0x5421, 0x5450, 0x5451, 0x5452
	switch uint32(args[1]) {
	case tcgets, tcsets, tiocgpgrp, tiocspgrp, tiocgwinsz, tiocswinsz, fionread, fionbio, fionclex, fioclex, fioasync:
		return false
	}
	return true
}

// emulateIoctl asks about the file behind the descriptor; the request is the
// kernel's and the device's affair.
func emulateIoctl(n *notice) reply {
	return n.file(byFD(0), policy.Ioctl, func(*kernel.Place) reply { return proceed })
}
