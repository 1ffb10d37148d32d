/* SPDX-License-Identifier: GPL-2.0-only */
/* All counters of a pool or a device, from where each is kept. */
#ifndef CC_COUNTERS_H
#define CC_COUNTERS_H

#include "types.h"

struct cc_dev;
struct cc_pool;

/* All CHUNKCACHE_STAT_*; take the pool's command mutex themselves. */
void cc_pool_stats(struct cc_pool *pool, u64 ret[CHUNKCACHE_STAT_MAX + 1]);
void cc_dev_stats(struct cc_dev *dev, u64 ret[CHUNKCACHE_STAT_MAX + 1]);

/* The pool's own counters; not those of its devices. */
void cc_pool_clear_stats(struct cc_pool *pool);

#endif
