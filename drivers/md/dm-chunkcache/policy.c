// SPDX-License-Identifier: GPL-2.0-only
/* Replacement policy.  Pure code, see policy.h. */
#include "policy.h"

#ifdef __KERNEL__
#include <linux/compiler.h>
#include <linux/minmax.h>
#include <linux/string.h>
#else
#include <string.h>
#define READ_ONCE(x)		(x)
#define WRITE_ONCE(x, v)	((x) = (v))
#define min(a, b)		((a) < (b) ? (a) : (b))
#define max(a, b)		((a) > (b) ? (a) : (b))
#define clamp(x, a, b)		min(max(x, a), b)
#endif

/* Rounds that main gives for old merits, one for each round with a hit. */
#define MAX_ROUNDS	2
/* So many that small dropped don't go to main at once for each one that main dropped. */
#define LOOPERS		3

/* The policy's four bits of a slot. */
enum {
	LIST_NONE,
	LIST_FRESH,
	LIST_SMALL,
	LIST_AHEAD,
	LIST_PARKED,
	/* This and the next MAX_ROUNDS: main, by the rounds that a slot has left. */
	LIST_MAIN,
	LIST_MASK = 15
};

/* By whom a ghost was dropped; the low bit of its entry. */
enum { BY_SMALL, BY_MAIN };

/*
 * Hits may set bytes as fast as we clear them, and the caller holds a lock: after so many
 * second chances the next one goes whatever it was.
 */
#define MAX_CHANCES	1024
/* Likewise: after so many that had to be spared the caller gives up the lock. */
#define MAX_SPARED	1024
/* How many fills one more fill takes out of the list of fresh ones, at most. */
#define MAX_LEAVE	4

/* A tick is so many evictions that there are about as many ticks in one turnover of the cache. */
#define TURNOVER	64
/* How much longer than in small a chunk may be in main, in 1/256: 1 makes one clock of both. */
#define FAVOUR_ONE	(1u << 8)
#define MIN_FAVOUR	(FAVOUR_ONE / 16)
#define MAX_FAVOUR	(64 * FAVOUR_ONE)
/* Where it goes from below one when what main dropped comes back. */
#define BACK_FAVOUR	(FAVOUR_ONE * 11 / 8)
/* Many a cache is turned over only a few times in its life, so where it starts matters. */
#define FIRST_FAVOUR	(8 * FAVOUR_ONE)

/* ---- lists ---- */

static unsigned int list_nr(struct cc_policy *p, u32 n)
{
	return *p->ops->list(p->ctx, n) & LIST_MASK;
}

/* NULL if n is charged to none. */
static struct cc_share *share_of(struct cc_policy *p, u32 n)
{
	u16 id = *p->ops->share(p->ctx, n);

	return id ? p->ops->find_share(p->ctx, id) : NULL;
}

static struct cc_list *policy_list_of(struct cc_policy *p, u32 n)
{
	switch (list_nr(p, n)) {
	case LIST_FRESH:
		return &p->fresh;
	case LIST_SMALL:
		return &p->small;
	case LIST_AHEAD:
		return &p->ahead;
	case LIST_PARKED:
		return &share_of(p, n)->parked;
	}
	return &p->main;
}

static void set_list(struct cc_policy *p, u32 n, u8 nr)
{
	u8 *list = p->ops->list(p->ctx, n);

	WRITE_ONCE(*list, (*list & ~LIST_MASK) | nr);
}

/* Put n, which is in no list, at the head of one. */
static void enter_list(struct cc_policy *p, u32 n, u8 list)
{
	set_list(p, n, list);
	*p->ops->entered(p->ctx, n) = p->tick;
	cc_list_add_head(policy_list_of(p, n), p->ops->link, p->ctx, n);
}

static void leave_list(struct cc_policy *p, u32 n)
{
	cc_list_del(policy_list_of(p, n), p->ops->link, p->ctx, n);
	set_list(p, n, LIST_NONE);
}

/* Ticks since n entered its list, modulo 256: lists turn over before that. */
static u8 slot_age(struct cc_policy *p, u32 n)
{
	return p->tick - *p->ops->entered(p->ctx, n);
}

