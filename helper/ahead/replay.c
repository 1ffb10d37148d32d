// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Replays of boot traces; see replay.h.
 */
#include "replay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PASSED		UINT32_MAX	/* in place of a chunk that was not given: no disk has so many */

void cc_replay_init(struct cc_replay *r)
{
	memset(r, 0, sizeof(*r));
	cc_list_init(&r->node);
}

void cc_replay_free(struct cc_replay *r)
{
	cc_list_del(&r->node);
	free(r->chunks);
	free(r->untouched);
	cc_replay_init(r);
}

int cc_replay_start(struct cc_replay *r, const struct cc_trace *t, uint64_t nr_chunks, cc_replay_skip_fn *skip,
		    void *arg)
{
	uint32_t *chunks = malloc((t->nr + 1) * sizeof(*chunks));
	uint64_t *untouched = calloc((nr_chunks + 63) / 64, sizeof(*untouched));
	uint32_t nr = 0;

	if (!chunks || !untouched) {
		free(chunks);
		free(untouched);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < t->nr; i++) {
		uint64_t c = t->chunks[i].chunk;

		if (!cc_trace_likely(t, &t->chunks[i]) || skip(arg, c))
			continue;
		chunks[nr++] = (uint32_t)c;
		untouched[c / 64] |= 1ULL << (c % 64);
	}
	r->chunks = chunks;
	r->untouched = untouched;
	r->nr = nr;
	r->runs = t->runs;
	r->state = CC_REPLAY_ON;
	return 0;
}

static bool is_untouched(const struct cc_replay *r, uint64_t chunk)
{
	return r->untouched[chunk / 64] >> (chunk % 64) & 1;
}

/* No more is given; only ON and GIVEN have to know what the trace says. */
static void end(struct cc_replay *r, enum cc_replay_state state)
{
	cc_list_del(&r->node);
	free(r->chunks);
	r->chunks = NULL;
	if (state == CC_REPLAY_LEFT) {
		free(r->untouched);
		r->untouched = NULL;
	}
	r->state = state;
}

bool cc_replay_next(struct cc_replay *r, uint64_t *ret_chunk)
{
	while (r->state == CC_REPLAY_ON && r->next < r->nr) {
		uint64_t c = r->chunks[r->next++];

		if (is_untouched(r, c)) {
			r->lead++;
			*ret_chunk = c;
			return true;
		}
		r->chunks[r->next - 1] = PASSED;
	}
	if (r->state == CC_REPLAY_ON)
		end(r, CC_REPLAY_GIVEN);
	return false;
}

void cc_replay_pass(struct cc_replay *r)
{
	r->chunks[r->next - 1] = PASSED;
	r->lead--;
}

void cc_replay_put_back(struct cc_replay *r)
{
	r->next--;
	r->lead--;
}

/* chunk was read: if it was given, the disk has come that far. */
static void reach(struct cc_replay *r, uint64_t chunk)
{
	uint32_t at = r->reached;

	while (at < r->next && r->chunks[at] != chunk)
		at++;
	if (at == r->next)
		return;
	for (; r->reached <= at; r->reached++)
		r->lead -= r->chunks[r->reached] != PASSED;
}

static bool has_left(const struct cc_replay *r)
{
	return r->matched + r->strayed >= CC_REPLAY_LAST && __builtin_popcount(r->last) < CC_REPLAY_MATCHES;
}

bool cc_replay_touch(struct cc_replay *r, uint64_t chunk)
{
	bool match;

	if (!r->untouched)
		return false;
	match = is_untouched(r, chunk);
	if (match) {
		r->untouched[chunk / 64] &= ~(1ULL << (chunk % 64));
		r->matched++;
		if (r->chunks)
			reach(r, chunk);
	} else {
		r->strayed++;
	}
	r->last = r->last << 1 | match;
	/* The end of the trace is no reason to leave it. */
	if (r->matched < r->nr && has_left(r))
		end(r, CC_REPLAY_LEFT);
	return match;
}

const char *cc_replay_state_name(enum cc_replay_state state)
{
	static const char *const names[CC_REPLAY_NR_STATES] = {
		"none", "waiting", "loading", "on", "given", "left",
	};

	return names[state];
}
