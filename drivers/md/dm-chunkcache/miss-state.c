// SPDX-License-Identifier: GPL-2.0-only
/* Misses of one disk: their tree and states, and the ends of the bios they hold. */
#include "miss-state.h"
#include <linux/random.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include "trace.h"

/* Bios of the backlog that have another try at once. */
#define RETRY_BATCH	64
/* Misses that can be made when memory is short: enough to make progress. */
#define MISS_RESERVE	16

static struct kmem_cache *miss_cache;
static atomic64_t next_cookie;

int cc_missq_module_init(void)
{
	miss_cache = KMEM_CACHE(cc_miss, 0);
	/* A helper that mixes up two loads of the module must not match by chance. */
	atomic64_set(&next_cookie, get_random_u32() * (1ULL << 31));
	return miss_cache ? 0 : -ENOMEM;
}

void cc_missq_module_exit(void)
{
	kmem_cache_destroy(miss_cache);
}

mempool_t *cc_miss_pool_create(void)
{
	return mempool_create_slab_pool(MISS_RESERVE, miss_cache);
}

/* ---- bios that wait ---- */

void cc_waiters_init(struct cc_waiters *w)
{
	*w = (struct cc_waiters){ .from = U32_MAX, .oldest = U64_MAX };
}

void cc_waiters_add(struct cc_disk *disk, struct cc_waiters *w, struct bio *bio)
{
	struct cc_bio *pb = cc_bio(bio);
	u32 offset = cc_bio_offset(disk, pb);

	if (pb->retry) {
		bio_list_add(&w->failed, bio);
		w->nr_failed++;
	} else {
		bio_list_add(&w->plain, bio);
		w->nr_plain++;
	}
	w->from = min(w->from, offset);
	w->to = max(w->to, offset + pb->iter.bi_size);
	w->oldest = min(w->oldest, pb->arrived);
}

void cc_waiters_merge(struct cc_waiters *to, struct cc_waiters *from)
{
	bio_list_merge_head(&to->plain, &from->plain);
	bio_list_merge_head(&to->failed, &from->failed);
	to->nr_plain += from->nr_plain;
	to->nr_failed += from->nr_failed;
	to->from = min(to->from, from->from);
	to->to = max(to->to, from->to);
	to->oldest = min(to->oldest, from->oldest);
	cc_waiters_init(from);
}

u32 cc_waiters_take(struct cc_waiters *w, struct bio_list *ret)
{
	u32 nr = cc_waiters_nr(w);

	bio_list_merge(ret, &w->plain);
	bio_list_merge(ret, &w->failed);
	cc_waiters_init(w);
	return nr;
}

/* ---- the table ---- */

struct cc_miss *cc_miss_find(struct cc_missq *q, cc_chunk_t chunk)
{
	struct rb_node *n = q->misses.rb_node;

	lockdep_assert_held(&q->lock);
	while (n) {
		struct cc_miss *m = rb_entry(n, struct cc_miss, node);

		if (cc_chunk_nr(chunk) == cc_chunk_nr(m->chunk))
			return m;
		n = cc_chunk_nr(chunk) < cc_chunk_nr(m->chunk) ? n->rb_left : n->rb_right;
	}
	return NULL;
}

static void insert_miss(struct cc_missq *q, struct cc_miss *miss)
{
	struct rb_node **p = &q->misses.rb_node, *parent = NULL;

	while (*p) {
		struct cc_miss *m = rb_entry(*p, struct cc_miss, node);

		parent = *p;
		p = cc_chunk_nr(miss->chunk) < cc_chunk_nr(m->chunk) ? &parent->rb_left :
								       &parent->rb_right;
	}
	rb_link_node(&miss->node, parent, p);
	rb_insert_color(&miss->node, &q->misses);
	q->nr_misses++;
}

void cc_miss_set_state(struct cc_disk *disk, struct cc_miss *m, enum miss_state to)
{
	lockdep_assert_held(&disk->missq.lock);
	if (m->state == to)
		return;
	m->state = to;
	if (to == MISS_NEW)
		list_add_tail(&m->fresh, &disk->missq.fresh);
	else
		list_del_init(&m->fresh);
	trace_chunkcache_miss(disk->id, cc_chunk_nr(m->chunk), m->cookie,
			      to == MISS_NEW ? "new" : "sent");
}

struct cc_miss *cc_miss_make(struct cc_disk *disk, cc_chunk_t chunk, u64 now)
{
	struct cc_missq *q = &disk->missq;
	struct cc_miss *m;

