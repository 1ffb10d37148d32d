// SPDX-License-Identifier: GPL-2.0-only
/* Bios of a volume that wait for its work, and how long they may when it is suspended. */
#include "volume.h"
#include "dev.h"
#include "pool.h"
#include "trace.h"

/* Looks again so often while anything waits, whoever failed to say that it could go on. */
#define HOLD_TICK_MS	1000

void cc_hold_kick(struct cc_volume *v)
{
	lockdep_assert_held(&v->lock);
	if (!v->retired)
		queue_work(v->disk.slots->wq, &v->work);
}

void cc_hold_add(struct cc_volume *v, struct bio_list *list, struct bio *bio)
{
	lockdep_assert_held(&v->lock);
	cc_bio(bio)->arrived = ktime_get_ns();
	bio->bi_opf &= ~REQ_NOWAIT;
	bio->bi_status = BLK_STS_OK;
	cc_bio_forget_device(bio);
	bio_list_add(list, bio);
	v->nr_held++;
	if (list == &v->held)
		v->log.blocked |= CC_BLOCKED_HELD;
	cc_hold_kick(v);
}

void cc_hold_end(struct bio *bio, blk_status_t status)
{
	cc_bio_forget_device(bio);
	bio->bi_status = status;
	bio_endio(bio);
}

static void end_throttled(struct cc_volume *v)
{
	lockdep_assert_held(&v->lock);
	v->starved = false;
	if (!v->throttled_since)
		return;
	cc_stats_inc_volume(v->disk.stats, CHUNKCACHE_STAT_THROTTLED_US,
			    div_u64(ktime_get_ns() - v->throttled_since, NSEC_PER_USEC));
	v->throttled_since = 0;
	trace_chunkcache_volume(v->disk.id, v->log.next + v->log.bias, "room");
}

/* With what all that is held is to end; BLK_STS_OK: it can be served. */
static blk_status_t unservable_status(const struct cc_volume *v)
{
	bool due = v->suspend_deadline && ktime_get_ns() >= v->suspend_deadline;

	lockdep_assert_held(&v->lock);
	/* As in suspend_status(). */
	if (due && v->requeueing && dm_noflush_suspending(v->disk.ti))
		return BLK_STS_DM_REQUEUE;
	if (due && !v->requeueing)
		return BLK_STS_TIMEOUT;
	return v->log.journal_failed || v->log.state == CHUNKCACHE_VOLUME_FAILED ? BLK_STS_IOERR :
										   BLK_STS_OK;
}

static bool take_unservable(struct cc_volume *v, struct bio_list *ret, blk_status_t *ret_status)
{
	struct cc_volume_log *l = &v->log;

	lockdep_assert_held(&v->lock);
	*ret_status = unservable_status(v);
	if (!*ret_status)
		return false;
	*ret = v->held;
	bio_list_merge(ret, &v->zeros);
	bio_list_merge(ret, &v->parts);
	bio_list_merge(ret, &v->merged);
	bio_list_merge(ret, &v->storing);
	bio_list_init(&v->held);
	bio_list_init(&v->zeros);
	bio_list_init(&v->parts);
	bio_list_init(&v->merged);
	bio_list_init(&v->storing);
	v->nr_held = 0;
	end_throttled(v);
	l->blocked &= ~CC_BLOCKED_HELD;
	return true;
}

static void end_unservable(struct cc_volume *v)
{
	struct bio_list bios;
	blk_status_t status;
	struct bio *bio;
	bool any;

	spin_lock_irq(&v->lock);
	any = take_unservable(v, &bios, &status);
	spin_unlock_irq(&v->lock);
	while (any && (bio = bio_list_pop(&bios)))
		cc_hold_end(bio, status);
}

static bool serve_held(struct cc_volume *v, struct bio *bio)
{
	if (bio_op(bio) == REQ_OP_READ) {
		cc_volume_read_again(v, bio);
		return true;
	}
	if (!(cc_partial_carries(bio) ? cc_partial_write : cc_volume_write_again)(v, bio))
		return false;
	cc_stats_inc_volume(v->disk.stats, CHUNKCACHE_STAT_HELD, 1);
	return true;
}

