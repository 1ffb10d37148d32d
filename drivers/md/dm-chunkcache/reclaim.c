// SPDX-License-Identifier: GPL-2.0-only
/* Reclaim: eviction, epochs' ends, discards, what a shrink leaves behind.  See reclaim.h. */
#include "reclaim.h"
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/sched.h>

/* Pauses between looks at an epoch that readers still hold. */
#define DRAIN_MIN_MS	2u
#define DRAIN_MAX_MS	256u

/*
 * Free slots to keep ready: one in 32, at most 1024 (1 GB at 1 MiB), which is what 10 GB/s
 * fill during an RCU grace period and a slow read.  Very small pools evict on demand only.
 */
u32 cc_reclaim_reserve(const struct cc_slots *s)
{
	return min(s->nr / 32, 1024u);
}

/* What demand may make reclaim evict at once. */
static u32 max_wanted(const struct cc_slots *s)
{
	return max(cc_reclaim_reserve(s), s->nr / 8 + 1);
}

/* Free slots to have now: the reserve, and what demand waits for. */
static u32 to_have(const struct cc_slots *s)
{
	return max(cc_reclaim_reserve(s), s->wanted);
}

static u32 to_evict(const struct cc_slots *s)
{
	u32 want = to_have(s);
	u32 have = cc_slots_nr_free(s) + s->dying.nr + s->draining.nr + s->undiscarded.nr;

	return want > have ? want - have : 0;
}

bool cc_reclaim_is_low(const struct cc_slots *s)
{
	return cc_slots_nr_free(s) + s->dying.nr + s->draining.nr < to_have(s);
}

void cc_reclaim_want(struct cc_slots *s, u32 n)
{
	lockdep_assert_held(&s->lock);
	s->wanted = min(max(s->wanted, n), max_wanted(s));
}

void cc_reclaim_kick(struct cc_slots *s)
{
	queue_work(s->wq, &s->reclaim);
}

/* Nobody reads the slot any more. */
static void give_back(struct cc_slots *s, u32 nr)
{
	if (cc_slots_info(s, nr)->flags & CC_SLOT_FAILED)
		cc_slot_set_state(s, nr, CC_SLOT_BAD);
	else if (nr < s->nr && cc_slots_info(s, nr)->flags & CC_SLOT_DOUBTED)
		cc_slot_set_unjudged(s, nr, true);
	else if (nr < s->nr && s->discard && cc_slots_nr_free(s) >= to_have(s))
		cc_slot_set_undiscarded(s, nr, true);
	else
		cc_slot_set_state(s, nr, CC_SLOT_FREE);
}

/* Up to a batch of the slots that waited for the epoch; false when none is left. */
static bool reap_some(struct cc_slots *s)
{
	unsigned int n;
	bool more;

	spin_lock(&s->lock);
	for (n = 0; n < CC_SLOT_BATCH && s->draining.nr; n++) {
		u32 nr = s->draining.tail;

		cc_slot_set_drained(s, nr);
		give_back(s, nr);
	}
	more = s->draining.nr;
	spin_unlock(&s->lock);
	cond_resched();
	return more;
}

/* The one place that changes how far a switch of epochs is, and the time that is counted for it. */
static void set_switch(struct cc_slots *s, enum cc_switch to)
{
	u64 now = ktime_get_ns();

	lockdep_assert_held(&s->lock);
	if (to == CC_SWITCH_WAITS)
		s->switched_at = now;
	else if (s->switching == CC_SWITCH_WAITS)
		s->switching_ns += now - s->switched_at;
	s->switching = to;
}

/* Give the slots of the drained epoch back, if it has drained. */
static void reap_drained(struct cc_slots *s)
{
	bool drained;

	spin_lock(&s->lock);
	drained = s->switching == CC_SWITCH_DRAINED;
	spin_unlock(&s->lock);
	if (!drained)
		return;
	while (reap_some(s))
		;
	spin_lock(&s->lock);
	set_switch(s, CC_SWITCH_IDLE);
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
	for (n = 0; n < CC_SLOT_BATCH && to_evict(s); n++) {
		u32 nr = cc_policy_evict(&s->policy, &again);

		if (nr == CC_NIL)
			break;
		cc_slot_set_state(s, nr, CC_SLOT_DYING);
		s->nr_evictions++;
		/* One search alone may look at MAX_CHANCES and MAX_SPARED slots. */
		cond_resched_lock(&s->lock);
	}
	spin_unlock(&s->lock);
	cond_resched();
	return n == CC_SLOT_BATCH || again;
}

