// SPDX-License-Identifier: GPL-2.0-only
/* States of slots: who may become what, and the lists, counts and word that go with it. */
#include "slot-state.h"
#include "trace.h"

static_assert(sizeof(struct cc_slot_info) == 16);

static struct cc_link *op_link(void *ctx, u32 nr)
{
	return &cc_slots_info(ctx, nr)->link;
}

static u8 *op_hit(void *ctx, u32 nr)
{
	return cc_slots_hit(ctx, nr);
}

static u8 *op_list(void *ctx, u32 nr)
{
	return &cc_slots_info(ctx, nr)->state_list;
}

static u8 *op_entered(void *ctx, u32 nr)
{
	return &cc_slots_info(ctx, nr)->entered;
}

static u32 *op_key(void *ctx, u32 nr)
{
	return &cc_slots_info(ctx, nr)->key;
}

/* Ghosts are as many as slots and live beside them: they come and go with the leaves. */
static u16 *op_ghosts(void *ctx, u32 set)
{
	struct cc_slots *s = ctx;
	u32 nr = set * CC_GHOST_WAYS;

	return &s->leaves[nr >> CC_LEAF_SHIFT]->ghosts[nr & (CC_LEAF_SLOTS - 1)];
}

static u16 *op_share(void *ctx, u32 nr)
{
	return &cc_slots_info(ctx, nr)->share;
}

static struct cc_share *op_find_share(void *ctx, u16 id)
{
	struct cc_slots *s = ctx;

	return xa_load(&s->shares, id);
}

const struct cc_policy_ops cc_slots_policy_ops = {
	.link = op_link,
	.hit = op_hit,
	.list = op_list,
	.entered = op_entered,
	.key = op_key,
	.ghosts = op_ghosts,
	.share = op_share,
	.find_share = op_find_share,
};

void cc_slots_link(struct cc_slots *s, struct cc_list *l, u32 nr)
{
	cc_list_add_head(l, op_link, s, nr);
}

void cc_slots_unlink(struct cc_slots *s, struct cc_list *l, u32 nr)
{
	cc_list_del(l, op_link, s, nr);
}

static bool transition_ok(unsigned int from, unsigned int to)
{
	switch (from) {
	case CHUNKCACHE_SLOT_FREE:
		return to == CHUNKCACHE_SLOT_FILLING || to == CHUNKCACHE_SLOT_BAD ||
		       to == CC_SLOT_GONE;
	case CHUNKCACHE_SLOT_FILLING:
		return to == CHUNKCACHE_SLOT_VALID || to == CHUNKCACHE_SLOT_FREE ||
		       to == CHUNKCACHE_SLOT_BAD || to == CC_SLOT_GONE;
	case CHUNKCACHE_SLOT_VALID:
		return to == CHUNKCACHE_SLOT_DYING;
	case CHUNKCACHE_SLOT_DYING:
		return to == CHUNKCACHE_SLOT_FREE || to == CHUNKCACHE_SLOT_BAD ||
		       to == CC_SLOT_GONE;
	case CHUNKCACHE_SLOT_BAD:
		return to == CC_SLOT_GONE;
	case CC_SLOT_GONE:
		return to == CHUNKCACHE_SLOT_FREE;
	}
	return false;
}

/* Lists of the states; VALID is the policy's. */
static struct cc_list *list_of(struct cc_slots *s, const struct cc_slot_info *info)
{
	switch (cc_slot_state(info)) {
	case CHUNKCACHE_SLOT_FREE:
		return info->flags & CC_SLOT_KEEP ? &s->keep : &s->free;
	case CHUNKCACHE_SLOT_FILLING:
		return &s->filling;
	}
	return NULL;
}

void cc_slot_set_state(struct cc_slots *s, u32 nr, unsigned int to)
{
	struct cc_slot_info *info = cc_slots_info(s, nr);
	unsigned int from = cc_slot_state(info);
	struct cc_list *l = list_of(s, info);

	lockdep_assert_held(&s->lock);
	if (nr >= s->nr && (to == CHUNKCACHE_SLOT_FREE || to == CHUNKCACHE_SLOT_BAD)) {
		/* A bad one is not to be used if it comes back: pick_free() sees to it. */
		if (to == CHUNKCACHE_SLOT_BAD || from == CHUNKCACHE_SLOT_BAD)
			info->gen = CC_GEN_RETIRED;
		to = CC_SLOT_GONE;
	}
	if (WARN_ONCE(!transition_ok(from, to), "chunkcache: slot %u: %u -> %u", nr, from, to))
		return;
	trace_chunkcache_slot(nr, cc_slots_gen(s, nr), from, to);
	if (l)
		cc_slots_unlink(s, l, nr);
	s->count[from]--;
	s->count[to]++;
	if (info->flags & CC_SLOT_PREFETCH && from == CHUNKCACHE_SLOT_FILLING)
		s->prefetching--;
	info->flags = 0;
	WRITE_ONCE(info->state_list, to << 4 | (info->state_list & 15));

	switch (to) {
	case CHUNKCACHE_SLOT_FREE:
		cc_slots_link(s, &s->free, nr);
		break;
	case CHUNKCACHE_SLOT_FILLING:
		info->gen++;
		cc_slots_link(s, &s->filling, nr);
		break;
	case CHUNKCACHE_SLOT_VALID:
		info->share = 0;
		/*
		 * The bytes were written before the helper said so, through a system call:
		 * the release orders what else was set up for readers of this word.
		 */
		smp_store_release(cc_slots_word(s, nr), info->gen);
		break;
	case CHUNKCACHE_SLOT_DYING:
		info->gen = *cc_slots_word(s, nr);
		/* Ordered before the new epoch by the release in cc_epochs_switch(). */
		WRITE_ONCE(*cc_slots_word(s, nr), 0);
		cc_slots_link(s, &s->dying, nr);
		break;
	}
}
