// SPDX-License-Identifier: GPL-2.0-only
/* Bios that are no hits, from arrival to a miss, and those that leave by the work.  See miss.h. */
#include "miss.h"
#include <linux/device-mapper.h>
#include "dev.h"
#include "miss-deadline.h"
#include "miss-state.h"

/* ---- arrival ---- */

void cc_miss_add(struct cc_disk *disk, struct bio *bio, enum cc_retry retry)
{
	struct cc_missq *q = &disk->missq;
	struct cc_bio *pb = cc_bio(bio);
	unsigned long flags;

	pb->epoch = NULL;
	pb->retry = retry;
	pb->done = 0;
	pb->arrived = ktime_get_ns();
	/* A device that failed it has consumed it, and may have cut it. */
	bio->bi_iter = pb->iter;
	bio->bi_status = BLK_STS_OK;
	cc_bio_forget_device(bio);
	/* From another context than the submitter's EAGAIN would reach the user. */
	bio->bi_opf &= ~REQ_NOWAIT;
	spin_lock_irqsave(&q->arrival_lock, flags);
	bio_list_add(&q->arrivals, bio);
	/* With the lock: once the bio can be taken it can end, and with it what keeps disk. */
	queue_work(disk->slots->wq, &q->work);
	spin_unlock_irqrestore(&q->arrival_lock, flags);
}

void cc_miss_hint(struct cc_disk *disk, cc_chunk_t chunk)
{
	struct cc_missq *q = &disk->missq;
	struct cc_hints *h = &q->hints;
	unsigned long flags;

	spin_lock_irqsave(&q->arrival_lock, flags);
	if (h->nr < CC_HINTS_MAX)
		h->chunk[(h->first + h->nr++) % CC_HINTS_MAX] = chunk;
	else
		h->lost++;
	queue_work(disk->slots->wq, &q->work);
	spin_unlock_irqrestore(&q->arrival_lock, flags);
}

void cc_miss_want(struct cc_disk *disk, cc_chunk_t chunk)
{
	struct cc_missq *q = &disk->missq;
	struct cc_chunk_notes *w = &q->wanted;
	unsigned long flags;

	spin_lock_irqsave(&q->arrival_lock, flags);
	if (w->nr < ARRAY_SIZE(w->chunk))
		w->chunk[w->nr++] = chunk;
	queue_work(disk->slots->wq, &q->work);
	spin_unlock_irqrestore(&q->arrival_lock, flags);
}

enum verdict { V_HELD, V_SEND, V_HOLE, V_FAIL };

/* The chunk may have been mapped since map() looked. */
static bool now_mapped(struct cc_disk *disk, struct bio *bio, cc_chunk_t chunk,
		       enum verdict *ret)
{
	struct cc_bio *pb = cc_bio(bio);
	struct cc_epoch __percpu *e = cc_slots_pin(disk->slots);
	cc_entry_t entry = cc_chunk_map_get(&disk->map, chunk);

	if (cc_entry_mapped(entry) && !pb->retry &&
	    cc_slots_match(disk->slots, cc_entry_slot(entry), cc_entry_gen(entry))) {
		pb->epoch = e;
		pb->entry = entry;
		pb->counter = CHUNKCACHE_STAT_COALESCED;
		*ret = V_SEND;
		return true;
	}
	cc_epoch_put(e);
	*ret = V_HOLE;
	return entry == CC_ENTRY_HOLE;
}

/* Can it be read without a miss?  A hint: the slot may go at any time. */
static bool is_mapped(struct cc_disk *disk, cc_chunk_t chunk)
{
	cc_entry_t entry = cc_chunk_map_get(&disk->map, chunk);

	return entry == CC_ENTRY_HOLE ||
	       (cc_entry_mapped(entry) &&
		cc_slots_match(disk->slots, cc_entry_slot(entry), cc_entry_gen(entry)));
}

/*
 * One bio that came: under the lock, decide.  The map is read under the lock and MAP writes
 * its entry before it takes the lock, and always takes it: either we see the entry here, or
 * MAP finds our miss.
 */
static enum verdict judge_bio(struct cc_disk *disk, struct bio *bio, bool *ret_new,
			      bool *ret_starved)
{
	struct cc_missq *q = &disk->missq;
	struct cc_bio *pb = cc_bio(bio);
	cc_chunk_t chunk = cc_disk_chunk(disk, pb->iter.bi_sector);
	enum verdict v;
	struct cc_miss *m;

	lockdep_assert_held(&q->lock);
	if (now_mapped(disk, bio, chunk, &v))
		return v;
	if (q->refused || pb->retry == CC_RETRY_LOST)
		return V_FAIL;
	m = cc_miss_find(q, chunk);
	if (!m) {
		m = cc_miss_make(disk, chunk, pb->arrived);
		*ret_new |= !!m;
		*ret_starved |= !m;
	}
	if (m) {
		pb->counter = m->counted ? CHUNKCACHE_STAT_COALESCED : CHUNKCACHE_STAT_MISSES;
		m->counted = true;
		cc_waiters_add(disk, &m->waiters, bio);
		if (!(bio->bi_opf & REQ_RAHEAD) && !m->demand) {
			/* The helper may have been told that only readahead asks: say it anew. */
			m->demand = true;
			cc_miss_set_state(disk, m, MISS_NEW);
			*ret_new = true;
		}
	} else {
		bio_list_add(&q->backlog, bio);
		q->nr_backlog++;
	}
	q->nr_waiting++;
	return V_HELD;
}

