/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Slots of a pool: what messages, misses and the pool do with them.  States and the pin are in
 * slot-state.h, eviction in reclaim.h.
 */
#ifndef CC_SLOT_H
#define CC_SLOT_H

#include <chunkcache/io-error.h>
#include "reclaim.h"
#include "slot-state.h"

/*
 * May sleep.  wq must be WQ_MEM_RECLAIM.  Starts stopped, and with a dirty_max recovering; can grow
 * up to max slots.
 */
int cc_slots_init(struct cc_slots *s, u32 nr, u32 max, u32 dirty_max,
		  struct workqueue_struct *wq, const struct cc_slots_ops *ops);
/* No reader, no message any more.  Waits for the last epoch to drain (an RCU grace period). */
void cc_slots_exit(struct cc_slots *s);

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

/*
 * VALID -> DYING if it still has this generation, as it could not be read: then BAD, or with only
 * CC_IO_DOUBT FREE, unless that was so before.  Process context.
 */
void cc_slots_failed(struct cc_slots *s, cc_slot_t slot, u32 gen, enum cc_io_error error);
void cc_slots_drop_all(struct cc_slots *s);
/* BAD -> FREE: try them anew; how many there were.  May sleep. */
u32 cc_slots_retry_bad(struct cc_slots *s);

/* ---- slots of volumes ---- */

/* LOG slots are never more than so many; 0: no journal, there are none.  May sleep. */
void cc_slots_set_dirty_max(struct cc_slots *s, u32 dirty_max);
/* The journal was read: from now on slots are handed out and evicted. */
void cc_slots_recovered(struct cc_slots *s);
/*
 * FREE -> LOG, taking writes.  -EBUSY: none is free, as many are LOG as may be, or nothing is
 * handed out now; ops->freed() tells when it is worth trying again.  Process context.
 */
int cc_slots_alloc_log(struct cc_slots *s, struct chunkcache_slot *ret_slot);
/* No write to it is in flight and none comes any more. */
void cc_slots_set_log_closed(struct cc_slots *s, cc_slot_t slot);
/*
 * Before cc_slots_recovered(): the slots hold log chunks, FREE -> LOG, all or none of them.
 * -ERANGE: a number; -ESTALE: one was claimed before.
 */
int cc_slots_claim(struct cc_slots *s, struct chunkcache_slot *slots, u32 n);
/* LOG -> VALID, or DYING if it can't stay.  -ESTALE: not LOG at gen; -EBUSY: takes writes. */
int cc_slots_clean(struct cc_slots *s, cc_slot_t slot, u32 gen, u64 key);
/* VALID or LOG -> DYING, then with bad BAD.  -ESTALE: neither at gen; -EBUSY: takes writes. */
int cc_slots_drop(struct cc_slots *s, cc_slot_t slot, u32 gen, bool bad);
/* Is it LOG, with this generation?  Process context. */
bool cc_slots_is_log(struct cc_slots *s, cc_slot_t slot, u32 gen);
/* As cc_slots_use(), of a slot that is LOG or VALID. */
int cc_slots_use_log(struct cc_slots *s, cc_slot_t slot, u32 gen, void (*use)(void *arg),
		     void *arg);

/* ---- shares, see policy.h ---- */

/* Slots that may be promised in all, of nr: demand must always find one that can go. */
u32 cc_slots_max_promise(u32 nr, u32 dirty_max);
/* May sleep.  -ENOMEM; -EBUSY: there are 65535. */
int cc_slots_add_share(struct cc_slots *s, struct cc_share *share, u16 *ret_id);
/* Nobody charges it any more.  May sleep. */
void cc_slots_del_share(struct cc_slots *s, struct cc_share *share, u16 id);
/* May sleep. */
void cc_slots_promise(struct cc_slots *s, struct cc_share *share, u32 slots);
/* Only in made_valid() or use(), of that slot.  id 0: nothing happens. */
void cc_slots_charge(struct cc_slots *s, cc_slot_t slot, u16 id);

/* A slot as it is now. */
struct cc_slot_view {
	enum cc_slot_state state;
	u32 gen;
	bool hit;		/* since the policy last looked */
	u8 owner;		/* FILLING, else 0 */
};

/* slot is below end.  False for a slot that was never handed out, or is gone. */
bool cc_slots_get_info(struct cc_slots *s, cc_slot_t slot, struct cc_slot_view *ret);

struct cc_slots_stats {
	u32 count[CC_NR_SLOT_STATES];
	u32 total;		/* with those that are on their way out of a pool that shrinks */
	bool shrinking;
	u64 fills, evictions, epochs;
	u64 switching_us;	/* switches of epochs waited for readers, this one included */
};

void cc_slots_read_stats(struct cc_slots *s, struct cc_slots_stats *ret);
/* But for count and total, which are no sums. */
void cc_slots_clear_stats(struct cc_slots *s);

#endif
