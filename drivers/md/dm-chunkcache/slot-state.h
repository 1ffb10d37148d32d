/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Slots of a pool: their states, generations, and the pin that keeps a slot from being re-used
 * under a reader.
 *
 * States, and what holds in each:
 *
 *   state    word  listed in        owner    bytes on the device
 *   FREE     0     free or keep     -        anything; nobody reads or writes them
 *   FILLING  0     filling          session  being written by the owner only
 *   VALID    gen   policy           -        a checked chunk; readers may be under way
 *   DYING    0     dying/draining   -        readers that came before may be under way
 *            0     undiscarded, -   -        a discard is to come, is under way
 *            0     doubted, -       -        whether others can be read is to be, is being tried
 *   BAD      0     -                -        not used again, unless it is to be tried anew
 *   GONE     0     -                -        behind the end of the pool: not ours
 *   LOG      gen   -                a volume what it wrote and no store has yet: nobody evicts,
 *                                            discards or hands it out.  Readers may be under way,
 *                                            and writers while OPEN
 *
 * Transitions, each done by cc_slot_set_state() and nowhere else:
 *
 *   FREE -> FILLING	cc_slots_alloc(), cc_slots_alloc_named(); bumps the generation
 *   FILLING -> VALID	cc_slots_done()
 *   FILLING -> FREE	cc_slots_release(), cc_slots_release_owner()
 *   FILLING -> BAD	cc_slots_release()
 *   VALID -> DYING	eviction, cc_slots_drop(), cc_slots_drop_all(), the sweep of a shrink
 *   DYING -> FREE	when the epoch that was current has drained, and the discard, if
 *			there is to be one, has ended
 *   DYING -> BAD	the same without discard, of a slot whose medium failed, or that could not
 *			be read for the second time though the device can
 *   BAD -> FREE	cc_slots_retry_bad()
 *   FREE -> BAD	the generation would wrap
 *   FREE, FILLING, DYING, BAD -> GONE	behind the new end of a pool that was shrunk, in place
 *			of FREE or BAD
 *   GONE -> FREE	the pool was grown again
 *   FREE -> LOG	cc_slots_alloc_log(): a volume writes; cc_slots_claim(): one did, in an
 *			earlier instance; bump the generation
 *   LOG -> VALID	cc_slots_clean(): the store has it, and the journal says so
 *   LOG -> DYING	cc_slots_clean() behind the end, or as the medium failed meanwhile;
 *			cc_slots_drop(): nobody wants it any more
 *
 * A pool with a journal hands out nothing while it is recovering: which of its slots are dirty is
 * not known before all are claimed.
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
#ifndef CC_SLOT_STATE_H
#define CC_SLOT_STATE_H

#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include "epoch.h"
#include "policy.h"
#include "types.h"

#define CC_LEAF_SHIFT	12
#define CC_LEAF_SLOTS	(1u << CC_LEAF_SHIFT)

/* Who may have FILLING slots: an owner is the low byte of a session's number, 0 is none. */
#define CC_NR_OWNERS	256

/* Slots that are dealt with under one hold of the lock. */
#define CC_SLOT_BATCH	64

/* The last generation: a slot that has it is never handed out again. */
#define CC_GEN_RETIRED	U32_MAX

/* Covered by cc_slots.lock; state is also read without it. */
struct cc_slot_info {
	struct cc_link link;
	union {
		u32 gen;	/* of the present or last use; 0: never handed out */
		u32 key;	/* VALID: the policy's; the generation is in the word then */
	};
	u8 state_list;		/* SUSPECT, cc_slot_state(); the low four bits are the policy's */
	u8 entered;		/* the policy's */
	union {
		struct {
			u8 owner;	/* of a FILLING slot: low bits of the session, not 0 */
			u8 flags;	/* CC_SLOT_* */
		};
		u16 share;	/* VALID: the policy's */
	};
};

