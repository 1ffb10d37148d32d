// SPDX-License-Identifier: GPL-2.0-only
/* Misses and time: deadlines, suspend, how long the oldest read has been waiting. */
#include "miss-deadline.h"
#include <linux/sched.h>
#include "miss-state.h"

/* A hard disk says that it waits after so long, and again each time. */
#define SAY_AFTER_NS	(30 * NSEC_PER_SEC)
#define TICK_MAX_MS	1000
#define TICK_MIN_MS	5

/* ---- deadlines ---- */

static void start_tick(struct cc_disk *disk, unsigned int ms)
{
	queue_delayed_work(disk->slots->wq, &disk->missq.tick, msecs_to_jiffies(ms));
}

static unsigned int tick_ms(const struct cc_disk *disk)
{
	u32 limit = disk->args.miss_timeout_ms;

	if (disk->missq.requeueing)
		return CC_GIVE_BACK_MS;
	if (disk->missq.suspend_deadline)
		limit = min_not_zero(limit, disk->args.suspend_timeout_ms);
	return limit ? clamp_t(u32, limit / 8, TICK_MIN_MS, TICK_MAX_MS) : TICK_MAX_MS;
}

void cc_miss_start_tick(struct cc_disk *disk)
{
	start_tick(disk, tick_ms(disk));
}

static u64 oldest_held(struct cc_disk *disk)
{
	struct cc_missq *q = &disk->missq;
	struct bio *bio = bio_list_peek(&q->backlog);
	struct cc_miss *m = NULL;
	/* In the order of arrival, but for those that came back after a try. */
	u64 oldest = bio ? cc_bio(bio)->arrived : U64_MAX;

	while ((m = cc_miss_next(disk, m)))
		oldest = min(oldest, m->waiters.oldest);
	return oldest;
}

/*
 * Those of some bios that came before the given time are late, the others stay.  No lock is held:
 * the mutex keeps away who else would take them.  Returns how many are late.
 */
static u32 sort_out(struct cc_disk *disk, struct bio_list *bios, u64 before,
		    struct bio_list *late, struct bio_list *stay)
{
	struct bio *bio;
	u32 nr = 0;

	lockdep_assert_held(disk->cmd);
	while ((bio = bio_list_pop(bios))) {
		if (cc_bio(bio)->arrived < before) {
			bio_list_add(late, bio);
			nr++;
		} else {
			bio_list_add(stay, bio);
		}
		cond_resched();
	}
	return nr;
}

static void expire_backlog(struct cc_disk *disk, u64 before, struct bio_list *late)
	__must_hold(&disk->missq.lock)
{
	struct bio_list stay = BIO_EMPTY_LIST;
	struct cc_missq *q = &disk->missq;
	struct bio_list bios = q->backlog;
	u32 nr;

	bio_list_init(&q->backlog);
	spin_unlock(&q->lock);
	nr = sort_out(disk, &bios, before, late, &stay);
	spin_lock(&q->lock);
	bio_list_merge_head(&q->backlog, &stay);
	q->nr_backlog -= nr;
	q->nr_waiting -= nr;
}

static void expire_miss(struct cc_disk *disk, struct cc_miss *m, u64 before,
			struct bio_list *late)
	__must_hold(&disk->missq.lock)
{
	struct bio_list bios = BIO_EMPTY_LIST, stay = BIO_EMPTY_LIST;
	struct cc_missq *q = &disk->missq;
	struct cc_waiters waiting;
	struct bio *bio;
	u32 nr;

	cc_waiters_take(&m->waiters, &bios);
	spin_unlock(&q->lock);
	nr = sort_out(disk, &bios, before, late, &stay);
	cc_waiters_init(&waiting);
	while ((bio = bio_list_pop(&stay)))
		cc_waiters_add(disk, &waiting, bio);
	spin_lock(&q->lock);
	cc_waiters_merge(&m->waiters, &waiting);
	q->nr_waiting -= nr;
}

/* Everything that came before the given time ends; the lock is given up now and then. */
static void take_expired(struct cc_disk *disk, u64 before, struct bio_list *late)
{
	struct cc_miss *m = NULL;

	lockdep_assert_held(&disk->missq.lock);
	if (!bio_list_empty(&disk->missq.backlog))
		expire_backlog(disk, before, late);
	while ((m = cc_miss_next(disk, m)))
		if (m->waiters.oldest < before)
			expire_miss(disk, m, before, late);
}

