// SPDX-License-Identifier: GPL-2.0-only
/* Misses and time: deadlines, suspend, how long the oldest read has been waiting. */
#include "miss-deadline.h"
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

	if (disk->missq.suspend_deadline)
		limit = min_not_zero(limit, disk->args.suspend_timeout_ms);
	return limit ? clamp_t(u32, limit / 8, TICK_MIN_MS, TICK_MAX_MS) : TICK_MAX_MS;
}

void cc_miss_start_tick(struct cc_disk *disk)
{
	start_tick(disk, tick_ms(disk));
}

/* Move the bios that came before the given time from one list to another. */
static void take_older(struct bio_list *from, u64 before, struct bio_list *to)
{
	struct bio_list keep = BIO_EMPTY_LIST;
	struct bio *bio;

	while ((bio = bio_list_pop(from)))
		bio_list_add(cc_bio(bio)->arrived < before ? to : &keep, bio);
	*from = keep;
}

static u64 oldest_in(struct bio_list *bios, u64 oldest)
{
	struct bio *bio = bios->head;

	/* In the order of arrival, but for those that came back after a try. */
	return bio ? min(oldest, cc_bio(bio)->arrived) : oldest;
}

static u64 oldest_held(struct cc_missq *q)
{
	u64 oldest = U64_MAX;
	struct rb_node *n;

	lockdep_assert_held(&q->lock);
	oldest = oldest_in(&q->backlog, oldest);
	for (n = rb_first(&q->misses); n; n = rb_next(n))
		oldest = oldest_in(&rb_entry(n, struct cc_miss, node)->bios, oldest);
	return oldest;
}

/* Everything that came before the given time ends; q->lock is held. */
static void take_expired(struct cc_missq *q, u64 before, struct bio_list *ret)
{
	struct rb_node *n;

	take_older(&q->backlog, before, ret);
	for (n = rb_first(&q->misses); n; n = rb_next(n))
		take_older(&rb_entry(n, struct cc_miss, node)->bios, before, ret);
	q->nr_waiting -= bio_list_size(ret);
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

void cc_miss_tick(struct work_struct *work)
{
	struct cc_missq *q = container_of(to_delayed_work(work), struct cc_missq, tick);
	struct cc_disk *disk = container_of(q, struct cc_disk, missq);
	struct bio_list late = BIO_EMPTY_LIST;
	u64 timeout = disk->args.miss_timeout_ms * (u64)NSEC_PER_MSEC;
	unsigned int again = 0;
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
	if (q->suspend_deadline && now >= q->suspend_deadline)
		cc_miss_take_all(q, &late);
	else if (timeout && now > timeout)
		take_expired(q, now - timeout, &late);
	cc_miss_retry_backlog(disk);
	oldest = oldest_held(q);
	if (oldest != U64_MAX)
		say_waiting(disk, now, oldest);
	if (oldest != U64_MAX || q->suspend_deadline)
		again = tick_ms(disk);
	spin_unlock(&q->lock);
	mutex_unlock(disk->cmd);

	cc_miss_end_bios(disk, &late, BLK_STS_TIMEOUT);
	if (again)
		start_tick(disk, again);
}

/* ---- suspend ---- */

void cc_miss_presuspend(struct cc_disk *disk)
{
	struct bio_list bios = BIO_EMPTY_LIST;
	struct cc_missq *q = &disk->missq;
	bool noflush = dm_noflush_suspending(disk->ti);

	spin_lock(&q->lock);
	q->requeueing = true;
	if (!noflush)
		q->suspend_deadline = ktime_get_ns() +
				      disk->args.suspend_timeout_ms * (u64)NSEC_PER_MSEC;
	spin_unlock(&q->lock);
	if (!noflush) {
		mod_delayed_work(disk->slots->wq, &q->tick, msecs_to_jiffies(tick_ms(disk)));
		return;
	}
	/* What is between arrivals and a miss now sees the flag, or is in a miss after this. */
	queue_work(disk->slots->wq, &q->work);
	flush_work(&q->work);
	mutex_lock(disk->cmd);
	spin_lock(&q->lock);
	cc_miss_take_all(q, &bios);
	spin_unlock(&q->lock);
	mutex_unlock(disk->cmd);
	cc_miss_end_bios(disk, &bios, BLK_STS_DM_REQUEUE);
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
	now = ktime_get_ns();
	oldest = oldest_held(q);
	*ret_waiting = q->nr_waiting;
	spin_unlock(&q->lock);
	*ret_oldest_ms = oldest < now ? div_u64(now - oldest, NSEC_PER_MSEC) : 0;
}
