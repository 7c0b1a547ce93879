// SPDX-License-Identifier: GPL-3.0-or-later

package trace

import (
	"syscall"

	"syd/syd/filter"
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

// Values of the kernel's headers (uapi linux/sched.h, linux/prctl.h).
const (
	cloneNewNS      = 0x00020000
	cloneNewUser    = 0x10000000
	cloneUntraced   = 0x00800000
	clonePtrace     = 0x00002000
	prCapbsetDrop   = 24
	prSetSecurebits = 28
)

// emulateClone lets a user namespace be made. The filter asks here before it
// refuses what would escape the tracer.
func emulateClone(n *notice) reply {
	if n.Args[0]&(cloneUntraced|clonePtrace) != 0 {
		return fails(syscall.EPERM)
	}
	return wander(n)
}

// emulateSetns lets a task join namespaces but those that have other mounts.
func emulateSetns(n *notice) reply {
	if kinds := n.arg(1); kinds == 0 || kinds&cloneNewNS != 0 {
		return fails(syscall.EPERM)
	}
	return wander(n)
}

// emulateChroot: a root of its own is nobody's while a rule may speak against it.
func emulateChroot(n *notice) reply {
	if n.p.Judges(policy.Chroot) {
		return fails(syscall.EACCES)
	}
	return wander(n)
}

// files is the part of THE table that receivers serve: every call that takes a
// path, or makes of a descriptor what a path could be asked for, in all its
// forms; those that only 32-bit ABIs have, too.
var files = []row{
	{name: "open", categories: aboutOpen, emulate: emulateOpen, flags: 1 + 1, api: true},
	{name: "openat", categories: aboutOpen, emulate: emulateOpenat, flags: 2 + 1, api: true},
	{name: "openat2", categories: aboutOpen, emulate: emulateOpenat2, api: true},
	{name: "creat", categories: aboutOpen, emulate: emulateCreat, api: true},

	{name: "stat", categories: aboutStat, emulate: emulateStat(byPath(0), 1, encodeStat), api: true},
	{name: "lstat", categories: aboutStat, emulate: emulateStat(byPath(0).itself(), 1, encodeStat), api: true},
	{name: "newfstatat", categories: aboutStat, emulate: emulateStat(byDir(0).withFlags(3, atNoAutomount).orNull(), 2, encodeStat), api: true},
	{name: "statx", categories: aboutStat, emulate: emulateStatx, api: true},
	{name: "fstat", categories: of(policy.Stat), emulate: emulateStat(byFD(0), 1, encodeStat)},
	{name: "stat64", categories: aboutStat, emulate: emulateStat(byPath(0), 1, encodeStat64), api: true},
	{name: "lstat64", categories: aboutStat, emulate: emulateStat(byPath(0).itself(), 1, encodeStat64), api: true},
	{name: "fstatat64", categories: aboutStat, emulate: emulateStat(byDir(0).withFlags(3, atNoAutomount).orNull(), 2, encodeStat64), api: true},
	{name: "fstat64", categories: of(policy.Stat), emulate: emulateStat(byFD(0), 1, encodeStat64)},
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

	{name: "getxattr", attribute: true, categories: aboutRead, emulate: emulateGetxattr(byPath(0), 1)},
	{name: "lgetxattr", attribute: true, categories: aboutRead, emulate: emulateGetxattr(byPath(0).itself(), 1)},
	{name: "fgetxattr", attribute: true, categories: of(policy.Read), emulate: emulateGetxattr(byRealFD(0), 1)},
	{name: "listxattr", categories: aboutRead, emulate: emulateListxattr(byPath(0), 1)},
	{name: "llistxattr", categories: aboutRead, emulate: emulateListxattr(byPath(0).itself(), 1)},
	{name: "flistxattr", categories: of(policy.Read), emulate: emulateListxattr(byRealFD(0), 1)},
	{name: "getxattrat", categories: aboutRead, emulate: refused(syscall.ENOSYS)},
	{name: "listxattrat", categories: aboutRead, emulate: emulateListxattr(byDir(0).withFlags(2, 0).orNull(), 3)},

	{name: "getdents", categories: of(policy.List), emulate: emulateGetdents(encodeDirent)},
	{name: "getdents64", categories: of(policy.List), emulate: emulateGetdents(encodeDirent64)},

	{name: "readdir", categories: of(policy.List), emulate: refused(syscall.ENOSYS)}, // one entry a call, before getdents

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
	{name: "fchmod", categories: of(policy.Chmod), emulate: emulateChmod(byRealFD(0), 1)},
	{name: "fchmodat", categories: about(policy.Chmod), emulate: emulateChmod(byDir(0), 2)},
	{name: "fchmodat2", categories: about(policy.Chmod), emulate: emulateChmod(byDir(0).withFlags(3, 0), 2)},
	{name: "chown", categories: aboutChown, emulate: emulateChown(byPath(0), 1, narrowOn32)},
	{name: "lchown", categories: aboutChown, emulate: emulateChown(byPath(0).itself(), 1, narrowOn32)},
	{name: "fchown", categories: of(policy.Chown, policy.Chgrp), emulate: emulateChown(byRealFD(0), 1, narrowOn32)},
	{name: "fchownat", categories: aboutChown, emulate: emulateChown(byDir(0).withFlags(4, 0), 2, nil)},
	{name: "chown32", categories: aboutChown, emulate: emulateChown(byPath(0), 1, nil)},
	{name: "lchown32", categories: aboutChown, emulate: emulateChown(byPath(0).itself(), 1, nil)},
	{name: "fchown32", categories: of(policy.Chown, policy.Chgrp), emulate: emulateChown(byRealFD(0), 1, nil)},
	{name: "truncate", categories: about(policy.Truncate), emulate: emulateTruncate(byPath(0), 1, false)},
	{name: "ftruncate", categories: of(policy.Truncate), emulate: emulateTruncate(byRealFD(0), 1, false)},
	{name: "truncate64", categories: about(policy.Truncate), emulate: emulateTruncate(byPath(0), 1, true)},
	{name: "ftruncate64", categories: of(policy.Truncate), emulate: emulateTruncate(byRealFD(0), 1, true)},
	{name: "utime", categories: about(policy.Utime), emulate: emulateUtime(byPath(0), 1, timeNone)},
	{name: "utimes", categories: about(policy.Utime), emulate: emulateUtime(byPath(0), 1, timeMicro)},
	{name: "futimesat", categories: about(policy.Utime), emulate: emulateUtime(byDir(0), 2, timeMicro)},
	{name: "utimensat", categories: about(policy.Utime), emulate: emulateUtime(byDir(0).withFlags(3, 0), 2, timeNano)},
	{name: "utimensat_time64", categories: about(policy.Utime), emulate: emulateUtime(byDir(0).withFlags(3, 0), 2, timeNanoWide)},
	{name: "setxattr", attribute: true, categories: about(policy.Chattr), emulate: emulateSetxattr(byPath(0), 1)},
	{name: "lsetxattr", attribute: true, categories: about(policy.Chattr), emulate: emulateSetxattr(byPath(0).itself(), 1)},
	{name: "fsetxattr", attribute: true, categories: of(policy.Chattr), emulate: emulateSetxattr(byRealFD(0), 1)},
	{name: "removexattr", attribute: true, categories: about(policy.Chattr), emulate: emulateRemovexattr(byPath(0), 1)},
	{name: "lremovexattr", attribute: true, categories: about(policy.Chattr), emulate: emulateRemovexattr(byPath(0).itself(), 1)},
	{name: "fremovexattr", attribute: true, categories: of(policy.Chattr), emulate: emulateRemovexattr(byRealFD(0), 1)},
	{name: "setxattrat", categories: about(policy.Chattr), emulate: refused(syscall.ENOSYS)},
	{name: "removexattrat", categories: about(policy.Chattr), emulate: refused(syscall.ENOSYS)},
	{name: "file_setattr", categories: about(policy.Chattr), emulate: refused(syscall.EOPNOTSUPP)},

	{name: "chroot", emulating: true, emulate: emulateChroot},
	{name: "ioctl", categories: of(policy.Ioctl), emulate: emulateIoctl, waits: ioctlWaits},

	// How a descriptor of an append-only file could be made to do more.
	{name: "fcntl", appends: true, emulate: emulateSetFlags, when: setFlags},
	{name: "fcntl64", appends: true, emulate: emulateSetFlags, when: setFlags},
	{name: "pwritev2", appends: true, emulate: refused(syscall.EPERM), when: []filter.Condition{
		{Arg: 5, Mask: rwfNoAppend, Value: rwfNoAppend}}},
	{name: "fallocate", appends: true, emulate: emulateFallocate},

	// What leads to files past their paths, or changes what is at a path, is refused
	// wherever paths are decided on.
	{name: "io_uring_setup", emulating: true, emulate: refused(syscall.ENOSYS)},
	{name: "io_uring_enter", emulating: true, emulate: refused(syscall.ENOSYS)},
	{name: "io_uring_register", emulating: true, emulate: refused(syscall.ENOSYS)},
	{name: "open_by_handle_at", emulating: true, emulate: refused(syscall.EPERM)},
	{name: "open_tree", emulating: true, emulate: refused(syscall.EPERM)},
	{name: "open_tree_attr", emulating: true, emulate: refused(syscall.EPERM)},
	{name: "mount", emulating: true, emulate: refused(syscall.EPERM)},
	{name: "umount2", emulating: true, emulate: refused(syscall.EPERM)},
	{name: "umount", emulating: true, emulate: refused(syscall.EPERM)},
	{name: "pivot_root", emulating: true, emulate: refused(syscall.EPERM)},
	{name: "move_mount", emulating: true, emulate: refused(syscall.EPERM)},
	{name: "mount_setattr", emulating: true, emulate: refused(syscall.EPERM)},
	{name: "fsopen", emulating: true, emulate: refused(syscall.EPERM)},
	{name: "fsconfig", emulating: true, emulate: refused(syscall.EPERM)},
	{name: "fsmount", emulating: true, emulate: refused(syscall.EPERM)},
	{name: "fspick", emulating: true, emulate: refused(syscall.EPERM)},
	{name: "acct", emulating: true, emulate: refused(syscall.EPERM)},
	{name: "swapon", emulating: true, emulate: refused(syscall.EPERM)},
	{name: "swapoff", emulating: true, emulate: refused(syscall.EPERM)},
	{name: "quotactl", emulating: true, emulate: refused(syscall.EPERM)},
	{name: "bpf", emulating: true, emulate: refused(syscall.EPERM)}, // pins objects at paths
	{name: "uselib", emulating: true, emulate: refused(syscall.ENOSYS)},
	{name: "landlock_create_ruleset", emulating: true, emulate: refused(syscall.EOPNOTSUPP)},

	// After these, files may look different to their caller, or their caller to
	// files, at once or once it has executed another program.
	{name: "unshare", emulating: true, emulate: wander},
	{name: "setns", emulating: true, emulate: emulateSetns},
	{name: "clone", emulating: true, emulate: emulateClone, when: []filter.Condition{{Arg: 0, Mask: cloneNewUser, Value: cloneNewUser}}},
	{name: "prctl", emulating: true, emulate: wander, when: []filter.Condition{
		{Arg: 0, Mask: 0xffffffff, Value: prCapbsetDrop}, {Arg: 0, Mask: 0xffffffff, Value: prSetSecurebits}}},
	{name: "setuid", emulating: true, emulate: wander},
	{name: "setgid", emulating: true, emulate: wander},
	{name: "setreuid", emulating: true, emulate: wander},
	{name: "setregid", emulating: true, emulate: wander},
	{name: "setresuid", emulating: true, emulate: wander},
	{name: "setresgid", emulating: true, emulate: wander},
	{name: "setfsuid", emulating: true, emulate: wander},
	{name: "setfsgid", emulating: true, emulate: wander},
	{name: "setgroups", emulating: true, emulate: wander},
	{name: "setuid32", emulating: true, emulate: wander},
	{name: "setgid32", emulating: true, emulate: wander},
	{name: "setreuid32", emulating: true, emulate: wander},
	{name: "setregid32", emulating: true, emulate: wander},
	{name: "setresuid32", emulating: true, emulate: wander},
	{name: "setresgid32", emulating: true, emulate: wander},
	{name: "setfsuid32", emulating: true, emulate: wander},
	{name: "setfsgid32", emulating: true, emulate: wander},
	{name: "setgroups32", emulating: true, emulate: wander},
	{name: "capset", emulating: true, emulate: wander},
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
