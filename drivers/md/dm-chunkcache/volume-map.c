// SPDX-License-Identifier: GPL-2.0-only
/* The way of a bio of a volume through map() and end_io(); see volume.h. */
#include "volume.h"
#include <linux/blkdev.h>
#include "dev.h"
#include "hit.h"

/*
 * A poller that stops polling would keep a cut from ending, or an epoch; and see
 * cc_disk_map_odd().
 */
static void make_unpolled(struct bio *bio)
{
	if (unlikely(bio->bi_opf & REQ_POLLED)) {
		bio_clear_polled(bio);
		bio->bi_opf &= ~REQ_NOWAIT;
	}
}

static void cut_to(struct bio *bio, unsigned int sectors)
{
	if (bio_sectors(bio) > sectors)
		dm_accept_partial_bio(bio, sectors);
}

/* ---- reads ---- */

/*
 * How many blocks from block on, up to max, can be read together with the first, which has
 * place.
 */
static unsigned int contiguous(const struct cc_volume *v, unsigned long word, unsigned int block,
			       u64 place, unsigned int max)
{
	unsigned int n;

	if (place & CC_PLACE_DATA)
		max = min(max, v->block_mask + 1 - cc_place_block(place));
	for (n = 1; n < max; n++) {
		u64 next = cc_overlay_place(word, block + n);

		if (place & CC_PLACE_DATA ? next != place + (n << CC_PLACE_BLOCK_SHIFT) :
					    next & CC_PLACE_DATA || !next != !place)
			break;
	}
	return n;
}

static noinline int read_zeros(struct bio *bio)
{
	cc_volume_bio_init(bio)->pb.counter = CHUNKCACHE_STAT_HOLES;
	zero_fill_bio(bio);
	bio_endio(bio);
	return DM_MAPIO_SUBMITTED;
}

/* A read of blocks of one chunk that have their places, in one log chunk, from this one on. */
static __always_inline int map_to_place(struct cc_volume *v, struct bio *bio, u64 place)
{
	struct cc_disk *disk = &v->disk;

	/* May be one of several parts, the last, too: see cc_disk_may_refuse(). */
	bio->bi_opf &= ~REQ_NOWAIT;
	if (likely(place & CC_PLACE_DATA))
		bio->bi_iter.bi_sector =
			((sector_t)(v->first_log + cc_place_index(place)) << disk->chunk_shift) +
			(cc_place_block(place) << CC_SECTORS_PER_BLOCK_SHIFT) +
			(bio->bi_iter.bi_sector & (CC_SECTORS_PER_BLOCK - 1));
	else if (place)
		return read_zeros(bio);
	return cc_hit_map(disk, bio);
}

/* Of several blocks those that are contiguous. */
static noinline int map_blocks(struct cc_volume *v, struct bio *bio, unsigned long word)
{
	unsigned int in_chunk = cc_disk_in_chunk(&v->disk, bio->bi_iter.bi_sector);
	unsigned int block = in_chunk >> CC_SECTORS_PER_BLOCK_SHIFT;
	unsigned int in_block = in_chunk & (CC_SECTORS_PER_BLOCK - 1);
	unsigned int blocks = DIV_ROUND_UP(in_block + bio_sectors(bio), CC_SECTORS_PER_BLOCK);
	u64 place = cc_overlay_place(word, block);

	blocks = contiguous(v, word, block, place, blocks);
	cut_to(bio, (blocks << CC_SECTORS_PER_BLOCK_SHIFT) - in_block);
	return map_to_place(v, bio, place);
}

/* In a chunk of which something was written.  Apart, as map_blocks(): others save few registers. */
static noinline int map_overlaid(struct cc_volume *v, struct bio *bio, unsigned long word)
{
	unsigned int in_chunk = cc_disk_in_chunk(&v->disk, bio->bi_iter.bi_sector);
	unsigned int block = in_chunk >> CC_SECTORS_PER_BLOCK_SHIFT;

	if (unlikely((in_chunk & (CC_SECTORS_PER_BLOCK - 1)) + bio_sectors(bio) >
		     CC_SECTORS_PER_BLOCK))
		return map_blocks(v, bio, word);
	return map_to_place(v, bio, cc_overlay_place(word, block));
}

