/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reclaim: one work per pool that keeps free slots ready.  It evicts for demand and reserve,
 * switches epochs and gives back what has drained, and makes the slots behind the end of a pool
 * that was shrunk go.  A second work discards, one slot after the other.  A third one looks
 * whether the device can be read when slots could not.
 */
#ifndef CC_RECLAIM_H
#define CC_RECLAIM_H

#include "slot-state.h"

/* With cc_slots_init(); starts stopped. */
void cc_reclaim_init(struct cc_slots *s);
/* With cc_slots_exit(): stopped, no reader any more.  Waits for the last epoch to drain. */
void cc_reclaim_exit(struct cc_slots *s);

/*
 * Eviction and handing out begin, end; with discard: of evicted slots, too.  cc_slots_stop()
 * waits for the evictor and for the discard or the look at the device that is under way; may
 * sleep.
 */
void cc_slots_start(struct cc_slots *s, bool discard);
void cc_slots_stop(struct cc_slots *s);

/* There may be something to do.  Any context that may take the lock. */
void cc_reclaim_kick(struct cc_slots *s);

/* Free slots that are kept ready. */
u32 cc_reclaim_reserve(const struct cc_slots *s);
/* Demand for n slots found none.  0: only look at the limit anew.  Lock held. */
void cc_reclaim_want(struct cc_slots *s, u32 n);
/* Is there work for reclaim?  It also takes back what waits for its discard.  Lock held. */
bool cc_reclaim_is_low(const struct cc_slots *s);

#endif
