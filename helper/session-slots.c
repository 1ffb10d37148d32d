// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the pool holds: the kernel's slots and the slot table are taken into the index at attach, and
 * compared again when an answer of the kernel was lost.
 */
#include "session-impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

uint64_t cc_session_max_slots(const struct cc_session *s)
{
	return cc_superblock_max_slots(cc_pooldev_geometry(s->pooldev));
}

struct known_slot {
	uint32_t gen;
	uint8_t state;
	bool seen;			/* was handed out in this instance */
};

struct slot_load {
	struct cc_session *s;
	struct known_slot *known;
	struct chunkcache_slot unknown[CHUNKCACHE_SLOT_BATCH_MAX]; /* FILLING for us, but not ours */
	uint32_t nr_unknown;
};

static void take_slot(void *arg, const struct chunkcache_slot_info *i)
{
	struct slot_load *l = arg;

	if (l->known && i->slot < cc_session_max_slots(l->s))
		l->known[i->slot] = (struct known_slot) { i->gen, (uint8_t)i->state, true };
	if (i->state == CHUNKCACHE_SLOT_FILLING && i->session == l->s->attachment.session &&
	    !cc_fills_holds(l->s->fills, i->slot, i->gen) && !cc_volumes_holds(l->s->volumes, i->slot, i->gen) &&
	    l->nr_unknown < CHUNKCACHE_SLOT_BATCH_MAX)
		l->unknown[l->nr_unknown++] = (struct chunkcache_slot) { i->slot, i->gen };
}

/* An entry of the slot table: believed, to be checked, or of no use. */
static void take_record(void *arg, uint32_t slot, const struct cc_slot_record *r)
{
	struct slot_load *l = arg;
	struct cc_index *x = l->s->index;
	const struct known_slot *known;
	bool valid;
	struct cc_chunk *c;

	if (slot >= l->s->attachment.nr_slots)
		return;
	known = &l->known[slot];
	valid = known->seen && known->state == CHUNKCACHE_SLOT_VALID && known->gen == r->gen &&
		r->instance == l->s->attachment.instance;
	if (!valid && known->seen)
		return;
	c = cc_index_get(x, r->domain, r->id);
	if (!c || c->state == CC_CHUNK_CACHED || (!valid && c->state == CC_CHUNK_CANDIDATE))
		return;
	cc_index_bind(x, c, slot, r->gen);
	cc_index_set_state(x, c, valid ? CC_CHUNK_CACHED : CC_CHUNK_CANDIDATE);
}

static int keep_batch(struct cc_session *s, struct chunkcache_slot *slots, uint32_t nr)
{
	struct cc_refusals refused;
	int r = nr ? cc_channel_slot_keep(s->channel, slots, nr, &refused) : 0;

	for (uint32_t i = 0; nr && !r && i < refused.nr; i++) {
		uint32_t n = refused.r[i].index;
		struct cc_chunk *chunk = n < nr ? cc_index_at(s->index, slots[n].slot) : NULL;

		if (chunk && chunk->state == CC_CHUNK_CANDIDATE)
			cc_index_forget(s->index, chunk);
	}
	return r;
}

/* The candidates' slots are to be handed out last. */
static int keep_candidates(struct cc_session *s)
{
	struct chunkcache_slot slots[CHUNKCACHE_SLOT_BATCH_MAX];
	uint32_t nr = 0;
	int r = 0;

	for (uint64_t i = 0; !r && i < s->attachment.nr_slots; i++) {
		struct cc_chunk *chunk = cc_index_at(s->index, (uint32_t)i);

		if (!chunk || chunk->state != CC_CHUNK_CANDIDATE)
			continue;
		slots[nr++] = (struct chunkcache_slot) { (uint32_t)i, 0 };
		if (nr == CHUNKCACHE_SLOT_BATCH_MAX) {
			r = keep_batch(s, slots, nr);
			nr = 0;
		}
	}
	return r ? r : keep_batch(s, slots, nr);
}

/* What is FILLING for us though nobody here works on it. */
static int release_unknown(struct cc_session *s, struct slot_load *l)
{
	if (!l->nr_unknown)
		return 0;
	cc_log(LOG_NOTICE, "%u slots were granted by an answer that was lost; released", l->nr_unknown);
	return cc_channel_slot_release(s->channel, l->unknown, l->nr_unknown, false);
}

int cc_session_reconcile(struct cc_session *s)
{
	struct slot_load *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	l->s = s;
	r = cc_channel_slot_get(s->channel, take_slot, l);
	if (!r)
		r = release_unknown(s, l);
	free(l);
	return r;
}

int cc_session_load_slots(struct cc_session *s)
{
	struct slot_load *l = calloc(1, sizeof(*l));
	int r = -ENOMEM;

	if (!l)
		return -ENOMEM;
	l->s = s;
	l->known = calloc(cc_session_max_slots(s), sizeof(*l->known));
	if (!l->known)
		goto out;
	r = cc_channel_slot_get(s->channel, take_slot, l);
	if (!r)
		r = release_unknown(s, l);
	if (!r)
		r = cc_slot_table_load(s->pooldev, take_record, l);
	if (!r)
		r = keep_candidates(s);
out:
	free(l->known);
	free(l);
	return r;
}

bool cc_session_slot_record(void *arg, uint32_t slot, struct cc_slot_record *ret)
{
	struct cc_session *s = arg;
	const struct cc_chunk *chunk = cc_index_at(s->index, slot);

	if (!chunk || (chunk->state != CC_CHUNK_CACHED && chunk->state != CC_CHUNK_CANDIDATE &&
		       chunk->state != CC_CHUNK_WANTED))
		return false;
	memcpy(ret->id, chunk->id, CC_ID_SIZE);
	ret->domain = chunk->domain;
	/* A candidate stays one: no instance has the number 0 in common with it. */
	ret->instance = chunk->state == CC_CHUNK_CACHED ? s->attachment.instance : 0;
	ret->gen = chunk->gen;
	return true;
}
