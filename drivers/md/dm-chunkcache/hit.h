/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The hit path, a part of map() and end_io() of disks and of volumes: each has it inline.  Each
 * instruction of it is accounted for in Documentation/design.rst.  No lock, no allocation, no
 * shared line written: the pin is a per-CPU counter, the hit byte is written only if it is clear.
 */
#ifndef CC_HIT_H
#define CC_HIT_H

#include <linux/blkdev.h>
#include <linux/device-mapper.h>
#include "disk.h"

/* ---- target.c; any context ---- */

/* No hit: a hole, or somebody has to get it. */
int cc_disk_map_slow(struct cc_disk *disk, struct bio *bio, cc_entry_t entry);
/* The first hit of a marked chunk. */
void cc_disk_hint(struct cc_disk *disk, struct bio *bio);
/* A read that failed; had it been sent to the cache device? */
int cc_disk_end_error(struct cc_disk *disk, struct bio *bio, blk_status_t error, bool sent);

/* A read that ends in its chunk and is not polled. */
static __always_inline int cc_hit_map(struct cc_disk *disk, struct bio *bio)
{
	struct cc_epoch __percpu *epoch;
	struct cc_bio *pb;
	cc_entry_t entry;
	cc_slot_t slot;

	pb = cc_bio_init(bio);

	/* The pin comes before the look at the map and the slot's word, see slot.h. */
	epoch = cc_slots_pin(disk->slots);
	entry = cc_chunk_map_get(&disk->map, cc_disk_chunk(disk, pb->iter.bi_sector));
	slot = cc_entry_slot(entry);
	if (unlikely(!cc_entry_mapped(entry) ||
		     !cc_slots_match(disk->slots, slot, cc_entry_gen(entry)))) {
		cc_epoch_put(epoch);
		return cc_disk_map_slow(disk, bio, entry);
	}
	cc_slots_touch(disk->slots, slot);
	pb->epoch = epoch;
	pb->entry = entry;
	pb->counter = CHUNKCACHE_STAT_HITS;
	bio->bi_iter.bi_sector = cc_disk_remap(disk, bio->bi_iter.bi_sector, slot);
	if (unlikely(cc_entry_marked(entry)))
		cc_disk_hint(disk, bio);
	/* A call into the block layer: last, so that nothing has to be kept over it. */
	bio_set_dev(bio, disk->bdev);
	return DM_MAPIO_REMAPPED;
}

/* A read that was sent to the cache device or ended by us. */
static __always_inline int cc_hit_end(struct cc_disk *disk, struct bio *bio, blk_status_t *error)
{
	struct cc_bio *pb = cc_bio(bio);
	struct cc_epoch __percpu *epoch = pb->epoch;

	if (likely(epoch))
		cc_epoch_put(epoch);
	if (unlikely(*error))
		return cc_disk_end_error(disk, bio, *error, epoch);
	cc_counters_read(disk->counters, pb->counter, pb->iter.bi_size >> SECTOR_SHIFT);
	return DM_ENDIO_DONE;
}

#endif