/* Make misses for chunks that were asked for without a bio that waits. */
static void start_wanted(struct cc_disk *disk, const struct cc_chunk_notes *wanted, bool *ret_new)
{
	struct cc_missq *q = &disk->missq;
	struct cc_miss *m;
	unsigned int i;

	spin_lock(&q->lock);
	for (i = 0; i < wanted->nr && !q->refused; i++)
		if (!cc_miss_find(q, wanted->chunk[i]) && !is_mapped(disk, wanted->chunk[i])) {
			m = cc_miss_make(disk, wanted->chunk[i], ktime_get_ns());
			if (m)
				m->demand = *ret_new = true;
		}
	spin_unlock(&q->lock);
}

static void carry_out(struct cc_disk *disk, struct bio *bio, enum verdict v)
{
	switch (v) {
	case V_HELD:
		break;
	case V_SEND:
		cc_slots_touch(disk->slots, cc_entry_slot(cc_bio(bio)->entry));
		cc_miss_send(disk, bio);
		break;
	case V_HOLE:
		cc_bio(bio)->counter = CHUNKCACHE_STAT_HOLES;
		cc_miss_end_hole(disk, bio);
		break;
	case V_FAIL:
		cc_miss_end_bio(disk, bio, BLK_STS_IOERR);
		break;
	}
}

/* Pins were taken for all that were released together; the first of them has it written down. */
static void serve_released(struct cc_disk *disk, struct bio_list *released)
{
	struct cc_bio first = {};
	struct bio *bio;

	while ((bio = bio_list_pop(released))) {
		struct cc_bio *pb = cc_bio(bio);

		if (pb->epoch)
			first = *pb;
		if (first.together) {
			first.together--;
			pb->epoch = first.epoch;
			pb->entry = first.entry;
			cc_miss_send(disk, bio);
		} else {
			cc_miss_end_hole(disk, bio);
		}
		cond_resched();
	}
}

/* Its slot failed: what of it, before the bio looks at the map again. */
static void drop_failed(struct cc_disk *disk, struct cc_bio *pb)
{
	cc_slot_t slot = cc_entry_slot(pb->entry);
	u32 gen = cc_entry_gen(pb->entry);

	if (pb->retry == CC_RETRY_NOT)
		return;
	if (pb->retry != CC_RETRY_KEEP)
		cc_slots_failed(disk->slots, slot, gen,
				pb->retry == CC_RETRY_BAD ? CC_IO_MEDIUM : CC_IO_DOUBT);
	/* A chunk that came from elsewhere would take the place of what no store has. */
	if (cc_slots_is_log(disk->slots, slot, gen)) {
		DMERR_LIMIT("%s: no store has what slot %u holds: the read fails", disk->dev->name,
			    cc_slot_nr(slot));
		pb->retry = CC_RETRY_LOST;
	}
}

/* Judge all that came; true if any is held now. */
static bool take_in(struct cc_disk *disk, struct bio_list *came, bool *ret_new)
{
	struct cc_missq *q = &disk->missq;
	bool held = false, starved = false;
	struct bio *bio;

	while ((bio = bio_list_pop(came))) {
		enum verdict v;

		drop_failed(disk, cc_bio(bio));
		spin_lock(&q->lock);
		v = judge_bio(disk, bio, ret_new, &starved);
		spin_unlock(&q->lock);
		held |= v == V_HELD;
		carry_out(disk, bio, v);
		cond_resched();
	}
	/* Without memory for a miss the next tick tries again. */
	if (!starved) {
		spin_lock(&q->lock);
		cc_miss_retry_backlog(disk);
		spin_unlock(&q->lock);
	}
	return held;
}

static void cc_miss_work(struct work_struct *work)
{
	struct cc_missq *q = container_of(work, struct cc_missq, work);
	struct cc_disk *disk = container_of(q, struct cc_disk, missq);
	struct bio_list came, released;
	struct cc_chunk_notes wanted;
	u32 pending = 0;
	bool new = false;

	spin_lock_irq(&q->arrival_lock);
	came = q->arrivals;
	bio_list_init(&q->arrivals);
	released = q->released;
	bio_list_init(&q->released);
	wanted = q->wanted;
	q->wanted.nr = 0;
	if (q->hints.nr)
		pending |= CHUNKCACHE_PENDING_HINT;
	spin_unlock_irq(&q->arrival_lock);

	serve_released(disk, &released);
	if (take_in(disk, &came, &new))
		cc_miss_start_tick(disk);
	start_wanted(disk, &wanted, &new);
	if (new)
		pending |= CHUNKCACHE_PENDING_MISS;
	if (pending)
		cc_bell_ring(disk->bell, pending, &disk->ready);
}

/* ---- life ---- */

int cc_missq_init(struct cc_disk *disk)
{
	struct cc_missq *q = &disk->missq;

	spin_lock_init(&q->arrival_lock);
	bio_list_init(&q->arrivals);
	bio_list_init(&q->released);
	INIT_WORK(&q->work, cc_miss_work);
	spin_lock_init(&q->lock);
	q->misses = RB_ROOT;
	INIT_LIST_HEAD(&q->fresh);
	bio_list_init(&q->backlog);
	INIT_DELAYED_WORK(&q->tick, cc_miss_tick);
	q->mempool = cc_miss_pool_create();
	return q->mempool ? 0 : -ENOMEM;
}

void cc_missq_exit(struct cc_disk *disk)
{
	struct cc_missq *q = &disk->missq;
	struct rb_node *n;

	cancel_delayed_work_sync(&q->tick);
	cancel_work_sync(&q->work);
	cancel_delayed_work_sync(&q->tick);
	spin_lock(&q->lock);
	while ((n = rb_first(&q->misses))) {
		cc_miss_end(disk, rb_entry(n, struct cc_miss, node), "disk gone");
		cond_resched_lock(&q->lock);
	}
	spin_unlock(&q->lock);
	mempool_destroy(q->mempool);
}
