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

static void slot_link(struct cc_slots *s, struct cc_list *l, u32 nr)
{
	cc_list_add_head(l, op_link, s, nr);
}

static void slot_unlink(struct cc_slots *s, struct cc_list *l, u32 nr)
{
	cc_list_del(l, op_link, s, nr);
}

static bool transition_ok(enum cc_slot_state from, enum cc_slot_state to)
{
	switch (from) {
	case CC_SLOT_FREE:
		return to == CC_SLOT_FILLING || to == CC_SLOT_LOG || to == CC_SLOT_BAD ||
		       to == CC_SLOT_GONE;
	case CC_SLOT_FILLING:
		return to == CC_SLOT_VALID || to == CC_SLOT_FREE || to == CC_SLOT_BAD ||
		       to == CC_SLOT_GONE;
	case CC_SLOT_VALID:
		return to == CC_SLOT_DYING;
	case CC_SLOT_DYING:
		return to == CC_SLOT_FREE || to == CC_SLOT_BAD || to == CC_SLOT_GONE;
	case CC_SLOT_BAD:
		return to == CC_SLOT_FREE || to == CC_SLOT_GONE;
	case CC_SLOT_GONE:
		return to == CC_SLOT_FREE;
	case CC_SLOT_LOG:
		return to == CC_SLOT_VALID || to == CC_SLOT_DYING;
	}
	return false;
}

/* Lists of the states; VALID is the policy's. */
static struct cc_list *slot_list_of(struct cc_slots *s, const struct cc_slot_info *info)
{
	switch (cc_slot_state(info)) {
	case CC_SLOT_FREE:
		return info->flags & CC_SLOT_KEEP ? &s->keep : &s->free;
	case CC_SLOT_FILLING:
		return &s->filling[info->owner];
	case CC_SLOT_VALID:
	case CC_SLOT_DYING:
	case CC_SLOT_BAD:
	case CC_SLOT_GONE:
	case CC_SLOT_LOG:
		break;
	}
	return NULL;
}

void cc_slot_set_state(struct cc_slots *s, u32 nr, enum cc_slot_state to)
{
	struct cc_slot_info *info = cc_slots_info(s, nr);
	enum cc_slot_state from = cc_slot_state(info);
	struct cc_list *l = slot_list_of(s, info);

	lockdep_assert_held(&s->lock);
	if (nr >= s->nr && (to == CC_SLOT_FREE || to == CC_SLOT_BAD)) {
		/* A bad one is not to be used if it comes back: pick_free() sees to it. */
		if (to == CC_SLOT_BAD || from == CC_SLOT_BAD)
			info->gen = CC_GEN_RETIRED;
		to = CC_SLOT_GONE;
	}
	if (WARN_ONCE(!transition_ok(from, to), "chunkcache: slot %u: %u -> %u", nr, from, to))
		return;
	trace_chunkcache_slot(nr, cc_slots_gen(s, nr), from, to);
	if (l)
		slot_unlink(s, l, nr);
	s->count[from]--;
	s->count[to]++;
	if (info->flags & CC_SLOT_PREFETCH && from == CC_SLOT_FILLING)
		s->prefetching--;
	info->flags = 0;
	WRITE_ONCE(info->state_list, to << 4 | (info->state_list & (CC_SLOT_SUSPECT | 15)));

	switch (to) {
	case CC_SLOT_FREE:
		slot_link(s, &s->free, nr);
		break;
	case CC_SLOT_FILLING:
		info->gen++;
		slot_link(s, &s->filling[info->owner], nr);
		break;
	case CC_SLOT_VALID:
		info->share = 0;
		/*
		 * The bytes were written before the helper said so, through a system call:
		 * the release orders what else was set up for readers of this word.
		 */
		smp_store_release(cc_slots_word(s, nr), info->gen);
		break;
	case CC_SLOT_DYING:
		info->gen = *cc_slots_word(s, nr);
		/* Ordered before the new epoch by the release in cc_epochs_switch(). */
		WRITE_ONCE(*cc_slots_word(s, nr), 0);
		slot_link(s, &s->dying, nr);
		break;
	case CC_SLOT_LOG:
		info->gen++;
		/* Who reads it has the generation from what is made after this. */
		smp_store_release(cc_slots_word(s, nr), info->gen);
		break;
	case CC_SLOT_BAD:
	case CC_SLOT_GONE:
		break;
	}
}

