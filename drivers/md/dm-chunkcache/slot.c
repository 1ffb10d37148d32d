// SPDX-License-Identifier: GPL-2.0-only
/* Slots of a pool: states, epochs, eviction.  The rules are in slot.h. */
#include <linux/device-mapper.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/vmalloc.h>
#include "slot.h"
#include "trace.h"

/* Slots that are dealt with under one hold of the lock. */
#define BATCH	64

static_assert(sizeof(struct cc_slot_info) == 16);

static struct cc_slot_info *info_nr(struct cc_slots *s, u32 nr)
{
	return &s->leaves[nr >> CC_LEAF_SHIFT]->info[nr & (CC_LEAF_SLOTS - 1)];
}

static u32 *word_nr(struct cc_slots *s, u32 nr)
{
	return &s->leaves[nr >> CC_LEAF_SHIFT]->word[nr & (CC_LEAF_SLOTS - 1)];
}

static struct cc_link *op_link(void *ctx, u32 nr)
{
	return &info_nr(ctx, nr)->link;
}

static u8 *op_hit(void *ctx, u32 nr)
{
	struct cc_slots *s = ctx;

	return &s->leaves[nr >> CC_LEAF_SHIFT]->hit[nr & (CC_LEAF_SLOTS - 1)];
}

static u8 *op_list(void *ctx, u32 nr)
{
	return &info_nr(ctx, nr)->state_list;
}

static u8 *op_entered(void *ctx, u32 nr)
{
	return &info_nr(ctx, nr)->entered;
}

static u32 *op_key(void *ctx, u32 nr)
{
	return &info_nr(ctx, nr)->key;
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
	return &info_nr(ctx, nr)->share;
}

static struct cc_share *op_find_share(void *ctx, u16 id)
{
	struct cc_slots *s = ctx;

	return xa_load(&s->shares, id);
}

static const struct cc_policy_ops policy_ops = {
	.link = op_link,
	.hit = op_hit,
	.list = op_list,
	.entered = op_entered,
	.key = op_key,
	.ghosts = op_ghosts,
	.share = op_share,
	.find_share = op_find_share,
};

/* Of the present or last use. */
static u32 gen_nr(struct cc_slots *s, u32 nr)
{
	const struct cc_slot_info *info = info_nr(s, nr);

	return cc_slot_state(info) == CHUNKCACHE_SLOT_VALID ? *word_nr(s, nr) : info->gen;
}

static void slot_link(struct cc_slots *s, struct cc_list *l, u32 nr)
{
	cc_list_add_head(l, op_link, s, nr);
}

static void slot_unlink(struct cc_slots *s, struct cc_list *l, u32 nr)
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

/*
 * The one place that changes a state; moves lists, counts and the word with it.  DYING slots
 * are in the list that their caller takes them from.  Who gives a slot back needs not look
 * where the pool ends.
 */
static void set_state(struct cc_slots *s, u32 nr, unsigned int to)
{
	struct cc_slot_info *info = info_nr(s, nr);
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
	trace_chunkcache_slot(nr, gen_nr(s, nr), from, to);
	if (l)
		slot_unlink(s, l, nr);
	s->count[from]--;
	s->count[to]++;
	if (info->flags & CC_SLOT_PREFETCH && from == CHUNKCACHE_SLOT_FILLING)
		s->prefetching--;
	info->flags = 0;
	WRITE_ONCE(info->state_list, to << 4 | (info->state_list & 15));

	switch (to) {
	case CHUNKCACHE_SLOT_FREE:
		slot_link(s, &s->free, nr);
		break;
	case CHUNKCACHE_SLOT_FILLING:
		info->gen++;
		slot_link(s, &s->filling, nr);
		break;
	case CHUNKCACHE_SLOT_VALID:
		info->share = 0;
		/*
		 * The bytes were written before the helper said so, through a system call:
		 * the release orders what else was set up for readers of this word.
		 */
		smp_store_release(word_nr(s, nr), info->gen);
		break;
	case CHUNKCACHE_SLOT_DYING:
		info->gen = *word_nr(s, nr);
		/* Ordered before the new epoch by the release in cc_epochs_switch(). */
		WRITE_ONCE(*word_nr(s, nr), 0);
		slot_link(s, &s->dying, nr);
		break;
	}
}

