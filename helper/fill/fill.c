// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The fill engine: the life of fills and of the engine itself; see fill.h, fill-impl.h and the
 * states in index.h.  Knows no attributes, no HTTP and no disk format.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fill-impl.h"

/* Keep what matters of a channel's error; that a disk or miss has gone does not. */
void cc_fills_channel_result(struct cc_fills *f, int r)
{
	if (r && r != -ENOENT && r != -ESTALE)
		f->error = r;
	if (r == -ENOTCONN)
		f->lost = true;
}

void cc_fills_short_of_memory(struct cc_fills *f)
{
	if (!f->error)
		f->error = -ENOMEM;
}

struct cc_fill *cc_fill_new(struct cc_fills *f, struct cc_chunk *k)
{
	struct cc_fill *fill = calloc(1, sizeof(*fill));

	if (!fill)
		return NULL;
	fill->f = f;
	fill->chunk = k;
	fill->backoff = CC_FILL_BACKOFF_MIN;
	cc_list_init(&fill->node);
	cc_list_init(&fill->waiters);
	k->fill = fill;
	f->nr_fills++;
	return fill;
}

/* The work is over; what becomes of the chunk is the caller's. */
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

/* Drop the fill and all that is known of its chunk. */
void cc_fill_drop(struct cc_fill *fill)
{
	struct cc_fills *f = fill->f;
	struct cc_chunk *k = fill->chunk;

	if (k->buf)
		cc_ramcache_put(f->c.ramcache, k->buf);
	k->buf = NULL;
	cc_fill_free(fill);
	cc_index_forget(f->c.index, k);
}

/* The fill's bytes are in no slot: they stay in the RAM cache as long as that has room. */
void cc_fill_to_memory(struct cc_fill *fill)
{
	struct cc_fills *f = fill->f;
	struct cc_chunk *k = fill->chunk;

	cc_fill_answer_all(fill);
	cc_fill_free(fill);
	cc_index_unbind(f->c.index, k);
	cc_index_set_state(f->c.index, k, CC_CHUNK_MEMORY);
	cc_ramcache_keep(f->c.ramcache, k->buf, k, false);
}

/* Where the next waiter's disk has the chunk; false if nobody waits any more. */
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
		fill->source = disk->source;
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
		return &fill->source->wanted;
	if (fill->prio == CC_FETCH_AHEAD)
		return &fill->source->ahead;
	return fill->by_hand ? &fill->source->by_hand : &fill->source->prefetch;
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

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t cc_fills_step(struct cc_fills *f, uint64_t now_ns, int *ret_error)
{
	uint64_t due = UINT64_MAX;

	cc_fills_expire_failures(f, now_ns);
	if (!f->draining && !f->error) {
		cc_fills_step_replays(f);
		due = cc_fills_step_slots(f, now_ns);
		due = earlier(due, cc_fills_step_sources(f, now_ns));
		due = earlier(due, cc_fills_step_adopt(f, now_ns));
	}
	*ret_error = f->error;
	f->error = 0;
	return due;
}

/* ---- life ---- */

int cc_fills_open(const struct cc_fills_config *c, struct cc_fill_stats *stats, struct cc_fills **ret_fills)
{
	struct cc_fills *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return -ENOMEM;
	r = cc_waiters_open(&f->waiters);
	if (r) {
		free(f);
		return r;
	}
	f->c = *c;
	f->stats = stats;
	cc_list_init(&f->adoptable);
	cc_list_init(&f->fetched);
	cc_list_init(&f->spare);
	cc_list_init(&f->failures);
	cc_list_init(&f->traces_wanted);
	cc_list_init(&f->replays);
	cc_list_init(&f->trace_loads);
	cc_index_on_unread(f->c.index, cc_fills_unread, f);
	*ret_fills = f;
	return 0;
}

void cc_fills_drop_list(struct cc_list *list)
{
	while (!cc_list_empty(list))
		cc_fill_drop(cc_list_entry(list->next, struct cc_fill, node));
}

void cc_fills_close(struct cc_fills *f)
{
	if (!f)
		return;
	cc_fills_drain_replays(f);
	while (f->nr_failures)
		cc_failure_free(f, cc_list_entry(f->failures.next, struct cc_failure, node));
	cc_index_on_unread(f->c.index, NULL, NULL);
	cc_waiters_close(f->waiters);
	free(f);
}

static void cancel_fetch(void *arg, struct cc_chunk *k)
{
	struct cc_fills *f = arg;

	if (k->state == CC_CHUNK_FETCHING)
		cc_fetch_cancel(f->c.fetch, &k->fill->req);
}

void cc_fills_drain(struct cc_fills *f, bool lost)
{
	f->lost |= lost;
	if (f->draining)
		return;
	f->draining = true;
	for (unsigned int i = 0; i < f->c.sources->nr; i++) {
		struct cc_source *s = &f->c.sources->s[i];

		cc_fills_drop_list(&s->wanted);
		cc_fills_drop_list(&s->ahead);
		cc_fills_drop_list(&s->prefetch);
		cc_fills_drop_list(&s->by_hand);
		cc_fills_drop_list(&s->retry);
	}
	cc_fills_drop_list(&f->adoptable);
	cc_fills_drop_list(&f->fetched);
	cc_fills_drop_list(&f->spare);
	f->nr_fetched = 0;
	f->nr_spare = 0;
	cc_index_each(f->c.index, cancel_fetch, f);
	cc_fills_drain_replays(f);
}

bool cc_fills_holds(struct cc_fills *f, uint32_t slot, uint32_t gen)
{
	const struct cc_chunk *k = cc_index_at(f->c.index, slot);

	return k && k->gen == gen && (k->state == CC_CHUNK_WRITING || k->state == CC_CHUNK_ADOPTING);
}

unsigned int cc_fills_in_flight(const struct cc_fills *f)
{
	return f->in_flight;
}

struct waiting_of {
	uint64_t disk, *count;
};

static void count_waiter(void *arg, const struct cc_waiter *w)
{
	struct waiting_of *x = arg;
	const struct cc_fill *fill = w->fill;

	if (w->m.disk == x->disk)
		x->count[fill->chunk->state]++;
}

void cc_fills_waiting_of(const struct cc_fills *f, uint64_t disk, uint64_t ret_count[CC_CHUNK_NR_STATES])
{
	struct waiting_of x = { disk, ret_count };

	memset(ret_count, 0, CC_CHUNK_NR_STATES * sizeof(ret_count[0]));
	cc_waiters_each(f->waiters, count_waiter, &x);
}

uint64_t cc_fills_waiting(const struct cc_fills *f)
{
	return cc_waiters_count(f->waiters);
}

void cc_fills_evicted(void *index, void *chunk)
{
	struct cc_chunk *k = chunk;

	k->buf = NULL;
	if (k->state == CC_CHUNK_MEMORY)
		cc_index_forget(index, k);
}
