// SPDX-License-Identifier: GPL-2.0-only
/* Slots of a pool: handing out, filling, use, shares.  See slot.h. */
#include "slot.h"
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/vmalloc.h>
#include "reclaim.h"

typedef void slot_fn(struct cc_slots *s, u32 nr, u16 arg);

/* Calls fn for each slot that is VALID, under the lock, which is given up now and then. */
static void for_each_valid(struct cc_slots *s, slot_fn *fn, u16 arg)
{
	u32 nr;

	spin_lock(&s->lock);
	for (nr = 0; nr < s->end; nr++) {
		if (cc_slot_state(cc_slots_info(s, nr)) == CC_SLOT_VALID)
			fn(s, nr, arg);
		if (!((nr + 1) % CC_SLOT_BATCH))
			cond_resched_lock(&s->lock);
	}
	spin_unlock(&s->lock);
}

static void free_leaves(struct cc_slots *s)
{
	u32 i;

	for (i = 0; i < DIV_ROUND_UP(s->max, CC_LEAF_SLOTS); i++) {
		vfree(s->leaves[i]);
		cond_resched();
	}
	kvfree(s->leaves);
}

/*
 * Slots first..end-1 become FREE, but for those that had not gone yet.  What was never a slot is
 * zero, which is FREE, but counted and listed nowhere.
 */
static void add_slots(struct cc_slots *s, u32 first, u32 end)
{
	u32 nr;

	lockdep_assert_held(&s->lock);
	s->nr = end;
	for (nr = first; nr < end; nr++) {
		if (cc_slot_state(cc_slots_info(s, nr)) == CC_SLOT_GONE)
			cc_slot_set_state(s, nr, CC_SLOT_FREE);
		else if (nr >= s->end)
			cc_slot_add_free(s, nr);
	}
	WRITE_ONCE(s->end, max(s->end, end));
}

int cc_slots_reserve(struct cc_slots *s, u32 nr)
{
	u32 i;

	for (i = 0; i < DIV_ROUND_UP(nr, CC_LEAF_SLOTS); i++) {
		if (s->leaves[i])
			continue;
		/* Seen by who holds the number of a slot in it, which was made after this. */
		s->leaves[i] = vzalloc(sizeof(**s->leaves));
		if (!s->leaves[i])
			return -ENOMEM;
		cond_resched();
	}
	return 0;
}

void cc_slots_resize(struct cc_slots *s, u32 nr)
{
	u32 end;

	spin_lock(&s->lock);
	if (nr < s->nr) {
		s->nr = nr;
		s->swept = nr;
		cc_reclaim_want(s, 0);
	}
	while (s->nr < nr) {
		end = min(nr, s->nr + CC_SLOT_BATCH);
		add_slots(s, s->nr, end);
		s->swept = end;
		cond_resched_lock(&s->lock);
	}
	cc_policy_resize(&s->policy, nr);
	spin_unlock(&s->lock);
}

int cc_slots_init(struct cc_slots *s, u32 nr, u32 max, u32 dirty_max,
		  struct workqueue_struct *wq, const struct cc_slots_ops *ops)
{
	unsigned int i;
	int r;

	memset(s, 0, sizeof(*s));
	spin_lock_init(&s->lock);
	s->max = max;
	s->dirty_max = dirty_max;
	s->recovering = dirty_max;
	s->wq = wq;
	s->ops = ops;
	cc_reclaim_init(s);
	s->leaves = kvcalloc(DIV_ROUND_UP(max, CC_LEAF_SLOTS), sizeof(*s->leaves), GFP_KERNEL);
	if (!s->leaves)
		return -ENOMEM;
	r = cc_slots_reserve(s, nr);
	if (r)
		goto free_leaves;
	r = cc_epochs_init(&s->epochs);
	if (r)
		goto free_leaves;
	cc_list_init(&s->free);
	cc_list_init(&s->keep);
	for (i = 0; i < CC_NR_OWNERS; i++)
		cc_list_init(&s->filling[i]);
	cc_list_init(&s->dying);
	cc_list_init(&s->draining);
	cc_list_init(&s->undiscarded);
	cc_list_init(&s->doubted);
	cc_policy_init(&s->policy, &cc_slots_policy_ops, s, nr);
	xa_init_flags(&s->shares, XA_FLAGS_ALLOC1);
	cc_slots_resize(s, nr);
	return 0;

free_leaves:
	free_leaves(s);
	return r;
}

void cc_slots_exit(struct cc_slots *s)
{
	cc_reclaim_exit(s);
	cc_epochs_exit(&s->epochs);
	free_leaves(s);
}

