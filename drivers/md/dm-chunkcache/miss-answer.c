// SPDX-License-Identifier: GPL-2.0-only
/* The helper's side of misses: they are pulled, and mappings, bytes, failures end them. */
#include <linux/bvec.h>
#include <linux/highmem.h>
#include "miss-state.h"

/* Does any bio want MISS_DATA, and which bytes does anybody want? */
static void describe_miss(struct cc_disk *disk, struct cc_miss *m, u64 now,
			  struct chunkcache_miss *ret)
{
	u32 lo = 1u << (disk->chunk_shift + SECTOR_SHIFT), hi = 0;
	struct bio *bio;

	memset(ret, 0, sizeof(*ret));
	bio_list_for_each(bio, &m->bios) {
		struct cc_bio *pb = cc_bio(bio);
		u32 offset = cc_bio_offset(disk, pb);

		lo = min(lo, offset);
		hi = max(hi, offset + pb->iter.bi_size);
		if (pb->retry)
			ret->flags |= CHUNKCACHE_MISS_DATA;
	}
	ret->disk = disk->id;
	ret->chunk = cc_chunk_nr(m->chunk);
	ret->cookie = m->cookie;
	if (hi) {
		ret->offset = lo;
		ret->len = hi - lo;
	}
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
	struct rb_node *n;
	bool any;

	spin_lock(&q->lock);
	for (n = rb_first(&q->misses); n; n = rb_next(n))
		cc_miss_set_state(disk, rb_entry(n, struct cc_miss, node), MISS_NEW);
	any = !list_empty(&q->fresh);
	spin_unlock(&q->lock);
	return any;
}

/* Over to the work, which serves them. */
static void release_bios(struct cc_disk *disk, struct bio_list *bios)
{
	struct cc_missq *q = &disk->missq;
	unsigned long flags;

	lockdep_assert_held(&q->lock);
	if (bio_list_empty(bios))
		return;
	q->nr_waiting -= bio_list_size(bios);
	spin_lock_irqsave(&q->arrival_lock, flags);
	bio_list_merge(&q->released, bios);
	queue_work(disk->slots->wq, &q->work);
	spin_unlock_irqrestore(&q->arrival_lock, flags);
}

void cc_miss_mapped(struct cc_disk *disk, cc_chunk_t chunk, cc_entry_t entry)
{
	struct bio_list keep = BIO_EMPTY_LIST, ready = BIO_EMPTY_LIST;
	struct cc_missq *q = &disk->missq;
	bool renewed = false;
	struct cc_miss *m;
	struct bio *bio;

	spin_lock(&q->lock);
	m = cc_miss_find(q, chunk);
	if (!m)
		goto unlock;
	while ((bio = bio_list_pop(&m->bios))) {
		struct cc_bio *pb = cc_bio(bio);

		if (pb->retry) {
			bio_list_add(&keep, bio);
			continue;
		}
		pb->epoch = cc_slots_pin(disk->slots);
		pb->entry = entry;
		bio_list_add(&ready, bio);
	}
	m->bios = keep;
	release_bios(disk, &ready);
	if (bio_list_empty(&m->bios)) {
		cc_miss_end(disk, m, "mapped");
	} else {
		/* They want MISS_DATA, which the helper may not have heard of. */
		cc_miss_set_state(disk, m, MISS_NEW);
		renewed = true;
	}
unlock:
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

	spin_lock(&q->lock);
	while ((n = find_from(q, cc_chunk_nr(chunk)))) {
		struct cc_miss *m = rb_entry(n, struct cc_miss, node);

		if (cc_chunk_nr(m->chunk) - cc_chunk_nr(chunk) >= count)
			break;
		release_bios(disk, &m->bios);
		bio_list_init(&m->bios);
		cc_miss_end(disk, m, "hole");
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
	struct bio_list bios, waiting = BIO_EMPTY_LIST, full = BIO_EMPTY_LIST;
	struct cc_missq *q = &disk->missq;
	bool renewed = false;
	struct cc_miss *m;
	struct bio *bio;

	lockdep_assert_held(disk->cmd);
	spin_lock(&q->lock);
	m = cc_miss_find(q, chunk);
	if (!m || m->cookie != cookie) {
		spin_unlock(&q->lock);
		return m ? -ESTALE : -ENOENT;
	}
	/* The mutex keeps the miss, and the bios taken out are ours alone. */
	bios = m->bios;
	bio_list_init(&m->bios);
	spin_unlock(&q->lock);

	while ((bio = bio_list_pop(&bios))) {
		copy_in(disk, bio, offset, data, len);
		bio_list_add(cc_bio(bio)->done == cc_bio(bio)->iter.bi_size ? &full : &waiting,
			     bio);
	}

	spin_lock(&q->lock);
	bio_list_merge_head(&m->bios, &waiting);
	q->nr_waiting -= bio_list_size(&full);
	if (last && bio_list_empty(&m->bios)) {
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
	struct cc_missq *q = &disk->missq;
	struct bio_list bios;
	struct cc_miss *m;

	spin_lock(&q->lock);
	m = cc_miss_find(q, chunk);
	if (!m || m->cookie != cookie) {
		spin_unlock(&q->lock);
		return m ? -ESTALE : -ENOENT;
	}
	bios = m->bios;
	bio_list_init(&m->bios);
	q->nr_waiting -= bio_list_size(&bios);
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
	if (refused) {
		cc_miss_take_all(q, &bios);
		while ((n = rb_first(&q->misses)))
			cc_miss_end(disk, rb_entry(n, struct cc_miss, node), "refused");
	}
	spin_unlock(&q->lock);
	cc_miss_end_bios(disk, &bios, BLK_STS_IOERR);
}
