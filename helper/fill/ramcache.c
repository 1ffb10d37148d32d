// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Buffers and the RAM cache; see ramcache.h.  Knows nothing of what the buffers hold.
 */
#include "ramcache.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

struct cc_ramcache {
	struct cc_ramcache_config c;
	void *arena;
	size_t arena_size;
	struct cc_buf *bufs;
	unsigned int nr;
	struct cc_list free;
	struct cc_list idle;		/* the first one goes first */
	unsigned int nr_free;
	unsigned int nr_idle;
};

int cc_ramcache_open(const struct cc_ramcache_config *c, struct cc_ramcache **ret_ramcache)
{
	struct cc_ramcache *rc = calloc(1, sizeof(*rc));
	int r = -ENOMEM;

	if (!rc)
		return -ENOMEM;
	rc->c = *c;
	rc->nr = c->nr_fill + c->nr_cache;
	rc->bufs = calloc(rc->nr, sizeof(*rc->bufs));
	if (!rc->bufs)
		goto err_free;
	rc->arena_size = (size_t)rc->nr * c->chunk_size;
	rc->arena = mmap(NULL, rc->arena_size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | (c->lock ? MAP_POPULATE : 0), -1, 0);
	if (rc->arena == MAP_FAILED)
		goto err_bufs;
	if (c->lock && mlock(rc->arena, rc->arena_size)) {
		r = -errno;
		goto err_arena;
	}
	cc_list_init(&rc->free);
	cc_list_init(&rc->idle);
	for (unsigned int i = 0; i < rc->nr; i++) {
		rc->bufs[i].data = (char *)rc->arena + i * c->chunk_size;
		cc_list_init(&rc->bufs[i].node);
		cc_ramcache_put(rc, &rc->bufs[i]);
	}
	*ret_ramcache = rc;
	return 0;
err_arena:
	munmap(rc->arena, rc->arena_size);
err_bufs:
	free(rc->bufs);
err_free:
	free(rc);
	return r;
}

void cc_ramcache_close(struct cc_ramcache *rc)
{
	if (!rc)
		return;
	munmap(rc->arena, rc->arena_size);
	free(rc->bufs);
	free(rc);
}

static void evict_first(struct cc_ramcache *rc)
{
	struct cc_buf *b = cc_list_entry(rc->idle.next, struct cc_buf, node);
	void *owner = b->owner;

	cc_ramcache_take(rc, b);
	cc_ramcache_put(rc, b);
	rc->c.evict(rc->c.arg, owner);
}

struct cc_buf *cc_ramcache_get(struct cc_ramcache *rc, bool demand)
{
	struct cc_buf *b;

	if (!demand && rc->nr_free + rc->nr_idle <= rc->c.nr_reserved)
		return NULL;
	if (!rc->nr_free && rc->nr_idle)
		evict_first(rc);
	if (!rc->nr_free)
		return NULL;
	b = cc_list_entry(rc->free.next, struct cc_buf, node);
	cc_list_del(&b->node);
	rc->nr_free--;
	return b;
}

void cc_ramcache_put(struct cc_ramcache *rc, struct cc_buf *b)
{
	cc_list_add_tail(&rc->free, &b->node);
	rc->nr_free++;
}

void cc_ramcache_keep(struct cc_ramcache *rc, struct cc_buf *b, void *owner, bool cold)
{
	b->owner = owner;
	/* In front of what was the first, or at the end. */
	cc_list_add_tail(cold ? rc->idle.next : &rc->idle, &b->node);
	rc->nr_idle++;
	while (rc->nr_idle > rc->c.nr_cache)
		evict_first(rc);
}

void cc_ramcache_take(struct cc_ramcache *rc, struct cc_buf *b)
{
	cc_list_del(&b->node);
	b->owner = NULL;
	rc->nr_idle--;
}

unsigned int cc_ramcache_nr_idle(const struct cc_ramcache *rc)
{
	return rc->nr_idle;
}

unsigned int cc_ramcache_nr_busy(const struct cc_ramcache *rc)
{
	return rc->nr - rc->nr_free - rc->nr_idle;
}