/*
 * The next slot to hand out; retires those whose generation would repeat, or behind the end.  The
 * latter can be millions after a shrink: some at a time, the sweep does the rest.
 */
static u32 pick_free(struct cc_slots *s)
{
	unsigned int n;

	for (n = 0; n < CC_SLOT_BATCH; n++) {
		u32 nr = s->free.nr ? s->free.tail : s->keep.tail;

		if (nr == CC_NIL || (nr < s->nr && cc_slots_info(s, nr)->gen != CC_GEN_RETIRED))
			return nr;
		cc_slot_set_state(s, nr, nr < s->nr ? CC_SLOT_BAD : CC_SLOT_FREE);
	}
	return CC_NIL;
}

/* A prefetch may hold a quarter of the slots, and never the last free ones: writes need them. */
static bool prefetch_allowed(const struct cc_slots *s)
{
	u32 left = s->dirty_max ? cc_reclaim_reserve(s) / 2 : 0;

	return s->prefetching < s->nr / 4 && cc_slots_nr_free(s) > max(left, 2u);
}

static void hand_out(struct cc_slots *s, u32 nr, u8 owner, bool prefetch,
		     struct chunkcache_slot *ret)
{
	cc_slot_set_filling(s, nr, owner, prefetch);
	ret->slot = nr;
	ret->gen = cc_slots_gen(s, nr);
}

u32 cc_slots_alloc(struct cc_slots *s, u8 owner, bool prefetch, u32 n,
		   struct chunkcache_slot *ret_slots)
{
	u32 got, nr;
	bool low;

	spin_lock(&s->lock);
	for (got = 0; got < n && cc_slots_serving(s); got++) {
		if (prefetch && !prefetch_allowed(s))
			break;
		nr = pick_free(s);
		if (nr == CC_NIL)
			break;
		hand_out(s, nr, owner, prefetch, &ret_slots[got]);
		cond_resched_lock(&s->lock);
	}
	if (got < n && !prefetch)
		cc_reclaim_want(s, n - got);
	/* Few are free, or pick_free() gave up: reclaim tells when there are some. */
	low = got < n || cc_reclaim_is_low(s);
	spin_unlock(&s->lock);
	if (low)
		cc_reclaim_kick(s);
	return got;
}

/* FREE, and never handed out in this instance. */
static bool is_fresh(struct cc_slots *s, u32 nr)
{
	const struct cc_slot_info *info = cc_slots_info(s, nr);

	lockdep_assert_held(&s->lock);
	return cc_slot_state(info) == CC_SLOT_FREE && !info->gen;
}

int cc_slots_alloc_named(struct cc_slots *s, u8 owner, cc_slot_t slot,
			 struct chunkcache_slot *ret_slot)
{
	u32 nr = cc_slot_nr(slot);
	int r = -EBUSY;

	spin_lock(&s->lock);
	if (nr >= s->nr) {
		r = -ERANGE;
	} else if (cc_slots_serving(s) && is_fresh(s, nr)) {
		hand_out(s, nr, owner, false, ret_slot);
		r = 0;
	}
	spin_unlock(&s->lock);
	return r;
}

int cc_slots_keep(struct cc_slots *s, cc_slot_t slot)
{
	u32 nr = cc_slot_nr(slot);
	int r = -EBUSY;

	spin_lock(&s->lock);
	if (nr >= s->nr) {
		r = -ERANGE;
	} else if (!s->recovering && is_fresh(s, nr)) {
		cc_slot_set_keep(s, nr);
		r = 0;
	}
	spin_unlock(&s->lock);
	return r;
}

/* Is it FILLING for this owner at this generation? */
static bool is_owned(struct cc_slots *s, u8 owner, cc_slot_t slot, u32 gen)
{
	struct cc_slot_info *info;

	lockdep_assert_held(&s->lock);
	if (cc_slot_nr(slot) >= s->end)
		return false;
	info = cc_slots_info(s, cc_slot_nr(slot));
	return cc_slot_state(info) == CC_SLOT_FILLING && info->owner == owner &&
	       info->gen == gen;
}

int cc_slots_release(struct cc_slots *s, u8 owner, cc_slot_t slot, u32 gen, bool bad)
{
	int r = -ESTALE;

	spin_lock(&s->lock);
	if (is_owned(s, owner, slot, gen)) {
		cc_slot_set_state(s, cc_slot_nr(slot),
				  bad ? CC_SLOT_BAD : CC_SLOT_FREE);
		r = 0;
	}
	spin_unlock(&s->lock);
	cc_reclaim_kick(s);
	return r;
}

