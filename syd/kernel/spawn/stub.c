/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE
#include "early.h"
#include "stub.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5) /* Linux 5.19 */
#endif

/* One start at a time: the tracer thread makes it and waits for it. */
static struct {
	const struct spawn_request *request;
	struct spawn_child *child;
	struct spawn_failure failure; /* in the memory that both share until the exec */
	pid_t supervisor;
	int alive;    /* 1 while in set-up, 2 ready; the kernel clears it at exec and exit */
	int released; /* 1: go on to execve */
} start;

static char stack[64 << 10] __attribute__((aligned(64)));

static void futex_wait(int *word, int value)
{
	raw(SYS_futex, (long)word, FUTEX_WAIT, value, 0);
}

static void futex_wake(int *word)
{
	raw(SYS_futex, (long)word, FUTEX_WAKE, 1, 0);
}

static void fail(enum spawn_step step, long error)
{
	start.failure.error = (int32_t)-error;
	__atomic_store_n(&start.failure.step, (int32_t)step, __ATOMIC_SEQ_CST);
	for (;;)
		raw(SYS_exit_group, 127, 0, 0, 0);
}

static void check(enum spawn_step step, long result)
{
	if (result < 0)
		fail(step, result);
}

/* The runtime's handlers must not run here, in the runtime's memory. */
static void reset_signals(void)
{
	for (int s = 1; s <= NSIG_KERNEL; s++) {
		if (s == SIGKILL || s == SIGSTOP)
			continue;
		struct kernel_sigaction action = {
			.handler = spawn_inherited.ignored & bit(s) ? SIG_IGN : SIG_DFL};
		check(STEP_SIGACTION, raw(SYS_rt_sigaction, s, (long)&action, 0, SIGSET_BYTES));
	}
}

/* NEW_LISTENER puts the listener in the table that we share with the supervisor. */
static int load_filter(void)
{
	unsigned long flags = SECCOMP_FILTER_FLAG_NEW_LISTENER;
	if (start.request->speculation != 0)
		flags |= SECCOMP_FILTER_FLAG_SPEC_ALLOW;
	long fd = raw(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
		      (long)(flags | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV),
		      (long)&start.request->filter, 0);
	if (fd == -EINVAL) /* before Linux 5.19 */
		fd = raw(SYS_seccomp, SECCOMP_SET_MODE_FILTER, (long)flags,
			 (long)&start.request->filter, 0);
	check(STEP_SECCOMP, fd);
	return (int)fd;
}

static int child_main(void *unused)
{
	(void)unused;
	/* Until it is seized with EXITKILL, this kills it with the tracer thread. */
	check(STEP_DEATHSIG, raw(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0));
	if (raw(SYS_getppid, 0, 0, 0, 0) != start.supervisor)
		fail(STEP_PARENT, -ESRCH);
	reset_signals();
	struct rlimit files = {spawn_inherited.nofile_soft, spawn_inherited.nofile_hard};
	check(STEP_NOFILE, raw(SYS_prlimit64, 0, RLIMIT_NOFILE, (long)&files, 0));
	struct rlimit processes = {spawn_inherited.nproc_soft, spawn_inherited.nproc_hard};
	check(STEP_NPROC, raw(SYS_prlimit64, 0, RLIMIT_NPROC, (long)&processes, 0));
	struct rlimit core = {spawn_inherited.core_soft, spawn_inherited.core_hard};
	check(STEP_CORE, raw(SYS_prlimit64, 0, RLIMIT_CORE, (long)&core, 0));
	if (spawn_early.scoped) {
		struct spawn_failure failure = enter_domain();
		check((enum spawn_step)failure.step, -failure.error);
	}
	start.child->listener = load_filter();

	__atomic_store_n(&start.alive, 2, __ATOMIC_SEQ_CST);
	futex_wake(&start.alive);
	while (__atomic_load_n(&start.released, __ATOMIC_SEQ_CST) == 0)
		futex_wait(&start.released, 0);

	check(STEP_DEATHSIG, raw(SYS_prctl, PR_SET_PDEATHSIG, 0, 0, 0));
	check(STEP_SIGMASK, raw(SYS_rt_sigprocmask, SIG_SETMASK, (long)&spawn_inherited.mask, 0,
				SIGSET_BYTES));
	fail(STEP_EXEC, raw(SYS_execve, (long)start.request->path, (long)start.request->argv,
			    (long)start.request->envp, 0));
	return 127;
}

int spawn_prepare(const struct spawn_request *request, struct spawn_child *child,
		  struct spawn_failure *failure)
{
	child->pid = child->pidfd = child->listener = -1;
	memset(&start, 0, sizeof start);
	start.request = request;
	start.child = child;
	start.supervisor = getpid();
	start.alive = 1;

	/* The Go runtime opened /dev/null where it found nothing. */
	for (int fd = 0; fd <= 2; fd++)
		if (spawn_inherited.closed_stdio & 1U << fd)
			raw(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC, 0);
	uint64_t all = ~UINT64_C(0);
	uint64_t before = 0;
	raw(SYS_rt_sigprocmask, SIG_SETMASK, (long)&all, (long)&before, SIGSET_BYTES);
	/*
	 * CLONE_VM: no page tables to copy. CLONE_FILES: the listener arrives in
	 * our table; exec un-shares it. No CLONE_VFORK: we have to seize it first.
	 * CHILD_CLEARTID: the kernel clears and wakes `alive` if it dies in set-up.
	 */
	int pid = clone(child_main, stack + sizeof stack,
			CLONE_VM | CLONE_FILES | CLONE_PIDFD | CLONE_CHILD_CLEARTID | SIGCHLD, NULL,
			&child->pidfd, NULL, &start.alive);
	int error = pid < 0 ? errno : 0;
	raw(SYS_rt_sigprocmask, SIG_SETMASK, (long)&before, 0, SIGSET_BYTES);
	if (error != 0) {
		*failure = (struct spawn_failure){STEP_CLONE, error};
		return error;
	}
	child->pid = pid;
	while (__atomic_load_n(&start.alive, __ATOMIC_SEQ_CST) == 1)
		futex_wait(&start.alive, 1);
	if (__atomic_load_n(&start.alive, __ATOMIC_SEQ_CST) == 2)
		return 0;
	*failure = start.failure.step != STEP_NONE ? start.failure
						   : (struct spawn_failure){STEP_CLONE, ECHILD};
	return failure->error;
}

struct spawn_failure spawn_failed(void)
{
	return start.failure;
}

void spawn_release(void)
{
	__atomic_store_n(&start.released, 1, __ATOMIC_SEQ_CST);
	futex_wake(&start.released);
}

int spawn_quiet_sigchld(void)
{
	struct kernel_sigaction action = {.handler = SIG_DFL, .flags = SA_NOCLDSTOP};
	return (int)raw(SYS_rt_sigaction, SIGCHLD, (long)&action, 0, SIGSET_BYTES);
}