	lockdep_assert_held(&q->lock);
	if (q->nr_misses >= disk->args.max_misses)
		return NULL;
	m = mempool_alloc(q->mempool, GFP_NOWAIT | __GFP_NOWARN);
	if (!m)
		return NULL;
	memset(m, 0, sizeof(*m));
	m->chunk = chunk;
	m->cookie = atomic64_inc_return(&next_cookie);
	m->since = now;
	INIT_LIST_HEAD(&m->fresh);
	cc_waiters_init(&m->waiters);
	insert_miss(q, m);
	cc_miss_set_state(disk, m, MISS_NEW);
	return m;
}

void cc_miss_retry_backlog(struct cc_disk *disk)
{
	struct cc_missq *q = &disk->missq;
	struct bio_list again = BIO_EMPTY_LIST;
	unsigned long flags;
	unsigned int n;

	lockdep_assert_held(&q->lock);
	if (bio_list_empty(&q->backlog) || q->nr_misses >= disk->args.max_misses)
		return;
	for (n = 0; n < RETRY_BATCH && !bio_list_empty(&q->backlog); n++)
		bio_list_add(&again, bio_list_pop(&q->backlog));
	q->nr_backlog -= n;
	q->nr_waiting -= n;
	spin_lock_irqsave(&q->arrival_lock, flags);
	bio_list_merge_head(&q->arrivals, &again);
	spin_unlock_irqrestore(&q->arrival_lock, flags);
	queue_work(disk->slots->wq, &q->work);
}

void cc_miss_end(struct cc_disk *disk, struct cc_miss *m, const char *how)
{
	struct cc_missq *q = &disk->missq;

	lockdep_assert_held(&q->lock);
	WARN_ON_ONCE(cc_waiters_nr(&m->waiters));
	trace_chunkcache_miss(disk->id, cc_chunk_nr(m->chunk), m->cookie, how);
	list_del(&m->fresh);
	rb_erase(&m->node, &q->misses);
	q->nr_misses--;
	mempool_free(m, q->mempool);
	cc_miss_retry_backlog(disk);
}

struct cc_miss *cc_miss_next(struct cc_disk *disk, struct cc_miss *m)
{
	struct cc_missq *q = &disk->missq;

	lockdep_assert_held(disk->cmd);
	cond_resched_lock(&q->lock);
	return rb_entry_safe(m ? rb_next(&m->node) : rb_first(&q->misses), struct cc_miss, node);
}

void cc_miss_take_all(struct cc_disk *disk, struct bio_list *ret)
{
	struct cc_missq *q = &disk->missq;
	struct cc_miss *m = NULL;

	lockdep_assert_held(&q->lock);
	bio_list_merge(ret, &q->backlog);
	bio_list_init(&q->backlog);
	q->nr_waiting -= q->nr_backlog;
	q->nr_backlog = 0;
	while ((m = cc_miss_next(disk, m)))
		q->nr_waiting -= cc_waiters_take(&m->waiters, ret);
}

/* ---- ends of a bio ---- */

void cc_miss_end_bio(struct cc_disk *disk, struct bio *bio, blk_status_t status)
{
	struct cc_bio *pb = cc_bio(bio);

	if (status != BLK_STS_DM_REQUEUE)
		cc_stats_waited(disk->stats, ktime_get_ns() - pb->arrived);
	bio->bi_status = status;
	bio_endio(bio);
}

void cc_miss_end_bios(struct cc_disk *disk, struct bio_list *bios, blk_status_t status)
{
	struct bio *bio;

	while ((bio = bio_list_pop(bios))) {
		cc_miss_end_bio(disk, bio, status);
		cond_resched();
	}
}

void cc_miss_send(struct cc_disk *disk, struct bio *bio)
{
	cc_slot_t slot = cc_entry_slot(cc_bio(bio)->entry);

	bio->bi_iter.bi_sector = cc_disk_remap(disk, bio->bi_iter.bi_sector, slot);
	bio_set_dev(bio, disk->bdev);
	cc_stats_waited(disk->stats, ktime_get_ns() - cc_bio(bio)->arrived);
	dm_submit_bio_remap(bio, NULL);
}

void cc_miss_end_hole(struct cc_disk *disk, struct bio *bio)
{
	zero_fill_bio(bio);
	cc_miss_end_bio(disk, bio, BLK_STS_OK);
}

void cc_miss_show(struct cc_disk *disk, const char *name, struct seq_file *seq)
{
	struct cc_missq *q = &disk->missq;
	struct cc_miss *m = NULL;

	spin_lock(&q->lock);
	while ((m = cc_miss_next(disk, m)))
		seq_printf(seq, "%s %llu %s %u %llu %llx\n", name,
			   cc_chunk_nr(m->chunk), m->state == MISS_NEW ? "new" : "sent",
			   cc_waiters_nr(&m->waiters),
			   div_u64(ktime_get_ns() - m->since, NSEC_PER_MSEC), m->cookie);
	spin_unlock(&q->lock);
}