void cc_slots_release_owner(struct cc_slots *s, u8 owner)
{
	struct cc_list *filling = &s->filling[owner];

	spin_lock(&s->lock);
	while (filling->nr) {
		cc_slot_set_state(s, filling->tail, CC_SLOT_FREE);
		cond_resched_lock(&s->lock);
	}
	spin_unlock(&s->lock);
	cc_reclaim_kick(s);
}

int cc_slots_done(struct cc_slots *s, u8 owner, cc_slot_t slot, u32 gen, u64 key,
		  bool prefetched, void (*made_valid)(void *arg), void *arg)
{
	bool low;

	spin_lock(&s->lock);
	if (!is_owned(s, owner, slot, gen)) {
		spin_unlock(&s->lock);
		return -ESTALE;
	}
	if (cc_slot_nr(slot) >= s->nr) {
		cc_slot_set_state(s, cc_slot_nr(slot), CC_SLOT_FREE);
		spin_unlock(&s->lock);
		cc_reclaim_kick(s);
		return -ESTALE;
	}
	cc_slot_set_state(s, cc_slot_nr(slot), CC_SLOT_VALID);
	s->nr_fills++;
	made_valid(arg);
	cc_policy_insert(&s->policy, cc_slot_nr(slot), key, prefetched);
	low = cc_reclaim_is_low(s);
	spin_unlock(&s->lock);
	/* Demand may wait for just this one. */
	if (low)
		cc_reclaim_kick(s);
	return 0;
}

static bool is_valid(struct cc_slots *s, cc_slot_t slot, u32 gen)
{
	const struct cc_slot_info *info;

	lockdep_assert_held(&s->lock);
	if (cc_slot_nr(slot) >= s->nr)
		return false;
	info = cc_slots_info(s, cc_slot_nr(slot));
	return cc_slot_state(info) == CC_SLOT_VALID &&
	       cc_slots_gen(s, cc_slot_nr(slot)) == gen;
}

static bool is_log(struct cc_slots *s, cc_slot_t slot, u32 gen)
{
	u32 nr = cc_slot_nr(slot);

	lockdep_assert_held(&s->lock);
	return nr < s->end && cc_slot_state(cc_slots_info(s, nr)) == CC_SLOT_LOG &&
	       cc_slots_gen(s, nr) == gen;
}

int cc_slots_use(struct cc_slots *s, cc_slot_t slot, u32 gen, void (*use)(void *arg),
		 void *arg)
{
	int r = -ESTALE;

	spin_lock(&s->lock);
	if (is_valid(s, slot, gen)) {
		use(arg);
		r = 0;
	}
	spin_unlock(&s->lock);
	return r;
}

void cc_slots_failed(struct cc_slots *s, cc_slot_t slot, u32 gen, enum cc_io_error error)
{
	u32 nr = cc_slot_nr(slot);

	spin_lock(&s->lock);
	if (is_log(s, slot, gen)) {
		/* What else it holds is nowhere else: it goes when it is clean. */
		if (error == CC_IO_MEDIUM)
			cc_slot_set_failed(s, nr);
	} else if (is_valid(s, slot, gen)) {
		cc_policy_remove(&s->policy, nr);
		cc_slot_set_state(s, nr, CC_SLOT_DYING);
		if (error == CC_IO_MEDIUM)
			cc_slot_set_failed(s, nr);
		else
			cc_slot_set_doubted(s, nr);
	}
	spin_unlock(&s->lock);
	cc_reclaim_kick(s);
}

static void drop_slot(struct cc_slots *s, u32 nr, u16 unused)
{
	cc_policy_remove(&s->policy, nr);
	cc_slot_set_state(s, nr, CC_SLOT_DYING);
}

void cc_slots_drop_all(struct cc_slots *s)
{
	for_each_valid(s, drop_slot, 0);
	cc_reclaim_kick(s);
}

u32 cc_slots_retry_bad(struct cc_slots *s)
{
	u32 nr, n = 0;

	spin_lock(&s->lock);
	for (nr = 0; nr < s->nr; nr++) {
		struct cc_slot_info *info = cc_slots_info(s, nr);

		cc_slot_set_suspect(s, nr, false);
		/* One whose generation would wrap only becomes BAD again. */
		if (cc_slot_state(info) == CC_SLOT_BAD && info->gen != CC_GEN_RETIRED) {
			cc_slot_set_state(s, nr, CC_SLOT_FREE);
			n++;
		}
		if (!((nr + 1) % CC_SLOT_BATCH))
			cond_resched_lock(&s->lock);
	}
	spin_unlock(&s->lock);
	cc_reclaim_kick(s);
	return n;
}

