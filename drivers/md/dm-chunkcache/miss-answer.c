// SPDX-License-Identifier: GPL-2.0-only
/* The helper's side of misses: they are pulled, and mappings, bytes, failures end them. */
#include <linux/bvec.h>
#include <linux/highmem.h>
#include <linux/sched.h>
#include "miss-state.h"

static void describe_miss(struct cc_disk *disk, struct cc_miss *m, u64 now,
			  struct chunkcache_miss *ret)
{
	const struct cc_waiters *w = &m->waiters;

	memset(ret, 0, sizeof(*ret));
	ret->disk = disk->id;
	ret->chunk = cc_chunk_nr(m->chunk);
	ret->cookie = m->cookie;
	if (cc_waiters_nr(w)) {
		ret->offset = w->from;
		ret->len = w->to - w->from;
	}
	if (w->nr_failed)
		ret->flags |= CHUNKCACHE_MISS_DATA;
	if (!m->demand)
		ret->flags |= CHUNKCACHE_MISS_AHEAD;
	ret->age_ms = min_t(u64, div_u64(now - m->since, NSEC_PER_MSEC), U32_MAX);
}

static u32 pull_hints(struct cc_disk *disk, struct chunkcache_miss *ret, u32 n)
{
	struct cc_missq *q = &disk->missq;
	struct cc_hints *h = &q->hints;
	u32 got;

	spin_lock_irq(&q->arrival_lock);
	for (got = 0; got < n && h->nr; h->nr--) {
		ret[got++] = (struct chunkcache_miss){
			.disk = disk->id,
			.chunk = cc_chunk_nr(h->chunk[h->first]),
			.len = h->lost,
			.flags = CHUNKCACHE_MISS_HINT,
		};
		h->first = (h->first + 1) % CC_HINTS_MAX;
		h->lost = 0;
	}
	spin_unlock_irq(&q->arrival_lock);
	return got;
}

u32 cc_miss_pull(struct cc_disk *disk, struct chunkcache_miss *ret, u32 n, bool *ret_more)
{
	struct cc_missq *q = &disk->missq;
	u32 got = pull_hints(disk, ret, n);
	struct cc_miss *m;
	u64 now;

	spin_lock(&q->lock);
	now = ktime_get_ns();
	while (got < n && (m = list_first_entry_or_null(&q->fresh, struct cc_miss, fresh))) {
		describe_miss(disk, m, now, &ret[got++]);
		cc_miss_set_state(disk, m, MISS_SENT);
	}
	*ret_more = !list_empty(&q->fresh) || READ_ONCE(q->hints.nr);
	spin_unlock(&q->lock);
	return got;
}

bool cc_miss_renew(struct cc_disk *disk)
{
	struct cc_missq *q = &disk->missq;
	struct cc_miss *m = NULL;
	bool any;

	spin_lock(&q->lock);
	while ((m = cc_miss_next(disk, m)))
		cc_miss_set_state(disk, m, MISS_NEW);
	any = !list_empty(&q->fresh);
	spin_unlock(&q->lock);
	return any;
}

/* Over to the work, which serves them. */
static void release_bios(struct cc_disk *disk, struct bio_list *bios, u32 nr)
{
	struct cc_missq *q = &disk->missq;
	unsigned long flags;

	lockdep_assert_held(&q->lock);
	if (!nr)
		return;
	q->nr_waiting -= nr;
	spin_lock_irqsave(&q->arrival_lock, flags);
	bio_list_merge(&q->released, bios);
	queue_work(disk->slots->wq, &q->work);
	spin_unlock_irqrestore(&q->arrival_lock, flags);
}

/*
 * Those that may read the slot.  With the slot lock held: pinned here and now, all at once, and not
 * one by one.
 */
static void release_pinned(struct cc_disk *disk, struct cc_waiters *w, cc_entry_t entry)
{
	struct bio *first = bio_list_peek(&w->plain);

	lockdep_assert_held(&disk->slots->lock);
	if (!first)
		return;
	cc_bio(first)->epoch = cc_slots_pin_many(disk->slots, w->nr_plain);
	cc_bio(first)->entry = entry;
	cc_bio(first)->together = w->nr_plain;
	release_bios(disk, &w->plain, w->nr_plain);
	bio_list_init(&w->plain);
	w->nr_plain = 0;
}

void cc_miss_mapped(struct cc_disk *disk, cc_chunk_t chunk, cc_entry_t entry)
{
	struct cc_missq *q = &disk->missq;
	bool renewed = false;
	struct cc_miss *m;

	spin_lock(&q->lock);
	m = cc_miss_find(q, chunk);
	if (m) {
		release_pinned(disk, &m->waiters, entry);
		renewed = m->waiters.nr_failed;
	}
	if (renewed)
		/* They want MISS_DATA, which the helper may not have heard of. */
		cc_miss_set_state(disk, m, MISS_NEW);
	else if (m)
		cc_miss_end(disk, m, "mapped");
	spin_unlock(&q->lock);
	if (renewed)
		cc_bell_ring(disk->bell, CHUNKCACHE_PENDING_MISS, &disk->ready);
}

/* The miss of the first chunk that is not below this one, or NULL. */
static struct rb_node *find_from(struct cc_missq *q, u64 chunk)
{
	struct rb_node *n = q->misses.rb_node, *best = NULL;

