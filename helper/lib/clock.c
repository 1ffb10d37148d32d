// SPDX-License-Identifier: GPL-2.0-or-later
/* Reads the clocks. */
#include "clock.h"

#include <time.h>

static uint64_t read_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * CC_SECOND + (uint64_t)ts.tv_nsec;
}

uint64_t cc_now_ns(void)
{
	return read_ns(CLOCK_MONOTONIC);
}

uint64_t cc_real_ns(void)
{
	return read_ns(CLOCK_REALTIME);
}

uint64_t cc_boot_ns(void)
{
	return read_ns(CLOCK_BOOTTIME);
}
