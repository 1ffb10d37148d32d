/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The time, in nanoseconds wherever it is not told otherwise. */
#ifndef CC_CLOCK_H
#define CC_CLOCK_H

#include <stdint.h>

#define CC_MS		1000000ULL
#define CC_SECOND	1000000000ULL

/* CLOCK_MONOTONIC: what timers and durations go by. */
uint64_t cc_now_ns(void);
/* CLOCK_REALTIME: what people are told; it may be set. */
uint64_t cc_real_ns(void);
/* CLOCK_BOOTTIME: as the first, but goes on while the machine sleeps. */
uint64_t cc_boot_ns(void);

static inline uint64_t cc_earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

#endif
