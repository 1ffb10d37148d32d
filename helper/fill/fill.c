// SPDX-License-Identifier: GPL-2.0-or-later
/* The life of a fill: made, queued, ended; see the states in index.h. */
#include "fill-impl.h"

#include <stdlib.h>

struct cc_fill *cc_fill_new(struct cc_fills *f, struct cc_chunk *chunk)
{
	struct cc_fill *fill = calloc(1, sizeof(*fill));

	if (!fill)
		return NULL;
	fill->f = f;
	fill->chunk = chunk;
	fill->backoff = CC_FILL_BACKOFF_MIN;
	cc_list_init(&fill->node);
	cc_list_init(&fill->waiters);
	chunk->fill = fill;
	f->nr_fills++;
	return fill;
}

void cc_fill_free(struct cc_fill *fill)
{
	struct cc_fills *f = fill->f;

	while (!cc_list_empty(&fill->waiters))
		cc_waiters_free(f->waiters, cc_list_entry(fill->waiters.next, struct cc_waiter, node));
	cc_fill_prefetch_ended(fill, false);
	cc_list_del(&fill->node);
	fill->chunk->fill = NULL;
	f->nr_fills--;
	free(fill);
}

void cc_fill_drop(struct cc_fill *fill)
{
	struct cc_fills *f = fill->f;
	struct cc_chunk *chunk = fill->chunk;

	if (chunk->buf)
		cc_ramcache_put(f->c.ramcache, chunk->buf);
	chunk->buf = NULL;
	cc_fill_free(fill);
	cc_index_forget(f->c.index, chunk);
}

void cc_fill_to_memory(struct cc_fill *fill)
{
	struct cc_fills *f = fill->f;
	struct cc_chunk *chunk = fill->chunk;

	cc_fill_answer_all(fill);
	cc_fill_free(fill);
	cc_index_unbind(f->c.index, chunk);
	cc_index_set_state(f->c.index, chunk, CC_CHUNK_MEMORY);
	cc_ramcache_keep(f->c.ramcache, chunk->buf, chunk, false);
}

bool cc_fill_choose_source(struct cc_fill *fill)
{
	struct cc_fills *f = fill->f;

	cc_list_each_safe(n, &fill->waiters) {
		struct cc_waiter *w = cc_list_entry(n, struct cc_waiter, node);
		struct cc_disk *disk = cc_disks_find(f->c.disks, w->m.disk);

		if (!disk || !disk->manifest) {
			cc_waiters_free(f->waiters, w);
			continue;
		}
		fill->supply = cc_supply_of(f->c.supplies, disk->source);
		fill->encoding = disk->manifest->encoding;
		/* The next time it is another one's turn. */
		cc_list_del(&w->node);
		cc_list_add_tail(&fill->waiters, &w->node);
		return true;
	}
	return false;
}

static struct cc_list *queue_of(const struct cc_fill *fill)
{
	if (fill->prio == CC_FETCH_DEMAND)
		return &fill->supply->wanted;
	if (fill->prio == CC_FETCH_AHEAD)
		return &fill->supply->ahead;
	return fill->cause == CC_PREFETCH_BY_HAND ? &fill->supply->by_hand : &fill->supply->prefetch;
}

/* What may be in a slot already does not wait behind others for its store. */
void cc_fill_queue(struct cc_fill *fill)
{
	cc_list_del(&fill->node);
	cc_list_add_tail(fill->chunk->slot != CC_NO_SLOT ? &fill->f->adoptable : queue_of(fill), &fill->node);
}

void cc_failure_free(struct cc_fills *f, struct cc_failure *x)
{
	cc_list_del(&x->node);
	x->chunk->failure = NULL;
	f->nr_failures--;
	free(x);
}

void cc_fills_drop_list(struct cc_list *list)
{
	while (!cc_list_empty(list))
		cc_fill_drop(cc_list_entry(list->next, struct cc_fill, node));
}