/* Let the readers that may have seen the words of the dying slots run out. */
static void switch_epoch(struct cc_slots *s)
{
	spin_lock(&s->lock);
	if (s->switching != CC_SWITCH_IDLE || !s->dying.nr) {
		spin_unlock(&s->lock);
		return;
	}
	/* Draining is empty, and the other epoch has no reader: it was reaped. */
	cc_slots_start_draining(s);
	set_switch(s, CC_SWITCH_WAITS);
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
	for (n = 0; n < CC_SLOT_BATCH && s->undiscarded.nr; n++) {
		u32 nr = s->undiscarded.tail;

		if (s->discard && cc_slots_nr_free(s) >= to_have(s))
			break;
		cc_slot_set_undiscarded(s, nr, false);
		cc_slot_set_state(s, nr, CC_SLOT_FREE);
	}
	spin_unlock(&s->lock);
	cond_resched();
	return n == CC_SLOT_BATCH;
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
		cc_slot_set_undiscarded(s, nr, false);
		spin_unlock(&s->lock);
		s->ops->discard(s, cc_slot(nr));
		cond_resched();
		spin_lock(&s->lock);
		cc_slot_set_state(s, nr, CC_SLOT_FREE);
	}
	spin_unlock(&s->lock);
	cc_reclaim_kick(s);
}

/* A slot that could not be read, of which nobody says why. */
static void judge_doubted(struct cc_slots *s, u32 nr, bool works)
{
	bool bad = works && cc_slots_info(s, nr)->state_list & CC_SLOT_SUSPECT;

	lockdep_assert_held(&s->lock);
	if (works)
		cc_slot_set_suspect(s, nr, true);
	cc_slot_set_state(s, nr, bad ? CC_SLOT_BAD : CC_SLOT_FREE);
}

/*
 * If the device can't be read either it is away, and no slot is to blame.  If it can, a slot is
 * suspect the first time, which one moment of an outage can do to it, and bad the second time.
 * In a work of its own: a device that is away can take long to say so.
 */
static void cc_slots_doubts(struct work_struct *work)
{
	struct cc_slots *s = container_of(work, struct cc_slots, doubts);
	bool works;
	u32 left;

	spin_lock(&s->lock);
	/* What is linked meanwhile comes in front, and has its own look. */
	while (!s->stopped && s->doubted.nr) {
		left = s->doubted.nr;
		spin_unlock(&s->lock);
		works = s->ops->device_works(s);
		spin_lock(&s->lock);
		while (left--) {
			u32 nr = s->doubted.tail;

			cc_slot_set_unjudged(s, nr, false);
			judge_doubted(s, nr, works);
			cond_resched_lock(&s->lock);
		}
	}
	spin_unlock(&s->lock);
	cc_reclaim_kick(s);
}

