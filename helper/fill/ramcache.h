/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All chunk-sized buffers of the helper: allocated and locked once, aligned for O_DIRECT.  A
 * buffer is free, busy (somebody fills, writes or sends it), or idle: it holds a verified chunk that is
 * kept as long as nobody needs the memory, which makes the idle ones the RAM cache.
 */
#ifndef CC_RAMCACHE_H
#define CC_RAMCACHE_H

#include <stdbool.h>
#include <stddef.h>
#include "list.h"

struct cc_ramcache;

struct cc_buf {
	void *data;			/* chunk size bytes, aligned to 4096 */
	/* private */
	struct cc_list node;		/* free or idle; else unlinked */
	void *owner;			/* of an idle one */
};

struct cc_ramcache_config {
	size_t chunk_size;
	unsigned int nr_fill;		/* buffers for fills */
	unsigned int nr_cache;		/* buffers for idle chunks, on top; at most so many are idle */
	unsigned int nr_reserved;	/* of those for fills: only for demand */
	bool lock;			/* populate and mlock */
	/* An idle buffer is taken away from owner; it must forget it. */
	void (*evict)(void *arg, void *owner);
	void *arg;
};

int cc_ramcache_open(const struct cc_ramcache_config *c, struct cc_ramcache **ret_ramcache);
void cc_ramcache_close(struct cc_ramcache *rc);

/* A busy buffer with undefined content, or NULL. */
struct cc_buf *cc_ramcache_get(struct cc_ramcache *rc, bool demand);
/* Busy -> free. */
void cc_ramcache_put(struct cc_ramcache *rc, struct cc_buf *b);
/*
 * Busy -> idle, holding owner's chunk; may call evict, for owner as well.  A cold one is the first to go: its
 * bytes are in a slot, too.
 */
void cc_ramcache_keep(struct cc_ramcache *rc, struct cc_buf *b, void *owner, bool cold);
/* Idle -> busy. */
void cc_ramcache_take(struct cc_ramcache *rc, struct cc_buf *b);
unsigned int cc_ramcache_nr_idle(const struct cc_ramcache *rc);
unsigned int cc_ramcache_nr_busy(const struct cc_ramcache *rc);

#endif
