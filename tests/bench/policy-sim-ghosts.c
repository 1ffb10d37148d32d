// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Two that remember what they dropped, as published: full 2Q (Johnson and Shasha, VLDB 1994), with
 * a quarter of the slots for what is new and ghosts for half as many as there are slots; and ARC
 * (Megiddo and Modha, FAST 2003).
 */
#include <stdlib.h>

#include "policy-sim.h"
#include "../../drivers/md/dm-chunkcache/slot-list.h"

/* 2Q calls them A1in, Am and A1out; ARC T1, T2, B1 and B2. */
enum place { OUT, ONCE, OFTEN, GHOST_ONCE, GHOST_OFTEN, NR_PLACES };

struct sim {
	struct cc_link *link;		/* these by chunk */
	uint8_t *place;
	struct cc_list list[NR_PLACES];
	uint32_t slots;
	uint32_t once_max, ghosts_max;	/* 2Q */
	uint32_t target;		/* ARC: of ONCE */
};

static struct cc_link *link_of(void *ctx, u32 n)
{
	return &((struct sim *)ctx)->link[n];
}

static void *open_sim(const struct trace *t, uint32_t slots)
{
	struct sim *s = sim_alloc(1, sizeof(*s));

	s->link = sim_alloc(t->nr_chunks, sizeof(*s->link));
	s->place = sim_alloc(t->nr_chunks, sizeof(*s->place));
	s->slots = slots;
	s->once_max = slots < 4 ? 1 : slots / 4;
	s->ghosts_max = slots < 2 ? 1 : slots / 2;
	for (int i = 0; i < NR_PLACES; i++)
		cc_list_init(&s->list[i]);
	return s;
}

static void close_sim(void *sim)
{
	struct sim *s = sim;

	free(s->link);
	free(s->place);
	free(s);
}

static uint32_t nr(const struct sim *s, enum place place)
{
	return s->list[place].nr;
}

/* From where it is to the head of another list, or OUT. */
static void move(struct sim *s, uint32_t c, enum place to)
{
	if (s->place[c] != OUT)
		cc_list_del(&s->list[s->place[c]], link_of, s, c);
	s->place[c] = (uint8_t)to;
	if (to != OUT)
		cc_list_add_head(&s->list[to], link_of, s, c);
}

static void move_oldest(struct sim *s, enum place from, enum place to)
{
	move(s, s->list[from].tail, to);
}

/* ---- 2Q ---- */

static void twoq_evict(struct sim *s)
{
	if (nr(s, ONCE) > s->once_max || !nr(s, OFTEN)) {
		move_oldest(s, ONCE, GHOST_ONCE);
		if (nr(s, GHOST_ONCE) > s->ghosts_max)
			move_oldest(s, GHOST_ONCE, OUT);
	} else {
		move_oldest(s, OFTEN, OUT);
	}
}

static bool twoq_request(void *sim, uint32_t chunk)
{
	struct sim *s = sim;
	enum place was = s->place[chunk];

	if (was == OFTEN)
		move(s, chunk, OFTEN);
	if (was == ONCE || was == OFTEN)
		return true;
	if (nr(s, ONCE) + nr(s, OFTEN) == s->slots)
		twoq_evict(s);
	move(s, chunk, was == GHOST_ONCE ? OFTEN : ONCE);
	return false;
}

/* ---- ARC ---- */

static uint32_t at_least_1(uint32_t part, uint32_t of)
{
	return of && part / of > 1 ? part / of : 1;
}

/* A ghost came back: its kind should have had more. */
static void arc_adapt(struct sim *s, enum place ghost)
{
	uint32_t once = nr(s, GHOST_ONCE), often = nr(s, GHOST_OFTEN), step;

	if (ghost == GHOST_ONCE) {
		step = at_least_1(often, once);
		s->target = s->slots - s->target < step ? s->slots : s->target + step;
	} else {
		step = at_least_1(once, often);
		s->target = s->target < step ? 0 : s->target - step;
	}
}

static void arc_replace(struct sim *s, enum place was)
{
	uint32_t once = nr(s, ONCE);

	if (once && (once > s->target || (was == GHOST_OFTEN && once == s->target) || !nr(s, OFTEN)))
		move_oldest(s, ONCE, GHOST_ONCE);
	else
		move_oldest(s, OFTEN, GHOST_OFTEN);
}

/* Room for a chunk that is in no list. */
static void arc_make_room(struct sim *s)
{
	uint32_t once = nr(s, ONCE) + nr(s, GHOST_ONCE), often = nr(s, OFTEN) + nr(s, GHOST_OFTEN);

	if (once == s->slots && nr(s, ONCE) == s->slots) {
		move_oldest(s, ONCE, OUT);
		return;
	}
	if (once + often < s->slots)
		return;
	if (once == s->slots)
		move_oldest(s, GHOST_ONCE, OUT);
	else if (once + often == 2 * s->slots)
		move_oldest(s, GHOST_OFTEN, OUT);
	arc_replace(s, OUT);
}

static bool arc_request(void *sim, uint32_t chunk)
{
	struct sim *s = sim;
	enum place was = s->place[chunk];

	if (was == GHOST_ONCE || was == GHOST_OFTEN) {
		arc_adapt(s, was);
		arc_replace(s, was);
	} else if (was == OUT) {
		arc_make_room(s);
	}
	move(s, chunk, was == OUT ? ONCE : OFTEN);
	return was == ONCE || was == OFTEN;
}

const struct sim_ops sim_2q = { "2q", open_sim, twoq_request, close_sim };
const struct sim_ops sim_arc = { "arc", open_sim, arc_request, close_sim };
