// SPDX-License-Identifier: GPL-3.0-or-later

package confinement

// plain are the calls that a tracer thread may make as it likes (CNF-19). What
// its own loop and its language's runtime need differs by build: this is a
// bound, none of them has to be allowed.
var plain = []struct{ why, names string }{
	{"the main loop", "waitid wait4 restart_syscall exit exit_group kill tkill tgkill nanosleep clock_nanosleep " +
		"sched_yield sched_getaffinity sched_setaffinity"},
	{"looking at a tracee", "read pread64 fstat newfstatat statx fstatfs readlink readlinkat lseek"},
	{"polling", "poll ppoll epoll_wait epoll_pwait epoll_pwait2"},
	{"signals of its own", "rt_sigreturn rt_sigprocmask rt_sigpending sigaltstack"},
	{"the allocator", "munmap mremap brk membarrier"},
	{"locks", "futex futex_wake futex_wait futex_requeue futex_waitv"},
	{"IDs of its own", "getpid gettid getppid getpgid getpgrp getsid getuid geteuid getgid getegid getresuid getresgid getgroups"},
	{"vDSO fall-backs", "clock_gettime clock_getres gettimeofday time getcpu getrandom"},
	{"harmless", "uname getrusage"},
}

// Dangerous are calls that none of the supervisor's threads may make, with
// whatever arguments, and why not. Those that an option or a cookie allows are
// not here.
var Dangerous = []struct{ Why, Names string }{
	{"a program of the attacker's", "execve"},
	{"a process without filters or tracer", "fork vfork"},
	{"kernel code", "init_module finit_module delete_module create_module"},
	{"another kernel, or none", "kexec_load kexec_file_load reboot"},
	{"other mounts", "mount umount2 pivot_root move_mount fsopen fsconfig fsmount fspick open_tree open_tree_attr mount_setattr swapon swapoff quotactl quotactl_fd"},
	{"other namespaces or another root", "unshare setns chroot"},
	{"kernel programs", "bpf"},
	{"faults that others wait for", "userfaultfd"},
	{"spying on the machine", "perf_event_open syslog lookup_dcookie kcmp fanotify_init"},
	{"system calls past the filter", "io_uring_setup io_uring_enter io_uring_register io_setup io_submit"},
	{"the kernel's keys", "keyctl add_key request_key"},
	{"files past the directories", "open_by_handle_at name_to_handle_at"},
	{"devices", "mknod mknodat iopl ioperm"},
	{"memory of others", "process_vm_writev process_madvise process_mrelease move_pages migrate_pages"},
	{"other credentials", "setgroups setfsuid setfsgid capset"},
	{"the machine's settings", "sethostname setdomainname settimeofday clock_settime adjtimex clock_adjtime acct _sysctl nfsservctl uselib vhangup"},
	{"files", "creat truncate ftruncate unlink unlinkat rmdir mkdir mkdirat rename renameat renameat2 link linkat symlink symlinkat " +
		"chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat utime utimes utimensat futimesat " +
		"setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr setxattrat removexattrat file_setattr"},
	{"the network", "connect listen accept sendto sendmmsg recvfrom recvmmsg shutdown socketpair setsockopt getsockopt getsockname getpeername"},
	{"executable memory by another way", "memfd_create memfd_secret remap_file_pages personality"},
}

// forOthers are calls that the tracer thread may not make, whereas another thread
// may have work that needs them.
var forOthers = []struct{ Why, Names string }{
	{"waiting for a fault in a tracee's memory", "process_vm_readv preadv preadv2"},
	{"limits", "prlimit64 setrlimit setpriority ioprio_set sched_setattr sched_setscheduler"},
	{"writes to descriptors that the filter doesn't look at", "writev pwrite64 pwritev pwritev2 vmsplice tee copy_file_range"},
	{"descriptors under other numbers", "dup dup2 dup3"},
	{"other code and data segments", "modify_ldt arch_prctl set_thread_area"},
}
