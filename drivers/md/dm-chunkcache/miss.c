// SPDX-License-Identifier: GPL-2.0-only
/* Misses of one disk.  Rules and states are in miss.h. */
#include <linux/bvec.h>
#include <linux/highmem.h>
#include <linux/random.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include "disk.h"
#include "trace.h"

enum miss_state { MISS_NEW, MISS_SENT };

struct cc_miss {
	struct rb_node node;
	struct list_head fresh;		/* while NEW */
	struct bio_list bios;		/* in the order they came */
	cc_chunk_t chunk;
	u64 cookie;
	u64 since;			/* when the first bio came, ns */
	enum miss_state state;
	bool demand;			/* not only readahead */
	bool counted;			/* a read counts as this miss; later ones coalesced */
};

/* Misses that can be made when memory is short: enough to make progress. */
#define MISS_RESERVE	16
/* Bios of the backlog that have another try at once. */
#define RETRY_BATCH	64
/* A hard disk says that it waits after so long, and again each time. */
#define SAY_AFTER_NS	(30 * NSEC_PER_SEC)
#define TICK_MAX_MS	1000
#define TICK_MIN_MS	5

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

static u32 cc_bio_offset(const struct cc_disk *disk, const struct cc_bio *pb)
{
	return cc_disk_in_chunk(disk, pb->iter.bi_sector) << SECTOR_SHIFT;
}

/* ---- the table ---- */

static struct cc_miss *find(struct cc_missq *q, cc_chunk_t chunk)
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

static void insert(struct cc_missq *q, struct cc_miss *miss)
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

/* The one place that writes a miss's state. */
static void set_state(struct cc_disk *disk, struct cc_miss *m, enum miss_state to)
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

/* Never sleeps; NULL at the cap or without memory. */
static struct cc_miss *make(struct cc_disk *disk, cc_chunk_t chunk, u64 now)
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
	m->state = MISS_SENT;
	INIT_LIST_HEAD(&m->fresh);
	insert(q, m);
	set_state(disk, m, MISS_NEW);
	return m;
}

/*
 * What had no room for a miss has another try, some at a time: a miss that ends makes room
 * for one, and the work calls again while there is room.
 */
static void retry_backlog(struct cc_disk *disk)
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
	q->nr_waiting -= n;
	spin_lock_irqsave(&q->arrival_lock, flags);
	bio_list_merge_head(&q->arrivals, &again);
	spin_unlock_irqrestore(&q->arrival_lock, flags);
	queue_work(disk->slots->wq, &q->work);
}

/* Answered: the miss goes. */
static void end_miss(struct cc_disk *disk, struct cc_miss *m, const char *how)
{
	struct cc_missq *q = &disk->missq;

	lockdep_assert_held(&q->lock);
	WARN_ON_ONCE(!bio_list_empty(&m->bios));
	trace_chunkcache_miss(disk->id, cc_chunk_nr(m->chunk), m->cookie, how);
	list_del(&m->fresh);
	rb_erase(&m->node, &q->misses);
	q->nr_misses--;
	mempool_free(m, q->mempool);
	retry_backlog(disk);
}

/* ---- ends of a bio ---- */

static void end_bio(struct cc_disk *disk, struct bio *bio, blk_status_t status)
{
	struct cc_bio *pb = cc_bio(bio);

	if (status != BLK_STS_DM_REQUEUE)
		cc_stats_waited(disk->stats, ktime_get_ns() - pb->arrived);
	bio->bi_status = status;
	bio_endio(bio);
}

static void end_bios(struct cc_disk *disk, struct bio_list *bios, blk_status_t status)
{
	struct bio *bio;

	while ((bio = bio_list_pop(bios)))
		end_bio(disk, bio, status);
}

/* Pinned already: on to the cache device. */
static void send(struct cc_disk *disk, struct bio *bio)
{
	cc_slot_t slot = cc_entry_slot(cc_bio(bio)->entry);

	bio->bi_iter.bi_sector = cc_disk_remap(disk, bio->bi_iter.bi_sector, slot);
	bio_set_dev(bio, disk->bdev);
	cc_stats_waited(disk->stats, ktime_get_ns() - cc_bio(bio)->arrived);
	dm_submit_bio_remap(bio, NULL);
}

static void end_hole(struct cc_disk *disk, struct bio *bio)
{
	zero_fill_bio(bio);
	end_bio(disk, bio, BLK_STS_OK);
}

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
	atomic_set(&bio->__bi_remaining, 1);
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

/* Held bios need somebody who looks at deadlines. */
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

