/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What has to be done while the process is one thread: the Go runtime starts
 * others before any line of Go, and a step that is per thread would miss them.
 */
#define _GNU_SOURCE
#include "early.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

struct spawn_inherited spawn_inherited;
struct spawn_early spawn_early;

/* uapi linux/landlock.h as of ABI 6, Linux 6.12; older headers have less. */
struct landlock_attributes {
	uint64_t handled_access_fs;
	uint64_t handled_access_net;
	uint64_t scoped;
};
enum { LANDLOCK_VERSION = 1 << 0, LANDLOCK_SIGNAL = 1 << 1, LANDLOCK_SIGNAL_ABI = 6 };

/*
 * Before the Go runtime, which installs its handlers, raises the soft
 * RLIMIT_NOFILE and copies the mask to every thread it starts. The signals that
 * the supervisor acts on wait from here on until its monitor takes them; the
 * runtime unblocks those that end it (SIGHUP, SIGINT, SIGQUIT, SIGTERM).
 */
static void remember(void)
{
	static const int handled[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2,
				      SIGTSTP, SIGTTIN, SIGTTOU, SIGCONT, SIGPIPE};
	for (int s = 1; s <= NSIG_KERNEL; s++) {
		struct kernel_sigaction old = {0};
		if (raw(SYS_rt_sigaction, s, 0, (long)&old, SIGSET_BYTES) == 0 &&
		    old.handler == SIG_IGN)
			spawn_inherited.ignored |= bit(s);
	}
	uint64_t block = 0;
	for (size_t i = 0; i < sizeof handled / sizeof *handled; i++)
		block |= bit(handled[i]);
	raw(SYS_rt_sigprocmask, SIG_BLOCK, (long)&block, (long)&spawn_inherited.mask, SIGSET_BYTES);
	for (int fd = 0; fd <= 2; fd++)
		if (raw(SYS_fcntl, fd, F_GETFD, 0, 0) < 0)
			spawn_inherited.closed_stdio |= 1U << fd;
	/*
	 * The log's descriptor, whose number may be one that the runtime opens for
	 * itself a moment later, if it is a number at all: Go reads the variable again.
	 */
	const char *log = getenv("SYD_LOG_FD");
	int fd = log != NULL ? (int)strtol(log, NULL, 10) : -1;
	spawn_inherited.closed_log = fd > 2 && raw(SYS_fcntl, fd, F_GETFD, 0, 0) < 0 ? fd : -1;
}

/*
 * Without its own limits the eldest would get others, or none. Programs of the
 * sandbox count to RLIMIT_NPROC as we do, and could leave us without a thread:
 * where the soft limit is lower, it keeps them from that. No core file is written
 * of us; the hard limit stays, which the child couldn't have back without
 * privileges.
 */
static struct spawn_failure limits(void)
{
	static const struct {
		int resource;
		enum spawn_step step;
		uint64_t *soft;
		uint64_t *hard;
	} all[] = {
		{RLIMIT_NOFILE, STEP_NOFILE, &spawn_inherited.nofile_soft, &spawn_inherited.nofile_hard},
		{RLIMIT_NPROC, STEP_NPROC, &spawn_inherited.nproc_soft, &spawn_inherited.nproc_hard},
		{RLIMIT_CORE, STEP_CORE, &spawn_inherited.core_soft, &spawn_inherited.core_hard},
	};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		struct rlimit limit = {0};
		long result = raw(SYS_prlimit64, 0, all[i].resource, 0, (long)&limit);
		if (result == 0) {
			*all[i].soft = limit.rlim_cur;
			*all[i].hard = limit.rlim_max;
			if (all[i].resource == RLIMIT_NPROC)
				limit.rlim_cur = limit.rlim_max;
			if (all[i].resource == RLIMIT_CORE)
				limit.rlim_cur = 0;
			result = raw(SYS_prlimit64, 0, all[i].resource, (long)&limit, 0);
		}
		if (result < 0)
			return (struct spawn_failure){all[i].step, (int32_t)-result};
	}
	return (struct spawn_failure){0};
}

/*
 * Asked while nobody else can open anything: with a limit of none, an open of a path
 * that can't be read tells what it looks at first.
 */
static void look_at_order(void)
{
	struct rlimit limit = {0, spawn_inherited.nofile_hard};
	if (raw(SYS_prlimit64, 0, RLIMIT_NOFILE, (long)&limit, 0) < 0)
		return;
	spawn_early.fd_first = raw(SYS_openat, AT_FDCWD, 0, O_RDONLY, 0) == -EMFILE;
	limit.rlim_cur = spawn_inherited.nofile_soft;
	raw(SYS_prlimit64, 0, RLIMIT_NOFILE, (long)&limit, 0); /* not over the hard one: it can't fail */
}

/*
 * No access to files or the network is handled: every program of the sandbox
 * lives in a domain below ours, and what ours denied would be denied to them.
 * It takes one of 16 layers that Landlock can nest (landlock(7)).
 */
struct spawn_failure enter_domain(void)
{
	static const struct landlock_attributes attributes = {.scoped = LANDLOCK_SIGNAL};
	long fd = raw(SYS_landlock_create_ruleset, (long)&attributes, sizeof attributes, 0, 0);
	if (fd < 0)
		return (struct spawn_failure){STEP_RULESET, (int32_t)-fd};
	long result = raw(SYS_landlock_restrict_self, fd, 0, 0, 0);
	raw(SYS_close, fd, 0, 0, 0);
	if (result < 0)
		return (struct spawn_failure){STEP_DOMAIN, (int32_t)-result};
	return (struct spawn_failure){0};
}

/*
 * The supervisor's own domain, where the kernel has signal scopes. ENOSYS: it
 * has no Landlock; EOPNOTSUPP: Landlock was not enabled at boot.
 */
static struct spawn_failure confine(void)
{
	long abi = raw(SYS_landlock_create_ruleset, 0, 0, LANDLOCK_VERSION, 0);
	if (abi == -ENOSYS || abi == -EOPNOTSUPP || (abi >= 0 && abi < LANDLOCK_SIGNAL_ABI))
		return (struct spawn_failure){0};
	if (abi < 0)
		return (struct spawn_failure){STEP_RULESET, (int32_t)-abi};
	spawn_early.scoped = 1;
	return enter_domain();
}

/* A step that fails is told when a sandbox is asked for, and ends the start. */
__attribute__((constructor)) static void early(void)
{
	remember();
	/*
	 * One arena is enough for what little C there is. glibc would ask how many
	 * processors there are before it makes a ninth, and that is to open a file,
	 * which no filter lets it do (malloc/arena.c, arena_get2).
	 */
	mallopt(M_ARENA_MAX, 1);
	long result = raw(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0);
	if (result < 0) {
		spawn_early.failure = (struct spawn_failure){STEP_NO_NEW_PRIVS, (int32_t)-result};
		return;
	}
	spawn_early.failure = limits();
	if (spawn_early.failure.step != STEP_NONE)
		return;
	look_at_order();
	spawn_early.failure = confine();
}