/* Serve a list from its head while that is possible; false: something is left. */
static bool serve_list(struct cc_volume *v, struct bio_list *list,
		       bool (*serve)(struct cc_volume *v, struct bio *bio))
{
	struct bio *bio;

	for (;;) {
		spin_lock_irq(&v->lock);
		bio = v->log.blocked & CC_BLOCKED_STATE ? NULL : bio_list_pop(list);
		if (!bio) {
			bool left = !bio_list_empty(list);

			if (!left && list == &v->held)
				v->log.blocked &= ~CC_BLOCKED_HELD;
			spin_unlock_irq(&v->lock);
			return !left;
		}
		v->nr_held--;
		spin_unlock_irq(&v->lock);
		if (!serve(v, bio)) {
			spin_lock_irq(&v->lock);
			bio_list_add_head(list, bio);
			v->nr_held++;
			spin_unlock_irq(&v->lock);
			return false;
		}
		cond_resched();
	}
}

/*
 * Writes wait for room: what was written so far is to be committed.  Closed, as an open log chunk
 * keeps its OPEN record and with it the tail of the journal.
 */
static void ask_for_room(struct cc_volume *v)
{
	bool ask;

	spin_lock_irq(&v->lock);
	ask = v->log.state == CHUNKCACHE_VOLUME_RUNNING && !v->starved;
	if (ask) {
		v->starved = true;
		if (!v->throttled_since)
			v->throttled_since = ktime_get_ns();
		trace_chunkcache_volume(v->disk.id, v->log.next + v->log.bias, "no room");
		cc_log_wish_cut(v, true);
	}
	spin_unlock_irq(&v->lock);
	if (ask)
		cc_bell_ring(v->disk.bell, CHUNKCACHE_PENDING_JOURNAL, NULL);
}

void cc_hold_work(struct work_struct *work)
{
	struct cc_volume *v = container_of(work, struct cc_volume, work);
	bool all, merged, stores = false;

	end_unservable(v);
	cc_partial_take(v);
	cc_log_work(v);
	cc_partial_read(v);
	merged = serve_list(v, &v->merged, serve_held);
	all = serve_list(v, &v->zeros, cc_zero_walk) & merged;
	all &= serve_list(v, &v->held, serve_held);
	if (all) {
		spin_lock_irq(&v->lock);
		end_throttled(v);
		stores = !bio_list_empty(&v->storing);
		spin_unlock_irq(&v->lock);
	} else if (!merged || !READ_ONCE(v->nr_partials)) {
		/* Part of a block that is under way may be all that the others wait for. */
		ask_for_room(v);
	}
	/* A write that opened the spare above has asked for another run. */
	if (!all || stores)
		queue_delayed_work(v->disk.slots->wq, &v->tick, msecs_to_jiffies(HOLD_TICK_MS));
}

void cc_hold_tick(struct work_struct *work)
{
	struct cc_volume *v = container_of(to_delayed_work(work), struct cc_volume, tick);

	spin_lock_irq(&v->lock);
	/* Nothing is written any more: only this tells a device that has died from a slow store. */
	if (v->starved || !bio_list_empty(&v->storing))
		cc_journal_probe(v->journal);
	/* Ask again: others may have filled what the answer made room in. */
	v->starved = false;
	cc_hold_kick(v);
	spin_unlock_irq(&v->lock);
}

/* ---- suspend ---- */

void cc_hold_presuspend(struct cc_volume *v)
{
	u32 ms = v->disk.args.suspend_timeout_ms;

	spin_lock_irq(&v->lock);
	v->requeueing = dm_noflush_suspending(v->disk.ti);
	if (v->requeueing)
		ms = CC_GIVE_BACK_MS;
	v->suspend_deadline = ktime_get_ns() + ms * (u64)NSEC_PER_MSEC;
	spin_unlock_irq(&v->lock);
	/* Not in the jiffy before the deadline. */
	mod_delayed_work(v->disk.slots->wq, &v->tick, msecs_to_jiffies(ms) + 1);
}

void cc_hold_end_suspend(struct cc_volume *v)
{
	spin_lock_irq(&v->lock);
	v->requeueing = false;
	v->suspend_deadline = 0;
	spin_unlock_irq(&v->lock);
}