enum verdict { V_HELD, V_SEND, V_HOLE, V_REQUEUE, V_FAIL };

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
static enum verdict judge(struct cc_disk *disk, struct bio *bio, bool *ret_new,
			  bool *ret_starved)
{
	struct cc_missq *q = &disk->missq;
	struct cc_bio *pb = cc_bio(bio);
	cc_chunk_t chunk = cc_disk_chunk(disk, pb->iter.bi_sector);
	enum verdict v;
	struct cc_miss *m;

	lockdep_assert_held(&q->lock);
	if (q->requeueing && dm_noflush_suspending(disk->ti))
		return V_REQUEUE;
	if (now_mapped(disk, bio, chunk, &v))
		return v;
	if (q->refused)
		return V_FAIL;
	m = find(q, chunk);
	if (!m) {
		m = make(disk, chunk, pb->arrived);
		*ret_new |= !!m;
		*ret_starved |= !m;
	}
	if (m) {
		pb->counter = m->counted ? CHUNKCACHE_STAT_COALESCED : CHUNKCACHE_STAT_MISSES;
		m->counted = true;
		bio_list_add(&m->bios, bio);
		if (!(bio->bi_opf & REQ_RAHEAD) && !m->demand) {
			/* The helper may have been told that only readahead asks: say it anew. */
			m->demand = true;
			set_state(disk, m, MISS_NEW);
			*ret_new = true;
		}
	} else {
		bio_list_add(&q->backlog, bio);
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
		if (!find(q, wanted->chunk[i]) && !is_mapped(disk, wanted->chunk[i])) {
			m = make(disk, wanted->chunk[i], ktime_get_ns());
			if (m)
				m->demand = *ret_new = true;
		}
	spin_unlock(&q->lock);
}

static void act(struct cc_disk *disk, struct bio *bio, enum verdict v)
{
	switch (v) {
	case V_HELD:
		break;
	case V_SEND:
		cc_slots_touch(disk->slots, cc_entry_slot(cc_bio(bio)->entry));
		send(disk, bio);
		break;
	case V_HOLE:
		cc_bio(bio)->counter = CHUNKCACHE_STAT_HOLES;
		end_hole(disk, bio);
		break;
	case V_REQUEUE:
		end_bio(disk, bio, BLK_STS_DM_REQUEUE);
		break;
	case V_FAIL:
		end_bio(disk, bio, BLK_STS_IOERR);
		break;
	}
}

static void serve_released(struct cc_disk *disk, struct bio_list *released)
{
	struct bio *bio;

	while ((bio = bio_list_pop(released))) {
		if (cc_bio(bio)->epoch)
			send(disk, bio);
		else
			end_hole(disk, bio);
		cond_resched();
	}
}

/* Judge all that came; true if any is held now. */
static bool take_in(struct cc_disk *disk, struct bio_list *came, bool *ret_new)
{
	struct cc_missq *q = &disk->missq;
	bool held = false, starved = false;
	struct bio *bio;

	while ((bio = bio_list_pop(came))) {
		struct cc_bio *pb = cc_bio(bio);
		enum verdict v;

		if (pb->retry == CC_RETRY_DROP)
			cc_slots_drop(disk->slots, cc_entry_slot(pb->entry),
				      cc_entry_gen(pb->entry), true);
		spin_lock(&q->lock);
		v = judge(disk, bio, ret_new, &starved);
		spin_unlock(&q->lock);
		held |= v == V_HELD;
		act(disk, bio, v);
		cond_resched();
	}
	/* Without memory for a miss the next tick tries again. */
	if (!starved) {
		spin_lock(&q->lock);
		retry_backlog(disk);
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
		start_tick(disk, tick_ms(disk));
	start_wanted(disk, &wanted, &new);
	if (new)
		pending |= CHUNKCACHE_PENDING_MISS;
	if (pending)
		disk->ring(disk, pending);
}

/* ---- the helper's side ---- */

/* Does any bio want MISS_DATA, and which bytes does anybody want? */
static void describe(struct cc_disk *disk, struct cc_miss *m, u64 now,
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
		describe(disk, m, now, &ret[got++]);
		set_state(disk, m, MISS_SENT);
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
		set_state(disk, rb_entry(n, struct cc_miss, node), MISS_NEW);
	any = !list_empty(&q->fresh);
	spin_unlock(&q->lock);
	return any;
}

/* Over to the work, which serves them. */
static void release(struct cc_disk *disk, struct bio_list *bios)
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
	m = find(q, chunk);
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
	release(disk, &ready);
	if (bio_list_empty(&m->bios)) {
		end_miss(disk, m, "mapped");
	} else {
		/* They want MISS_DATA, which the helper may not have heard of. */
		set_state(disk, m, MISS_NEW);
		renewed = true;
	}
unlock:
	spin_unlock(&q->lock);
	if (renewed)
		disk->ring(disk, CHUNKCACHE_PENDING_MISS);
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
		release(disk, &m->bios);
		bio_list_init(&m->bios);
		end_miss(disk, m, "hole");
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
	m = find(q, chunk);
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
		end_miss(disk, m, "data");
	} else if (last) {
		set_state(disk, m, MISS_NEW);
		renewed = true;
	}
	spin_unlock(&q->lock);

	end_bios(disk, &full, BLK_STS_OK);
	if (renewed)
		disk->ring(disk, CHUNKCACHE_PENDING_MISS);
	return 0;
}

