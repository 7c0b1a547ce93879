/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SYD_CAPABILITY_BIRTH_H
#define SYD_CAPABILITY_BIRTH_H

#include <pthread.h>
#include <stdint.h>

/*
 * Takes from the calling thread every capability but those of keep (bit n is
 * capability n), and empties the inheritable and ambient sets. Returns 0 or an
 * errno.
 */
int capability_keep(uint64_t keep);

/*
 * Returns when every thread that the main one has started has dropped its
 * capabilities. Call it from the main thread: no other births begin meanwhile.
 */
void capability_await_births(void);

/* What threads keep that the main thread starts. */
extern const uint64_t capability_kept;

/* What threads have besides that make calls on files for tracees. */
extern const uint64_t capability_emulating;

/*
 * Starts a thread with these, as far as the calling one has them, that runs
 * capabilityWork(handle). Returns 0 or an errno.
 */
int capability_start(uintptr_t handle);

/* What capset's six registers carry; those that it uses are 0. */
extern const uint64_t *capability_cookies;

/* Whether the calling thread is one that capability_start has started. */
extern _Thread_local int capability_emulates;

/* Whether the calling thread may be under the filter of one that emulates. */
int capability_narrow(void);

/*
 * pthread_create(3) for whoever can't do without. Where a thread can't be had, as
 * the user has as many as may be (RLIMIT_NPROC, which programs in the sandbox count
 * to) or the control group has, it waits for one. After some seconds it ends the
 * process, and with it the sandbox. Returns 0, or an errno but EAGAIN.
 */
int capability_thread(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *),
		      void *argument);

/* A birth is under way; it has ended. */
void capability_begin_birth(void);
void capability_end_birth(void);

#endif
