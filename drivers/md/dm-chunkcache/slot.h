/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Slots of a pool: their states, generations, the pin that keeps a slot from being
 * re-used under a reader, and eviction.
 *
 * States, and what holds in each:
 *
 *   state    word  listed in        owner    bytes on the device
 *   FREE     0     free or keep     -        anything; nobody reads or writes them
 *   FILLING  0     filling          session  being written by the owner only
 *   VALID    gen   policy           -        a checked chunk; readers may be under way
 *   DYING    0     dying/draining   -        readers that came before may be under way
 *            0     undiscarded, -   -        a discard is to come, is under way
 *   BAD      0     -                -        never used again in this instance
 *   GONE     0     -                -        behind the end of the pool: not ours
 *
 * Transitions, each done by set_state() and nowhere else:
 *
 *   FREE -> FILLING	cc_slots_alloc(), cc_slots_alloc_named(); bumps the generation
 *   FILLING -> VALID	cc_slots_done()
 *   FILLING -> FREE	cc_slots_release(), cc_slots_release_owner()
 *   FILLING -> BAD	cc_slots_release()
 *   VALID -> DYING	eviction, cc_slots_drop(), cc_slots_drop_all(), the sweep of a shrink
 *   DYING -> FREE	when the epoch that was current has drained, and the discard, if
 *			there is to be one, has ended
 *   DYING -> BAD	the same without discard, of a slot whose medium failed
 *   FREE -> BAD	the generation would wrap
 *   FREE, FILLING, DYING, BAD -> GONE	behind the new end of a pool that was shrunk, in place
 *			of FREE or BAD
 *   GONE -> FREE	the pool was grown again
 *
 * Generations go on where they were in a slot that was GONE: they never repeat in an instance.
 *
 * Pin without a lock: a reader counts itself in the current epoch (epoch.h), then compares the
 * slot's word with the generation of its map entry.  The evictor clears words first, then
 * switches epochs; when the old one has drained, no reader is left that could have seen the
 * words before.
 *
 * A miss that waits holds no epoch.  One slow read stalls all freeing.
 *
 * Slots are numbered from 0.  Those below nr may be handed out.  Those from nr to end are on
 * their way out of a pool that was shrunk; each goes when nobody uses it any more, then end
 * comes down to nr.  Memory for slots is only ever added, so that who holds a slot's number
 * finds its leaf without a lock.
 */
#ifndef CC_SLOT_H
#define CC_SLOT_H

#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include "epoch.h"
#include "policy.h"
#include "types.h"

#define CC_LEAF_SHIFT	12
#define CC_LEAF_SLOTS	(1u << CC_LEAF_SHIFT)

/* One more state, which only we know: the protocol does not tell of such slots. */
#define CC_SLOT_GONE	(CHUNKCACHE_SLOT_BAD + 1)

/* The last generation: a slot that has it is never handed out again. */
#define CC_GEN_RETIRED	U32_MAX

/* Covered by cc_slots.lock; state is also read without it. */
struct cc_slot_info {
	struct cc_link link;
	union {
		u32 gen;	/* of the present or last use; 0: never handed out */
		u32 key;	/* VALID: the policy's; the generation is in the word then */
	};
	u8 state_list;		/* state, see cc_slot_state(); the low four bits are the policy's */
	u8 entered;		/* the policy's */
	union {
		struct {
			u8 owner;	/* of a FILLING slot: low bits of the session, not 0 */
			u8 flags;	/* CC_SLOT_* */
		};
		u16 share;	/* VALID: the policy's */
	};
};

/* enum chunkcache_slot_state, CC_SLOT_GONE.  Without the lock, of a moment ago. */
static inline unsigned int cc_slot_state(const struct cc_slot_info *info)
{
	return READ_ONCE(info->state_list) >> 4;
}

#define CC_SLOT_PREFETCH	1	/* FILLING: counts against the prefetch quota */
#define CC_SLOT_KEEP		2	/* FREE: listed in keep */
#define CC_SLOT_FAILED		4	/* DYING: the medium failed */
#define CC_SLOT_UNDISCARDED	8	/* DYING: listed in undiscarded */

