// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The index of chunks; see index.h.  Owns the chunk objects, their states and their binding to
 * slots; decides nothing.
 */
#include "index.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "id-hash.h"

#define FIRST_BUCKETS 1024

struct cc_index {
	struct cc_chunk **buckets;
	uint64_t nr_buckets;		/* a power of two */
	uint64_t nr_chunks;
	struct cc_chunk **slots;	/* who is bound to each slot */
	uint64_t nr_slots;
	uint64_t count[CC_CHUNK_NR_STATES];
	cc_index_unread_fn *unread;	/* NULL: none */
	void *unread_arg;
};

#define TO(state) (1u << CC_CHUNK_##state)

static const unsigned int allowed[CC_CHUNK_NR_STATES] = {
	[CC_CHUNK_ABSENT]	= TO(CANDIDATE) | TO(CACHED) | TO(WANTED),
	[CC_CHUNK_CANDIDATE]	= TO(ABSENT) | TO(WANTED) | TO(CACHED),
	[CC_CHUNK_WANTED]	= TO(ABSENT) | TO(ADOPTING) | TO(FETCHING),
	[CC_CHUNK_ADOPTING]	= TO(ABSENT) | TO(CACHED) | TO(FETCHING) | TO(MEMORY),
	[CC_CHUNK_FETCHING]	= TO(ABSENT) | TO(FETCHED) | TO(FAILED) | TO(WANTED),
	[CC_CHUNK_FETCHED]	= TO(ABSENT) | TO(WRITING) | TO(MEMORY),
	[CC_CHUNK_WRITING]	= TO(ABSENT) | TO(CACHED) | TO(MEMORY),
	[CC_CHUNK_CACHED]	= TO(ABSENT) | TO(WANTED) | TO(MEMORY),
	[CC_CHUNK_MEMORY]	= TO(ABSENT) | TO(FETCHED),
	[CC_CHUNK_FAILED]	= TO(ABSENT) | TO(WANTED),
};

static const char *const state_names[CC_CHUNK_NR_STATES] = {
	"absent", "candidate", "wanted", "adopting", "fetching",
	"fetched", "writing", "cached", "memory", "failed",
};

const char *cc_chunk_state_name(enum cc_chunk_state state)
{
	return state < CC_CHUNK_NR_STATES ? state_names[state] : "?";
}

int cc_index_open(uint64_t nr_slots, struct cc_index **ret_index)
{
	struct cc_index *x = calloc(1, sizeof(*x));

	if (!x)
		return -ENOMEM;
	x->nr_slots = nr_slots;
	x->nr_buckets = FIRST_BUCKETS;
	x->buckets = calloc(x->nr_buckets, sizeof(*x->buckets));
	x->slots = calloc(nr_slots, sizeof(*x->slots));
	if (!x->buckets || !x->slots) {
		cc_index_close(x);
		return -ENOMEM;
	}
	*ret_index = x;
	return 0;
}

void cc_index_close(struct cc_index *x)
{
	if (!x)
		return;
	for (uint64_t i = 0; x->buckets && i < x->nr_buckets; i++) {
		while (x->buckets[i]) {
			struct cc_chunk *chunk = x->buckets[i];

			x->buckets[i] = chunk->next;
			free(chunk);
		}
	}
	free(x->buckets);
	free(x->slots);
	free(x);
}

void cc_index_on_unread(struct cc_index *x, cc_index_unread_fn *fn, void *arg)
{
	x->unread = fn;
	x->unread_arg = arg;
}

static struct cc_chunk **index_bucket(struct cc_chunk **buckets, uint64_t nr, uint64_t domain, const uint8_t *id)
{
	return &buckets[cc_id_hash(domain, id) & (nr - 1)];
}

/* No memory for more buckets is no error: chains only get longer. */
static void grow_index(struct cc_index *x)
{
	uint64_t nr = x->nr_buckets * 2;
	struct cc_chunk **buckets = calloc(nr, sizeof(*buckets));

	if (!buckets)
		return;
	for (uint64_t i = 0; i < x->nr_buckets; i++) {
		while (x->buckets[i]) {
			struct cc_chunk *chunk = x->buckets[i];
			struct cc_chunk **b = index_bucket(buckets, nr, chunk->domain, chunk->id);

			x->buckets[i] = chunk->next;
			chunk->next = *b;
			*b = chunk;
		}
	}
	free(x->buckets);
	x->buckets = buckets;
	x->nr_buckets = nr;
}

