// SPDX-License-Identifier: GPL-2.0-only
/* The journal of a pool: states, room, records in memory, who waits.  See journal.h. */
#include "journal.h"
#include <linux/completion.h>
#include <linux/gfp.h>
#include <linux/jiffies.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include "journal-impl.h"
#include "superblock.h"

static_assert(sizeof(struct cc_journal_page) == CC_JOURNAL_PAGE);
static_assert(CC_JOURNAL_PAGE <= PAGE_SIZE);
static_assert(sizeof(struct cc_journal_buf) <= 4096);

/*
 * Pages in memory: a flush of a device takes some milliseconds at worst, so that 8000 records last
 * for a million writes a second.  Those that are kept are for a COMMITTED, a CUT and an OPEN of
 * many volumes, and for a batch of the helper's.
 */
#define NR_BUFS		64
#define KEPT_BUFS	8
/* Of the ring: an eighth (4000 records of the smallest), and what no reservation gets. */
#define kept_positions(j)	((j)->positions / 8)
#define LAST_POSITIONS	(CC_JOURNAL_TRIES + 1)
static_assert(CC_JOURNAL_SIZE_MIN / CC_JOURNAL_POSITION / 8 > LAST_POSITIONS);

/*
 * Full pages that nobody waits for are written when there are so many: fewer switches to the work,
 * and a flush finds no more of them before its own.
 */
#define FULL_BUFS	4

/* What is added is durable after so long, also if nobody waits for it. */
#define LAZY_WRITE	(HZ * 3 / 4)

struct workqueue_struct *cc_journal_wq;

int cc_journal_module_init(void)
{
	/* Flushes wait for it, and reclaim may wait for flushes. */
	cc_journal_wq = alloc_workqueue("dm-chunkcache-journal",
					WQ_MEM_RECLAIM | WQ_UNBOUND | WQ_HIGHPRI, 0);
	return cc_journal_wq ? 0 : -ENOMEM;
}

void cc_journal_module_exit(void)
{
	destroy_workqueue(cc_journal_wq);
}

void cc_journal_set_state(struct cc_journal *j, u32 state)
{
	lockdep_assert_held(&j->lock);
	WRITE_ONCE(j->state, state);
}

/* ---- life ---- */

static void cc_journal_lazy_write(struct work_struct *work)
{
	struct cc_journal *j = container_of(to_delayed_work(work), struct cc_journal, timer);
	bool begun;

	spin_lock_irq(&j->lock);
	j->timing = false;
	/* A write that is under way may not have it all. */
	j->hurry |= cc_journal_unwritten(j);
	begun = cc_journal_begin_write(j);
	spin_unlock_irq(&j->lock);
	if (begun)
		cc_journal_submit(j);
}

static void set_timer(struct cc_journal *j)
{
	lockdep_assert_held(&j->lock);
	if (j->timing)
		return;
	j->timing = true;
	queue_delayed_work(cc_journal_wq, &j->timer, LAZY_WRITE);
}

static void free_bufs(struct list_head *bufs)
{
	struct cc_journal_buf *buf, *tmp;

	list_for_each_entry_safe(buf, tmp, bufs, node)
		kfree(buf);
}

static int alloc_pages_of(struct cc_journal *j)
{
	struct cc_journal_buf *buf;

	j->out = (struct cc_journal_page *)__get_free_page(GFP_KERNEL);
	if (!j->out)
		return -ENOMEM;
	while (j->nr_spare < NR_BUFS) {
		buf = kmalloc(sizeof(*buf), GFP_KERNEL);
		if (!buf)
			return -ENOMEM;
		list_add(&buf->node, &j->spare);
		j->nr_spare++;
	}
	return 0;
}