struct cc_slot_leaf {
	u32 word[CC_LEAF_SLOTS];	/* generation while VALID, else 0 */
	u8 hit[CC_LEAF_SLOTS];
	u16 ghosts[CC_LEAF_SLOTS] __aligned(CC_GHOST_WAYS * sizeof(u16));	/* the policy's */
	struct cc_slot_info info[CC_LEAF_SLOTS];
};

struct cc_slots;

/* What slots ask of their pool.  Called without locks, may sleep. */
struct cc_slots_ops {
	/* Demand can be served again. */
	void (*freed)(struct cc_slots *s);
	/* The last slot behind the end has gone. */
	void (*shrunk)(struct cc_slots *s);
	/* Discard the bytes of a slot; returns when nothing of it can land any more. */
	void (*discard)(struct cc_slots *s, cc_slot_t slot);
};

struct cc_slots {
	/* Read by every hit; written by an epoch switch only. */
	struct cc_epochs epochs;
	struct cc_slot_leaf **leaves;

	spinlock_t lock ____cacheline_aligned_in_smp;	/* all below, and every info */
	u32 nr;				/* slots that may be handed out */
	u32 end;			/* behind the last slot that is not GONE; read without */
	u32 max;			/* what leaves has room for; constant */
	u32 swept;			/* nr..swept-1 were told to go */
	u32 count[CC_SLOT_GONE + 1];
	struct cc_list free;		/* oldest first */
	struct cc_list keep;		/* FREE, handed out last */
	struct cc_list filling;
	struct cc_list dying;		/* words cleared, epoch not yet switched */
	struct cc_list draining;	/* wait for the other epoch */
	struct cc_list undiscarded;	/* DYING and drained, wait for their discard */
	struct cc_policy policy;
	struct xarray shares;		/* of disks that were promised slots, by ID */
	u32 prefetching;		/* FILLING for prefetch */
	u32 wanted;			/* demand that found no free slot */
	bool stopped;			/* pool suspended, or without a table */
	bool discard;			/* discard what is not needed soon */
	bool switching;			/* the other epoch has not drained, or not been reaped */
	u64 nr_fills, nr_evictions, nr_epochs;

	bool drained;			/* the other epoch has no reader left */
	struct rcu_work grace;		/* a grace period has passed since the switch */
	struct work_struct reclaim;
	struct work_struct discards;
	struct workqueue_struct *wq;
	const struct cc_slots_ops *ops;
};

/* May sleep.  wq must be WQ_MEM_RECLAIM.  Starts stopped; can grow up to max slots. */
int cc_slots_init(struct cc_slots *s, u32 nr, u32 max, struct workqueue_struct *wq,
		  const struct cc_slots_ops *ops);
/* No reader, no message any more.  Waits for the last epoch to drain (an RCU grace period). */
void cc_slots_exit(struct cc_slots *s);

/*
 * Eviction and handing out begin, end; with discard: of evicted slots, too.  cc_slots_stop()
 * waits for the evictor and for the discard that is under way; may sleep.
 */
void cc_slots_start(struct cc_slots *s, bool discard);
void cc_slots_stop(struct cc_slots *s);

/*
 * Get memory ready for nr slots (up to max), so that cc_slots_resize() can't fail.  -ENOMEM.
 * Calls must not overlap.
 */
int cc_slots_reserve(struct cc_slots *s, u32 nr);
/*
 * The pool has nr slots now.  Further ones can be handed out at once; those behind the end are
 * not handed out any more and go when nobody uses them, then shrunk() is called.  Stopped;
 * may sleep.
 */
void cc_slots_resize(struct cc_slots *s, u32 nr);
/* How many there are, with those that are on their way out.  Lock held. */
static inline u32 cc_slots_total(const struct cc_slots *s)
{
	u32 total = 0, i;

	lockdep_assert_held(&s->lock);
	for (i = 0; i <= CHUNKCACHE_SLOT_BAD; i++)
		total += s->count[i];
	return total;
}

/*
 * Hand out up to n free slots; returns how many.  Fewer for demand is remembered: freed()
 * will be called.  Any process context.
 */
u32 cc_slots_alloc(struct cc_slots *s, u8 owner, bool prefetch, u32 n,
		   struct chunkcache_slot *ret_slots);
/* Hand out this slot if it never was in this instance.  0 or -EBUSY, -ERANGE. */
int cc_slots_alloc_named(struct cc_slots *s, u8 owner, cc_slot_t slot,
			 struct chunkcache_slot *ret_slot);