void cc_slot_add_free(struct cc_slots *s, u32 nr)
{
	lockdep_assert_held(&s->lock);
	s->count[CC_SLOT_FREE]++;
	slot_link(s, &s->free, nr);
}

void cc_slot_set_filling(struct cc_slots *s, u32 nr, u8 owner, bool prefetch)
{
	struct cc_slot_info *info = cc_slots_info(s, nr);

	info->owner = owner;
	cc_slot_set_state(s, nr, CC_SLOT_FILLING);
	if (prefetch) {
		info->flags = CC_SLOT_PREFETCH;
		s->prefetching++;
	}
}

void cc_slot_set_log(struct cc_slots *s, u32 nr, bool open)
{
	cc_slot_set_state(s, nr, CC_SLOT_LOG);
	cc_slots_info(s, nr)->flags = open ? CC_SLOT_OPEN : 0;
}

void cc_slot_set_log_closed(struct cc_slots *s, u32 nr)
{
	lockdep_assert_held(&s->lock);
	cc_slots_info(s, nr)->flags &= ~CC_SLOT_OPEN;
}

void cc_slot_set_claimed(struct cc_slots *s, u32 nr, bool claimed)
{
	struct cc_slot_info *info = cc_slots_info(s, nr);

	lockdep_assert_held(&s->lock);
	if (claimed)
		info->flags |= CC_SLOT_CLAIMED;
	else
		info->flags &= ~CC_SLOT_CLAIMED;
}

void cc_slot_set_keep(struct cc_slots *s, u32 nr)
{
	struct cc_slot_info *info = cc_slots_info(s, nr);

	lockdep_assert_held(&s->lock);
	if (info->flags & CC_SLOT_KEEP)
		return;
	slot_unlink(s, &s->free, nr);
	info->flags |= CC_SLOT_KEEP;
	slot_link(s, &s->keep, nr);
}

void cc_slot_set_failed(struct cc_slots *s, u32 nr)
{
	lockdep_assert_held(&s->lock);
	cc_slots_info(s, nr)->flags |= CC_SLOT_FAILED;
}

void cc_slots_start_draining(struct cc_slots *s)
{
	lockdep_assert_held(&s->lock);
	s->draining = s->dying;
	cc_list_init(&s->dying);
}

void cc_slot_set_drained(struct cc_slots *s, u32 nr)
{
	lockdep_assert_held(&s->lock);
	slot_unlink(s, &s->draining, nr);
}

void cc_slot_set_undiscarded(struct cc_slots *s, u32 nr, bool undiscarded)
{
	struct cc_slot_info *info = cc_slots_info(s, nr);

	lockdep_assert_held(&s->lock);
	if (undiscarded) {
		info->flags |= CC_SLOT_UNDISCARDED;
		slot_link(s, &s->undiscarded, nr);
	} else {
		info->flags &= ~CC_SLOT_UNDISCARDED;
		slot_unlink(s, &s->undiscarded, nr);
	}
}

void cc_slot_set_doubted(struct cc_slots *s, u32 nr)
{
	lockdep_assert_held(&s->lock);
	cc_slots_info(s, nr)->flags |= CC_SLOT_DOUBTED;
}

void cc_slot_set_suspect(struct cc_slots *s, u32 nr, bool suspect)
{
	struct cc_slot_info *info = cc_slots_info(s, nr);
	u8 rest = info->state_list & ~CC_SLOT_SUSPECT;

	lockdep_assert_held(&s->lock);
	WRITE_ONCE(info->state_list, suspect ? rest | CC_SLOT_SUSPECT : rest);
}

void cc_slot_set_unjudged(struct cc_slots *s, u32 nr, bool unjudged)
{
	lockdep_assert_held(&s->lock);
	if (unjudged)
		slot_link(s, &s->doubted, nr);
	else
		slot_unlink(s, &s->doubted, nr);
}
