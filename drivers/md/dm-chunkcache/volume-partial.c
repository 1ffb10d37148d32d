// SPDX-License-Identifier: GPL-2.0-only
/*
 * Writes and write-zeroes smaller than a block.  The way of them is in volume.h.
 *
 * The first bio of a block carries its read and its write: it is lent our page, and ends here.  So
 * the read is one of those of map(), with misses and all, and the write one of those that are held.
 */
#include "volume.h"
#include <linux/bvec.h>
#include <linux/highmem.h>
#include <linux/slab.h>
#include "target.h"

/* Blocks at a time; what comes for others waits.  Each has a page of its own. */
#define NR_PARTIALS	16

/* What each means is in volume.h.  In the order in which a block goes through them. */
enum partial_state {
	PARTIAL_FREE,
	PARTIAL_NEW,
	PARTIAL_DRAINING,
	PARTIAL_DRAINED,
	PARTIAL_READING,
	PARTIAL_READ,
	PARTIAL_WRITING,
};

struct cc_partial {
	struct cc_volume *volume;
	enum partial_state state;	/* set_partial_state() */
	struct bio *carrier;
	struct bio_list more;		/* further writes to the block, in the order they came */
	u64 block;
	struct bio_vec page;		/* that is lent to the carrier */
	/* Of the carrier, as it came. */
	bio_end_io_t *end_io;
	struct bio_vec *io_vec;
	struct bvec_iter iter;
	blk_opf_t opf;
};

/* ---- the table ---- */

int cc_partial_init(struct cc_volume *v)
{
	struct page *page;
	unsigned int i;

	v->partials = kcalloc(NR_PARTIALS, sizeof(*v->partials), GFP_KERNEL);
	if (!v->partials)
		return -ENOMEM;
	for (i = 0; i < NR_PARTIALS; i++) {
		page = alloc_page(GFP_KERNEL);
		if (!page) {
			cc_partial_exit(v);
			return -ENOMEM;
		}
		v->partials[i].volume = v;
		v->partials[i].page = (struct bio_vec){ .bv_page = page, .bv_len = CC_BLOCK_SIZE };
	}
	return 0;
}

void cc_partial_exit(struct cc_volume *v)
{
	unsigned int i;

	for (i = 0; v->partials && i < NR_PARTIALS; i++)
		if (v->partials[i].page.bv_page)
			__free_page(v->partials[i].page.bv_page);
	kfree(v->partials);
	v->partials = NULL;
}

bool cc_partial_overlaps(const struct cc_volume *v, u64 block, u64 n)
{
	const struct cc_partial *p;

	lockdep_assert_held(&v->lock);
	if (!(v->log.blocked & CC_BLOCKED_PARTIAL))
		return false;
	for (p = v->partials; p < v->partials + NR_PARTIALS; p++)
		if (p->state != PARTIAL_FREE && p->block >= block && p->block - block < n)
			return true;
	return false;
}

static bool partial_change_ok(enum partial_state from, enum partial_state to)
{
	switch (from) {
	case PARTIAL_FREE:
		return to == PARTIAL_NEW;
	case PARTIAL_NEW:
		return to == PARTIAL_DRAINING;
	case PARTIAL_DRAINING:
		return to == PARTIAL_DRAINED;
	case PARTIAL_DRAINED:
		return to == PARTIAL_READING;
	case PARTIAL_READING:
		return to == PARTIAL_READ || to == PARTIAL_FREE;
	case PARTIAL_READ:
		return to == PARTIAL_WRITING || to == PARTIAL_FREE;
	case PARTIAL_WRITING:
		return to == PARTIAL_FREE;
	}
	return false;
}

/* The one place that writes the state; who has to look into the table follows. */
static void set_partial_state(struct cc_partial *p, enum partial_state to)
{
	struct cc_volume *v = p->volume;

	lockdep_assert_held(&v->lock);
	/* It is done even so: what was left as it is would be held for ever. */
	WARN_ONCE(!partial_change_ok(p->state, to), "chunkcache: part of a block: %u -> %u",
		  p->state, to);
	v->nr_partials += p->state == PARTIAL_FREE;
	v->nr_partials -= to == PARTIAL_FREE;
	p->state = to;
	if (v->nr_partials)
		v->log.blocked |= CC_BLOCKED_PARTIAL;
	else
		v->log.blocked &= ~CC_BLOCKED_PARTIAL;
}