int cc_journal_init(struct cc_journal *j, const struct cc_journal_of *of,
		    const struct cc_journal_ops *ops)
{
	const struct cc_geometry *geo = of->geo;

	memset(j, 0, sizeof(*j));
	spin_lock_init(&j->lock);
	INIT_LIST_HEAD(&j->queue);
	INIT_LIST_HEAD(&j->spare);
	INIT_LIST_HEAD(&j->waits);
	INIT_WORK(&j->work, cc_journal_work);
	INIT_DELAYED_WORK(&j->timer, cc_journal_lazy_write);
	init_waitqueue_head(&j->idle);
	j->pool = of->pool;
	j->name = of->name;
	j->uuid = geo->uuid;
	j->instance = of->instance;
	j->ops = ops;
	j->start = geo->journal_start;
	j->positions = (geo->journal_end - geo->journal_start) /
		       (CC_JOURNAL_POSITION >> SECTOR_SHIFT);
	if (!j->positions)
		return 0;
	spin_lock_irq(&j->lock);
	cc_journal_set_state(j, CHUNKCACHE_JOURNAL_RECOVERING);
	spin_unlock_irq(&j->lock);
	return alloc_pages_of(j);
}

void cc_journal_exit(struct cc_journal *j)
{
	cancel_delayed_work_sync(&j->timer);
	cancel_work_sync(&j->work);
	free_bufs(&j->queue);
	free_bufs(&j->spare);
	free_page((unsigned long)j->out);
}

void cc_journal_start(struct cc_journal *j, struct block_device *bdev)
{
	spin_lock_irq(&j->lock);
	if (!j->users++)
		j->bdev = bdev;
	spin_unlock_irq(&j->lock);
	queue_work(cc_journal_wq, &j->work);
}

struct sync_wait {
	struct cc_journal_wait w;
	struct completion done;
};

static void sync_done(struct cc_journal_wait *w, blk_status_t status)
{
	complete(&container_of(w, struct sync_wait, w)->done);
}

/* Until all that was added before is durable, or can't be. */
static void sync_journal(struct cc_journal *j)
{
	struct sync_wait s = { .w.done = sync_done };
	u64 seq;

	init_completion(&s.done);
	spin_lock_irq(&j->lock);
	seq = j->seq;
	spin_unlock_irq(&j->lock);
	cc_journal_wait(j, &s.w, seq);
	wait_for_completion(&s.done);
}

static bool is_idle(struct cc_journal *j)
{
	bool idle;

	spin_lock_irq(&j->lock);
	idle = !j->busy;
	spin_unlock_irq(&j->lock);
	return idle;
}

void cc_journal_stop(struct cc_journal *j)
{
	bool last;

	sync_journal(j);
	spin_lock_irq(&j->lock);
	last = !--j->users;
	spin_unlock_irq(&j->lock);
	if (last)
		wait_event(j->idle, is_idle(j));
}

/* ---- room ---- */

/* Records that may be reserved in all, if so many pages and positions are kept. */
static u64 room(struct cc_journal *j, unsigned int kept_bufs, u64 kept)
{
	const struct cc_journal_buf *last = list_empty(&j->queue) ? NULL :
		list_last_entry(&j->queue, struct cc_journal_buf, node);
	u64 used = j->next - j->durable_tail + cc_journal_unnumbered(j) + kept;
	u64 pages = used < j->positions ? j->positions - used : 0;

	lockdep_assert_held(&j->lock);
	pages = min_t(u64, pages, j->nr_spare > kept_bufs ? j->nr_spare - kept_bufs : 0);
	return pages * CC_JOURNAL_RECORDS + (last ? CC_JOURNAL_RECORDS - last->count : 0);
}

static u64 bulk_room(struct cc_journal *j)
{
	return room(j, KEPT_BUFS, kept_positions(j));
}

static u64 vital_room(struct cc_journal *j)
{
	return room(j, 1, LAST_POSITIONS);
}

bool cc_journal_take_room(struct cc_journal *j)
{
	bool room = (j->starved && j->reserved < bulk_room(j)) ||
		    (j->vital_starved && j->reserved < vital_room(j));

	if (room) {
		j->starved = false;
		j->vital_starved = false;
	}
	return room && j->state == CHUNKCACHE_JOURNAL_RUNNING;
}

static bool take_reserve(struct cc_journal *j, unsigned int n, u64 room)
{
	lockdep_assert_held(&j->lock);
	if (j->state != CHUNKCACHE_JOURNAL_RUNNING || j->reserved + n > room)
		return false;
	j->reserved += n;
	return true;
}

