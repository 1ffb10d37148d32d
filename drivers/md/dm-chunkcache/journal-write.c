// SPDX-License-Identifier: GPL-2.0-only
/* The writer of the journal's pages: one in flight, its end, and what follows from that. */
#include "journal-impl.h"
#include <linux/blk-cgroup.h>
#include <linux/blkdev.h>
#include <linux/crc32c.h>
#include <linux/device-mapper.h>
#include <linux/string.h>
#include <linux/stringify.h>
#include "trace.h"

bool cc_journal_unwritten(struct cc_journal *j)
{
	const struct cc_journal_buf *first = cc_journal_first(j);

	if (j->tail != j->durable_tail || j->probe)
		return true;
	return first && (!first->number || first->count > first->durable || j->nr_queue > 1);
}

/* Has it to be written now, and not by and by?  A page that is full makes room. */
static bool is_due(struct cc_journal *j)
{
	const struct cc_journal_buf *first = cc_journal_first(j);

	return !list_empty(&j->waits) || j->hurry || j->starved || j->vital_starved || j->tries ||
	       (first && first->count == CC_JOURNAL_RECORDS);
}

/* ---- out ---- */

static void fill_page(struct cc_journal *j, const struct cc_journal_buf *buf)
{
	struct cc_journal_page *p = j->out;
	size_t used = buf->count * sizeof(p->record[0]);

	memset(p, 0, offsetof(struct cc_journal_page, record));
	memcpy(p->magic, CC_JOURNAL_MAGIC, sizeof(p->magic));
	p->version_of_format = cpu_to_le16(CC_JOURNAL_VERSION);
	p->count = cpu_to_le16(buf->count);
	export_uuid(p->pool_uuid, &j->uuid);
	p->instance = cpu_to_le64(j->instance);
	p->number = cpu_to_le64(buf->number);
	p->prev = cpu_to_le64(j->prev);
	p->tail = cpu_to_le64(j->tail);
	p->version = cpu_to_le32(buf->version);
	memcpy(p->record, buf->record, used);
	memset((char *)p->record + used, 0, sizeof(p->record) - used);
}

/* For good; the work tells all who wait, and by tries why. */
static void fail(struct cc_journal *j)
{
	cc_journal_set_state(j, CHUNKCACHE_JOURNAL_FAILED);
	queue_work(cc_journal_wq, &j->work);
}

/* The first page gets its number.  False: all positions are in use. */
static bool set_number(struct cc_journal *j, struct cc_journal_buf *buf)
{
	if (j->next - j->durable_tail >= j->positions)
		return false;
	buf->number = j->next++;
	buf->version = 0;
	return true;
}

bool cc_journal_begin_write(struct cc_journal *j)
{
	struct cc_journal_buf *buf = cc_journal_first(j);

	lockdep_assert_held(&j->lock);
	if (j->busy || !j->users || j->state != CHUNKCACHE_JOURNAL_RUNNING ||
	    !cc_journal_unwritten(j))
		return false;
	if (!buf)
		buf = cc_journal_open_buf(j);
	if (!buf->number && !set_number(j, buf)) {
		/* Room was kept for it: the rest was lost to errors. */
		fail(j);
		return false;
	}
	buf->version++;
	fill_page(j, buf);
	j->probe = false;
	j->busy = true;
	j->out_seq = buf->last_seq;
	j->out_tell = j->tell;
	/* What was asked for is on its way, if the copy has all. */
	if (j->nr_queue == 1) {
		j->hurry = false;
		j->tell = false;
	}
	return true;
}

static void cc_journal_endio(struct bio *bio);

void cc_journal_submit(struct cc_journal *j)
{
	struct cc_journal_page *p = j->out;
	u64 place = le64_to_cpu(p->number) % j->positions * 2 + le32_to_cpu(p->version) % 2;

	p->crc = 0;
	p->crc = cpu_to_le32(~crc32c(~0, p, CC_JOURNAL_PAGE));
	/*
	 * PREFLUSH, also of the timer's and of full pages: a record must never be more durable than
	 * the bytes it is about.  FUA: the page itself.
	 */
	bio_init(&j->bio, j->bdev, &j->bvec, 1,
		 REQ_OP_WRITE | REQ_PREFLUSH | REQ_FUA | REQ_SYNC | REQ_META);
	/* Not of whoever happens to submit it: all volumes wait for it. */
	bio_associate_blkg_from_css(&j->bio, blkcg_root_css);
	j->bio.bi_iter.bi_sector = j->start + place * (CC_JOURNAL_PAGE >> SECTOR_SHIFT);
	j->bio.bi_private = j;
	j->bio.bi_end_io = cc_journal_endio;
	__bio_add_page(&j->bio, virt_to_page(p), CC_JOURNAL_PAGE, offset_in_page(p));
	submit_bio(&j->bio);
}

/* ---- its end ---- */

static void take_durable(struct cc_journal *j, struct cc_journal_buf *buf)
{
	buf->durable = le16_to_cpu(j->out->count);
	j->durable_seq = j->out_seq;
	j->durable_tail = le64_to_cpu(j->out->tail);
	j->head = buf->number;
	j->tries = 0;
	j->nr_pages++;
	if (buf->durable == CC_JOURNAL_RECORDS) {
		j->prev = buf->number;
		list_move_tail(&buf->node, &j->spare);
		j->nr_queue--;
		j->nr_spare++;
	}
}