static void kick(struct cc_slots *s)
{
	queue_work(s->wq, &s->reclaim);
}

/*
 * Nobody takes pins of the other epoch any more.  Reads of it that are still under way are
 * looked for again after each grace period: a put that rang would cost every hit.
 */
static void cc_slots_grace(struct work_struct *work)
{
	struct cc_slots *s = container_of(to_rcu_work(work), struct cc_slots, grace);

	if (cc_epochs_undrained(&s->epochs)) {
		queue_rcu_work(s->wq, &s->grace);
		return;
	}
	WRITE_ONCE(s->drained, true);
	queue_work(s->wq, &s->reclaim);
}

static u32 nr_free(const struct cc_slots *s)
{
	return s->free.nr + s->keep.nr;
}

/*
 * Free slots to keep ready: one in 32, at most 1024 (1 GB at 1 MiB), which is what 10 GB/s
 * fill during an RCU grace period and a slow read.  Very small pools evict on demand only.
 */
static u32 reserve(const struct cc_slots *s)
{
	return min(s->nr / 32, 1024u);
}

/* What demand may make reclaim evict at once. */
static u32 max_wanted(const struct cc_slots *s)
{
	return max(reserve(s), s->nr / 8 + 1);
}

/* Free slots to have now: the reserve, and what demand waits for. */
static u32 to_have(const struct cc_slots *s)
{
	return max(reserve(s), s->wanted);
}

static u32 to_evict(const struct cc_slots *s)
{
	u32 want = to_have(s);
	u32 have = nr_free(s) + s->dying.nr + s->draining.nr + s->undiscarded.nr;

	return want > have ? want - have : 0;
}

/* Is there work for reclaim?  It also takes back what waits for its discard. */
static bool is_low(const struct cc_slots *s)
{
	return nr_free(s) + s->dying.nr + s->draining.nr < to_have(s);
}

/* Its discard is to come, unless the slot is needed before. */
static void undiscarded_add(struct cc_slots *s, u32 nr)
{
	info_nr(s, nr)->flags |= CC_SLOT_UNDISCARDED;
	slot_link(s, &s->undiscarded, nr);
}

static void undiscarded_del(struct cc_slots *s, u32 nr)
{
	info_nr(s, nr)->flags &= ~CC_SLOT_UNDISCARDED;
	slot_unlink(s, &s->undiscarded, nr);
}

/* Nobody reads the slot any more. */
static void give_back(struct cc_slots *s, u32 nr)
{
	if (info_nr(s, nr)->flags & CC_SLOT_FAILED)
		set_state(s, nr, CHUNKCACHE_SLOT_BAD);
	else if (nr < s->nr && s->discard && nr_free(s) >= to_have(s))
		undiscarded_add(s, nr);
	else
		set_state(s, nr, CHUNKCACHE_SLOT_FREE);
}

/* Up to a batch of the slots that waited for the epoch; false when none is left. */
static bool reap_some(struct cc_slots *s)
{
	unsigned int n;
	bool more;

	spin_lock(&s->lock);
	for (n = 0; n < BATCH && s->draining.nr; n++) {
		u32 nr = s->draining.tail;

		slot_unlink(s, &s->draining, nr);
		give_back(s, nr);
	}
	more = s->draining.nr;
	spin_unlock(&s->lock);
	cond_resched();
	return more;
}

/* Give the slots of the drained epoch back, if it has drained. */
static void reap(struct cc_slots *s)
{
	if (!s->switching || !READ_ONCE(s->drained))
		return;
	while (reap_some(s))
		;
	spin_lock(&s->lock);
	s->switching = false;
	WRITE_ONCE(s->drained, false);
	spin_unlock(&s->lock);
}

/*
 * Up to a batch of victims, for demand and reserve; readers under way keep what they have.
 * False when no more are wanted or to be had.
 */
static bool evict_some(struct cc_slots *s)
{
	bool again = false;
	unsigned int n;

	spin_lock(&s->lock);
	for (n = 0; n < BATCH && to_evict(s); n++) {
		u32 nr = cc_policy_evict(&s->policy, &again);

		if (nr == CC_NIL)
			break;
		set_state(s, nr, CHUNKCACHE_SLOT_DYING);
		s->nr_evictions++;
	}
	spin_unlock(&s->lock);
	cond_resched();
	return n == BATCH || again;
}

