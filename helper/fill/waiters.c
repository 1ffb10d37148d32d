// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The table of waiters; see waiters.h.  Answers nobody.
 */
#include "waiters.h"

#include <errno.h>
#include <stdlib.h>

#define BUCKETS 16384u

struct cc_waiters {
	struct cc_waiter *buckets[BUCKETS];
	uint64_t nr;
};

static struct cc_waiter **waiters_bucket(struct cc_waiters *ws, uint64_t disk, uint64_t chunk)
{
	return &ws->buckets[(disk * 0x9e3779b97f4a7c15ULL + chunk) % BUCKETS];
}

int cc_waiters_open(struct cc_waiters **ret_waiters)
{
	struct cc_waiters *ws = calloc(1, sizeof(*ws));

	if (!ws)
		return -ENOMEM;
	*ret_waiters = ws;
	return 0;
}

void cc_waiters_close(struct cc_waiters *ws)
{
	if (!ws)
		return;
	for (unsigned int i = 0; i < BUCKETS; i++)
		while (ws->buckets[i])
			cc_waiters_free(ws, ws->buckets[i]);
	free(ws);
}

struct cc_waiter *cc_waiters_find(struct cc_waiters *ws, uint64_t disk, uint64_t chunk)
{
	struct cc_waiter *w = *waiters_bucket(ws, disk, chunk);

	while (w && (w->m.disk != disk || w->m.chunk != chunk))
		w = w->next;
	return w;
}

struct cc_waiter *cc_waiters_add(struct cc_waiters *ws, const struct chunkcache_miss *m,
				 void *fill, struct cc_list *list)
{
	struct cc_waiter *w = calloc(1, sizeof(*w)), **b;

	if (!w)
		return NULL;
	w->m = *m;
	w->fill = fill;
	cc_list_init(&w->node);
	cc_list_add_tail(list, &w->node);
	b = waiters_bucket(ws, m->disk, m->chunk);
	w->next = *b;
	*b = w;
	ws->nr++;
	return w;
}

void cc_waiter_update(struct cc_waiter *w, const struct chunkcache_miss *m)
{
	/* The kernel says what is wanted now; what it wanted before is part of it or gone. */
	w->m = *m;
}

void cc_waiters_free(struct cc_waiters *ws, struct cc_waiter *w)
{
	struct cc_waiter **p = waiters_bucket(ws, w->m.disk, w->m.chunk);

	while (*p != w)
		p = &(*p)->next;
	*p = w->next;
	cc_list_del(&w->node);
	ws->nr--;
	free(w);
}

void cc_waiters_sweep(struct cc_waiters *ws, uint64_t pull, void (*gone)(void *fill))
{
	for (unsigned int i = 0; i < BUCKETS; i++) {
		for (struct cc_waiter *w = ws->buckets[i], *next; w; w = next) {
			void *fill = w->fill;

			next = w->next;
			if (w->seen >= pull)
				continue;
			cc_waiters_free(ws, w);
			gone(fill);
		}
	}
}

void cc_waiters_each(const struct cc_waiters *ws, cc_waiters_fn *fn, void *arg)
{
	for (unsigned int i = 0; i < BUCKETS; i++)
		for (const struct cc_waiter *w = ws->buckets[i]; w; w = w->next)
			fn(arg, w);
}

uint64_t cc_waiters_count(const struct cc_waiters *ws)
{
	return ws->nr;
}