/* ---- slots of volumes ---- */

void cc_slots_set_dirty_max(struct cc_slots *s, u32 dirty_max)
{
	spin_lock(&s->lock);
	s->dirty_max = dirty_max;
	spin_unlock(&s->lock);
	cc_reclaim_kick(s);
}

void cc_slots_recovered(struct cc_slots *s)
{
	spin_lock(&s->lock);
	s->recovering = false;
	spin_unlock(&s->lock);
	cc_reclaim_kick(s);
}

int cc_slots_alloc_log(struct cc_slots *s, struct chunkcache_slot *ret_slot)
{
	u32 nr = CC_NIL;
	bool below, low;

	spin_lock(&s->lock);
	below = cc_slots_below_dirty_max(s);
	if (below && cc_slots_serving(s))
		nr = pick_free(s);
	if (nr != CC_NIL) {
		cc_slot_set_log(s, nr, true);
		ret_slot->slot = nr;
		ret_slot->gen = cc_slots_gen(s, nr);
	} else if (below) {
		cc_reclaim_want(s, 1);
	} else {
		s->log_wanted = true;
	}
	low = nr == CC_NIL || cc_reclaim_is_low(s);
	spin_unlock(&s->lock);
	if (low)
		cc_reclaim_kick(s);
	return nr == CC_NIL ? -EBUSY : 0;
}

void cc_slots_set_log_closed(struct cc_slots *s, cc_slot_t slot)
{
	spin_lock(&s->lock);
	cc_slot_set_log_closed(s, cc_slot_nr(slot));
	spin_unlock(&s->lock);
}

/* Marks the first n, so that none comes twice; how many could be. */
static u32 mark_claimed(struct cc_slots *s, const struct chunkcache_slot *slots, u32 n,
			int *ret_error)
{
	u32 i, nr;

	for (i = 0; i < n && !*ret_error; i++) {
		nr = slots[i].slot;
		/* Behind the end of a pool that was shrunk they are as dirty. */
		if (nr >= s->end)
			*ret_error = -ERANGE;
		else if (!is_fresh(s, nr) || cc_slots_info(s, nr)->flags & CC_SLOT_CLAIMED)
			*ret_error = -ESTALE;
		else
			cc_slot_set_claimed(s, nr, true);
	}
	return *ret_error ? i - 1 : i;
}

int cc_slots_claim(struct cc_slots *s, struct chunkcache_slot *slots, u32 n)
{
	u32 i, marked;
	int r = 0;

	spin_lock(&s->lock);
	marked = mark_claimed(s, slots, n, &r);
	for (i = 0; i < marked; i++) {
		cc_slot_set_claimed(s, slots[i].slot, false);
		if (r)
			continue;
		cc_slot_set_log(s, slots[i].slot, false);
		slots[i].gen = cc_slots_gen(s, slots[i].slot);
	}
	spin_unlock(&s->lock);
	return r;
}

/* 0, -ESTALE, -EBUSY. */
static int check_closed_log(struct cc_slots *s, cc_slot_t slot, u32 gen)
{
	if (!is_log(s, slot, gen))
		return -ESTALE;
	return cc_slots_info(s, cc_slot_nr(slot))->flags & CC_SLOT_OPEN ? -EBUSY : 0;
}

static void let_log_die(struct cc_slots *s, u32 nr)
{
	bool failed = cc_slots_info(s, nr)->flags & CC_SLOT_FAILED;

	cc_slot_set_state(s, nr, CC_SLOT_DYING);
	if (failed)
		cc_slot_set_failed(s, nr);
}

int cc_slots_clean(struct cc_slots *s, cc_slot_t slot, u32 gen, u64 key)
{
	u32 nr = cc_slot_nr(slot);
	int r;

	spin_lock(&s->lock);
	r = check_closed_log(s, slot, gen);
	if (!r && (nr >= s->nr || cc_slots_info(s, nr)->flags & CC_SLOT_FAILED)) {
		let_log_die(s, nr);
	} else if (!r) {
		cc_slot_set_state(s, nr, CC_SLOT_VALID);
		cc_policy_insert(&s->policy, nr, key, false);
	}
	spin_unlock(&s->lock);
	cc_reclaim_kick(s);
	return r;
}

