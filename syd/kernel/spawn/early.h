/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the supervisor's early steps and the child's set-up share. */
#ifndef SYD_SPAWN_EARLY_H
#define SYD_SPAWN_EARLY_H

#include "stub.h"

#include <stdint.h>

/* struct sigaction as the kernel has it (asm/signal.h). */
struct kernel_sigaction {
	void (*handler)(int);
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};

enum { NSIG_KERNEL = 64, SIGSET_BYTES = 8 };

static inline uint64_t bit(int signal)
{
	return UINT64_C(1) << (signal - 1);
}

/*
 * A system call that touches no thread-local storage: the child shares the
 * tracer thread's, and with it errno. The fifth argument is 0, which prctl(2) asks
 * for. Returns -errno.
 */
static inline long raw(long number, long a, long b, long c, long d)
{
#if defined(__x86_64__)
	long ret;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = 0;
	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
	return ret;
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = 0;
	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
	return x0;
#else
#error "no raw system call for this architecture"
#endif
}

/*
 * Puts the caller into a Landlock domain of its own, nested in the one that it
 * is in: from there only members and domains below can be signalled, or traced
 * and looked into in any way that asks the ptrace check. Raw system calls only.
 */
struct spawn_failure enter_domain(void);

#endif