/*
 * Not RUNNING.  What is held can't be cut later, and nobody knows yet where the places stop being
 * contiguous: a block at a time.
 */
static noinline int read_blocked(struct cc_volume *v, struct bio *bio)
{
	unsigned int in_block = bio->bi_iter.bi_sector & (CC_SECTORS_PER_BLOCK - 1);
	unsigned long flags;

	spin_lock_irqsave(&v->lock, flags);
	if (v->log.state == CHUNKCACHE_VOLUME_NEW) {
		cut_to(bio, CC_SECTORS_PER_BLOCK - in_block);
		cc_volume_bio_init(bio);
		cc_hold_add(v, &v->held, bio);
		spin_unlock_irqrestore(&v->lock, flags);
		return DM_MAPIO_SUBMITTED;
	}
	spin_unlock_irqrestore(&v->lock, flags);
	if (cc_volume_state(v) == CHUNKCACHE_VOLUME_RUNNING)
		return cc_volume_map(v->disk.ti, bio);
	return DM_MAPIO_KILL;
}

void cc_volume_read_again(struct cc_volume *v, struct bio *bio)
{
	switch (cc_volume_map(v->disk.ti, bio)) {
	case DM_MAPIO_REMAPPED:
		dm_submit_bio_remap(bio, NULL);
		break;
	case DM_MAPIO_KILL:
		cc_hold_end(bio, BLK_STS_IOERR);
		break;
	}
}

/* ---- writes ---- */

/* It has its place: there it goes. */
static __always_inline void aim_write(struct cc_volume *v, struct bio *bio,
				      struct cc_volume_bio *vb)
{
	vb->kind = CC_VB_WRITE;
	vb->fua = bio->bi_opf & REQ_FUA;
	bio->bi_opf &= ~(REQ_FUA | REQ_NOWAIT);
	bio->bi_iter.bi_sector = vb->sector;
	bio_set_dev(bio, v->disk.bdev);
}

static bool write_refused(const struct cc_volume *v)
{
	lockdep_assert_held(&v->lock);
	return v->log.state == CHUNKCACHE_VOLUME_FAILED || v->log.journal_failed;
}

/* It has no place; true if it may wait for one. */
static noinline bool write_held(struct cc_volume *v, struct bio *bio)
{
	lockdep_assert_held(&v->lock);
	if (write_refused(v))
		return false;
	/* The work places it whole. */
	cut_to(bio, v->whole_max << CC_SECTORS_PER_BLOCK_SHIFT);
	cc_volume_bio(bio)->pb.iter = bio->bi_iter;
	cc_hold_add(v, &v->held, bio);
	return true;
}

/* Not now, or not to these blocks. */
static noinline bool write_blocked(const struct cc_volume *v, u64 block, u32 blocks)
{
	return v->log.blocked & ~CC_BLOCKED_PARTIAL || cc_partial_overlaps(v, block, blocks);
}

/*
 * What of it has a place, if it can have one now; with what the log chunk had no room for core
 * comes again.
 */
static noinline bool take_slowly(struct cc_volume *v, struct bio *bio, struct cc_volume_bio *vb,
				 u32 blocks)
{
	vb->blocks = blocks;
	if (!cc_log_take(v, vb, false))
		return false;
	if (vb->blocks < blocks) {
		cut_to(bio, vb->blocks << CC_SECTORS_PER_BLOCK_SHIFT);
		vb->pb.iter = bio->bi_iter;
	}
	return true;
}

static __always_inline u64 *leaf_entry(struct cc_volume *v, sector_t sector, gfp_t gfp)
{
	cc_chunk_t chunk = cc_disk_chunk(&v->disk, sector);
	u64 *leaf = cc_overlay_leaf_of(cc_overlay_word(&v->overlay, chunk));

	if (unlikely(!leaf))
		leaf = cc_overlay_make_leaf(&v->overlay, chunk, gfp);
	if (unlikely(!leaf))
		return NULL;
	return leaf + (sector >> CC_SECTORS_PER_BLOCK_SHIFT & v->block_mask);
}

static noinline int map_unaligned(struct cc_volume *v, struct bio *bio);