/* All that are in one state go on to the next. */
static void advance_partials(struct cc_volume *v, enum partial_state from)
{
	struct cc_partial *p;

	lockdep_assert_held(&v->lock);
	for (p = v->partials; p < v->partials + NR_PARTIALS; p++)
		if (p->state == from)
			set_partial_state(p, from + 1);
}

void cc_partial_drain(struct cc_volume *v)
{
	advance_partials(v, PARTIAL_NEW);
}

void cc_partial_drained(struct cc_volume *v)
{
	advance_partials(v, PARTIAL_DRAINING);
}

/* ---- the carrier ---- */

static void give_back_carrier(struct cc_partial *p)
{
	struct bio *bio = p->carrier;

	bio->bi_end_io = p->end_io;
	bio->bi_io_vec = p->io_vec;
	bio->bi_iter = p->iter;
	bio->bi_opf = p->opf;
	cc_volume_bio(bio)->kind = CC_VB_OURS;
}

/* For all of the block. */
static void aim_carrier(struct cc_partial *p, blk_opf_t opf)
{
	struct bio *bio = p->carrier;

	bio->bi_opf = opf | REQ_SYNC;
	bio->bi_iter = (struct bvec_iter){
		.bi_sector = p->block << CC_SECTORS_PER_BLOCK_SHIFT,
		.bi_size = CC_BLOCK_SIZE,
	};
	cc_bio(bio)->iter = bio->bi_iter;
}

/* What of the guest's is in the block now.  end_write() counted one write of a block. */
static void count_written(struct cc_volume *v, const struct bio_list *bios)
{
	u64 writes = 0, sectors = 0, zeros = 0, zero_sectors = 0;
	struct bio *bio;

	bio_list_for_each(bio, bios) {
		if (bio_op(bio) == REQ_OP_WRITE_ZEROES) {
			zeros++;
			zero_sectors += bio_sectors(bio);
			continue;
		}
		writes++;
		sectors += bio_sectors(bio);
	}
	cc_stats_inc_volume(v->disk.stats, CHUNKCACHE_STAT_WRITES, writes - 1);
	cc_stats_inc_volume(v->disk.stats, CHUNKCACHE_STAT_WRITTEN_SECTORS,
			    sectors - CC_SECTORS_PER_BLOCK);
	cc_stats_inc_volume(v->disk.stats, CHUNKCACHE_STAT_PARTS, writes + zeros);
	cc_stats_inc_volume(v->disk.stats, CHUNKCACHE_STAT_ZEROS, zeros);
	cc_stats_inc_volume(v->disk.stats, CHUNKCACHE_STAT_DISCARDED_SECTORS, zero_sectors);
}

/* The block is anybody's again. */
static void end_partial(struct cc_partial *p, blk_status_t status)
{
	struct cc_volume *v = p->volume;
	struct bio *bio = p->carrier;
	struct bio_list bios;
	unsigned long flags;

	give_back_carrier(p);
	spin_lock_irqsave(&v->lock, flags);
	bios = p->more;
	set_partial_state(p, PARTIAL_FREE);
	/* What was held for it, or waits to be taken. */
	cc_hold_kick(v);
	spin_unlock_irqrestore(&v->lock, flags);
	bio_list_add_head(&bios, bio);
	if (!status)
		count_written(v, &bios);
	/* With the last of them v may be gone. */
	while ((bio = bio_list_pop(&bios)))
		cc_hold_end(bio, status);
}

static void end_carrier(struct bio *bio)
{
	struct cc_partial *p = container_of(bio->bi_io_vec, struct cc_partial, page);
	struct cc_volume *v = p->volume;
	blk_status_t status = bio->bi_status;
	unsigned long flags;

	if (cc_volume_end_io(v->disk.ti, bio, &status) == DM_ENDIO_INCOMPLETE)
		return;
	if (status || p->state != PARTIAL_READING) {
		end_partial(p, status);
		return;
	}
	aim_carrier(p, REQ_OP_WRITE);
	spin_lock_irqsave(&v->lock, flags);
	set_partial_state(p, PARTIAL_READ);
	cc_hold_add(v, &v->merged, bio);
	spin_unlock_irqrestore(&v->lock, flags);
}

bool cc_partial_carries(const struct bio *bio)
{
	return bio->bi_end_io == end_carrier;
}

static void lend_page(struct cc_partial *p, struct bio *bio)
{
	p->carrier = bio;
	p->end_io = bio->bi_end_io;
	p->io_vec = bio->bi_io_vec;
	p->iter = bio->bi_iter;
	p->opf = bio->bi_opf;
	bio->bi_end_io = end_carrier;
	bio->bi_io_vec = &p->page;
}

