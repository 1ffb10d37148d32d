// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * States of chunks; see chunk-states.h.  The helper is asked piece by piece; what changes meanwhile
 * is seen as it was at either time.
 */
#include "chunk-states.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "channel.h"
#include "say.h"
#include "scan.h"

#define NR_CHUNKS_MAX (1ULL << 34)	/* of the largest image */

const char *const ctl_chunk_names[CTL_NR_CHUNK] = {
	[CTL_CHUNK_HOLE] = "hole", [CTL_CHUNK_NONE] = "not cached", [CTL_CHUNK_CACHED] = "cached",
	[CTL_CHUNK_HOT] = "hot", [CTL_CHUNK_UNCHECKED] = "unchecked",
	[CTL_CHUNK_MEMORY] = "in RAM", [CTL_CHUNK_FETCHING] = "being fetched",
	[CTL_CHUNK_MISSING] = "not to be had",
};

/* ---- slots, from the kernel ---- */

struct slots {
	struct slot { uint32_t gen; uint8_t state, hit; } *slots;
	uint32_t nr;
	int error;
};

static void take_slot(void *arg, const struct chunkcache_slot_info *info)
{
	struct slots *s = arg;
	struct slot *grown;
	uint32_t nr = s->nr;

	if (s->error)
		return;
	while (info->slot >= nr)
		nr = nr ? nr * 2 : 1024;
	if (nr != s->nr) {
		grown = nr < s->nr ? NULL : realloc(s->slots, nr * sizeof(*grown));
		if (!grown) {
			s->error = -ENOMEM;
			return;
		}
		memset(grown + s->nr, 0, (nr - s->nr) * sizeof(*grown));
		s->slots = grown;
		s->nr = nr;
	}
	s->slots[info->slot] = (struct slot) {
		.gen = info->gen, .state = info->state,
		.hit = !!(info->flags & CHUNKCACHE_SLOT_HIT),
	};
}

static int get_slots(const char *pool, struct slots *s)
{
	struct cc_channel *c;
	int r = cc_channel_open(&c);

	if (r) {
		ctl_err("netlink: %s", strerror(-r));
		return CTL_FAILED;
	}
	r = cc_channel_slot_get_of(c, pool, take_slot, s);
	if (!r)
		r = s->error;
	if (r)
		ctl_err("slots of %s: %s", pool, strerror(-r));
	cc_channel_close(c);
	return r ? CTL_FAILED : 0;
}

/* ---- chunks, from the helper ---- */

/* A chunk that the helper has in a slot: is it there still? */
static enum ctl_chunk cached(const struct slots *s, const json_t *slots, size_t *at)
{
	uint64_t nr = json_integer_value(json_array_get(slots, *at));
	uint64_t gen = json_integer_value(json_array_get(slots, *at + 1));

	*at += 2;
	if (nr >= s->nr || s->slots[nr].gen != gen || s->slots[nr].state != CHUNKCACHE_SLOT_VALID)
		return CTL_CHUNK_NONE;
	return s->slots[nr].hit ? CTL_CHUNK_HOT : CTL_CHUNK_CACHED;
}

static enum ctl_chunk state_of(char letter)
{
	switch (letter) {
	case 'h':
		return CTL_CHUNK_HOLE;
	case 'a':
		return CTL_CHUNK_UNCHECKED;
	case 'm':
		return CTL_CHUNK_MEMORY;
	case 'f':
		return CTL_CHUNK_FETCHING;
	case 'x':
		return CTL_CHUNK_MISSING;
	}
	return CTL_CHUNK_NONE;
}

/* One answer: the chunks from *from on; moves *from behind them. */
static int take_answer(struct ctl_chunks *c, const struct slots *s, const json_t *answer,
		       uint64_t *from)
{
	const char *states = json_string_value(json_object_get(answer, "states"));
	const json_t *slots = json_object_get(answer, "slots");
	size_t i, at = 0, n = states ? strlen(states) : 0;

	if (!c->states) {
		c->nr = ctl_number(answer, "chunks");
		c->chunk_bytes = ctl_number(answer, "chunk_bytes");
		if (c->nr && c->nr <= NR_CHUNKS_MAX)
			c->states = calloc(c->nr, 1);
	}
	if (!c->states || !n || n > c->nr - *from || ctl_number(answer, "chunks") != c->nr)
		return -EPROTO;
	for (i = 0; i < n; i++) {
		enum ctl_chunk k = states[i] == 'c' ? cached(s, slots, &at) : state_of(states[i]);

		c->states[*from + i] = k;
		c->count[k]++;
	}
	*from += n;
	return 0;
}

static int get_chunks(const char *pool, const char *disk, const struct slots *s,
		      struct ctl_chunks *c)
{
	struct ctl_asked asked;
	uint64_t from = 0;
	json_t *answer;
	int r = 0;

	do {
		answer = ctl_ask(pool, "map",
				 json_pack("{s:s, s:I}", "disk", disk, "from", (json_int_t)from),
				 CTL_ASK_SECONDS, &asked);
		if (!answer) {
			ctl_err("helper of %s: %s%s%s", pool, asked.why,
				asked.result == CTL_ASK_REFUSED ? "" : "; see chunkctl explain ",
				asked.result == CTL_ASK_REFUSED ? "" : disk);
			return CTL_FAILED;
		}
		r = take_answer(c, s, answer, &from);
		json_decref(answer);
	} while (!r && from < c->nr);
	if (r)
		ctl_err("helper of %s: its answer makes no sense", pool);
	return r ? CTL_FAILED : 0;
}

int ctl_chunks_get(const char *pool, const char *disk, struct ctl_chunks *ret_chunks)
{
	struct ctl_chunks c = { 0 };
	struct slots s = { 0 };
	int r = get_slots(pool, &s);

	if (!r)
		r = get_chunks(pool, disk, &s, &c);
	free(s.slots);
	if (r)
		ctl_chunks_free(&c);
	else
		*ret_chunks = c;
	return r;
}

void ctl_chunks_free(struct ctl_chunks *c)
{
	free(c->states);
	c->states = NULL;
}
