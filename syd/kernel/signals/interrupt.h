/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SYD_SIGNALS_INTERRUPT_H
#define SYD_SIGNALS_INTERRUPT_H

/* Installs a handler that does nothing. Returns 0 or an errno. */
int signals_interrupt(int number);

#endif
