/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE
#include "catch.h"

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

static int pipe_end = -1;
static const uint64_t *write_cookies;
static uint64_t overflow;

/*
 * Runs on whatever thread the kernel chose, on the Go runtime's signal stack:
 * nothing but async-signal-safe calls, and errno as it was.
 */
static void handler(int number, siginfo_t *info, void *context)
{
	(void)context;
	int before = errno;
	struct caught c = {number, info->si_code, info->si_pid};
	if (syscall(SYS_write, pipe_end, &c, sizeof c, write_cookies[3], write_cookies[4],
		    write_cookies[5]) != (long)sizeof c)
		__atomic_or_fetch(&overflow, UINT64_C(1) << (number - 1), __ATOMIC_SEQ_CST);
	errno = before;
}

int signals_catch(int number, int pipe, const uint64_t *cookies)
{
	pipe_end = pipe;
	write_cookies = cookies;
	struct sigaction action = {.sa_sigaction = handler,
				   .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
	sigfillset(&action.sa_mask);
	return sigaction(number, &action, NULL) == 0 ? 0 : errno;
}

uint64_t signals_overflow(void)
{
	return __atomic_exchange_n(&overflow, 0, __ATOMIC_SEQ_CST);
}
