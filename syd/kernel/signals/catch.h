/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SYD_SIGNALS_CATCH_H
#define SYD_SIGNALS_CATCH_H

#include <stdint.h>

struct caught {
	int32_t number;
	int32_t code; /* si_code */
	int32_t pid;  /* si_pid */
};

/*
 * Installs the handler for a signal. Returns 0 or an errno. cookies are the six
 * registers of write(2), the first three 0; they stay where they are.
 */
int signals_catch(int number, int pipe, const uint64_t *cookies);

/* Takes the signals that found the pipe full: bit n-1 is signal n. */
uint64_t signals_overflow(void);

#endif
