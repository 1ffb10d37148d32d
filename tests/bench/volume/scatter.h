/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CC_BENCH_SCATTER_H
#define CC_BENCH_SCATTER_H

#include <stdint.h>

/* Each number below n, a power of two, once, none beside the one before. */
static inline uint64_t scatter(uint64_t i, uint64_t n)
{
	return i * 0x9e3779b1 % n;
}

#endif