static void say_waiting(struct cc_disk *disk, u64 now, u64 oldest)
{
	struct cc_missq *q = &disk->missq;

	if (disk->args.miss_timeout_ms || oldest > now || now - oldest < SAY_AFTER_NS ||
	    (q->said && now - q->said < SAY_AFTER_NS))
		return;
	q->said = now;
	DMWARN_LIMIT("%s: %u reads wait for data, the oldest for %llu s; is the helper running and its store reachable?",
		     dm_table_device_name(disk->ti->table), q->nr_waiting,
		     div_u64(now - oldest, NSEC_PER_SEC));
}

/* With what all that is held is to end, because of a suspend; BLK_STS_OK: not now. */
static blk_status_t suspend_status(const struct cc_disk *disk, u64 now)
{
	const struct cc_missq *q = &disk->missq;

	lockdep_assert_held(&q->lock);
	if (!q->suspend_deadline || now < q->suspend_deadline)
		return BLK_STS_OK;
	if (!q->requeueing)
		return BLK_STS_TIMEOUT;
	/* Core clears it before presuspend_undo, and makes an error of a requeue from then on. */
	return dm_noflush_suspending(disk->ti) ? BLK_STS_DM_REQUEUE : BLK_STS_OK;
}

void cc_miss_tick(struct work_struct *work)
{
	struct cc_missq *q = container_of(to_delayed_work(work), struct cc_missq, tick);
	struct cc_disk *disk = container_of(q, struct cc_disk, missq);
	struct bio_list late = BIO_EMPTY_LIST;
	u64 timeout = disk->args.miss_timeout_ms * (u64)NSEC_PER_MSEC;
	unsigned int again = 0;
	blk_status_t status;
	u64 now, oldest;

	/*
	 * Not while an answer holds bios that it took out; nor may the works of many disks
	 * wait here for one that holds the mutex long.
	 */
	if (!mutex_trylock(disk->cmd)) {
		start_tick(disk, TICK_MIN_MS);
		return;
	}
	spin_lock(&q->lock);
	now = ktime_get_ns();
	status = suspend_status(disk, now);
	if (status)
		cc_miss_take_all(disk, &late);
	else if (timeout && now > timeout)
		take_expired(disk, now - timeout, &late);
	cc_miss_retry_backlog(disk);
	oldest = oldest_held(disk);
	if (oldest != U64_MAX)
		say_waiting(disk, now, oldest);
	if (oldest != U64_MAX || q->suspend_deadline)
		again = tick_ms(disk);
	spin_unlock(&q->lock);
	mutex_unlock(disk->cmd);

	cc_miss_end_bios(disk, &late, status ?: BLK_STS_TIMEOUT);
	if (again)
		start_tick(disk, again);
}

/* ---- suspend ---- */

void cc_miss_presuspend(struct cc_disk *disk)
{
	struct cc_missq *q = &disk->missq;
	u32 ms = disk->args.suspend_timeout_ms;

	spin_lock(&q->lock);
	q->requeueing = dm_noflush_suspending(disk->ti);
	if (q->requeueing)
		ms = CC_GIVE_BACK_MS;
	q->suspend_deadline = ktime_get_ns() + ms * (u64)NSEC_PER_MSEC;
	spin_unlock(&q->lock);
	mod_delayed_work(disk->slots->wq, &q->tick, msecs_to_jiffies(tick_ms(disk)));
}

void cc_miss_end_suspend(struct cc_disk *disk)
{
	struct cc_missq *q = &disk->missq;

	spin_lock(&q->lock);
	q->requeueing = false;
	q->suspend_deadline = 0;
	spin_unlock(&q->lock);
}

void cc_miss_gauges(struct cc_disk *disk, u64 *ret_waiting, u64 *ret_oldest_ms)
{
	struct cc_missq *q = &disk->missq;
	u64 now, oldest;

	spin_lock(&q->lock);
	oldest = oldest_held(disk);
	*ret_waiting = q->nr_waiting;
	spin_unlock(&q->lock);
	now = ktime_get_ns();
	*ret_oldest_ms = oldest < now ? div_u64(now - oldest, NSEC_PER_MSEC) : 0;
}
