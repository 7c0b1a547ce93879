/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The child side of a start: everything that happens between clone(2) and
 * execve(2), in C because the child shares the supervisor's memory and may not
 * run a line of Go.
 */
#ifndef SYD_SPAWN_STUB_H
#define SYD_SPAWN_STUB_H

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>

/* What the process was given at exec, before the Go runtime changed it. */
struct spawn_inherited {
	uint64_t mask;        /* blocked signals: bit n-1 is signal n */
	uint64_t ignored;     /* signals whose action was SIG_IGN */
	uint64_t nofile_soft; /* RLIMIT_NOFILE */
	uint64_t nofile_hard;
	uint64_t nproc_soft; /* RLIMIT_NPROC */
	uint64_t nproc_hard;
	uint64_t core_soft; /* RLIMIT_CORE */
	uint64_t core_hard;
	uint32_t closed_stdio; /* bit n: descriptor n, of 0 to 2, was not open */
	int32_t closed_log;    /* the log's descriptor, if it was not open; else -1 */
};
extern struct spawn_inherited spawn_inherited;

/* Where a start can fail; the names stand in spawn_unsafe.go. */
enum spawn_step {
	STEP_NONE,
	STEP_CLONE,
	STEP_DEATHSIG,
	STEP_PARENT,
	STEP_SIGACTION,
	STEP_NOFILE,
	STEP_NPROC,
	STEP_CORE,
	STEP_NO_NEW_PRIVS,
	STEP_RULESET,
	STEP_DOMAIN,
	STEP_SECCOMP,
	STEP_SIGMASK,
	STEP_EXEC,
};

struct spawn_failure {
	int32_t step;
	int32_t error;
};

/* What the process did to itself before the Go runtime ran. */
struct spawn_early {
	struct spawn_failure failure; /* STEP_NONE: nothing failed */
	int32_t scoped;               /* 1: the kernel has Landlock's signal scopes */
	int32_t fd_first;             /* 1: open(2) takes its number before it reads the path */
};
extern struct spawn_early spawn_early;

struct spawn_request {
	const char *path;
	char *const *argv;
	char *const *envp;
	struct sock_fprog filter;
	int speculation; /* 1: without the Speculative Store Bypass mitigation */
};

struct spawn_child {
	int pid;
	int pidfd;
	int listener;
};

/*
 * Clones the child and waits until it is set up and asks to be released.
 * Returns 0, or the errno with *failure filled. Async-signal context of the
 * child: raw system calls only.
 */
int spawn_prepare(const struct spawn_request *request, struct spawn_child *child,
		  struct spawn_failure *failure);

/* What failed in the child, which is dead and has executed nothing. */
struct spawn_failure spawn_failed(void);

/* Lets the prepared child go on to execve(2). Call it once it is seized. */
void spawn_release(void);

/* Resets SIGCHLD: default action, no signal for stops (SA_NOCLDSTOP). */
int spawn_quiet_sigchld(void);

#endif
