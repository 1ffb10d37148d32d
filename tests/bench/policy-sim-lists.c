// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The well-known ones that are made of lists of chunks: FIFO, LRU, CLOCK with one bit, and
 * S3-FIFO as published (Yang et al., SOSP 2023): small queue of a tenth, two bits of
 * frequency, ghosts for as many as main has.
 */
#include <stdlib.h>

#include "policy-sim.h"
#include "../../drivers/md/dm-chunkcache/slot-list.h"

enum place { OUT, SMALL, MAIN, GHOST };

/* Simple ones use main only. */
struct sim {
	struct cc_link *link;		/* these by chunk */
	uint8_t *place, *used;
	struct cc_list small, main, ghosts;
	uint32_t slots, small_max;
};

static struct cc_link *op_link(void *ctx, u32 n)
{
	return &((struct sim *)ctx)->link[n];
}

static void *open_sim(const struct trace *t, uint32_t slots)
{
	struct sim *s = sim_alloc(1, sizeof(*s));

	s->link = sim_alloc(t->nr_chunks, sizeof(*s->link));
	s->place = sim_alloc(t->nr_chunks, sizeof(*s->place));
	s->used = sim_alloc(t->nr_chunks, sizeof(*s->used));
	s->slots = slots;
	s->small_max = slots < 10 ? 1 : slots / 10;
	cc_list_init(&s->small);
	cc_list_init(&s->main);
	cc_list_init(&s->ghosts);
	return s;
}

static void close_sim(void *sim)
{
	struct sim *s = sim;

	free(s->link);
	free(s->place);
	free(s->used);
	free(s);
}

static struct cc_list *list_of(struct sim *s, uint32_t c)
{
	return s->place[c] == SMALL ? &s->small : s->place[c] == MAIN ? &s->main : &s->ghosts;
}

static void leave(struct sim *s, uint32_t c)
{
	cc_list_del(list_of(s, c), op_link, s, c);
	s->place[c] = OUT;
}

static void enter(struct sim *s, uint32_t c, enum place place)
{
	s->place[c] = place;
	cc_list_add_head(list_of(s, c), op_link, s, c);
}

/* ---- FIFO, LRU, CLOCK ---- */

static bool fifo_request(void *sim, uint32_t chunk)
{
	struct sim *s = sim;

	if (s->place[chunk] == MAIN)
		return true;
	if (s->main.nr == s->slots)
		leave(s, s->main.tail);
	enter(s, chunk, MAIN);
	return false;
}

static bool lru_request(void *sim, uint32_t chunk)
{
	struct sim *s = sim;

	if (!fifo_request(s, chunk))
		return false;
	leave(s, chunk);
	enter(s, chunk, MAIN);
	return true;
}

/* The hand: from the tail, what was used goes round again. */
static void turn(struct sim *s)
{
	uint32_t c;

	while (c = s->main.tail, leave(s, c), s->used[c]) {
		s->used[c]--;
		enter(s, c, MAIN);
	}
}

static bool clock_request(void *sim, uint32_t chunk)
{
	struct sim *s = sim;

	if (s->place[chunk] == MAIN) {
		s->used[chunk] = 1;
		return true;
	}
	if (s->main.nr == s->slots)
		turn(s);
	s->used[chunk] = 0;
	enter(s, chunk, MAIN);
	return false;
}

/* ---- S3-FIFO ---- */

/* From the tail of small: used more than once goes to main, the first other one to the ghosts. */
static void s3_evict_small(struct sim *s)
{
	while (s->small.nr) {
		uint32_t c = s->small.tail;

		leave(s, c);
		if (s->used[c] <= 1) {
			enter(s, c, GHOST);
			if (s->ghosts.nr > s->slots - s->small_max)
				leave(s, s->ghosts.tail);
			return;
		}
		s->used[c] = 0;
		enter(s, c, MAIN);
	}
}

static bool s3_request(void *sim, uint32_t chunk)
{
	struct sim *s = sim;
	bool ghost = s->place[chunk] == GHOST;

	if (s->place[chunk] == SMALL || s->place[chunk] == MAIN) {
		if (s->used[chunk] < 3)
			s->used[chunk]++;
		return true;
	}
	if (ghost)
		leave(s, chunk);
	while (s->small.nr + s->main.nr >= s->slots) {
		if (s->small.nr >= s->small_max || !s->main.nr)
			s3_evict_small(s);
		else
			turn(s);
	}
	s->used[chunk] = 0;
	enter(s, chunk, ghost ? MAIN : SMALL);
	return false;
}

const struct sim_ops sim_fifo = { "fifo", open_sim, fifo_request, close_sim };
const struct sim_ops sim_lru = { "lru", open_sim, lru_request, close_sim };
const struct sim_ops sim_clock = { "clock", open_sim, clock_request, close_sim };
const struct sim_ops sim_s3fifo = { "s3fifo", open_sim, s3_request, close_sim };