typedef void slot_fn(struct cc_slots *s, u32 nr, u16 arg);

/* Calls fn for each slot that is VALID, under the lock, which is given up now and then. */
static void for_each_valid(struct cc_slots *s, slot_fn *fn, u16 arg)
{
	u32 nr;

	spin_lock(&s->lock);
	for (nr = 0; nr < s->end; nr++) {
		if (cc_slot_state(info_nr(s, nr)) == CHUNKCACHE_SLOT_VALID)
			fn(s, nr, arg);
		if (!((nr + 1) % BATCH))
			cond_resched_lock(&s->lock);
	}
	spin_unlock(&s->lock);
}

/* Let the readers that may have seen the words of the dying slots run out. */
static void switch_epoch(struct cc_slots *s)
{
	spin_lock(&s->lock);
	if (s->switching || !s->dying.nr) {
		spin_unlock(&s->lock);
		return;
	}
	/* Draining is empty, and the other epoch has no reader: it was reaped. */
	s->draining = s->dying;
	cc_list_init(&s->dying);
	s->switching = true;
	s->nr_epochs++;
	cc_epochs_switch(&s->epochs);
	spin_unlock(&s->lock);
	queue_rcu_work(s->wq, &s->grace);
}

/*
 * Up to a batch of the slots that wait for their discard are given back without: demand and
 * reserve come first.  False if no more have to.
 */
static bool take_back_some(struct cc_slots *s)
{
	unsigned int n;

	spin_lock(&s->lock);
	for (n = 0; n < BATCH && s->undiscarded.nr; n++) {
		u32 nr = s->undiscarded.tail;

		if (s->discard && nr_free(s) >= to_have(s))
			break;
		undiscarded_del(s, nr);
		set_state(s, nr, CHUNKCACHE_SLOT_FREE);
	}
	spin_unlock(&s->lock);
	cond_resched();
	return n == BATCH;
}

/*
 * One slot after the other: a device that is slow to discard holds up this work only.  The
 * slot is DYING and in no list until its discard has ended, so that nobody is given it before.
 */
static void cc_slots_discards(struct work_struct *work)
{
	struct cc_slots *s = container_of(work, struct cc_slots, discards);
	u32 nr;

	spin_lock(&s->lock);
	while (!s->stopped && s->discard && s->undiscarded.nr) {
		nr = s->undiscarded.tail;
		undiscarded_del(s, nr);
		spin_unlock(&s->lock);
		s->ops->discard(s, cc_slot(nr));
		cond_resched();
		spin_lock(&s->lock);
		set_state(s, nr, CHUNKCACHE_SLOT_FREE);
	}
	spin_unlock(&s->lock);
	kick(s);
}

/* Up to a batch of the slots behind the end are told to go; false when all were. */
static bool sweep_some(struct cc_slots *s)
{
	unsigned int n;
	bool more;

	spin_lock(&s->lock);
	for (n = 0; n < BATCH && s->swept < s->end; n++) {
		u32 nr = s->swept++;

		switch (cc_slot_state(info_nr(s, nr))) {
		case CHUNKCACHE_SLOT_FREE:
		case CHUNKCACHE_SLOT_BAD:
			set_state(s, nr, CHUNKCACHE_SLOT_FREE);
			break;
		case CHUNKCACHE_SLOT_VALID:
			cc_policy_remove(&s->policy, nr);
			set_state(s, nr, CHUNKCACHE_SLOT_DYING);
			break;
		case CHUNKCACHE_SLOT_DYING:
			if (!(info_nr(s, nr)->flags & CC_SLOT_UNDISCARDED))
				break;
			undiscarded_del(s, nr);
			set_state(s, nr, CHUNKCACHE_SLOT_FREE);
			break;
		}
		/* The others go when their filler, readers, discard are done. */
	}
	more = s->swept < s->end;
	spin_unlock(&s->lock);
	cond_resched();
	return more;
}

/* Has the last slot behind the end gone? */
static bool ended_shrinking(struct cc_slots *s)
{
	bool ended;

	spin_lock(&s->lock);
	ended = s->end > s->nr && cc_slots_total(s) == s->nr;
	if (ended)
		WRITE_ONCE(s->end, s->nr);
	spin_unlock(&s->lock);
	return ended;
}

