/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Epochs: pins that cost a reader no lock and no shared line, and whose end can be waited for.
 *
 * There are exactly two, each a counter per CPU.  A reader adds one to the current epoch's, then
 * looks at what it wants to read; on whatever CPU it ends it takes one off.  The writer first
 * makes what it wants back unreachable, then makes the other epoch the current one, waits for an
 * RCU grace period, and looks at the sum of the old one's counters until that is 0: no reader is
 * left then that could have seen what was there before.
 *
 * The writer must not switch again before that: with more than two, what is made unreachable
 * later would be given back while a reader of an older epoch still reads it.
 */
#ifndef CC_EPOCH_H
#define CC_EPOCH_H

#include <linux/percpu.h>
#include <linux/rcupdate.h>

/* Of one CPU: pins that were taken on it, less those that were put on it. */
struct cc_epoch {
	long pins;
};

struct cc_epochs {
	struct cc_epoch __percpu *current_epoch;	/* written by a switch only */
	struct cc_epoch __percpu *both;			/* in one line */
};

/* May sleep.  -ENOMEM. */
int cc_epochs_init(struct cc_epochs *e);
/* No pin is left. */
void cc_epochs_exit(struct cc_epochs *e);

/* From here on pins are of the other epoch.  Calls must not overlap; the other one has drained. */
void cc_epochs_switch(struct cc_epochs *e);
/*
 * Are there pins of the epoch that is not current?  A grace period has passed since the switch:
 * nobody takes any more.
 */
bool cc_epochs_undrained(const struct cc_epochs *e);

/*
 * From here to as many cc_epoch_put() nothing is given back that can be reached now.  Any context.
 * The read section covers the time from loading the pointer to counting: an epoch's pins
 * are summed up only after a grace period.  All at once, as there is no second pin of an epoch
 * that may not be current any more.
 */
static inline struct cc_epoch __percpu *cc_epoch_pin_many(const struct cc_epochs *both, long n)
{
	struct cc_epoch __percpu *e;

	/* Of this kind, as rcu_read_lock() and its end are calls in a preemptible kernel. */
	rcu_read_lock_sched();
	/*
	 * Pairs with the release in cc_epochs_switch(): who gets the new epoch sees the words
	 * that were cleared before it.
	 */
	e = smp_load_acquire(&both->current_epoch);
	this_cpu_add(e->pins, n);
	rcu_read_unlock_sched();
	return e;
}

static inline struct cc_epoch __percpu *cc_epoch_pin(const struct cc_epochs *both)
{
	return cc_epoch_pin_many(both, 1);
}

/* Any context, any CPU. */
static inline void cc_epoch_put(struct cc_epoch __percpu *e)
{
	/*
	 * What was read of the slot was read before: pairs with smp_mb() in nr_pins().  Where
	 * this is no instruction (x86) loads are not moved behind stores.
	 */
	smp_mb__before_atomic();
	this_cpu_dec(e->pins);
}

#endif
