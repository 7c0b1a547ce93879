/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE
#include "interrupt.h"

#include <errno.h>
#include <signal.h>

static void nothing(int number)
{
	(void)number;
}

int signals_interrupt(int number)
{
	/* No SA_RESTART: the call that it interrupts ends with EINTR. */
	struct sigaction action = {.sa_handler = nothing, .sa_flags = SA_ONSTACK};
	sigfillset(&action.sa_mask);
	return sigaction(number, &action, NULL) == 0 ? 0 : errno;
}
