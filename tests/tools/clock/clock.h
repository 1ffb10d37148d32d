/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A clock of their own for a few processes that talk to each other: it stands still while any of
 * their threads runs or could run, and when all sleep it jumps to when the first of them wants to
 * wake.  So what a program waits for takes its time, and what the machine needs, or does for others
 * meanwhile, takes none: latencies come out the same on a loaded machine, and hours pass in minutes.
 *
 * cc-clock turns it; clock/shim.c, preloaded, puts programs on it.  They share this page.
 */
#ifndef CC_CLOCK_H
#define CC_CLOCK_H

#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>

#define CLOCK_SLOTS	64
#define CLOCK_NEVER	UINT64_MAX
#define CLOCK_START_NS	(1000 * 1000000000ULL)
#define CLOCK_SIGNAL	(SIGRTMIN + 6)	/* wakes a thread whose time has come */

/* A thread that has waited at least once; written by it, but for what is said. */
struct clock_slot {
	atomic_int pid, tid;		/* pid 0: free; cc-clock frees those of the dead */
	atomic_uint turns;		/* waits that ended */
	atomic_bool waiting;
	_Atomic uint64_t deadline_ns;	/* while it waits; CLOCK_NEVER: for an event only */
};

struct clock_page {
	_Atomic uint64_t now_ns;	/* cc-clock's */
	uint64_t step_ns;		/* deadlines are rounded up to multiples of it */
	atomic_int running;		/* threads with a slot that don't wait */
	atomic_uint kick;		/* a futex: turned when running becomes 0 */
	struct clock_slot slots[CLOCK_SLOTS];
};

#endif