/* Up to a batch of the slots behind the end are told to go; false when all were. */
static bool sweep_some(struct cc_slots *s)
{
	unsigned int n;
	bool more;

	spin_lock(&s->lock);
	for (n = 0; n < CC_SLOT_BATCH && s->swept < s->end; n++) {
		u32 nr = s->swept++;

		switch (cc_slot_state(cc_slots_info(s, nr))) {
		case CC_SLOT_FREE:
		case CC_SLOT_BAD:
			cc_slot_set_state(s, nr, CC_SLOT_FREE);
			break;
		case CC_SLOT_VALID:
			cc_policy_remove(&s->policy, nr);
			cc_slot_set_state(s, nr, CC_SLOT_DYING);
			break;
		case CC_SLOT_DYING:
			if (!(cc_slots_info(s, nr)->flags & CC_SLOT_UNDISCARDED))
				break;
			cc_slot_set_undiscarded(s, nr, false);
			cc_slot_set_state(s, nr, CC_SLOT_FREE);
			break;
		case CC_SLOT_FILLING:
		case CC_SLOT_LOG:
		case CC_SLOT_GONE:
			break;
		}
		/* The others go when their filler, readers, discard, commit are done. */
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

/* Can demand be served that could not be before?  It is forgotten then. */
static bool take_wanted(struct cc_slots *s)
{
	bool wanted, serve;

	spin_lock(&s->lock);
	wanted = s->wanted || (s->log_wanted && cc_slots_below_dirty_max(s));
	serve = wanted && cc_slots_nr_free(s);
	if (serve) {
		s->wanted = 0;
		s->log_wanted = false;
	}
	spin_unlock(&s->lock);
	return serve;
}

/* Only this work switches and reaps, so that what they read of the epochs is stable. */
static void cc_slots_reclaim(struct work_struct *work)
{
	struct cc_slots *s = container_of(work, struct cc_slots, reclaim);
	bool serve;

	reap_drained(s);
	spin_lock(&s->lock);
	/* Recovering: what is behind the end of a pool that was shrunk may be dirty. */
	serve = cc_slots_serving(s);
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

	serve = take_wanted(s);
	spin_lock(&s->lock);
	if (s->undiscarded.nr)
		queue_work(s->wq, &s->discards);
	if (s->doubted.nr)
		queue_work(s->wq, &s->doubts);
	spin_unlock(&s->lock);
	if (serve)
		s->ops->freed(s);
	if (ended_shrinking(s))
		s->ops->shrunk(s);
}

/*
 * Nobody takes pins of the other epoch any more: a put that rang would cost every hit, so reads of
 * it that are still under way are looked for now and then.  No further grace period is needed, and
 * the pauses grow with the wait, as a read may be stuck for long.
 */
static void cc_slots_drain(struct work_struct *work)
{
	struct cc_slots *s = container_of(to_delayed_work(work), struct cc_slots, drain);

	if (cc_epochs_undrained(&s->epochs)) {
		s->drain_ms = min(2 * s->drain_ms, DRAIN_MAX_MS);
		queue_delayed_work(s->wq, &s->drain, msecs_to_jiffies(s->drain_ms));
		return;
	}
	spin_lock(&s->lock);
	set_switch(s, CC_SWITCH_DRAINED);
	spin_unlock(&s->lock);
	queue_work(s->wq, &s->reclaim);
}

/* A grace period has passed since the switch. */
static void cc_slots_grace(struct work_struct *work)
{
	struct cc_slots *s = container_of(to_rcu_work(work), struct cc_slots, grace);

	s->drain_ms = DRAIN_MIN_MS;
	cc_slots_drain(&s->drain.work);
}

void cc_reclaim_init(struct cc_slots *s)
{
	INIT_RCU_WORK(&s->grace, cc_slots_grace);
	INIT_DELAYED_WORK(&s->drain, cc_slots_drain);
	INIT_WORK(&s->reclaim, cc_slots_reclaim);
	INIT_WORK(&s->discards, cc_slots_discards);
	INIT_WORK(&s->doubts, cc_slots_doubts);
	s->stopped = true;
}

void cc_reclaim_exit(struct cc_slots *s)
{
	/* Stopped: reclaim switches no epoch, and the last one has no reader left to wait for. */
	flush_rcu_work(&s->grace);
	cancel_delayed_work_sync(&s->drain);
	cancel_work_sync(&s->discards);
	cancel_work_sync(&s->doubts);
	cancel_work_sync(&s->reclaim);
}

void cc_slots_start(struct cc_slots *s, bool discard)
{
	spin_lock(&s->lock);
	s->stopped = false;
	s->discard = discard;
	spin_unlock(&s->lock);
	cc_reclaim_kick(s);
}

void cc_slots_stop(struct cc_slots *s)
{
	spin_lock(&s->lock);
	s->stopped = true;
	spin_unlock(&s->lock);
	flush_work(&s->reclaim);
	flush_work(&s->discards);
	flush_work(&s->doubts);
}
