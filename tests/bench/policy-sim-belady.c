// SPDX-License-Identifier: GPL-2.0-or-later
/* Belady's: what is wanted last goes.  It needs the future, and no policy can be better. */
#include <stdlib.h>

#include "policy-sim.h"

#define NEVER	SIZE_MAX
#define NOWHERE	UINT32_MAX

struct sim {
	size_t *next;		/* by request: the next one for the same chunk */
	size_t now;
	size_t *wanted;		/* by chunk: when, if it is cached */
	uint32_t *at;		/* by chunk: its place in the heap, or NOWHERE */
	uint32_t *heap;		/* cached chunks, the one wanted last on top */
	uint32_t nr, slots;
};

static void *open_sim(const struct trace *t, uint32_t slots)
{
	struct sim *s = sim_alloc(1, sizeof(*s));

	s->slots = slots;
	s->next = sim_alloc(t->nr, sizeof(*s->next));
	s->wanted = sim_alloc(t->nr_chunks, sizeof(*s->wanted));
	s->at = sim_alloc(t->nr_chunks, sizeof(*s->at));
	s->heap = sim_alloc((size_t)slots + 1, sizeof(*s->heap));
	for (uint32_t c = 0; c < t->nr_chunks; c++) {
		s->wanted[c] = NEVER;
		s->at[c] = NOWHERE;
	}
	for (size_t i = t->nr; i--;) {
		s->next[i] = s->wanted[t->chunk[i]];
		s->wanted[t->chunk[i]] = i;
	}
	return s;
}

static void put(struct sim *s, uint32_t at, uint32_t chunk)
{
	s->heap[at] = chunk;
	s->at[chunk] = at;
}

static void sift_up(struct sim *s, uint32_t at, uint32_t chunk)
{
	while (at && s->wanted[s->heap[(at - 1) / 2]] < s->wanted[chunk]) {
		put(s, at, s->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	put(s, at, chunk);
}

static void sift_down(struct sim *s, uint32_t at, uint32_t chunk)
{
	uint32_t child;

	while ((child = 2 * at + 1) < s->nr) {
		if (child + 1 < s->nr && s->wanted[s->heap[child + 1]] > s->wanted[s->heap[child]])
			child++;
		if (s->wanted[s->heap[child]] <= s->wanted[chunk])
			break;
		put(s, at, s->heap[child]);
		at = child;
	}
	put(s, at, chunk);
}

static bool request(void *sim, uint32_t chunk)
{
	struct sim *s = sim;
	bool hit = s->at[chunk] != NOWHERE;

	/* A hit is wanted later than before: up.  Time never goes back. */
	s->wanted[chunk] = s->next[s->now++];
	if (hit) {
		sift_up(s, s->at[chunk], chunk);
		return true;
	}
	if (s->nr == s->slots) {
		s->at[s->heap[0]] = NOWHERE;
		if (--s->nr)
			sift_down(s, 0, s->heap[s->nr]);
	}
	sift_up(s, s->nr++, chunk);
	return false;
}

static void close_sim(void *sim)
{
	struct sim *s = sim;

	free(s->next);
	free(s->wanted);
	free(s->at);
	free(s->heap);
	free(s);
}

const struct sim_ops sim_belady = { "belady", open_sim, request, close_sim };