int cc_slots_drop(struct cc_slots *s, cc_slot_t slot, u32 gen, bool bad)
{
	u32 nr = cc_slot_nr(slot);
	int r = 0;

	spin_lock(&s->lock);
	if (is_valid(s, slot, gen)) {
		drop_slot(s, nr, 0);
	} else {
		r = check_closed_log(s, slot, gen);
		if (!r)
			let_log_die(s, nr);
	}
	if (!r && bad)
		cc_slot_set_failed(s, nr);
	spin_unlock(&s->lock);
	cc_reclaim_kick(s);
	return r;
}

bool cc_slots_is_log(struct cc_slots *s, cc_slot_t slot, u32 gen)
{
	bool log;

	spin_lock(&s->lock);
	log = is_log(s, slot, gen);
	spin_unlock(&s->lock);
	return log;
}

int cc_slots_use_log(struct cc_slots *s, cc_slot_t slot, u32 gen, void (*use)(void *arg),
		     void *arg)
{
	int r = -ESTALE;

	spin_lock(&s->lock);
	if (is_log(s, slot, gen) || is_valid(s, slot, gen)) {
		use(arg);
		r = 0;
	}
	spin_unlock(&s->lock);
	return r;
}

/* ---- shares ---- */

/* An eighth is for all, or what volumes may hold if that is more; and a slot is free to go. */
u32 cc_slots_max_promise(u32 nr, u32 dirty_max)
{
	u32 rest = max(nr / 8, dirty_max) + 2;

	return nr > rest ? nr - rest : 0;
}

int cc_slots_add_share(struct cc_slots *s, struct cc_share *share, u16 *ret_id)
{
	u32 id;
	int r;

	cc_share_init(share);
	r = xa_alloc(&s->shares, &id, share, XA_LIMIT(1, U16_MAX), GFP_KERNEL);
	if (!r)
		*ret_id = id;
	return r;
}

static void uncharge_slot(struct cc_slots *s, u32 nr, u16 id)
{
	cc_policy_uncharge(&s->policy, nr, id);
}

void cc_slots_del_share(struct cc_slots *s, struct cc_share *share, u16 id)
{
	if (READ_ONCE(share->used))
		for_each_valid(s, uncharge_slot, id);
	xa_erase(&s->shares, id);
}

void cc_slots_promise(struct cc_slots *s, struct cc_share *share, u32 slots)
{
	spin_lock(&s->lock);
	while (cc_policy_promise(&s->policy, share, slots))
		cond_resched_lock(&s->lock);
	spin_unlock(&s->lock);
}

void cc_slots_charge(struct cc_slots *s, cc_slot_t slot, u16 id)
{
	lockdep_assert_held(&s->lock);
	cc_policy_charge(&s->policy, cc_slot_nr(slot), id);
}

bool cc_slots_get_info(struct cc_slots *s, cc_slot_t slot, struct cc_slot_view *ret)
{
	u32 nr = cc_slot_nr(slot);
	const struct cc_slot_info *info = cc_slots_info(s, nr);

	/* Nearly all, of a pool that is new: without the lock. */
	if (!READ_ONCE(info->gen) && cc_slot_state(info) == CC_SLOT_FREE)
		return false;
	spin_lock(&s->lock);
	ret->state = cc_slot_state(info);
	ret->gen = cc_slots_gen(s, nr);
	ret->hit = READ_ONCE(*cc_slots_hit(s, nr));
	ret->owner = ret->state == CC_SLOT_FILLING ? info->owner : 0;
	spin_unlock(&s->lock);
	return ret->state != CC_SLOT_GONE;
}

/* ---- counters ---- */

void cc_slots_read_stats(struct cc_slots *s, struct cc_slots_stats *ret)
{
	spin_lock(&s->lock);
	memcpy(ret->count, s->count, sizeof(ret->count));
	ret->total = cc_slots_total(s);
	ret->shrinking = s->end > s->nr;
	ret->fills = s->nr_fills;
	ret->evictions = s->nr_evictions;
	ret->epochs = s->nr_epochs;
	ret->switching_us = s->switching_ns;
	if (s->switching == CC_SWITCH_WAITS)
		ret->switching_us += ktime_get_ns() - s->switched_at;
	ret->switching_us = div_u64(ret->switching_us, NSEC_PER_USEC);
	spin_unlock(&s->lock);
}

void cc_slots_clear_stats(struct cc_slots *s)
{
	spin_lock(&s->lock);
	s->nr_fills = 0;
	s->nr_evictions = 0;
	s->nr_epochs = 0;
	s->switching_ns = 0;
	spin_unlock(&s->lock);
}