/* A slot that was never handed out goes last.  0 or -EBUSY, -ERANGE. */
int cc_slots_keep(struct cc_slots *s, cc_slot_t slot);
/* FILLING -> FREE or BAD.  -ESTALE if it is not FILLING for owner at gen. */
int cc_slots_release(struct cc_slots *s, u8 owner, cc_slot_t slot, u32 gen, bool bad);
/* All that owner had. */
void cc_slots_release_owner(struct cc_slots *s, u8 owner);

/*
 * FILLING -> VALID.  made_valid() runs under the slot lock when the word is set and before
 * the evictor can see the slot: the place to make mappings and pin waiting bios.  The key is
 * the chunk's, see cc_policy_insert().  -ESTALE as above.
 */
int cc_slots_done(struct cc_slots *s, u8 owner, cc_slot_t slot, u32 gen, u64 key,
		  bool prefetched, void (*made_valid)(void *arg), void *arg);

/*
 * Run use() under the slot lock if the slot is VALID at this generation: it can't be evicted
 * meanwhile.  -ESTALE if it is not.
 */
int cc_slots_use(struct cc_slots *s, cc_slot_t slot, u32 gen, void (*use)(void *arg),
		 void *arg);

/* VALID -> DYING if it still has this generation; failed: quarantine it.  Process context. */
void cc_slots_drop(struct cc_slots *s, cc_slot_t slot, u32 gen, bool failed);
void cc_slots_drop_all(struct cc_slots *s);

/* ---- shares, see policy.h ---- */

/* Slots that may be promised in all, of nr: demand must always find one that can go. */
u32 cc_slots_max_promise(u32 nr);
/* May sleep.  -ENOMEM; -EBUSY: there are 65535. */
int cc_slots_add_share(struct cc_slots *s, struct cc_share *share, u16 *ret_id);
/* Nobody charges it any more.  May sleep. */
void cc_slots_del_share(struct cc_slots *s, struct cc_share *share, u16 id);
/* May sleep. */
void cc_slots_promise(struct cc_slots *s, struct cc_share *share, u32 slots);
/* Only in made_valid() or use(), of that slot.  id 0: nothing happens. */
void cc_slots_charge(struct cc_slots *s, cc_slot_t slot, u16 id);

/* slot is below end.  False for a slot that was never handed out, or is gone. */
bool cc_slots_get_info(struct cc_slots *s, cc_slot_t slot, struct chunkcache_slot_info *ret,
		       u8 *ret_owner);

static inline struct cc_slot_leaf *cc_slots_leaf(const struct cc_slots *s, cc_slot_t slot)
{
	return s->leaves[cc_slot_nr(slot) >> CC_LEAF_SHIFT];
}

static inline unsigned int cc_slots_index(cc_slot_t slot)
{
	return cc_slot_nr(slot) & (CC_LEAF_SLOTS - 1);
}

/* From here to cc_epoch_put() no slot that is found VALID is written.  Any context. */
static inline struct cc_epoch __percpu *cc_slots_pin(const struct cc_slots *s)
{
	return cc_epoch_pin(&s->epochs);
}

/* Does the slot hold the bytes of this generation?  Only for who holds a pin. */
static inline bool cc_slots_match(const struct cc_slots *s, cc_slot_t slot, u32 gen)
{
	return READ_ONCE(cc_slots_leaf(s, slot)->word[cc_slots_index(slot)]) == gen;
}

/* Tell the policy; writes the byte only if it changes, so that a hot line stays shared. */
static inline void cc_slots_touch(struct cc_slots *s, cc_slot_t slot)
{
	u8 *hit = &cc_slots_leaf(s, slot)->hit[cc_slots_index(slot)];

	if (!READ_ONCE(*hit))
		WRITE_ONCE(*hit, 1);
}

/*
 * May the pool's dm device write to slot number nr, if there is one?  Without the lock: only the
 * owner ends FILLING, and while it is FILLING it is below end.
 */
static inline bool cc_slots_filling(const struct cc_slots *s, u64 nr)
{
	cc_slot_t slot = cc_slot(nr);

	return nr < READ_ONCE(s->end) &&
	       cc_slot_state(&cc_slots_leaf(s, slot)->info[cc_slots_index(slot)]) ==
	       CHUNKCACHE_SLOT_FILLING;
}

#endif
