/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Replacement policy: which VALID slot goes next.  Pure code: no kernel services, so that it
 * also builds in user space (build/policy-sim).  The caller serialises all calls (the pool's
 * slot lock).
 *
 * A hit only sets a byte, and only if it is clear; all else happens at fills and evictions.
 * The way of a slot:
 *
 *   fill --> fresh --> small --not hit--> out, its key to the ghosts
 *              ^         +-----hit------> main --not hit for long--> out, its key to the ghosts
 *              |                           ^
 *              +-- key among main's ghosts |
 *   fill, key among small's ghosts --------+
 *
 * Two queues and ghosts, as in S3-FIFO, with three changes that block traces want:
 *
 *   fresh   The first touches of a chunk come at once: one read of a file by small reads.  They
 *           must not count as use.  The hit byte is cleared when a slot leaves fresh.
 *   favour  Queues have no sizes: the next to be looked at is the one whose oldest slot has
 *           been there for longer, where time in main counts less by a factor, 1/16 to 64, that
 *           follows the ghosts.  A fill whose key main dropped says that main should be
 *           favoured more, one that small dropped the opposite.  With 1 both are one CLOCK, which
 *           is best where use is recent; with 64 it is near LFU, and below 1 nearly all is
 *           small's, so that who reads behind another finds what that one has read.
 *   loopers What main dropped and comes back tells of a loop larger than the cache.  For each such
 *           fill a few whose keys small dropped begin in fresh, too, so that the loop
 *           does not walk through main.
 *
 * Prefetched slots that nobody has read leave before all others.
 *
 * A slot may be charged to a share, which is promised that it keeps at least so many: while it
 * has no more than that, its slots are spared.  Who is found and spared is parked, out of the
 * way of the next search, and comes back when the share has more than it was promised.
 */
#ifndef CC_POLICY_H
#define CC_POLICY_H

#include "slot-list.h"

/*
 * Ghosts: what is remembered of chunks that were evicted, one per slot, two bytes each: 15
 * bits of the key and where it was dropped.  A set of them is one cache line, newest first.
 */
#define CC_GHOST_WAYS	32

/* Where the caller keeps what the policy knows of slot n. */
struct cc_policy_ops {
	cc_link_fn *link;
	u8 *(*hit)(void *ctx, u32 n);	/* set by hits without a lock, cleared by the policy */
	u8 *(*list)(void *ctx, u32 n);	/* the low four bits, 0 at first, are the policy's own */
	u8 *(*entered)(void *ctx, u32 n); /* the policy's own */
	u32 *(*key)(void *ctx, u32 n);	/* the policy's own while it has the slot; never 0 */
	/* Set 0 to max(nr / CC_GHOST_WAYS, 1) - 1; zeros at first. */
	u16 *(*ghosts)(void *ctx, u32 set);
	/* ID, 0: none.  The policy's while it has the slot. */
	u16 *(*share)(void *ctx, u32 n);
	/* Never fails: shares outlive what is charged to them. */
	struct cc_share *(*find_share)(void *ctx, u16 id);
};

/* The caller's; zeroed but for cc_share_init(). */
struct cc_share {
	struct cc_list parked;
	u32 used;		/* slots charged */
	u32 promised;
};

struct cc_policy {
	const struct cc_policy_ops *ops;
	void *ctx;
	u32 nr;			/* slots of the pool */
	struct cc_list fresh, small, main;
	struct cc_list ahead;	/* prefetched */
	u32 nr_ghosts[2];	/* dropped by small, by main */
	u32 favour;		/* see there; in 1/2^20 */
	u32 loopers;		/* see deserves_main() */
	u32 evictions;		/* since the last tick */
	u8 tick;		/* the time by which slots enter lists; wraps */
};

void cc_policy_init(struct cc_policy *p, const struct cc_policy_ops *ops, void *ctx, u32 nr);
/* The pool has nr slots now.  Ghosts may be forgotten. */
void cc_policy_resize(struct cc_policy *p, u32 nr);
/* n became VALID and holds a chunk that this key always names.  It may be charged already. */
void cc_policy_insert(struct cc_policy *p, u32 n, u64 key, bool prefetched);
/* n leaves for another reason than eviction. */
void cc_policy_remove(struct cc_policy *p, u32 n);
/*
 * Takes the next victim out.  CC_NIL: there is none, or (*ret_again) so many had to be spared
 * that the caller should let others have the lock first.
 */
u32 cc_policy_evict(struct cc_policy *p, bool *ret_again);

/* ---- shares ---- */

void cc_share_init(struct cc_share *share);
/*
 * n, which is VALID but need not be inserted yet, is charged to a share, unless it is to
 * another one.
 */
void cc_policy_charge(struct cc_policy *p, u32 n, u16 id);
/* If n is charged to this share it no longer is. */
void cc_policy_uncharge(struct cc_policy *p, u32 n, u16 id);
/* Another promise.  True if the caller should call again, after letting others have the lock. */
bool cc_policy_promise(struct cc_policy *p, struct cc_share *share, u32 slots);

#endif
