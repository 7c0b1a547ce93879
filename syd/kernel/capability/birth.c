/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE
#include "birth.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define BIT(capability) (UINT64_C(1) << (capability))

const uint64_t capability_kept = BIT(CAP_SYS_PTRACE) | BIT(CAP_KILL) | BIT(CAP_DAC_READ_SEARCH);
const uint64_t capability_emulating =
	BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_FOWNER) | BIT(CAP_FSETID) | BIT(CAP_SETUID) |
	BIT(CAP_SETGID) | BIT(CAP_MKNOD) | BIT(CAP_SETFCAP) | BIT(CAP_LEASE) | BIT(CAP_LINUX_IMMUTABLE);

static const uint64_t no_cookies[6];
const uint64_t *capability_cookies = no_cookies;

int capability_keep(uint64_t keep)
{
	const uint64_t *c = capability_cookies;
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct sets[2] = {0};
	struct __user_cap_data_struct before[2];

	if (syscall(SYS_capget, &header, sets) != 0)
		return errno;
	memcpy(before, sets, sizeof sets);
	for (int i = 0; i < 2; i++) {
		sets[i].permitted &= (uint32_t)(keep >> (32 * i));
		sets[i].effective &= (uint32_t)(keep >> (32 * i));
		sets[i].inheritable = 0; /* and with it the ambient set */
	}
	if (memcmp(before, sets, sizeof sets) == 0)
		return 0;
	return syscall(SYS_capset, &header, sets, c[2], c[3], c[4], c[5]) == 0 ? 0 : errno;
}

/*
 * Capabilities belong to threads, and no call changes those of another. The main
 * thread needs all of its own until the eldest is cloned; the threads that it
 * starts, and so all that those start, are born without: the linker puts this in
 * the place of pthread_create (-wrap), by which the Go runtime starts them. So are
 * those that the runtime starts from a thread that emulates, which it does seldom:
 * in the moment before that is locked to its goroutine.
 */
_Thread_local int capability_emulates;

/*
 * Such a thread, and those that it starts in turn, may be under the filter of the
 * one that started it: it can't do what other roles do.
 */
static _Thread_local int narrow;

int capability_narrow(void)
{
	return narrow;
}

struct birth {
	void *(*start)(void *);
	void *argument;
	int narrow;
};

/* Births under way; who waits for their end sleeps on it. */
static uint32_t unborn;

void capability_begin_birth(void)
{
	__atomic_add_fetch(&unborn, 1, __ATOMIC_SEQ_CST);
}

void capability_end_birth(void)
{
	if (__atomic_sub_fetch(&unborn, 1, __ATOMIC_SEQ_CST) == 0)
		syscall(SYS_futex, &unborn, FUTEX_WAKE_PRIVATE, 1, NULL);
}

void capability_await_births(void)
{
	for (uint32_t n; (n = __atomic_load_n(&unborn, __ATOMIC_SEQ_CST)) != 0;)
		syscall(SYS_futex, &unborn, FUTEX_WAIT_PRIVATE, n, NULL);
}

static void *born(void *argument)
{
	struct birth birth = *(struct birth *)argument;
	static const char message[] = "syd: a new thread can't drop its capabilities\n";
	static const char inside[] = "syd: this is a sandbox in ghost mode: Device or resource busy\n";

	free(argument);
	narrow = birth.narrow;
	int error = capability_keep(capability_kept);
	if (error == ENOSYS) { /* no kernel says so of capset(2) */
		(void)!write(2, inside, sizeof inside - 1);
		_exit(EBUSY);
	}
	if (error != 0) {
		(void)!write(2, message, sizeof message - 1);
		_exit(127);
	}
	capability_end_birth();
	return birth.start(birth.argument);
}

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
			  void *(*start)(void *), void *argument);

int capability_thread(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *),
		      void *argument)
{
	enum { TIMES = 500 }; /* five seconds */
	static const struct timespec pause = {.tv_nsec = 10000000};
	static const char message[] = "syd: no thread can be had: Resource temporarily unavailable\n";
	static uint32_t said; /* by whoever is ending the process */
	int error;

	for (int i = 0; (error = __real_pthread_create(thread, attributes, start, argument)) == EAGAIN; i++) {
		if (i >= TIMES && __atomic_exchange_n(&said, 1, __ATOMIC_SEQ_CST) == 0) {
			(void)!write(2, message, sizeof message - 1);
			_exit(127);
		}
		/* Every filter allows this one, and not all of them libc's. */
		syscall(SYS_nanosleep, &pause, NULL);
	}
	return error;
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
			  void *(*start)(void *), void *argument);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
			  void *(*start)(void *), void *argument)
{
	int makes_narrow = capability_emulates || narrow;
	if (gettid() != getpid() && !makes_narrow)
		return capability_thread(thread, attributes, start, argument);
	struct birth *birth = malloc(sizeof *birth);
	if (birth == NULL)
		return EAGAIN;
	*birth = (struct birth){start, argument, makes_narrow};
	capability_begin_birth();
	int error = capability_thread(thread, attributes, born, birth);
	if (error != 0) {
		capability_end_birth();
		free(birth);
	}
	return error;
}