/* Only this work switches and reaps, so that what they read of the epochs is stable. */
static void cc_slots_reclaim(struct work_struct *work)
{
	struct cc_slots *s = container_of(work, struct cc_slots, reclaim);
	bool serve;

	reap(s);
	spin_lock(&s->lock);
	serve = !s->stopped;
	spin_unlock(&s->lock);
	if (!serve)
		return;
	while (sweep_some(s))
		;
	while (take_back_some(s))
		;
	while (evict_some(s))
		;
	switch_epoch(s);

	spin_lock(&s->lock);
	serve = s->wanted && nr_free(s);
	if (serve)
		s->wanted = 0;
	if (s->undiscarded.nr)
		queue_work(s->wq, &s->discards);
	spin_unlock(&s->lock);
	if (serve)
		s->ops->freed(s);
	if (ended_shrinking(s))
		s->ops->shrunk(s);
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
		if (cc_slot_state(info_nr(s, nr)) == CC_SLOT_GONE) {
			set_state(s, nr, CHUNKCACHE_SLOT_FREE);
		} else if (nr >= s->end) {
			s->count[CHUNKCACHE_SLOT_FREE]++;
			slot_link(s, &s->free, nr);
		}
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
		s->wanted = min(s->wanted, max_wanted(s));
	}
	while (s->nr < nr) {
		end = min(nr, s->nr + BATCH);
		add_slots(s, s->nr, end);
		s->swept = end;
		cond_resched_lock(&s->lock);
	}
	cc_policy_resize(&s->policy, nr);
	spin_unlock(&s->lock);
}

int cc_slots_init(struct cc_slots *s, u32 nr, u32 max, struct workqueue_struct *wq,
		  const struct cc_slots_ops *ops)
{
	int r;

	memset(s, 0, sizeof(*s));
	spin_lock_init(&s->lock);
	INIT_RCU_WORK(&s->grace, cc_slots_grace);
	INIT_WORK(&s->reclaim, cc_slots_reclaim);
	INIT_WORK(&s->discards, cc_slots_discards);
	s->max = max;
	s->wq = wq;
	s->ops = ops;
	s->stopped = true;
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
	cc_list_init(&s->filling);
	cc_list_init(&s->dying);
	cc_list_init(&s->draining);
	cc_list_init(&s->undiscarded);
	cc_policy_init(&s->policy, &policy_ops, s, nr);
	xa_init_flags(&s->shares, XA_FLAGS_ALLOC1);
	cc_slots_resize(s, nr);
	return 0;

free_leaves:
	free_leaves(s);
	return r;
}

void cc_slots_exit(struct cc_slots *s)
{
	/* Stopped: reclaim switches no epoch.  The last grace work may queue itself once more. */
	while (flush_rcu_work(&s->grace))
		;
	cancel_work_sync(&s->discards);
	cancel_work_sync(&s->reclaim);
	cc_epochs_exit(&s->epochs);
	free_leaves(s);
}

void cc_slots_start(struct cc_slots *s, bool discard)
{
	spin_lock(&s->lock);
	s->stopped = false;
	s->discard = discard;
	spin_unlock(&s->lock);
	kick(s);
}

void cc_slots_stop(struct cc_slots *s)
{
	spin_lock(&s->lock);
	s->stopped = true;
	spin_unlock(&s->lock);
	flush_work(&s->reclaim);
	flush_work(&s->discards);
}

/*
 * The next slot to hand out; retires those whose generation would repeat, or behind the end.  The
 * latter can be millions after a shrink: some at a time, the sweep does the rest.
 */
static u32 pick_free(struct cc_slots *s)
{
	unsigned int n;

	for (n = 0; n < BATCH; n++) {
		u32 nr = s->free.nr ? s->free.tail : s->keep.tail;

		if (nr == CC_NIL || (nr < s->nr && info_nr(s, nr)->gen != CC_GEN_RETIRED))
			return nr;
		set_state(s, nr, nr < s->nr ? CHUNKCACHE_SLOT_BAD : CHUNKCACHE_SLOT_FREE);
	}
	return CC_NIL;
}