	while (n) {
		if (cc_chunk_nr(rb_entry(n, struct cc_miss, node)->chunk) < chunk) {
			n = n->rb_right;
		} else {
			best = n;
			n = n->rb_left;
		}
	}
	return best;
}

void cc_miss_hole(struct cc_disk *disk, cc_chunk_t chunk, u64 count)
{
	struct cc_missq *q = &disk->missq;
	struct rb_node *n;
	u32 nr;

	spin_lock(&q->lock);
	while ((n = find_from(q, cc_chunk_nr(chunk)))) {
		struct cc_miss *m = rb_entry(n, struct cc_miss, node);
		struct bio_list bios = BIO_EMPTY_LIST;

		if (cc_chunk_nr(m->chunk) - cc_chunk_nr(chunk) >= count)
			break;
		nr = cc_waiters_take(&m->waiters, &bios);
		release_bios(disk, &bios, nr);
		cc_miss_end(disk, m, "hole");
		cond_resched_lock(&q->lock);
	}
	spin_unlock(&q->lock);
}

/* Copy what the bio can take of [offset, offset + len) of its chunk, at its high-water mark. */
static void copy_in(struct cc_disk *disk, struct bio *bio, u32 offset, const u8 *data, u32 len)
{
	struct cc_bio *pb = cc_bio(bio);
	u32 at = cc_bio_offset(disk, pb) + pb->done;
	struct bvec_iter iter = pb->iter;
	u32 left;

	if (at < offset || at >= offset + len)
		return;
	data += at - offset;
	left = min(pb->iter.bi_size - pb->done, offset + len - at);
	bio_advance_iter(bio, &iter, pb->done);
	pb->done += left;
	while (left) {
		struct bio_vec bv = bio_iter_iovec(bio, iter);
		u32 n = min(left, bv.bv_len);

		memcpy_to_page(bv.bv_page, bv.bv_offset, data, n);
		flush_dcache_page(bv.bv_page);
		bio_advance_iter(bio, &iter, n);
		data += n;
		left -= n;
	}
}

int cc_miss_data(struct cc_disk *disk, cc_chunk_t chunk, u64 cookie, u32 offset,
		 const void *data, u32 len, bool last)
{
	struct bio_list bios = BIO_EMPTY_LIST, full = BIO_EMPTY_LIST;
	struct cc_missq *q = &disk->missq;
	struct cc_waiters waiting;
	bool renewed = false;
	struct cc_miss *m;
	struct bio *bio;
	u32 nr_full = 0;

	lockdep_assert_held(disk->cmd);
	spin_lock(&q->lock);
	m = cc_miss_find(q, chunk);
	if (!m || m->cookie != cookie) {
		spin_unlock(&q->lock);
		return m ? -ESTALE : -ENOENT;
	}
	/* The mutex keeps the miss, and the bios taken out are ours alone. */
	cc_waiters_take(&m->waiters, &bios);
	spin_unlock(&q->lock);

	cc_waiters_init(&waiting);
	while ((bio = bio_list_pop(&bios))) {
		copy_in(disk, bio, offset, data, len);
		if (cc_bio(bio)->done < cc_bio(bio)->iter.bi_size) {
			cc_waiters_add(disk, &waiting, bio);
		} else {
			bio_list_add(&full, bio);
			nr_full++;
		}
		cond_resched();
	}

	spin_lock(&q->lock);
	cc_waiters_merge(&m->waiters, &waiting);
	q->nr_waiting -= nr_full;
	if (last && !cc_waiters_nr(&m->waiters)) {
		cc_miss_end(disk, m, "data");
	} else if (last) {
		cc_miss_set_state(disk, m, MISS_NEW);
		renewed = true;
	}
	spin_unlock(&q->lock);

	cc_miss_end_bios(disk, &full, BLK_STS_OK);
	if (renewed)
		cc_bell_ring(disk->bell, CHUNKCACHE_PENDING_MISS, &disk->ready);
	return 0;
}

int cc_miss_fail(struct cc_disk *disk, cc_chunk_t chunk, u64 cookie, blk_status_t status)
{
	struct bio_list bios = BIO_EMPTY_LIST;
	struct cc_missq *q = &disk->missq;
	struct cc_miss *m;

	spin_lock(&q->lock);
	m = cc_miss_find(q, chunk);
	if (!m || m->cookie != cookie) {
		spin_unlock(&q->lock);
		return m ? -ESTALE : -ENOENT;
	}
	q->nr_waiting -= cc_waiters_take(&m->waiters, &bios);
	cc_miss_end(disk, m, "failed");
	spin_unlock(&q->lock);
	cc_miss_end_bios(disk, &bios, status);
	return 0;
}

void cc_miss_refuse(struct cc_disk *disk, bool refused)
{
	struct bio_list bios = BIO_EMPTY_LIST;
	struct cc_missq *q = &disk->missq;
	struct rb_node *n;

	spin_lock(&q->lock);
	q->refused = refused;
	if (refused)
		cc_miss_take_all(disk, &bios);
	/* None comes again: who finds no miss sees that it was refused. */
	while (refused && (n = rb_first(&q->misses))) {
		cc_miss_end(disk, rb_entry(n, struct cc_miss, node), "refused");
		cond_resched_lock(&q->lock);
	}
	spin_unlock(&q->lock);
	cc_miss_end_bios(disk, &bios, BLK_STS_IOERR);
}
