/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE
#include "birth.h"

#include <pthread.h>
#include <stdint.h>
#include <unistd.h>

/* In Go. */
void capabilityWork(uintptr_t handle);

/* What starts it from elsewhere has no more itself, and is confined already. */
static void *work_on(void *argument)
{
	capability_emulates = 1;
	capabilityWork((uintptr_t)argument);
	return NULL;
}

static void *work(void *argument)
{
	static const char message[] = "syd: a new thread can't drop its capabilities\n";

	if (capability_keep(capability_kept | capability_emulating) != 0) {
		(void)!write(2, message, sizeof message - 1);
		_exit(127);
	}
	capability_end_birth();
	return work_on(argument);
}

int capability_start(uintptr_t handle)
{
	pthread_t thread;
	pthread_attr_t attributes;

	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, 1 << 20);
	int main_thread = gettid() == getpid();
	if (main_thread)
		capability_begin_birth();
	int error = capability_thread(&thread, &attributes, main_thread ? work : work_on,
					  (void *)handle); /* NOLINT(performance-no-int-to-ptr) */
	if (error != 0 && main_thread)
		capability_end_birth();
	pthread_attr_destroy(&attributes);
	return error;
}