/*
 * The page takes the next number, with all its records, also those that an earlier version of it
 * has made durable: that one is left out of the chain.
 */
static void fail_or_retry(struct cc_journal *j, struct cc_journal_buf *buf)
{
	j->tell |= j->out_tell;
	if (++j->tries >= CC_JOURNAL_TRIES || j->next - j->durable_tail >= j->positions) {
		fail(j);
		return;
	}
	if (j->tail == buf->number)
		j->tail = j->next;
	buf->number = 0;
}

static void take_waits(struct cc_journal *j, u64 seq, struct list_head *ret)
{
	struct cc_journal_wait *w, *tmp;

	list_for_each_entry_safe(w, tmp, &j->waits, node)
		if (w->seq <= seq)
			list_move_tail(&w->node, ret);
}

static void end_waits(struct list_head *waits, blk_status_t status)
{
	struct cc_journal_wait *w, *tmp;

	list_for_each_entry_safe(w, tmp, waits, node)
		w->done(w, status);
}

/* Is there anything that only a work can do? */
static bool needs_work(struct cc_journal *j)
{
	return j->out_status || is_due(j) || j->tell || j->out_tell || cc_journal_half_full(j);
}

/* Any context. */
static void cc_journal_endio(struct bio *bio)
{
	struct cc_journal *j = bio->bi_private;
	struct cc_journal_buf *buf;
	unsigned long flags;
	LIST_HEAD(ended);
	bool work;

	j->out_status = bio->bi_status;
	bio_uninit(bio);
	spin_lock_irqsave(&j->lock, flags);
	buf = cc_journal_first(j);
	if (j->out_status)
		fail_or_retry(j, buf);
	else
		take_durable(j, buf);
	trace_chunkcache_journal(le64_to_cpu(j->out->number), le32_to_cpu(j->out->version),
				 le16_to_cpu(j->out->count), le64_to_cpu(j->out->tail),
				 blk_status_to_errno(j->out_status));
	take_waits(j, j->durable_seq, &ended);
	work = needs_work(j);
	j->out_ended = work;
	j->busy = work;
	/* With the lock: who finds it idle may free it all. */
	if (work)
		queue_work(cc_journal_wq, &j->work);
	else
		wake_up_all(&j->idle);
	spin_unlock_irqrestore(&j->lock, flags);
	end_waits(&ended, BLK_STS_OK);
}

/* The page in flight is this work's until it clears busy. */
static void tell_end(struct cc_journal *j)
{
	if (j->out_status)
		DMERR_LIMIT("%s: journal page %llu can't be written (errno %d)", j->name,
			    le64_to_cpu(j->out->number), blk_status_to_errno(j->out_status));
}

static void tell_failed(struct cc_journal *j, struct list_head *waits)
{
	DMERR("%s: journal failed: %s; writes of volumes fail from now on, reads go on", j->name,
	      j->tries >= CC_JOURNAL_TRIES ?
	      "none of " __stringify(CC_JOURNAL_TRIES)
	      " places in a row can be written, as if the device had died" :
	      "there is no place for the next page");
	end_waits(waits, BLK_STS_IOERR);
	if (j->ops->failed)
		j->ops->failed(j->pool);
}

/* What the helper and those that were refused room are to hear.  Lock held. */
static void take_calls(struct cc_journal *j, bool ended, bool *ret_news, bool *ret_room)
{
	bool clean = !cc_journal_unwritten(j), durable = clean && j->tell;
	bool starved = j->starved || j->vital_starved;

	*ret_news = durable || (starved && !j->complained) ||
		    (ended && (j->out_tell || j->out_status || cc_journal_half_full(j)));
	if (clean) {
		j->hurry = false;
		j->tell = false;
	}
	*ret_room = cc_journal_take_room(j);
	j->complained = j->starved || j->vital_starved;
}

/* FAILED, and nobody has said so yet.  Lock held. */
static bool take_failed(struct cc_journal *j, struct list_head *ret_waits)
{
	bool first = j->state == CHUNKCACHE_JOURNAL_FAILED && !j->failed_told;

	if (first) {
		j->failed_told = true;
		take_waits(j, U64_MAX, ret_waits);
	}
	return first;
}

/* Tells the end of a write, if there is one to be told, and begins the next that is due. */
void cc_journal_work(struct work_struct *work)
{
	struct cc_journal *j = container_of(work, struct cc_journal, work);
	bool ended, news, room, failed, begun;
	LIST_HEAD(waits);

	spin_lock_irq(&j->lock);
	ended = j->out_ended;
	if (j->busy && !ended) {
		spin_unlock_irq(&j->lock);
		return;
	}
	take_calls(j, ended, &news, &room);
	failed = take_failed(j, &waits);
	spin_unlock_irq(&j->lock);
	if (ended)
		tell_end(j);
	if (failed)
		tell_failed(j, &waits);
	if (news)
		j->ops->news(j->pool);
	if (room && j->ops->room)
		j->ops->room(j->pool);

	spin_lock_irq(&j->lock);
	if (ended) {
		j->out_ended = false;
		j->busy = false;
	}
	begun = is_due(j) && cc_journal_begin_write(j);
	if (!j->busy)
		wake_up_all(&j->idle);
	spin_unlock_irq(&j->lock);
	if (begun)
		cc_journal_submit(j);
}