static bool reserve(struct cc_journal *j, unsigned int n, u64 (*room_of)(struct cc_journal *j),
		    bool *starved)
{
	unsigned long flags;
	bool ok;

	spin_lock_irqsave(&j->lock, flags);
	ok = take_reserve(j, n, room_of(j));
	if (!ok)
		*starved = j->state == CHUNKCACHE_JOURNAL_RUNNING;
	spin_unlock_irqrestore(&j->lock, flags);
	/* What is in memory has to go, a new tail, too, and the helper to hear of it. */
	if (!ok)
		queue_work(cc_journal_wq, &j->work);
	return ok;
}

bool cc_journal_reserve(struct cc_journal *j, unsigned int n)
{
	return reserve(j, n, bulk_room, &j->starved);
}

bool cc_journal_reserve_ahead(struct cc_journal *j, unsigned int n)
{
	unsigned long flags;
	bool ok;

	spin_lock_irqsave(&j->lock, flags);
	ok = take_reserve(j, n, bulk_room(j) / 2);
	spin_unlock_irqrestore(&j->lock, flags);
	return ok;
}

bool cc_journal_reserve_vital(struct cc_journal *j, unsigned int n)
{
	return reserve(j, n, vital_room, &j->vital_starved);
}

void cc_journal_release(struct cc_journal *j, unsigned int n)
{
	unsigned long flags;
	bool starved;

	spin_lock_irqsave(&j->lock, flags);
	j->reserved -= n;
	starved = j->starved || j->vital_starved;
	spin_unlock_irqrestore(&j->lock, flags);
	if (starved)
		queue_work(cc_journal_wq, &j->work);
}

/* ---- records ---- */

struct cc_journal_buf *cc_journal_open_buf(struct cc_journal *j)
{
	struct cc_journal_buf *buf = list_first_entry(&j->spare, struct cc_journal_buf, node);

	lockdep_assert_held(&j->lock);
	buf->number = 0;
	buf->last_seq = j->seq;
	buf->version = 0;
	buf->count = 0;
	buf->durable = 0;
	list_move_tail(&buf->node, &j->queue);
	j->nr_spare--;
	j->nr_queue++;
	return buf;
}

/* As many of n as go into the page that takes records; is that full now? */
static unsigned int add_to_page(struct cc_journal *j, const struct cc_journal_record *r,
				unsigned int n, bool *ret_full)
{
	struct cc_journal_buf *buf = NULL;

	lockdep_assert_held(&j->lock);
	if (!list_empty(&j->queue))
		buf = list_last_entry(&j->queue, struct cc_journal_buf, node);
	if (!buf || buf->count == CC_JOURNAL_RECORDS)
		buf = cc_journal_open_buf(j);
	n = min(n, CC_JOURNAL_RECORDS - buf->count);
	memcpy(&buf->record[buf->count], r, n * sizeof(*r));
	buf->count += n;
	j->seq += n;
	buf->last_seq = j->seq;
	*ret_full = buf->count == CC_JOURNAL_RECORDS;
	return n;
}

u64 cc_journal_add(struct cc_journal *j, const struct cc_journal_record *r, unsigned int n)
{
	bool full = false, filled;
	unsigned int done;
	u64 seq;

	lockdep_assert_irqs_disabled();
	spin_lock(&j->lock);
	j->reserved -= n;
	for (; n; n -= done, r += done) {
		done = add_to_page(j, r, n, &filled);
		full |= filled && j->nr_queue >= FULL_BUFS;
	}
	seq = j->seq;
	set_timer(j);
	spin_unlock(&j->lock);
	if (full)
		queue_work(cc_journal_wq, &j->work);
	return seq;
}

/*
 * May a bio be submitted here, whatever the caller does besides?  In the map() of a target it is
 * only put on the list of the submission that is under way, and core goes on with it.
 */
static bool can_submit(void)
{
	return in_task() && current->bio_list;
}