/* Without the lock, of a moment ago. */
static inline enum cc_slot_state cc_slot_state(const struct cc_slot_info *info)
{
	return READ_ONCE(info->state_list) >> 4 & 7;
}

/* In all states; see cc_slot_set_suspect(). */
#define CC_SLOT_SUSPECT		0x80

#define CC_SLOT_PREFETCH	1	/* FILLING: counts against the prefetch quota */
#define CC_SLOT_KEEP		2	/* FREE: listed in keep */
#define CC_SLOT_FAILED		4	/* DYING, LOG: the medium failed */
#define CC_SLOT_UNDISCARDED	8	/* DYING: listed in undiscarded */
#define CC_SLOT_DOUBTED		16	/* DYING: it could not be read */
#define CC_SLOT_OPEN		32	/* LOG: takes writes */
#define CC_SLOT_CLAIMED		64	/* FREE: by the message that is looked at */

struct cc_slot_leaf {
	u32 word[CC_LEAF_SLOTS];	/* generation while VALID or LOG, else 0 */
	u8 hit[CC_LEAF_SLOTS];
	u16 ghosts[CC_LEAF_SLOTS] __aligned(CC_GHOST_WAYS * sizeof(u16));	/* the policy's */
	struct cc_slot_info info[CC_LEAF_SLOTS];
};

/* How far the switch of epochs is. */
enum cc_switch {
	CC_SWITCH_IDLE,		/* the other epoch has no reader, and draining is empty */
	CC_SWITCH_WAITS,	/* readers of it may be left */
	CC_SWITCH_DRAINED,	/* none is left: draining is given back */
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
	/* Can the device be read, at a place that is no slot? */
	bool (*device_works)(struct cc_slots *s);
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
	u32 count[CC_NR_SLOT_STATES];
	struct cc_list free;		/* oldest first */
	struct cc_list keep;		/* FREE, handed out last */
	struct cc_list filling[CC_NR_OWNERS];	/* by owner */
	struct cc_list dying;		/* words cleared, epoch not yet switched */
	struct cc_list draining;	/* wait for the other epoch */
	struct cc_list undiscarded;	/* DYING and drained, wait for their discard */
	struct cc_list doubted;		/* the same, wait for a look at the device */
	struct cc_policy policy;
	struct xarray shares;		/* of disks that were promised slots, by ID */
	u32 prefetching;		/* FILLING for prefetch */
	u32 wanted;			/* demand that found no free slot */
	bool stopped;			/* pool suspended, or without a table */
	bool recovering;		/* the journal is not read yet */
	bool log_wanted;		/* cc_slots_alloc_log() found that too many are LOG */
	u32 dirty_max;			/* LOG slots; 0: no journal */
	bool discard;			/* discard what is not needed soon */
	enum cc_switch switching;	/* reclaim.c's */
	u64 switched_at;		/* ktime, ns; while it waits */
	u64 nr_fills, nr_evictions, nr_epochs;
	u64 switching_ns;		/* that switches have waited */

	struct rcu_work grace;		/* a grace period has passed since the switch */
	struct delayed_work drain;	/* looks for readers that are left */
	unsigned int drain_ms;		/* until the next look */
	struct work_struct reclaim;
	struct work_struct discards;
	struct work_struct doubts;
	struct workqueue_struct *wq;
	const struct cc_slots_ops *ops;
};

/* How many there are, with those that are on their way out.  Lock held. */
static inline u32 cc_slots_total(const struct cc_slots *s)
{
	u32 total = 0, i;

	lockdep_assert_held(&s->lock);
	for (i = 0; i < CC_NR_SLOT_STATES; i++)
		total += i == CC_SLOT_GONE ? 0 : s->count[i];
	return total;
}

static inline struct cc_slot_info *cc_slots_info(struct cc_slots *s, u32 nr)
{
	return &s->leaves[nr >> CC_LEAF_SHIFT]->info[nr & (CC_LEAF_SLOTS - 1)];
}

