// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Aligned buffers that are used again.  Nearly all requests are for chunks of one size, so idle buffers
 * are one list of one size, which grows when a larger one is asked for.
 */
#include "bufpool.h"

#include <pthread.h>
#include <stdlib.h>

#define ALIGN 4096

/* In front of each buffer, in a page of its own. */
struct head {
	struct head *next;
	size_t size;
};

struct cc_bufpool {
	pthread_mutex_t lock;
	struct head *idle;
	unsigned int nr_idle, max;
	size_t size;			/* of the idle ones */
};

struct cc_bufpool *cc_bufpool_new(unsigned int max)
{
	struct cc_bufpool *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	pthread_mutex_init(&b->lock, NULL);
	b->max = max;
	return b;
}

static void free_all(struct head *h)
{
	while (h) {
		struct head *next = h->next;

		free(h);
		h = next;
	}
}

void cc_bufpool_free(struct cc_bufpool *b)
{
	if (!b)
		return;
	free_all(b->idle);
	pthread_mutex_destroy(&b->lock);
	free(b);
}

void *cc_bufpool_get(struct cc_bufpool *b, size_t size)
{
	struct head *h = NULL, *small = NULL;

	size = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	pthread_mutex_lock(&b->lock);
	if (size > b->size) {
		small = b->idle;
		b->idle = NULL;
		b->nr_idle = 0;
		b->size = size;
	}
	size = b->size;
	if (b->idle) {
		h = b->idle;
		b->idle = h->next;
		b->nr_idle--;
	}
	pthread_mutex_unlock(&b->lock);
	free_all(small);
	if (!h) {
		h = aligned_alloc(ALIGN, ALIGN + size);
		if (!h)
			return NULL;
		h->size = size;
	}
	return (char *)h + ALIGN;
}

void cc_bufpool_put(struct cc_bufpool *b, void *buf)
{
	struct head *h;

	if (!buf)
		return;
	h = (struct head *)((char *)buf - ALIGN);
	pthread_mutex_lock(&b->lock);
	if (h->size == b->size && b->nr_idle < b->max) {
		h->next = b->idle;
		b->idle = h;
		b->nr_idle++;
		h = NULL;
	}
	pthread_mutex_unlock(&b->lock);
	free(h);
}