/* A prefetch may hold a quarter of the slots and never the last two free ones. */
static bool prefetch_allowed(const struct cc_slots *s)
{
	return s->prefetching < s->nr / 4 && nr_free(s) > 2;
}

static void hand_out(struct cc_slots *s, u32 nr, u8 owner, bool prefetch,
		     struct chunkcache_slot *ret)
{
	struct cc_slot_info *info = info_nr(s, nr);

	set_state(s, nr, CHUNKCACHE_SLOT_FILLING);
	info->owner = owner;
	if (prefetch) {
		info->flags = CC_SLOT_PREFETCH;
		s->prefetching++;
	}
	ret->slot = nr;
	ret->gen = info->gen;
}

u32 cc_slots_alloc(struct cc_slots *s, u8 owner, bool prefetch, u32 n,
		   struct chunkcache_slot *ret_slots)
{
	u32 got, nr;
	bool low;

	spin_lock(&s->lock);
	for (got = 0; got < n && !s->stopped; got++) {
		if (prefetch && !prefetch_allowed(s))
			break;
		nr = pick_free(s);
		if (nr == CC_NIL)
			break;
		hand_out(s, nr, owner, prefetch, &ret_slots[got]);
	}
	if (got < n && !prefetch)
		s->wanted = min(max(s->wanted, n - got), max_wanted(s));
	/* Few are free, or pick_free() gave up: reclaim tells when there are some. */
	low = got < n || is_low(s);
	spin_unlock(&s->lock);
	if (low)
		kick(s);
	return got;
}

int cc_slots_alloc_named(struct cc_slots *s, u8 owner, cc_slot_t slot,
			 struct chunkcache_slot *ret_slot)
{
	u32 nr = cc_slot_nr(slot);
	int r = -EBUSY;

	spin_lock(&s->lock);
	if (nr >= s->nr) {
		r = -ERANGE;
	} else if (!s->stopped && cc_slot_state(info_nr(s, nr)) == CHUNKCACHE_SLOT_FREE &&
	    !info_nr(s, nr)->gen) {
		hand_out(s, nr, owner, false, ret_slot);
		r = 0;
	}
	spin_unlock(&s->lock);
	return r;
}

int cc_slots_keep(struct cc_slots *s, cc_slot_t slot)
{
	u32 nr = cc_slot_nr(slot);
	struct cc_slot_info *info;
	int r = 0;

	spin_lock(&s->lock);
	if (nr >= s->nr) {
		spin_unlock(&s->lock);
		return -ERANGE;
	}
	info = info_nr(s, nr);
	if (cc_slot_state(info) != CHUNKCACHE_SLOT_FREE || info->gen) {
		r = -EBUSY;
	} else if (!(info->flags & CC_SLOT_KEEP)) {
		slot_unlink(s, &s->free, nr);
		info->flags |= CC_SLOT_KEEP;
		slot_link(s, &s->keep, nr);
	}
	spin_unlock(&s->lock);
	return r;
}

/* Is it FILLING for this owner at this generation? */
static bool owned(struct cc_slots *s, u8 owner, cc_slot_t slot, u32 gen)
{
	struct cc_slot_info *info;

	lockdep_assert_held(&s->lock);
	if (cc_slot_nr(slot) >= s->end)
		return false;
	info = info_nr(s, cc_slot_nr(slot));
	return cc_slot_state(info) == CHUNKCACHE_SLOT_FILLING && info->owner == owner &&
	       info->gen == gen;
}

int cc_slots_release(struct cc_slots *s, u8 owner, cc_slot_t slot, u32 gen, bool bad)
{
	int r = -ESTALE;

	spin_lock(&s->lock);
	if (owned(s, owner, slot, gen)) {
		set_state(s, cc_slot_nr(slot),
			  bad ? CHUNKCACHE_SLOT_BAD : CHUNKCACHE_SLOT_FREE);
		r = 0;
	}
	spin_unlock(&s->lock);
	kick(s);
	return r;
}

void cc_slots_release_owner(struct cc_slots *s, u8 owner)
{
	unsigned int n = 0;
	u32 nr, next;

	spin_lock(&s->lock);
	for (nr = s->filling.head; nr != CC_NIL; nr = next) {
		next = info_nr(s, nr)->link.next;
		if (info_nr(s, nr)->owner != owner)
			continue;
		set_state(s, nr, CHUNKCACHE_SLOT_FREE);
		/* Without the lock the list may change: from its start again. */
		if (!(++n % BATCH) && cond_resched_lock(&s->lock))
			next = s->filling.head;
	}
	spin_unlock(&s->lock);
	kick(s);
}