/* True and cleared if n was hit since it was last looked at. */
static bool was_hit(struct cc_policy *p, u32 n)
{
	u8 *hit = p->ops->hit(p->ctx, n);

	if (!READ_ONCE(*hit))
		return false;
	WRITE_ONCE(*hit, 0);
	return true;
}

/* ---- ghosts ---- */

/* 32 well mixed bits, not 0 (the finaliser of SplitMix64). */
static u32 fold_key(u64 key)
{
	key = (key ^ key >> 30) * 0xbf58476d1ce4e5b9ULL;
	key = (key ^ key >> 27) * 0x94d049bb133111ebULL;
	return (u32)(key >> 32) ?: 1;
}

/* The high bits choose the set, the low ones tell keys of a set apart: one in 1000 is wrong. */
static u16 *ghost_set(struct cc_policy *p, u32 key)
{
	u32 nr_sets = max(p->nr / CC_GHOST_WAYS, 1u);

	return p->ops->ghosts(p->ctx, (u64)key * nr_sets >> 32);
}

static u16 ghost_entry(u32 key, unsigned int by)
{
	return ((key & 0x7fff) ?: 1) << 1 | by;
}

static u32 nr_ways(const struct cc_policy *p)
{
	return p->nr < CC_GHOST_WAYS ? p->nr : CC_GHOST_WAYS;
}

static void forget_ghost(struct cc_policy *p, u16 entry)
{
	/* After a resize the numbers are estimates. */
	if (entry && p->nr_ghosts[entry & 1])
		p->nr_ghosts[entry & 1]--;
}

/* Remember n; the oldest of its set is forgotten. */
static void ghost_add(struct cc_policy *p, u32 n, unsigned int by)
{
	u32 key = *p->ops->key(p->ctx, n), last = nr_ways(p) - 1;
	u16 *set = ghost_set(p, key);

	forget_ghost(p, set[last]);
	memmove(set + 1, set, last * sizeof(*set));
	set[0] = ghost_entry(key, by);
	p->nr_ghosts[by]++;
}

/*
 * A chunk came back that small, or main, had dropped: that one should have kept it for longer.
 * A little longer helps only who comes back soon, so a ghost counts by how young it is: place 0
 * of its set, 16 times as much as one in the middle.  What says that main is favoured too
 * much weighs more, as that can cost more.  Below one, main keeps nothing for long; that is
 * right only while nothing that it drops comes back.
 */
static void adapt_favour(struct cc_policy *p, unsigned int by, u32 place)
{
	/* The fewer ghosts there are of its kind, the more a hit of one says; 1/2 to 16. */
	u64 weight16 = clamp(16 * (u64)p->nr_ghosts[!by] / max(p->nr_ghosts[by], 1u),
			     (u64)8, (u64)256);
	u64 step = p->favour * weight16 * nr_ways(p) / (place + 1) / 16 / p->nr;

	if (by == BY_SMALL)
		p->favour -= min(step + step * 3 / 4, (u64)p->favour);
	else if (p->favour < FAVOUR_ONE << 12)
		p->favour = BACK_FAVOUR << 12;
	else
		p->favour = min(p->favour + step, (u64)MAX_FAVOUR << 12);
	p->favour = max(p->favour, MIN_FAVOUR << 12);
}

/* Is there a ghost of this key, and whose?  Favour follows; the ghost goes. */
static bool ghost_take(struct cc_policy *p, u32 key, unsigned int *ret_by)
{
	u16 *set = ghost_set(p, key), entry = ghost_entry(key, 0);
	u32 i, ways = nr_ways(p);

	for (i = 0; i < ways && (set[i] & ~1) != entry; i++)
		;
	if (i == ways)
		return false;
	*ret_by = set[i] & 1;
	adapt_favour(p, *ret_by, i);
	forget_ghost(p, set[i]);
	memmove(set + i, set + i + 1, (ways - 1 - i) * sizeof(*set));
	set[ways - 1] = 0;
	return true;
}