static noinline int map_write(struct cc_volume *v, struct bio *bio)
{
	sector_t sector = bio->bi_iter.bi_sector;
	unsigned int in_chunk = cc_disk_in_chunk(&v->disk, sector);
	struct cc_volume_bio *vb;
	u32 blocks;

	if (unlikely((in_chunk | bio_sectors(bio)) & (CC_SECTORS_PER_BLOCK - 1)))
		return map_unaligned(v, bio);
	make_unpolled(bio);
	cut_to(bio, v->chunk_sectors - in_chunk);
	vb = cc_volume_bio_init(bio);
	vb->block = sector >> CC_SECTORS_PER_BLOCK_SHIFT;
	vb->entry = leaf_entry(v, sector, GFP_NOWAIT | __GFP_NOWARN);
	blocks = bio_sectors(bio) >> CC_SECTORS_PER_BLOCK_SHIFT;

	spin_lock_irq(&v->lock);
	if ((unlikely(v->log.blocked) && write_blocked(v, vb->block, blocks)) ||
	    unlikely(!vb->entry) ||
	    (!cc_log_take_quick(v, vb, blocks) && !take_slowly(v, bio, vb, blocks))) {
		bool held = write_held(v, bio);

		spin_unlock_irq(&v->lock);
		return held ? DM_MAPIO_SUBMITTED : DM_MAPIO_KILL;
	}
	spin_unlock_irq(&v->lock);
	aim_write(v, bio, vb);
	return DM_MAPIO_REMAPPED;
}

/* The log chunk that it has its place in, which has a slot as long as that is LOG. */
static cc_entry_t log_entry_of(const struct cc_volume *v, const struct cc_volume_bio *vb)
{
	return cc_chunk_map_get(&v->disk.map, cc_chunk(v->first_log + cc_place_index(vb->place)));
}

/* What of the slot that a write failed in; it stays until it is clean. */
static void mark_failed_slot(struct cc_volume *v, struct cc_volume_bio *vb)
{
	cc_entry_t e = log_entry_of(v, vb);

	cc_slots_failed(v->disk.slots, cc_entry_slot(e), cc_entry_gen(e), vb->error);
}

bool cc_volume_write_again(struct cc_volume *v, struct bio *bio)
{
	struct cc_volume_bio *vb = cc_volume_bio(bio);
	u32 blocks = bio_sectors(bio) >> CC_SECTORS_PER_BLOCK_SHIFT;
	bool taken = false;

	if (vb->tries)
		mark_failed_slot(v, vb);
	vb->blocks = blocks;
	if (!vb->entry)
		vb->entry = leaf_entry(v, bio->bi_iter.bi_sector, GFP_NOIO);
	if (!vb->entry)
		return false;
	spin_lock_irq(&v->lock);
	if (!(v->log.blocked & CC_BLOCKED_STATE) &&
	    (cc_partial_carries(bio) || !cc_partial_overlaps(v, vb->block, blocks)))
		taken = cc_log_take(v, vb, true);
	spin_unlock_irq(&v->lock);
	if (!taken)
		return false;
	aim_write(v, bio, vb);
	dm_submit_bio_remap(bio, NULL);
	return true;
}

static void end_waited(struct cc_journal_wait *w, blk_status_t status)
{
	cc_hold_end(container_of(w, struct cc_volume_bio, wait)->bio, status);
}

/* It ends when all records up to seq are durable, which may be now. */
static void wait_for_journal(struct cc_volume *v, struct bio *bio, u64 seq)
{
	struct cc_volume_bio *vb = cc_volume_bio(bio);

	vb->kind = CC_VB_OURS;
	vb->bio = bio;
	vb->wait.done = end_waited;
	cc_journal_wait(v->journal, &vb->wait, seq);
}

/*
 * The medium failed.  Its place stays unused, as does what is left of that log chunk; again in
 * another one.
 */
