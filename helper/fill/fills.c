// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The fill engine: what is done in each step and in which order, its start and its end; see fill.h.
 * Knows no attributes, no HTTP and no disk format, as all of it.
 */
#include "fill-impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

uint64_t cc_fills_step(struct cc_fills *f, uint64_t now_ns, int *ret_error)
{
	uint64_t due = UINT64_MAX;

	cc_fills_expire_failures(f, now_ns);
	if (!f->draining && !f->error) {
		cc_fills_step_replays(f);
		due = cc_fills_step_slots(f, now_ns);
		cc_fills_start_adoptable(f);
		due = cc_earlier(due, cc_fills_step_supplies(f, now_ns));
		due = cc_earlier(due, cc_fills_step_adopt(f, now_ns));
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

static void cancel_fetch(void *arg, struct cc_chunk *chunk)
{
	struct cc_fills *f = arg;

	if (chunk->state == CC_CHUNK_FETCHING)
		cc_fetch_cancel(f->c.fetch, &chunk->fill->req);
}

void cc_fills_drain(struct cc_fills *f, bool lost)
{
	f->lost |= lost;
	if (f->draining)
		return;
	f->draining = true;
	for (unsigned int i = 0; i < f->c.supplies->nr; i++) {
		struct cc_supply *s = &f->c.supplies->s[i];

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
	const struct cc_chunk *chunk = cc_index_at(f->c.index, slot);

	return chunk && chunk->gen == gen && (chunk->state == CC_CHUNK_WRITING || chunk->state == CC_CHUNK_ADOPTING);
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

void cc_fills_evicted(void *index, void *arg)
{
	struct cc_chunk *chunk = arg;

	chunk->buf = NULL;
	if (chunk->state == CC_CHUNK_MEMORY)
		cc_index_forget(index, chunk);
}