int cc_slots_done(struct cc_slots *s, u8 owner, cc_slot_t slot, u32 gen, u64 key,
		  bool prefetched, void (*made_valid)(void *arg), void *arg)
{
	bool low;

	spin_lock(&s->lock);
	if (!owned(s, owner, slot, gen)) {
		spin_unlock(&s->lock);
		return -ESTALE;
	}
	if (cc_slot_nr(slot) >= s->nr) {
		set_state(s, cc_slot_nr(slot), CHUNKCACHE_SLOT_FREE);
		spin_unlock(&s->lock);
		kick(s);
		return -ESTALE;
	}
	set_state(s, cc_slot_nr(slot), CHUNKCACHE_SLOT_VALID);
	s->nr_fills++;
	made_valid(arg);
	cc_policy_insert(&s->policy, cc_slot_nr(slot), key, prefetched);
	low = is_low(s);
	spin_unlock(&s->lock);
	/* Demand may wait for just this one. */
	if (low)
		kick(s);
	return 0;
}

static bool is_valid(struct cc_slots *s, cc_slot_t slot, u32 gen)
{
	const struct cc_slot_info *info;

	lockdep_assert_held(&s->lock);
	if (cc_slot_nr(slot) >= s->nr)
		return false;
	info = info_nr(s, cc_slot_nr(slot));
	return cc_slot_state(info) == CHUNKCACHE_SLOT_VALID && gen_nr(s, cc_slot_nr(slot)) == gen;
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

void cc_slots_drop(struct cc_slots *s, cc_slot_t slot, u32 gen, bool failed)
{
	u32 nr = cc_slot_nr(slot);

	spin_lock(&s->lock);
	if (is_valid(s, slot, gen)) {
		cc_policy_remove(&s->policy, nr);
		set_state(s, nr, CHUNKCACHE_SLOT_DYING);
		if (failed)
			info_nr(s, nr)->flags |= CC_SLOT_FAILED;
	}
	spin_unlock(&s->lock);
	kick(s);
}

static void drop(struct cc_slots *s, u32 nr, u16 unused)
{
	cc_policy_remove(&s->policy, nr);
	set_state(s, nr, CHUNKCACHE_SLOT_DYING);
}

void cc_slots_drop_all(struct cc_slots *s)
{
	for_each_valid(s, drop, 0);
	kick(s);
}

/* ---- shares ---- */

/* An eighth is for all, and a slot is always free to go. */
u32 cc_slots_max_promise(u32 nr)
{
	u32 rest = nr / 8 + 2;

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

static void uncharge(struct cc_slots *s, u32 nr, u16 id)
{
	cc_policy_uncharge(&s->policy, nr, id);
}

void cc_slots_del_share(struct cc_slots *s, struct cc_share *share, u16 id)
{
	if (READ_ONCE(share->used))
		for_each_valid(s, uncharge, id);
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

bool cc_slots_get_info(struct cc_slots *s, cc_slot_t slot, struct chunkcache_slot_info *ret,
		       u8 *ret_owner)
{
	const struct cc_slot_info *info = info_nr(s, cc_slot_nr(slot));

	/* Nearly all, of a pool that is new: without the lock. */
	if (!READ_ONCE(info->gen) && cc_slot_state(info) == CHUNKCACHE_SLOT_FREE)
		return false;
	memset(ret, 0, sizeof(*ret));
	spin_lock(&s->lock);
	if (cc_slot_state(info) == CC_SLOT_GONE) {
		spin_unlock(&s->lock);
		return false;
	}
	ret->slot = cc_slot_nr(slot);
	ret->gen = gen_nr(s, cc_slot_nr(slot));
	ret->state = cc_slot_state(info);
	ret->flags = READ_ONCE(*op_hit(s, cc_slot_nr(slot))) ? CHUNKCACHE_SLOT_HIT : 0;
	*ret_owner = cc_slot_state(info) == CHUNKCACHE_SLOT_FILLING ? info->owner : 0;
	spin_unlock(&s->lock);
	return true;
}