static u32 nr_small(const struct cc_policy *p)
{
	return p->fresh.nr + p->small.nr;
}

/* Fills during which touches of a fresh slot don't count. */
static u32 grace_fills(const struct cc_policy *p)
{
	return min(max(p->nr / 50, 4u), p->nr / 8);
}

void cc_policy_resize(struct cc_policy *p, u32 nr)
{
	u64 was = p->nr;

	p->nr = nr;
	if (nr < was) {
		p->nr_ghosts[BY_SMALL] = (u64)p->nr_ghosts[BY_SMALL] * nr / was;
		p->nr_ghosts[BY_MAIN] = (u64)p->nr_ghosts[BY_MAIN] * nr / was;
	}
}

void cc_policy_init(struct cc_policy *p, const struct cc_policy_ops *ops, void *ctx, u32 nr)
{
	memset(p, 0, sizeof(*p));
	p->ops = ops;
	p->ctx = ctx;
	cc_list_init(&p->fresh);
	cc_list_init(&p->small);
	cc_list_init(&p->main);
	cc_list_init(&p->ahead);
	p->favour = FIRST_FAVOUR << 12;
	cc_policy_resize(p, nr);
}

/* ---- fill and eviction ---- */

/*
 * A chunk came back that was dropped.  Main dropped it: it has to prove itself again, as a loop
 * larger than the cache would otherwise push all of main around.  Such a loop is there, and some of
 * its chunks are small's ghosts, which is why those lose their way to main for a while.
 */
static bool deserves_main(struct cc_policy *p, unsigned int by)
{
	if (by == BY_MAIN) {
		p->loopers = min(p->loopers + LOOPERS, p->nr);
		return false;
	}
	if (!p->loopers)
		return true;
	p->loopers--;
	return false;
}

void cc_policy_insert(struct cc_policy *p, u32 n, u64 key, bool prefetched)
{
	u32 folded = fold_key(key);
	unsigned int by, i;

	WRITE_ONCE(*p->ops->hit(p->ctx, n), 0);
	*p->ops->key(p->ctx, n) = folded;
	if (prefetched) {
		enter_list(p, n, LIST_AHEAD);
		return;
	}
	if (ghost_take(p, folded, &by) && deserves_main(p, by))
		enter_list(p, n, LIST_MAIN);
	else
		enter_list(p, n, LIST_FRESH);
	/* More than one leaves only after a shrink: a few at a time, as a lock is held. */
	for (i = 0; i < MAX_LEAVE && p->fresh.nr > grace_fills(p); i++) {
		n = p->fresh.tail;
		leave_list(p, n);
		was_hit(p, n);
		enter_list(p, n, LIST_SMALL);
	}
}

/* One search for a victim. */
struct search {
	u32 chances, spared;	/* left */
};

/* n was found, and has left its list.  Parked if the promise to its share says so. */
static bool spare_slot(struct cc_policy *p, struct search *s, u32 n)
{
	struct cc_share *share = share_of(p, n);

	if (!share || share->used > share->promised)
		return false;
	enter_list(p, n, LIST_PARKED);
	s->spared--;
	return true;
}

/* The oldest prefetched one that nobody read; those that were read are fresh from now on. */
static u32 evict_ahead(struct cc_policy *p, struct search *s)
{
	while (p->ahead.nr && s->spared) {
		u32 n = p->ahead.tail;

		leave_list(p, n);
		if (spare_slot(p, s, n))
			continue;
		if (!s->chances || !was_hit(p, n))
			return n;
		s->chances--;
		enter_list(p, n, LIST_FRESH);
	}
	return CC_NIL;
}

/* The oldest of small, or of fresh, goes to main if it was hit, else out. */
static u32 look_at_small(struct cc_policy *p, struct search *s)
{
	bool is_fresh = !p->small.nr;
	u32 n = is_fresh ? p->fresh.tail : p->small.tail;

	leave_list(p, n);
	if (spare_slot(p, s, n))
		return CC_NIL;
	if (is_fresh || !s->chances || !was_hit(p, n)) {
		ghost_add(p, n, BY_SMALL);
		return n;
	}
	s->chances--;
	enter_list(p, n, LIST_MAIN);
	return CC_NIL;
}