void cc_journal_wait(struct cc_journal *j, struct cc_journal_wait *w, u64 seq)
{
	bool waits, begun = false, kick = false;
	unsigned long flags;
	blk_status_t status;

	spin_lock_irqsave(&j->lock, flags);
	w->seq = seq;
	status = seq <= j->durable_seq ? BLK_STS_OK : BLK_STS_IOERR;
	waits = status && j->state == CHUNKCACHE_JOURNAL_RUNNING;
	if (waits) {
		list_add_tail(&w->node, &j->waits);
		begun = can_submit() && cc_journal_begin_write(j);
		kick = !j->busy;
	}
	spin_unlock_irqrestore(&j->lock, flags);
	if (!waits)
		w->done(w, status);
	else if (begun)
		cc_journal_submit(j);
	else if (kick)
		queue_work(cc_journal_wq, &j->work);
}

void cc_journal_tell(struct cc_journal *j, bool hurry)
{
	unsigned long flags;

	spin_lock_irqsave(&j->lock, flags);
	j->hurry |= hurry;
	j->tell = true;
	spin_unlock_irqrestore(&j->lock, flags);
	if (hurry)
		queue_work(cc_journal_wq, &j->work);
}

void cc_journal_probe(struct cc_journal *j)
{
	const struct cc_journal_buf *first;
	unsigned long flags;
	bool probe;

	spin_lock_irqsave(&j->lock, flags);
	first = cc_journal_first(j);
	/* Without a position that can be had the journal is full, not dead. */
	probe = j->state == CHUNKCACHE_JOURNAL_RUNNING && j->users &&
		((first && first->number) || j->next - j->durable_tail < j->positions);
	j->probe |= probe;
	j->hurry |= probe;
	spin_unlock_irqrestore(&j->lock, flags);
	if (probe)
		queue_work(cc_journal_wq, &j->work);
}

/* ---- of the helper ---- */

int cc_journal_resume(struct cc_journal *j, u64 head, u64 prev, u64 tail)
{
	int r = 0;

	spin_lock_irq(&j->lock);
	if (j->state != CHUNKCACHE_JOURNAL_RECOVERING) {
		r = -EBUSY;
	} else if (!tail || prev >= head || head > S64_MAX || (tail != head && tail > prev) ||
		   head - tail >= j->positions) {
		r = -ERANGE;
	} else {
		j->next = head;
		j->prev = prev;
		j->tail = tail;
		j->durable_tail = tail;
		/* A first page at once: so it is known that there can be one. */
		cc_journal_open_buf(j);
		j->hurry = true;
		cc_journal_set_state(j, CHUNKCACHE_JOURNAL_RUNNING);
	}
	spin_unlock_irq(&j->lock);
	if (!r)
		queue_work(cc_journal_wq, &j->work);
	return r;
}

int cc_journal_trim(struct cc_journal *j, u64 tail)
{
	const struct cc_journal_buf *first;
	int r = -ERANGE;

	spin_lock_irq(&j->lock);
	first = cc_journal_first(j);
	if (j->state == CHUNKCACHE_JOURNAL_RUNNING && tail >= j->tail &&
	    tail <= (first && first->number ? first->number : j->next)) {
		j->tail = tail;
		j->hurry |= cc_journal_half_full(j);
		set_timer(j);
		r = 0;
	}
	spin_unlock_irq(&j->lock);
	queue_work(cc_journal_wq, &j->work);
	return r;
}

const char *cc_journal_word(const struct cc_journal *j)
{
	static const char *const words[] = {
		[CHUNKCACHE_JOURNAL_NONE] = "none",
		[CHUNKCACHE_JOURNAL_RECOVERING] = "recovering",
		[CHUNKCACHE_JOURNAL_RUNNING] = "running",
		[CHUNKCACHE_JOURNAL_FAILED] = "failed",
	};

	return words[cc_journal_state(j)];
}

void cc_journal_read(struct cc_journal *j, struct cc_journal_view *ret)
{
	spin_lock_irq(&j->lock);
	ret->state = j->state;
	ret->head = j->head;
	ret->tail = j->tail;
	ret->used = j->next - j->durable_tail;
	ret->positions = j->positions;
	ret->pages = j->nr_pages;
	ret->records = j->seq - j->seq_base;
	spin_unlock_irq(&j->lock);
}

void cc_journal_clear_stats(struct cc_journal *j)
{
	spin_lock_irq(&j->lock);
	j->nr_pages = 0;
	j->seq_base = j->seq;
	spin_unlock_irq(&j->lock);
}