int cc_miss_fail(struct cc_disk *disk, cc_chunk_t chunk, u64 cookie, blk_status_t status)
{
	struct cc_missq *q = &disk->missq;
	struct bio_list bios;
	struct cc_miss *m;

	spin_lock(&q->lock);
	m = find(q, chunk);
	if (!m || m->cookie != cookie) {
		spin_unlock(&q->lock);
		return m ? -ESTALE : -ENOENT;
	}
	bios = m->bios;
	bio_list_init(&m->bios);
	q->nr_waiting -= bio_list_size(&bios);
	end_miss(disk, m, "failed");
	spin_unlock(&q->lock);
	end_bios(disk, &bios, status);
	return 0;
}

/* Take all held bios out; misses stay.  q->lock is held. */
static void take_all(struct cc_missq *q, struct bio_list *ret)
{
	struct rb_node *n;

	lockdep_assert_held(&q->lock);
	bio_list_merge(ret, &q->backlog);
	bio_list_init(&q->backlog);
	for (n = rb_first(&q->misses); n; n = rb_next(n)) {
		struct cc_miss *m = rb_entry(n, struct cc_miss, node);

		bio_list_merge(ret, &m->bios);
		bio_list_init(&m->bios);
	}
	q->nr_waiting = 0;
}

void cc_miss_refuse(struct cc_disk *disk, bool refused)
{
	struct bio_list bios = BIO_EMPTY_LIST;
	struct cc_missq *q = &disk->missq;
	struct rb_node *n;

	spin_lock(&q->lock);
	q->refused = refused;
	if (refused) {
		take_all(q, &bios);
		while ((n = rb_first(&q->misses)))
			end_miss(disk, rb_entry(n, struct cc_miss, node), "refused");
	}
	spin_unlock(&q->lock);
	end_bios(disk, &bios, BLK_STS_IOERR);
}

/* ---- deadlines ---- */

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
static void expire(struct cc_missq *q, u64 before, struct bio_list *ret)
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

static void cc_miss_tick(struct work_struct *work)
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
		take_all(q, &late);
	else if (timeout && now > timeout)
		expire(q, now - timeout, &late);
	retry_backlog(disk);
	oldest = oldest_held(q);
	if (oldest != U64_MAX)
		say_waiting(disk, now, oldest);
	if (oldest != U64_MAX || q->suspend_deadline)
		again = tick_ms(disk);
	spin_unlock(&q->lock);
	mutex_unlock(disk->cmd);

	end_bios(disk, &late, BLK_STS_TIMEOUT);
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
	take_all(q, &bios);
	spin_unlock(&q->lock);
	mutex_unlock(disk->cmd);
	end_bios(disk, &bios, BLK_STS_DM_REQUEUE);
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

void cc_miss_show(struct cc_disk *disk, const char *name, struct seq_file *seq)
{
	struct cc_missq *q = &disk->missq;
	struct rb_node *n;
	u64 now;

	spin_lock(&q->lock);
	now = ktime_get_ns();
	for (n = rb_first(&q->misses); n; n = rb_next(n)) {
		struct cc_miss *m = rb_entry(n, struct cc_miss, node);

		seq_printf(seq, "%s %llu %s %u %llu %llx\n", name,
			   cc_chunk_nr(m->chunk), m->state == MISS_NEW ? "new" : "sent",
			   bio_list_size(&m->bios), div_u64(now - m->since, NSEC_PER_MSEC),
			   m->cookie);
	}
	spin_unlock(&q->lock);
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
	q->mempool = mempool_create_slab_pool(MISS_RESERVE, miss_cache);
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
	while ((n = rb_first(&q->misses)))
		end_miss(disk, rb_entry(n, struct cc_miss, node), "disk gone");
	spin_unlock(&q->lock);
	mempool_destroy(q->mempool);
}