struct cc_chunk *cc_index_find(struct cc_index *x, uint64_t domain, const uint8_t id[CC_ID_SIZE])
{
	struct cc_chunk *chunk = *index_bucket(x->buckets, x->nr_buckets, domain, id);

	while (chunk && (chunk->domain != domain || memcmp(chunk->id, id, CC_ID_SIZE)))
		chunk = chunk->next;
	return chunk;
}

struct cc_chunk *cc_index_get(struct cc_index *x, uint64_t domain, const uint8_t id[CC_ID_SIZE])
{
	struct cc_chunk *chunk = cc_index_find(x, domain, id), **b;

	if (chunk)
		return chunk;
	chunk = calloc(1, sizeof(*chunk));
	if (!chunk)
		return NULL;
	chunk->domain = domain;
	memcpy(chunk->id, id, CC_ID_SIZE);
	chunk->slot = CC_NO_SLOT;
	chunk->state = CC_CHUNK_ABSENT;
	if (x->nr_chunks >= x->nr_buckets)
		grow_index(x);
	b = index_bucket(x->buckets, x->nr_buckets, domain, id);
	chunk->next = *b;
	*b = chunk;
	x->nr_chunks++;
	x->count[CC_CHUNK_ABSENT]++;
	return chunk;
}

struct cc_chunk *cc_index_at(struct cc_index *x, uint32_t slot)
{
	return slot < x->nr_slots ? x->slots[slot] : NULL;
}

void cc_index_set_state(struct cc_index *x, struct cc_chunk *chunk, enum cc_chunk_state state)
{
	if (!(allowed[chunk->state] & (1u << state))) {
		fprintf(stderr, "index: chunk goes from %s to %s\n", cc_chunk_state_name(chunk->state),
			cc_chunk_state_name(state));
		abort();
	}
	x->count[chunk->state]--;
	x->count[state]++;
	chunk->state = state;
}

void cc_index_unbind(struct cc_index *x, struct cc_chunk *chunk)
{
	if (chunk->slot == CC_NO_SLOT)
		return;
	x->slots[chunk->slot] = NULL;
	chunk->slot = CC_NO_SLOT;
	chunk->gen = 0;
}

/* Its slot now belongs to somebody else. */
static void lose_slot(struct cc_index *x, struct cc_chunk *chunk)
{
	cc_index_unbind(x, chunk);
	if (chunk->unread_of && x->unread)
		x->unread(x->unread_arg, chunk);
	if (chunk->state == CC_CHUNK_CACHED && chunk->buf)
		cc_index_set_state(x, chunk, CC_CHUNK_MEMORY);
	else if (chunk->state == CC_CHUNK_CACHED || chunk->state == CC_CHUNK_CANDIDATE)
		cc_index_forget(x, chunk);
}

void cc_index_bind(struct cc_index *x, struct cc_chunk *chunk, uint32_t slot, uint32_t gen)
{
	struct cc_chunk *before = cc_index_at(x, slot);

	if (before && before != chunk)
		lose_slot(x, before);
	cc_index_unbind(x, chunk);
	x->slots[slot] = chunk;
	chunk->slot = slot;
	chunk->gen = gen;
}

void cc_index_slot_gone(struct cc_index *x, uint32_t slot, uint32_t gen)
{
	struct cc_chunk *chunk = cc_index_at(x, slot);

	if (chunk && chunk->gen == gen && chunk->state == CC_CHUNK_CACHED)
		lose_slot(x, chunk);
}

void cc_index_forget(struct cc_index *x, struct cc_chunk *chunk)
{
	struct cc_chunk **p = index_bucket(x->buckets, x->nr_buckets, chunk->domain, chunk->id);

	cc_index_unbind(x, chunk);
	if (chunk->state != CC_CHUNK_ABSENT)
		cc_index_set_state(x, chunk, CC_CHUNK_ABSENT);
	while (*p != chunk)
		p = &(*p)->next;
	*p = chunk->next;
	x->nr_chunks--;
	x->count[CC_CHUNK_ABSENT]--;
	free(chunk);
}

void cc_index_each(struct cc_index *x, cc_index_fn *fn, void *arg)
{
	for (uint64_t i = 0; i < x->nr_buckets; i++)
		for (struct cc_chunk *chunk = x->buckets[i]; chunk; chunk = chunk->next)
			fn(arg, chunk);
}

uint64_t cc_index_count(const struct cc_index *x, enum cc_chunk_state state)
{
	return x->count[state];
}