static inline u32 *cc_slots_word(struct cc_slots *s, u32 nr)
{
	return &s->leaves[nr >> CC_LEAF_SHIFT]->word[nr & (CC_LEAF_SLOTS - 1)];
}

static inline u8 *cc_slots_hit(struct cc_slots *s, u32 nr)
{
	return &s->leaves[nr >> CC_LEAF_SHIFT]->hit[nr & (CC_LEAF_SLOTS - 1)];
}

/* Of the present or last use. */
static inline u32 cc_slots_gen(struct cc_slots *s, u32 nr)
{
	const struct cc_slot_info *info = cc_slots_info(s, nr);

	return cc_slot_state(info) == CC_SLOT_VALID ? *cc_slots_word(s, nr) : info->gen;
}

static inline u32 cc_slots_nr_free(const struct cc_slots *s)
{
	return s->free.nr + s->keep.nr;
}

/*
 * The one place that changes a state; moves lists, counts and the word with it.  DYING slots
 * are in the list that their caller takes them from.  Who gives a slot back needs not look
 * where the pool ends.  Lock held.
 */
void cc_slot_set_state(struct cc_slots *s, u32 nr, enum cc_slot_state to);
/* FREE -> FILLING, with what belongs to it.  Lock held. */
void cc_slot_set_filling(struct cc_slots *s, u32 nr, u8 owner, bool prefetch);
/* Are slots handed out and evicted now?  Lock held. */
static inline bool cc_slots_serving(const struct cc_slots *s)
{
	return !s->stopped && !s->recovering;
}

/* May one more become LOG?  Lock held. */
static inline bool cc_slots_below_dirty_max(const struct cc_slots *s)
{
	return s->count[CC_SLOT_LOG] < s->dirty_max;
}

/* FREE -> LOG.  Lock held. */
void cc_slot_set_log(struct cc_slots *s, u32 nr, bool open);
/* LOG: no longer OPEN.  Lock held. */
void cc_slot_set_log_closed(struct cc_slots *s, u32 nr);
/* FREE: claimed, or not.  Lock held. */
void cc_slot_set_claimed(struct cc_slots *s, u32 nr, bool claimed);
/* FREE: handed out last from now on.  Lock held. */
void cc_slot_set_keep(struct cc_slots *s, u32 nr);
/* DYING: becomes BAD when it has drained; LOG: when it is DYING some day.  Lock held. */
void cc_slot_set_failed(struct cc_slots *s, u32 nr);
/* DYING: could not be read, nobody knows why.  Lock held. */
void cc_slot_set_doubted(struct cc_slots *s, u32 nr);
/* In any state: it could not be read though the device could, or all is forgotten.  Lock held. */
void cc_slot_set_suspect(struct cc_slots *s, u32 nr, bool suspect);
/* DYING, drained, in no list: waits for its discard, or no longer.  Lock held. */
void cc_slot_set_undiscarded(struct cc_slots *s, u32 nr, bool undiscarded);
/* DYING, drained, in no list: waits for a look at the device, or no longer.  Lock held. */
void cc_slot_set_unjudged(struct cc_slots *s, u32 nr, bool unjudged);
/* A slot that never was one is FREE from now on.  Lock held. */
void cc_slot_add_free(struct cc_slots *s, u32 nr);
/* All DYING ones whose epoch is not switched: they drain from now on.  Lock held. */
void cc_slots_start_draining(struct cc_slots *s);
/* DYING: out of the list of those that drain.  Lock held. */
void cc_slot_set_drained(struct cc_slots *s, u32 nr);

/* Where the policy finds what it knows of a slot; ctx is the cc_slots. */
extern const struct cc_policy_ops cc_slots_policy_ops;

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

/* The same for n readers, each of which puts it. */
static inline struct cc_epoch __percpu *cc_slots_pin_many(const struct cc_slots *s, u32 n)
{
	return cc_epoch_pin_many(&s->epochs, n);
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
		       CC_SLOT_FILLING;
}

#endif