/* n, of main, is at the hand: the rounds that it has left after this one, or -1 if it goes. */
static int rounds_left(struct cc_policy *p, struct search *s, u32 n)
{
	int rounds = list_nr(p, n) - LIST_MAIN;

	if (!s->chances)
		return -1;
	return was_hit(p, n) ? min(rounds + 1, MAX_ROUNDS) : rounds - 1;
}

/* The oldest of main has another round if it was hit, or was often before, else goes. */
static u32 look_at_main(struct cc_policy *p, struct search *s)
{
	u32 n = p->main.tail;
	int rounds = rounds_left(p, s, n);

	leave_list(p, n);
	if (spare_slot(p, s, n))
		return CC_NIL;
	if (rounds < 0) {
		ghost_add(p, n, BY_MAIN);
		return n;
	}
	s->chances--;
	enter_list(p, n, LIST_MAIN + rounds);
	return CC_NIL;
}

/* Has the oldest of small been there for longer than that of main, which is favoured? */
static bool small_is_next(struct cc_policy *p)
{
	u32 oldest = p->small.nr ? p->small.tail : p->fresh.tail;

	if (!p->main.nr)
		return true;
	if (nr_small(p) <= p->nr / 100)
		return false;
	return (u64)slot_age(p, oldest) * (p->favour >> 12) >=
	       (u64)slot_age(p, p->main.tail) * FAVOUR_ONE;
}

static void count_eviction(struct cc_policy *p)
{
	if (++p->evictions < p->nr / TURNOVER)
		return;
	p->evictions = 0;
	p->tick++;
}

u32 cc_policy_evict(struct cc_policy *p, bool *ret_again)
{
	struct search s = { .chances = MAX_CHANCES, .spared = MAX_SPARED };
	u32 n;

	count_eviction(p);
	n = evict_ahead(p, &s);
	while (n == CC_NIL && (nr_small(p) || p->main.nr) && s.spared)
		n = small_is_next(p) ? look_at_small(p, &s) : look_at_main(p, &s);
	*ret_again = n == CC_NIL && !s.spared;
	if (n != CC_NIL)
		cc_policy_uncharge(p, n, *p->ops->share(p->ctx, n));
	return n;
}

void cc_policy_remove(struct cc_policy *p, u32 n)
{
	leave_list(p, n);
	cc_policy_uncharge(p, n, *p->ops->share(p->ctx, n));
}

/* ---- shares ---- */

void cc_share_init(struct cc_share *share)
{
	cc_list_init(&share->parked);
	share->used = 0;
	share->promised = 0;
}

/* n, which was spared, queues like all others. */
static void unpark_slot(struct cc_policy *p, u32 n)
{
	leave_list(p, n);
	enter_list(p, n, LIST_SMALL);
}

void cc_policy_charge(struct cc_policy *p, u32 n, u16 id)
{
	struct cc_share *share;

	if (!id || *p->ops->share(p->ctx, n))
		return;
	share = p->ops->find_share(p->ctx, id);
	*p->ops->share(p->ctx, n) = id;
	share->used++;
	/* One more can go, the oldest: what the share keeps changes with what it reads. */
	if (share->used > share->promised && share->parked.nr)
		unpark_slot(p, share->parked.tail);
}

void cc_policy_uncharge(struct cc_policy *p, u32 n, u16 id)
{
	struct cc_share *share = share_of(p, n);

	if (!share || *p->ops->share(p->ctx, n) != id)
		return;
	if (list_nr(p, n) == LIST_PARKED)
		unpark_slot(p, n);
	*p->ops->share(p->ctx, n) = 0;
	share->used--;
}

bool cc_policy_promise(struct cc_policy *p, struct cc_share *share, u32 slots)
{
	u32 batch = MAX_SPARED;

	WRITE_ONCE(share->promised, slots);
	/* Who is parked stays for ever, unless it is among those that are promised. */
	while (share->parked.nr > slots && --batch)
		unpark_slot(p, share->parked.tail);
	return !batch;
}