static noinline int end_failed_write(struct cc_volume *v, struct bio *bio, blk_status_t error)
{
	struct cc_volume_bio *vb = cc_volume_bio(bio);
	unsigned long flags;
	bool again;

	DMERR_LIMIT("%s: write to slot %u of the cache device failed (errno %d)",
		    v->disk.dev->name, cc_slot_nr(cc_entry_slot(log_entry_of(v, vb))),
		    blk_status_to_errno(error));
	vb->kind = CC_VB_OURS;
	vb->error = cc_io_error(-blk_status_to_errno(error));
	bio->bi_iter = vb->pb.iter;
	if (vb->fua)
		bio->bi_opf |= REQ_FUA;
	bio->bi_opf &= ~REQ_FAILFAST_MASK;
	spin_lock_irqsave(&v->lock, flags);
	cc_log_abandon(v, vb->place);
	cc_journal_release(v->journal, 1);
	cc_log_put(v, vb->parity);
	again = ++vb->tries < CC_WRITE_TRIES && !write_refused(v);
	if (again)
		cc_hold_add(v, cc_partial_carries(bio) ? &v->merged : &v->held, bio);
	spin_unlock_irqrestore(&v->lock, flags);
	if (again)
		return DM_ENDIO_INCOMPLETE;
	cc_stats_inc_volume(v->disk.stats, CHUNKCACHE_STAT_WRITE_ERRORS, 1);
	return DM_ENDIO_DONE;
}

/* durability=store; false: it is there. */
static bool wait_for_store(struct cc_volume *v, struct bio *bio)
{
	unsigned long flags;
	bool waits;

	spin_lock_irqsave(&v->lock, flags);
	waits = cc_commit_wait(v, bio);
	spin_unlock_irqrestore(&v->lock, flags);
	return waits;
}

/* The volume's lock is held. */
static __always_inline void raise_blocks(const struct cc_volume_bio *vb)
{
	u64 *entry = vb->entry, *end = entry + vb->blocks, place = vb->place;

	for (; entry < end; entry++, place += 1 << CC_PLACE_BLOCK_SHIFT)
		cc_overlay_raise(entry, place);
}

static noinline int end_write(struct cc_volume *v, struct cc_volume_bio *vb)
{
	unsigned long flags;

	spin_lock_irqsave(&v->lock, flags);
	raise_blocks(vb);
	cc_log_add_lazily(v, vb);
	cc_log_put(v, vb->parity);
	spin_unlock_irqrestore(&v->lock, flags);
	cc_counters_written(v->disk.counters, vb->blocks << CC_SECTORS_PER_BLOCK_SHIFT);
	return DM_ENDIO_DONE;
}

static noinline int end_fua_write(struct cc_volume *v, struct bio *bio, struct cc_volume_bio *vb)
{
	unsigned long flags;
	u64 seq;

	spin_lock_irqsave(&v->lock, flags);
	raise_blocks(vb);
	cc_log_add(v, CC_JOURNAL_WRITE, vb->block, vb->place, vb->blocks);
	seq = v->log.seq;
	cc_log_put(v, vb->parity);
	spin_unlock_irqrestore(&v->lock, flags);
	cc_counters_written(v->disk.counters, vb->blocks << CC_SECTORS_PER_BLOCK_SHIFT);
	cc_stats_inc_volume(v->disk.stats, CHUNKCACHE_STAT_FUAS, 1);
	if (v->disk.args.durable_store)
		return wait_for_store(v, bio) ? DM_ENDIO_INCOMPLETE : DM_ENDIO_DONE;
	wait_for_journal(v, bio, seq);
	return DM_ENDIO_INCOMPLETE;
}

/* ---- the rest ---- */

static int map_flush(struct cc_volume *v, struct bio *bio)
{
	unsigned long flags;
	bool refused;
	u64 seq;

	cc_volume_bio_init(bio);
	spin_lock_irqsave(&v->lock, flags);
	refused = write_refused(v);
	cc_log_hand_over(v);
	seq = v->log.seq;
	spin_unlock_irqrestore(&v->lock, flags);
	if (refused)
		return DM_MAPIO_KILL;
	cc_stats_inc_volume(v->disk.stats, CHUNKCACHE_STAT_FLUSHES, 1);
	if (!v->disk.args.durable_store)
		wait_for_journal(v, bio, seq);
	else if (!wait_for_store(v, bio))
		cc_hold_end(bio, BLK_STS_OK);
	return DM_MAPIO_SUBMITTED;
}

