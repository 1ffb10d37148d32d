/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The same for many things at once, where each waits for somebody else most of the time. */
#ifndef CC_PARALLEL_H
#define CC_PARALLEL_H

#define CC_PARALLEL_MAX 64

/* fn(arg, 0..nr-1) in any order, by so many threads at most, one of them the caller's.  Returns when all ended. */
void cc_parallel(unsigned int nr, unsigned int threads, void (*fn)(void *arg, unsigned int i), void *arg);

#endif
