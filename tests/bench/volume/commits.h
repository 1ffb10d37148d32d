/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How fast, and how late, what a guest writes is in the store: see commits.c.  Prints lines. */
#ifndef CC_BENCH_COMMITS_H
#define CC_BENCH_COMMITS_H

#include <stdint.h>

/* A new volume, as fast as the dirty limit lets it, until so many bytes were committed after the first commit. */
void bench_upload(uint64_t bytes);
/* A new volume, so many bytes a second of which are written for so long. */
void bench_lag(uint64_t bytes_per_s, uint64_t seconds);

#endif