static int hold_for_work(struct cc_volume *v, struct bio_list *list, struct bio *bio)
{
	unsigned long flags;
	bool refused;

	cc_volume_bio_init(bio);
	spin_lock_irqsave(&v->lock, flags);
	refused = write_refused(v);
	if (!refused)
		cc_hold_add(v, list, bio);
	spin_unlock_irqrestore(&v->lock, flags);
	return refused ? DM_MAPIO_KILL : DM_MAPIO_SUBMITTED;
}

/* A discard may be of parts, too: it leaves those. */
static int map_zeros(struct cc_volume *v, struct bio *bio)
{
	if ((bio->bi_iter.bi_sector | bio_sectors(bio)) & (CC_SECTORS_PER_BLOCK - 1) &&
	    bio_op(bio) != REQ_OP_DISCARD)
		return map_unaligned(v, bio);
	return hold_for_work(v, &v->zeros, bio);
}

/* It begins or ends within a block: what comes first of it, whole blocks or a part of one. */
static noinline int map_unaligned(struct cc_volume *v, struct bio *bio)
{
	unsigned int in_block = bio->bi_iter.bi_sector & (CC_SECTORS_PER_BLOCK - 1);

	if (!v->partials)
		return DM_MAPIO_KILL;
	make_unpolled(bio);
	if (in_block || bio_sectors(bio) < CC_SECTORS_PER_BLOCK) {
		cut_to(bio, CC_SECTORS_PER_BLOCK - in_block);
		return hold_for_work(v, &v->parts, bio);
	}
	cut_to(bio, round_down(bio_sectors(bio), CC_SECTORS_PER_BLOCK));
	return bio_op(bio) == REQ_OP_WRITE ? map_write(v, bio) : map_zeros(v, bio);
}

/* A read that is not as the hit path wants it: make it so and start over. */
static int map_odd_read(struct cc_volume *v, struct bio *bio)
{
	make_unpolled(bio);
	cut_to(bio, v->chunk_sectors - cc_disk_in_chunk(&v->disk, bio->bi_iter.bi_sector));
	return cc_volume_map(v->disk.ti, bio);
}

static noinline int map_other(struct cc_volume *v, struct bio *bio)
{
	switch (bio_op(bio)) {
	case REQ_OP_READ:
		return map_odd_read(v, bio);
	case REQ_OP_WRITE:
	case REQ_OP_FLUSH:
		return map_flush(v, bio);
	case REQ_OP_DISCARD:
	case REQ_OP_WRITE_ZEROES:
		return map_zeros(v, bio);
	default:
		return DM_MAPIO_KILL;
	}
}

static __always_inline int map_read(struct cc_volume *v, struct bio *bio)
{
	sector_t sector = bio->bi_iter.bi_sector;
	unsigned long word;

	if (unlikely(cc_disk_in_chunk(&v->disk, sector) + bio_sectors(bio) > v->chunk_sectors))
		return map_other(v, bio);
	if (unlikely(cc_volume_state(v) != CHUNKCACHE_VOLUME_RUNNING))
		return read_blocked(v, bio);
	word = cc_overlay_word(&v->overlay, cc_disk_chunk(&v->disk, sector));
	if (unlikely(word))
		return map_overlaid(v, bio, word);
	return cc_hit_map(&v->disk, bio);
}

int cc_volume_map(struct dm_target *ti, struct bio *bio)
{
	if (likely(!(bio->bi_opf & (REQ_OP_MASK | REQ_POLLED))))
		return map_read(ti->private, bio);
	if (bio_op(bio) == REQ_OP_WRITE && likely(bio->bi_iter.bi_size))
		return map_write(ti->private, bio);
	return map_other(ti->private, bio);
}

int cc_volume_end_io(struct dm_target *ti, struct bio *bio, blk_status_t *error)
{
	struct cc_volume *v = ti->private;
	struct cc_volume_bio *vb;

	if (bio_op(bio) == REQ_OP_READ)
		return cc_hit_end(&v->disk, bio, error);
	vb = cc_volume_bio(bio);
	if (vb->kind == CC_VB_OURS)
		return DM_ENDIO_DONE;
	if (unlikely(*error))
		return end_failed_write(v, bio, *error);
	if (unlikely(vb->fua))
		return end_fua_write(v, bio, vb);
	return end_write(v, vb);
}