/* ---- the work's part ---- */

static u64 block_of(const struct bio *bio)
{
	return bio->bi_iter.bi_sector >> CC_SECTORS_PER_BLOCK_SHIFT;
}

/*
 * Where a write to this block may go: to one that will be merged, a free one, or none now.  Only
 * the work makes more of them.
 */
static struct cc_partial *find_partial(struct cc_volume *v, u64 block)
{
	struct cc_partial *p, *free = NULL;

	lockdep_assert_held(&v->lock);
	for (p = v->partials; p < v->partials + NR_PARTIALS; p++) {
		if (p->state == PARTIAL_FREE)
			free = p;
		else if (p->block == block)
			return p->state <= PARTIAL_READ ? p : NULL;
	}
	return free;
}

static void add_partial(struct cc_volume *v, struct cc_partial *p, struct bio *bio)
{
	lockdep_assert_held(&v->lock);
	if (p->state != PARTIAL_FREE) {
		bio_list_add(&p->more, bio);
		return;
	}
	set_partial_state(p, PARTIAL_NEW);
	p->block = block_of(bio);
	bio_list_init(&p->more);
	lend_page(p, bio);
	cc_log_wish_drain(v);
}

void cc_partial_take(struct cc_volume *v)
{
	struct bio_list stay = BIO_EMPTY_LIST;
	struct cc_partial *p;
	struct bio *bio;

	spin_lock_irq(&v->lock);
	while (!(v->log.blocked & CC_BLOCKED_STATE) && (bio = bio_list_pop(&v->parts))) {
		p = find_partial(v, block_of(bio));
		if (p) {
			v->nr_held--;
			add_partial(v, p, bio);
		} else {
			bio_list_add(&stay, bio);
		}
	}
	bio_list_merge(&stay, &v->parts);
	v->parts = stay;
	spin_unlock_irq(&v->lock);
}

void cc_partial_read(struct cc_volume *v)
{
	struct cc_partial *p;
	bool drained;

	for (p = v->partials; p && p < v->partials + NR_PARTIALS; p++) {
		spin_lock_irq(&v->lock);
		drained = p->state == PARTIAL_DRAINED;
		if (drained)
			set_partial_state(p, PARTIAL_READING);
		spin_unlock_irq(&v->lock);
		if (!drained)
			continue;
		aim_carrier(p, REQ_OP_READ);
		cc_volume_read_again(v, p->carrier);
	}
}

static void merge_part(struct cc_partial *p, blk_opf_t opf, struct bio_vec *io_vec,
		       struct bvec_iter iter)
{
	size_t at = (iter.bi_sector & (CC_SECTORS_PER_BLOCK - 1)) << SECTOR_SHIFT;
	struct bvec_iter i;
	struct bio_vec bv;
	char *data;

	data = kmap_local_page(p->page.bv_page);
	if ((opf & REQ_OP_MASK) == REQ_OP_WRITE_ZEROES) {
		memset(data + at, 0, iter.bi_size);
	} else {
		for_each_bvec(bv, io_vec, i, iter) {
			memcpy_from_bvec(data + at, &bv);
			at += bv.bv_len;
		}
	}
	kunmap_local(data);
}

/* All that wait for the block, in the order they came. */
static void merge_parts(struct cc_partial *p)
{
	blk_opf_t fua = p->opf & REQ_FUA;
	struct bio *bio;

	merge_part(p, p->opf, p->io_vec, p->iter);
	bio_list_for_each(bio, &p->more) {
		merge_part(p, bio->bi_opf, bio->bi_io_vec, bio->bi_iter);
		fua |= bio->bi_opf & REQ_FUA;
	}
	p->carrier->bi_opf |= fua;
	cc_volume_bio(p->carrier)->block = p->block;
	cc_volume_bio(p->carrier)->entry = NULL;
}

bool cc_partial_write(struct cc_volume *v, struct bio *carrier)
{
	struct cc_partial *p = container_of(carrier->bi_io_vec, struct cc_partial, page);

	if (p->state == PARTIAL_READ) {
		merge_parts(p);
		spin_lock_irq(&v->lock);
		set_partial_state(p, PARTIAL_WRITING);
		spin_unlock_irq(&v->lock);
	}
	return cc_volume_write_again(v, carrier);
}
