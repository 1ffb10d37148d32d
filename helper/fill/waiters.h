/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Waiters: misses that the kernel gave us and that are not answered yet, by (disk, chunk), of which the
 * kernel has one miss at a time.  Its table is the truth: a waiter here is only a copy.
 */
#ifndef CC_WAITERS_H
#define CC_WAITERS_H

#include <stdint.h>
#include <linux/dm-chunkcache.h>
#include "list.h"

struct cc_waiters;

struct cc_waiter {
	struct cc_waiter *next;		/* hash bucket */
	struct cc_list node;		/* of the fill's waiters */
	void *fill;			/* who fetches the chunk */
	struct chunkcache_miss m;
	uint64_t seen;			/* the last pull that had it */
};

int cc_waiters_open(struct cc_waiters **ret_waiters);
/* Frees what is left. */
void cc_waiters_close(struct cc_waiters *ws);
struct cc_waiter *cc_waiters_find(struct cc_waiters *ws, uint64_t disk, uint64_t chunk);
/* There is none of m's disk and chunk.  Joins list.  NULL: no memory. */
struct cc_waiter *cc_waiters_add(struct cc_waiters *ws, const struct chunkcache_miss *m,
				 void *fill, struct cc_list *list);
/* m is newer news of the same disk and chunk. */
void cc_waiter_update(struct cc_waiter *w, const struct chunkcache_miss *m);
void cc_waiters_free(struct cc_waiters *ws, struct cc_waiter *w);
/* Frees those whose last pull was before pull; gone is called for each, after it was freed. */
void cc_waiters_sweep(struct cc_waiters *ws, uint64_t pull, void (*gone)(void *fill));
typedef void cc_waiters_fn(void *arg, const struct cc_waiter *w);
void cc_waiters_each(const struct cc_waiters *ws, cc_waiters_fn *fn, void *arg);
uint64_t cc_waiters_count(const struct cc_waiters *ws);

#endif
